"""`make run` as a process: started over a data directory, watched and ended from outside."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from opsportal.dynamo import embedded
from opsportal.supervisor import free_port, signal_on_parent_death
from tests.engines import BASE_DIR, ENGINE_HOME
from tests.processes import all_end, command_of, descendants

REAL_QUEUE = "https://sqs.eu-west-1.amazonaws.com/1/real"
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


def _before_exec() -> None:
    # A shell starts what is in its background, such as these tests, deaf to Ctrl-C, and nohup what it starts to SIGHUP.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # Tests that are killed leave no console behind, whose simulator would keep the machine busy.
    signal_on_parent_death(signal.SIGTERM)


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
                preexec_fn=_before_exec,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def _last(self) -> str:
        """The end of the output: a server that fails at each request writes megabytes."""
        return f"...\n{self.output[-4000:]}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environ['PORT']}"

    @property
    def data_dir(self) -> Path:
        return Path(self.environ["DATA_DIR"])

    @property
    def password(self) -> str:
        return self._said(r"password (\S+)")

    def wait_until_ready(self, seconds: float = 600) -> "Run":
        deadline = time.monotonic() + seconds
        while "Ctrl-C" not in self.output:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self._last()}"
            assert time.monotonic() < deadline, f"not ready within {seconds} s: {self._last()}"
            time.sleep(0.05)
        return self

    def children(self) -> list[int]:
        return descendants(self.process.pid)

    def ends(self, act: Callable[[], object], status: int) -> None:
        """After ``act()`` it and all of its children end, it with that status; nothing crashed."""
        children = self.children()
        act()
        assert self.process.wait(20) == status
        assert all_end(children)
        assert "Traceback" not in self.output

    def end(self) -> None:
        """Orderly if it can, and at any rate with all of its children."""
        left = self.children()
        self.process.terminate()  # coverage is written at an orderly end
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

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
def start(tmp_path: Path, first_start: "FirstStart") -> Iterator[Callable[..., Run]]:
    """``start(data_dir, NAME="value", ...)``: a run of the console, ended with the test.

    ``measured=True`` counts it for coverage.
    """
    runs: list[Run] = []

    def begin(
        data_dir: Path, *, command: list[str] | None = None, measured: bool = False, **environ: str
    ) -> Run:
        output = tmp_path / f"output-{len(runs)}"
        environ = environment(data_dir, measured=measured, **first_start.static, **environ)
        runs.append(Run(environ, output, command or PROGRAM))
        return runs[-1]

    yield begin
    for run in runs:
        run.end()


def put_engine(data_dir: Path) -> Path:
    """Give a data directory the engine's binary, so that it is not fetched for each test."""
    target = embedded.binary_path(data_dir)
    target.parent.mkdir(parents=True)
    target.symlink_to(embedded.ensure_binary(ENGINE_HOME))
    return data_dir


@dataclass(frozen=True)
class FirstStart:
    """A start over an empty directory, with demo data and the simulator, and what it left there."""

    data_dir: Path
    output: str

    @property
    def static(self) -> dict[str, str]:
        """The setting by which others use the static files that it collected: to compress them takes six seconds."""
        return {"STATIC_ROOT": str(self.data_dir.resolve() / "static")}


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """One for all workers of the test run: it is the dearest of the starts."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, output = shared / "prepared", shared / "prepared-output"
    with (shared / "prepared-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            unfinished = shared / "prepared-output-unfinished"
            run = Run(
                environment(put_engine(folder), measured=True, DEMO="1", SIMULATE="1"), unfinished, PROGRAM
            )
            try:
                run.wait_until_ready()
                with urllib.request.urlopen(f"{run.url}/accounts/login/", timeout=10) as answer:
                    (style,) = re.findall(r'href="(/static/[^"]*\.css)"', answer.read().decode())
                assert run.get(style) == 200, "served as it was collected, in the same start"
                client = run.dynamodb()
                assert client.scan(TableName="AgentRegistry", Select="COUNT")["Count"] > 3
                client.close()
                assert any("manage.py simulate" in command_of(pid) for pid in run.children())
                run.ends(run.process.terminate, 0)
            finally:
                run.end()
            unfinished.rename(output)
    return FirstStart(folder, output.read_text())


@pytest.fixture
def data_dir(first_start: FirstStart, tmp_path: Path) -> Path:
    """A data directory of this test's own, as a first start leaves it; a start from it is quick."""
    return copied(first_start, tmp_path / "data")


def copied(first_start: FirstStart, folder: Path) -> Path:
    """A copy of all but the static files."""
    return shutil.copytree(
        first_start.data_dir, folder, symlinks=True, ignore=shutil.ignore_patterns("static")
    )


@pytest.fixture(scope="session")
def console(first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Run]]:
    """``console()``: a run that tests share; one that a test has ended is started again."""
    folder = tmp_path_factory.mktemp("console")
    data_dir = copied(first_start, folder / "data")
    runs: list[Run] = []

    def running() -> Run:
        if not runs or runs[-1].process.poll() is not None:
            (data_dir / "run.lock").write_text(
                "1 http://127.0.0.1:8000/\n"
            )  # process 1 lives, and is not ours
            environ = environment(
                data_dir, measured=True, SIMULATE="1", WEB_CONCURRENCY="2", REQUESTS_QUEUE_URL=REAL_QUEUE,
                DEMO_PASSWORD="chosen by me", **first_start.static,
            )  # fmt: skip
            runs.append(Run(environ, folder / f"output-{len(runs)}", PROGRAM))
        return runs[-1].wait_until_ready()

    yield running
    for run in runs:
        run.end()
