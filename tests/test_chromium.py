"""Where the browser tests and screenshots look for Chromium."""

from pathlib import Path

import pytest

from scripts.chromium import MISSING, find


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called chromium, in a folder of its own; nothing is on PATH."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    (tmp_path / "bin").mkdir()
    found = tmp_path / "bin" / "chromium"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    return found


def test_the_setting_comes_first(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = tmp_path / "mine"
    program.rename(chosen)
    monkeypatch.setenv("CHROMIUM", str(chosen))
    assert find("/playwrights/own") == str(chosen)


@pytest.mark.usefixtures("program")
def test_a_setting_that_names_no_program_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/no/such/chromium")
    with pytest.raises(FileNotFoundError, match="CHROMIUM is '/no/such/chromium'"):
        find()


def test_then_path_then_playwrights_own(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find() is None
    assert find("/no/such/chromium") is None
    assert find(str(program)) == str(program)
    monkeypatch.setenv("PATH", str(program.parent))
    assert find() == str(program)


def test_without_one_the_commands_that_install_it_are_named() -> None:
    assert "apt-get install -y chromium-headless-shell" in MISSING
    assert "playwright install chromium" in MISSING
