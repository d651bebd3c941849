"""The program behind `make run`: start in order, say where everything is, stop as one."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from opsportal.dynamo import embedded
from opsportal.run import environment, queues
from opsportal.run.claims import address_of, hold_port, only_run
from opsportal.run.options import BASE_DIR, Options, RefusalError
from opsportal.server.environment import Numbers
from opsportal.supervisor import (
    NotListeningError,
    StoppedError,
    Supervisor,
    free_port,
    last_lines,
    signal_on_parent_death,
    wait_until_listening,
)

LOG_BYTES = 5_000_000
START_SECONDS = 60
DATABASE = "dynamodb.sqlite3"
# The web server's exit status where it has said what is wrong.
SAID = os.EX_CONFIG
# With the hostile items go programs that overwrite what people did, and that write in their own way.
HOSTILE_PROGRAMS = ("--overwrite-rate", "0.1", "--foreign-rate", "0.05")


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """0 after Ctrl-C or SIGTERM; 1 when the console could not start or a part of it ended."""
    if "MAKELEVEL" in os.environ:
        # A killed `make` cannot pass a signal on; then we stop as on SIGTERM.
        signal_on_parent_death(signal.SIGTERM)
    os.umask(0o077)  # sessions, password hashes and data: for their owner alone
    try:
        options = Options.read(os.environ)
        with only_run(options.data_dir, options.port), hold_port(options.port, "PORT") as port:
            return start(options, port)
    except RefusalError as refusal:
        print(refusal, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130


@dataclass(frozen=True)
class Part:
    """A server of our own on loopback, being started."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Until it answers on its port. Raises RefusalError with the end of its log."""
        try:
            wait_until_listening(self.process, self.port)
        except NotListeningError as error:
            raise RefusalError(
                f"{self.name} did not start: {error}. The log, {self.log}:\n{last_lines(self.log)}"
            ) from error


@dataclass(frozen=True)
class Engine(Part):
    """Our own engine: which, and its file (None: in memory)."""

    kind: str
    database: Path | None


def start(options: Options, port: socket.socket) -> int:
    """Start everything and wait. Raises RefusalError."""
    logs = options.data_dir / "logs"
    logs.mkdir(exist_ok=True)
    binary = None if options.engine == "aws" else find_engine(options)
    environ = environment.common(options, os.environ)
    supervisor = Supervisor(say)
    try:
        engine = running_queues = None
        # They start at the same time: the web server waits for the engine by itself, once it has loaded Django.
        if options.engine != "aws":
            engine = start_engine(supervisor, options, binary, fresh_log(logs / "engine.log"))
            environ = environment.with_engine(environ, engine.endpoint, engine.database)
            running_queues = start_queues(supervisor, fresh_log(logs / "queues.log"))
            environ = environment.with_queues(environ, running_queues.endpoint)
        web = start_web(supervisor, options, environ, port)
        if engine:
            engine.wait()
        wait_for_web(supervisor, web, options.port)
        if running_queues:
            running_queues.wait()
        python = sys.executable
        manage = [python, str(BASE_DIR / "manage.py")]
        log = fresh_log(logs / "worker.log")
        supervisor.start("The worker", [*manage, "worker"], grace=5, log=log, env=environ)
        if engine and options.simulate:
            log = fresh_log(logs / "simulator.log")
            odd = HOSTILE_PROGRAMS if options.demo == "hostile" else ()
            supervisor.start("The simulator", [*manage, "simulate", *odd], grace=5, log=log, env=environ)
        say(banner(options, engine, running_queues))
        return supervisor.run()
    except StoppedError:
        return 0
    finally:
        supervisor.stop()


def find_engine(options: Options) -> Path | None:
    """The embedded engine's binary; None, with a line that says why, when moto takes its place."""
    if options.engine == "moto":
        return None
    if not embedded.binary_path(options.data_dir).exists():
        say(f"Fetching the embedded engine, dynoxide {embedded.VERSION} (once, 3.5 MB) ...")
    try:
        return embedded.ensure_binary(options.data_dir)
    except embedded.EngineUnavailableError as reason:
        if options.engine == "dynoxide":
            raise RefusalError(f"{reason}. Set OPSPORTAL_ENGINE=moto to use moto instead.") from reason
        say(f"No embedded engine: {reason}. Using moto in memory instead: its data is lost when it stops.")
        return None


def start_engine(supervisor: Supervisor, options: Options, binary: Path | None, log: Path) -> Engine:
    """Raises RefusalError."""
    if options.engine_port:
        hold_port(options.engine_port, "ENGINE_PORT").close()
    port = options.engine_port or free_port()
    database = options.data_dir / DATABASE if binary else None
    command = embedded.start_command(binary, port, database) if binary else embedded.moto_command(port)
    name = "The engine"
    process = supervisor.start(name, command, log=log)
    return Engine(name, process, port, log, "dynoxide" if binary else "moto", database)


def start_queues(supervisor: Supervisor, log: Path) -> Part:
    name, port = "The queues", free_port()
    return Part(name, supervisor.start(name, queues.command(port), log=log), port, log)


def start_web(
    supervisor: Supervisor, options: Options, environ: dict[str, str], port: socket.socket
) -> subprocess.Popen[bytes]:
    """Start gunicorn, which prepares what it serves. Raises RefusalError."""
    try:
        Numbers.read(environ)  # gunicorn itself would say it with a trace
    except ValueError as error:
        raise RefusalError(str(error)) from None
    if sys.platform != "linux":
        port.close()  # elsewhere gunicorn cannot share it
    config = BASE_DIR / "opsportal" / "run" / "gunicorn_conf.py"
    command = [sys.executable, "-m", "gunicorn", "--config", str(config), "--chdir", str(BASE_DIR)]
    command += ["--bind", f"127.0.0.1:{options.port}", "opsportal.wsgi"]
    # Its errors belong on the console of whoever develops; the grace is above gunicorn's own.
    return supervisor.start("The web server", command, grace=15, env=environ)


def wait_for_web(supervisor: Supervisor, process: subprocess.Popen[bytes], port: int) -> None:
    """Until it has answered. What it prepares may take its time: it listens afterwards. Raises RefusalError."""
    deadline = None
    while not (answer := answers(port)):
        if process.poll() is not None:
            if process.returncode == SAID:
                raise SystemExit(1)
            raise RefusalError("The web server did not start; what it said is above.")
        if answer is not None:
            deadline = deadline or time.monotonic() + START_SECONDS
            if time.monotonic() > deadline:
                raise RefusalError(f"The web server did not answer within {START_SECONDS} s.")
        supervisor.pause(0.02)


def answers(port: int) -> bool | None:
    """Whether the console answers at all; None: nobody listens. The port is ours alone, and with AWS its ALLOWED_HOSTS
    may well refuse the name that is used here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def fresh_log(log: Path) -> Path:
    """``log``, put aside as ``.1`` when it has grown long."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log


def banner(options: Options, engine: Engine | None, running_queues: Part | None) -> str:
    """The block that says where everything is."""
    rows = [("Console", address_of(options.port))]
    if engine and running_queues:
        password = (options.data_dir / environment.PASSWORD_FILE).read_text().strip()
        kept = f"data in {engine.database}" if engine.database else "in memory: data is lost when it stops"
        credentials = " ".join(f"{name}={value}" for name, value in environment.CREDENTIALS.items())
        rows += [
            ("Users", f"{', '.join(environment.ROLES)}; password {password}"),
            ("DynamoDB", f"{engine.endpoint} ({engine.kind}, {kept})"),
            (
                "AWS CLI",
                f"{credentials} aws dynamodb list-tables --region us-east-1 --endpoint-url {engine.endpoint}",
            ),
            (
                "Queues",
                f"{running_queues.endpoint} ({', '.join(queues.QUEUES.values())}; SQS by moto, in memory)",
            ),
        ]
    else:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_DYNAMODB") or "Amazon's"
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "of each table"
        make_user = "manage.py create_user NAME --role viewer"
        rows += [
            ("DynamoDB", f"{endpoint}, region {region}, credentials from the AWS chain"),
            ("", "No table was created and no data loaded."),
            ("Users", f"make one: DATA_DIR={options.data_dir} {sys.executable} {make_user}"),
        ]
    rows += [("Logs", str(options.data_dir / "logs")), ("Stop", "Ctrl-C")]
    return "\n" + "\n".join(f"  {name:<10}{text}" for name, text in rows) + "\n"
