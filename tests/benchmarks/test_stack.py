"""What the benchmark starts ends with it, and its directory is removed, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import wrk
from benchmarks.stack import ROOT, Console, child, clean, run_to_end
from benchmarks.wrk import CannotRun
from tests.processes import all_end, descendants, eventually

SLEEP = "import subprocess, sys; print('up', flush=True); subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout whose console starts a program and never answers."""
    (tmp_path / "product/opsportal/run").mkdir(parents=True)
    (tmp_path / "product/opsportal/__init__.py").touch()
    (tmp_path / "product/opsportal/run/__init__.py").touch()
    (tmp_path / "product/opsportal/run/__main__.py").write_text(SLEEP)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/wrk").write_text("#!/bin/sh\n")
    (tmp_path / "bin/wrk").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def started(checkout: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "TMPDIR": str(checkout / "tmp"), "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "benchmarks", "--quick", "--product", str(checkout / "product")]
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 1)])
def test_a_signal_ends_all_of_it(checkout: Path, number: int, status: int) -> None:
    process = started(checkout)
    try:
        assert eventually(lambda: len(descendants(process.pid)) >= 2, 60)  # the console, and what it started
        below = descendants(process.pid)
        assert [one.name for one in (checkout / "tmp").glob("opsportal-bench-*/small")] == ["small"]
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == status
        assert said.splitlines()[-1].startswith("Stopped")
        assert all_end(below)
        assert list((checkout / "tmp").iterdir()) == []
    finally:
        process.kill()
        process.wait()


def test_a_console_that_does_not_start_is_said_and_all_is_removed(checkout: Path) -> None:
    (checkout / "product/opsportal/run/__main__.py").write_text("print('no such setting')")
    process = started(checkout)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "did not start:\n    no such setting" in said
    assert list((checkout / "tmp").iterdir()) == []


def test_an_exception_ends_a_child_and_what_it_started(tmp_path: Path) -> None:
    below: list[int] = []

    def broken() -> None:
        with child([sys.executable, "-c", SLEEP], tmp_path / "log", env=clean()) as one:
            assert eventually(lambda: len(descendants(one.pid)) == 1, 30)
            below.extend([one.pid, *descendants(one.pid)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert all_end(below)


def test_a_program_that_fails_is_said_with_its_last_words(tmp_path: Path) -> None:
    program = "import sys; print('so it is', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CannotRun, match=r"ended with 3:\n +so it is"):
        run_to_end([sys.executable, "-c", program], tmp_path / "log", env=clean())


def test_without_wrk_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotRun, match=r"apt-get install wrk"):
        wrk.find()


def test_a_second_console_has_the_static_files_of_the_first(tmp_path: Path) -> None:
    first = Console(ROOT, tmp_path / "first")
    (first.home / "static.sha256").write_text("digest")
    second = Console(ROOT, tmp_path / "second")
    assert (second.home / "static.sha256").read_text() == "digest"
    assert first.env["STATIC_ROOT"] == second.env["STATIC_ROOT"]
    # Nothing of the environment of whoever runs it, but for where programs are.
    assert not {name for name in second.inner_env if name.startswith("DYNAMODB_")}
    assert second.inner_env["AWS_ENDPOINT_URL_DYNAMODB"] == second.engine != first.engine
    assert "AWS_ENDPOINT_URL_DYNAMODB" not in second.env  # or `make run` would take it for AWS
