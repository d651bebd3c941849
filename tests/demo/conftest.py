"""The demo of these tests: a small company, and a roster of the test's own."""

from pathlib import Path
from typing import Any

import pytest

from opsportal.demo import requests, workflows


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(workflows, "PER_HOUR", 0.5)
    monkeypatch.setattr(requests, "PER_HOUR", 0.4)
