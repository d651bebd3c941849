"""What is measured, running: a console as `make run` starts it, with its engine and worker, and the floor on the same
engine. Everything on free ports of loopback, in a directory that is removed; every process ends with its block."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import command_of, descendants, until
from benchmarks.reader import Reader
from benchmarks.wrk import CannotRun
from opsportal.dynamo import embedded
from opsportal.supervisor import NotListeningError, die_with, free_port, last_lines, wait_until_listening

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS, STOP_SECONDS = 120, 20
# Of the environment of whoever runs it: no setting of a console, no credential.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "CHROMIUM")


@contextlib.contextmanager
def child(
    command: Sequence[str], log: Path, *, cwd: Path = ROOT, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, whatever ends that, and all that it started."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the benchmark alone
            preexec_fn=die_with(os.getpid()),
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    below = descendants(process.pid)
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Each of the console's processes has a session of its own, and dies with its parent. This waits for them.
    until(lambda: not any(command_of(pid) for pid in below), STOP_SECONDS)


def run_to_end(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str],
    accepted: Sequence[int] = (0,),
) -> str:
    """Its output. Raises CannotRun with the end of its log."""
    with log.open("ab") as errors:
        done = subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            preexec_fn=die_with(os.getpid()), check=False,
        )  # fmt: skip
    if done.returncode not in accepted:
        raise CannotRun(f"`{' '.join(command[1:4])}` ended with {done.returncode}:\n{last_lines(log)}")
    return done.stdout.decode()


def clean(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ} | more


@dataclass
class Console:
    """A console of the checkout `product` with its data in `home`; started and stopped as often as asked."""

    product: Path
    home: Path
    port: int = field(default_factory=free_port)
    engine_port: int = field(default_factory=free_port)
    worker_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir()
        # Collected once: the note of it is in the data directory.
        if note := next(self.home.parent.glob("*/static.sha256"), None):
            shutil.copy(note, self.home)
        self.secret = secrets.token_urlsafe(50)
        # The engine that is here already, or will be for the next run.
        (ROOT / ".data" / "engine").mkdir(parents=True, exist_ok=True)
        (self.home / "engine").symlink_to(ROOT / ".data" / "engine")

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def engine(self) -> str:
        return f"http://127.0.0.1:{self.engine_port}"

    @property
    def env(self) -> dict[str, str]:
        return clean(
            PORT=str(self.port),
            ENGINE_PORT=str(self.engine_port),
            DATA_DIR=str(self.home),
            SECRET_KEY=self.secret,
            DEMO="0",
            SIMULATE="0",
            OPSPORTAL_ENGINE="dynoxide",
            STATIC_ROOT=str(self.home.parent / "static"),
            API_RATE_LIMIT="1000000",
            METRICS_ALLOW="127.0.0.1",
            METRICS_WORKER_PORT=str(self.worker_port),
        )

    @property
    def inner_env(self) -> dict[str, str]:
        """For a command on the tables of this console, as `make run` gives it to its own."""
        kept = {name: value for name, value in self.env.items() if name != "OPSPORTAL_ENGINE"}
        return kept | {
            "AWS_ENDPOINT_URL_DYNAMODB": self.engine,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "DJANGO_SETTINGS_MODULE": "opsportal.settings",
            "ACCESS_LOG": str(self.home / "inner.log"),
        }

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    @contextlib.contextmanager
    def running(self) -> Iterator["Console"]:
        """Until the block ends; it has answered once. Raises CannotRun."""
        command = [sys.executable, "-m", "opsportal.run"]
        with child(command, self.log, cwd=self.product, env=self.env) as process:
            self.process = process
            self.wait(lambda: Reader(self.base).status("/healthz") == 200)
            yield self

    def wait(self, answered: Callable[[], bool]) -> None:
        """Raises CannotRun where it has ended, or does not answer in time."""
        process = self.process
        assert process is not None
        in_time = until(lambda: process.poll() is not None or answered(), START_SECONDS)
        if not in_time or process.poll() is not None:
            raise CannotRun(f"The console of {self.product} did not start:\n{last_lines(self.log)}")

    def seconds_to_first_page(self, headers: Mapping[str, str]) -> float:
        """From its start until the first page is answered; it is stopped again."""
        command = [sys.executable, "-m", "opsportal.run"]
        began = time.monotonic()
        with child(command, self.log, cwd=self.product, env=self.env) as process:
            self.process = process
            self.wait(lambda: Reader(self.base, headers).status("/requests/") == 200)
            return time.monotonic() - began

    def web_pids(self) -> list[int]:
        """Of the web server: its master first, then its workers."""
        assert self.process is not None
        below = [pid for pid in descendants(self.process.pid) if "gunicorn" in command_of(pid)]
        masters = [pid for pid in below if set(descendants(pid)) & set(below)]
        return masters + [pid for pid in below if pid not in masters]

    def inside(self, *arguments: str) -> Any:
        """What benchmarks/inside.py prints, run with this console's code and data."""
        command = [sys.executable, str(ROOT / "benchmarks" / "inside.py"), *arguments]
        return json.loads(run_to_end(command, self.log, cwd=self.product, env=self.inner_env))

    def load(self, workflows: int, requests: int) -> None:
        """Both tables at once, by a process each: the engine takes one call at a time anyway."""
        counts = {"workflows": workflows, "requests": requests}
        command = [sys.executable, "-m", "benchmarks.load", self.engine]
        with contextlib.ExitStack() as stack:
            loading = [
                stack.enter_context(child([*command, table, str(count)], self.log, env=self.inner_env))
                for table, count in counts.items()
            ]
            for process in loading:
                if process.wait():
                    raise CannotRun(f"The items could not be loaded:\n{last_lines(self.log)}")

    @contextlib.contextmanager
    def simulated(self) -> Iterator[subprocess.Popen[bytes]]:
        """With the simulator writing: a workflow a second by day, and half as many requests."""
        command = [sys.executable, "manage.py", "simulate", "--rate", "60", "--speed", "4"]
        with child(command, self.log, cwd=self.product, env=self.inner_env) as process:
            yield process


@dataclass
class Floor:
    base: str
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        return [self.process.pid, *descendants(self.process.pid)]


@contextlib.contextmanager
def floor(console: Console, workflows: Sequence[str], requests: Sequence[str]) -> Iterator[Floor]:
    """On a console's engine. `workflows`, `requests`: the statuses that the items have."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "benchmarks" / "floor_conf.py")]
    command += ["--bind", f"127.0.0.1:{port}", "benchmarks.floor:app"]
    env = clean(
        FLOOR_ENGINE=console.engine,
        FLOOR_WORKFLOWS=",".join(workflows),
        FLOOR_REQUESTS=",".join(requests),
    )
    log = console.home.with_name("floor.log")
    with child(command, log, env=env) as process:
        try:
            wait_until_listening(process, port, timeout=START_SECONDS)
        except NotListeningError as error:
            raise CannotRun(f"The floor did not start: {error}.\n{last_lines(log)}") from error
        yield Floor(f"http://127.0.0.1:{port}", process)


def require_engine() -> None:
    """Fetch the embedded engine where it is not here. Raises CannotRun."""
    try:
        embedded.ensure_binary(ROOT / ".data")
    except embedded.EngineUnavailableError as reason:
        raise CannotRun(f"The embedded engine is not available: {reason}.") from reason
