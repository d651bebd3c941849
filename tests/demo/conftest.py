"""The demo of these tests: a small company, and a roster of the test's own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opsportal.demo import requests, workflows


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(workflows, "PER_HOUR", 0.5)
    monkeypatch.setattr(requests, "PER_HOUR", 0.4)


@pytest.fixture(autouse=True)
def _no_other_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's tests in the same process leave their event loop running, in which no other can be run. It is put
    aside for the run alone: Django's connections are others with a loop than without."""
    run = asyncio.run

    def alone(*arguments: Any, **named: Any) -> Any:
        left = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return run(*arguments, **named)
        finally:
            asyncio._set_running_loop(left)

    monkeypatch.setattr(asyncio, "run", alone)
