"""What the real writers do, through HTTP: of pages, so on one engine (see tests/engines.py)."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.path.is_relative_to(Path(__file__).parent):
        metafunc.definition.add_marker("no_moto")
