""".venv follows the locks, and a half-made one is made good (scripts/venv.py)."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts import venv
from tests.engines import BASE_DIR


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project with locks that name no package, so that nothing is downloaded."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(BASE_DIR / "scripts" / "venv.py", tmp_path / "scripts")
    (tmp_path / "requirements").mkdir()
    for layer in ("demo", "dev"):
        (tmp_path / "requirements" / f"{layer}.txt").write_text(f"# {layer}\n")
    return tmp_path


def ensure(clone: Path, layer: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "scripts/venv.py", layer],
        cwd=clone,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long  # it installs the console's packages; the tests below make no environment in earnest
def test_the_environment_is_made_once_per_lock_and_grows_with_the_layer(clone: Path) -> None:
    assert ensure(clone, "demo") == (0, "Making .venv ...\nInstalling requirements/demo.txt ...\n")
    assert ensure(clone, "demo") == (0, "")
    # The larger layer is added, and serves the smaller one.
    assert ensure(clone, "dev") == (0, "Installing requirements/dev.txt ...\n")
    assert ensure(clone, "demo") == (0, "")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which environments were made; each in no time, and whole as far as venv.py can tell."""
    folders: list[Path] = []

    def make(folder: Path) -> None:
        folders.append(folder)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.setattr(venv, "make", make)
    monkeypatch.setattr(venv, "install", lambda folder, lock: None)
    return folders


def test_a_lock_that_changed_makes_the_environment_again(clone: Path, made: list[Path]) -> None:
    assert venv.ensure(clone, "demo") == "made"
    (clone / "requirements" / "demo.txt").write_text("# demo, newer\n")
    assert venv.ensure(clone, "demo") == "made"
    assert len(made) == 2


def test_an_environment_that_lost_its_python_is_made_again(clone: Path, made: list[Path]) -> None:
    assert venv.ensure(clone, "demo") == "made"
    assert venv.ensure(clone, "demo") == "kept"
    # As after an upgrade of the system.
    (clone / ".venv" / "bin" / "python").unlink()
    assert venv.ensure(clone, "demo") == "made"
    assert len(made) == 2


def test_an_environment_whose_making_was_interrupted_is_made_again(clone: Path, made: list[Path]) -> None:
    venv.ensure(clone, "dev")
    (clone / ".venv" / "locks").unlink()  # written last
    (clone / ".venv" / "left-over").touch()
    assert venv.ensure(clone, "dev") == "made"
    assert not (clone / ".venv" / "left-over").exists()
    assert len(made) == 2


def test_without_pythons_venv_module_the_package_to_install_is_named(clone: Path) -> None:
    # Debian's python3 without python3-venv: there is no ensurepip.
    (clone / "without" / "ensurepip").mkdir(parents=True)
    (clone / "without" / "ensurepip" / "__init__.py").write_text("raise ImportError('not shipped')\n")
    code, said = ensure(clone, "demo", PYTHONPATH=str(clone / "without"))
    assert code == 1
    assert "apt-get install python3-venv" in said
    assert "Traceback" not in said


def test_packages_that_cannot_be_installed_leave_no_environment_that_looks_whole(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def make(folder: Path) -> None:
        """Real, but for a pip of its own: to unpack one takes three seconds."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (site,) = (folder / "lib").glob("python*/site-packages")
        (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")

    monkeypatch.setattr(venv, "make", make)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    (clone / "requirements" / "demo.txt").write_text("no-such-package==1 --hash=sha256:00\n")
    with pytest.raises(venv.RefusalError, match=r"requirements/demo.txt could not be installed: see above"):
        venv.ensure(clone, "demo")
    assert "No matching distribution found for no-such-package==1" in capfd.readouterr().err
    assert not (clone / ".venv" / "locks").exists()
