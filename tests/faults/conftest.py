"""`make run` as a process: started over a data directory, watched and ended from outside."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from opsportal.dynamo import embedded
from opsportal.supervisor import free_port
from tests.engines import BASE_DIR, ENGINE_HOME
from tests.processes import descendants

PROGRAM = [sys.executable, "-m", "opsportal.run"]
# Which coverage sets for the processes it is to measure. That doubles what a start costs, and the tests
# that watch processes start the same code again and again.
MEASURING = ("COVERAGE_", "COV_")
# What must not reach the console from the tests' own settings, or from a surrounding `make`.
FOREIGN = (
    "AWS_", "DYNAMODB_", "OPSPORTAL_", "MAKE", "MFLAGS", "DJANGO_", "DATA_DIR", "LOG_LEVEL", "PYTEST_",
    "REQUESTS_QUEUE_URL", "WORKFLOW_COMMANDS_QUEUE_URL",
)  # fmt: skip


def environment(data_dir: Path, *, measured: bool = False, **more: str) -> dict[str, str]:
    """The environment of a small run that leaves this machine's data and ports alone."""
    foreign = FOREIGN if measured else (*FOREIGN, *MEASURING)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    small = {"SIMULATE": "0", "DEMO": "0", "WEB_CONCURRENCY": "1"}
    return {**kept, **small, "DATA_DIR": str(data_dir), "PORT": str(free_port()), **more}


class Run:
    """One run of the console. Its output goes to a file, so that no pipe can fill or be inherited."""

    def __init__(self, environ: dict[str, str], output: Path, command: list[str]) -> None:
        self.environ = environ
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=BASE_DIR,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environ['PORT']}"

    @property
    def password(self) -> str:
        return self._said(r"password (\S+)")

    def wait_until_ready(self, seconds: float = 60) -> "Run":
        deadline = time.monotonic() + seconds
        while "Ctrl-C" not in self.output:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"not ready within {seconds} s:\n{self.output}"
            time.sleep(0.02)
        return self

    def children(self) -> list[int]:
        return descendants(self.process.pid)

    def get(self, path: str) -> int:
        """The status of a page."""
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            status: int = response.status
            return status

    def dynamodb(self) -> Any:
        """A client of the engine that the banner names."""
        endpoint = self._said(r"DynamoDB\s+(http://\S+)")
        return boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint)

    def sqs(self) -> Any:
        """A client of the queues that the banner names."""
        endpoint = self._said(r"Queues\s+(http://\S+)")
        return boto3.client("sqs", region_name="us-east-1", endpoint_url=endpoint)

    def _said(self, pattern: str) -> str:
        match = re.search(pattern, self.output)
        assert match, self.output
        return match[1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """``start(data_dir, NAME="value", ...)``: a run of the console, ended with the test.

    ``measured=True`` counts it for coverage.
    """
    runs: list[Run] = []

    def begin(
        data_dir: Path, *, command: list[str] | None = None, measured: bool = False, **environ: str
    ) -> Run:
        output = tmp_path / f"output-{len(runs)}"
        environ = environment(data_dir, measured=measured, **environ)
        runs.append(Run(environ, output, command or PROGRAM))
        return runs[-1]

    yield begin
    for run in runs:
        left = run.children()
        run.process.terminate()  # coverage is written at an orderly end
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(20)
        run.process.kill()
        run.process.wait()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def put_engine(data_dir: Path) -> Path:
    """Give a data directory the engine's binary, so that it is not fetched for each test."""
    target = embedded.binary_path(data_dir)
    target.parent.mkdir(parents=True)
    target.symlink_to(embedded.ensure_binary(ENGINE_HOME))
    return data_dir


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory after its first start: databases made, static files collected."""
    folder = put_engine(tmp_path_factory.mktemp("prepared"))
    output = tmp_path_factory.mktemp("prepared-output") / "output"
    run = Run(environment(folder), output, PROGRAM).wait_until_ready()
    run.process.terminate()
    assert run.process.wait(30) == 0, run.output
    return folder


@pytest.fixture
def data_dir(_prepared: Path, tmp_path: Path) -> Path:
    """A data directory of this test's own, as a first start leaves it; a start from it is quick."""
    return shutil.copytree(_prepared, tmp_path / "data", symlinks=True)
