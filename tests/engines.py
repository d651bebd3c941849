"""The engines that the tests run on, and what is known to differ between them.

dynoxide      the embedded engine of `make run`; concurrent, transactional.
moto          a second opinion. Its transactions are not atomic under threads and ignore the client
              request token, and each query reads the whole table: tests of concurrency, of replayed
              transactions and of large tables are marked ``no_moto``.
arbiter       Amazon's DynamoDB Local, for those who accept its licence: `make test-arbiter`. It listens
              on all interfaces and cannot be told otherwise.

None of them throttles, leaves items unprocessed, or deletes what has expired: tests inject those.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsportal.dynamo import embedded
from opsportal.supervisor import die_with, free_port, wait_until_listening

BASE_DIR = Path(__file__).resolve().parent.parent
# Shared with `make run`, so that each machine fetches the engine once.
ENGINE_HOME = BASE_DIR / ".data"
ARBITER_HOME = BASE_DIR / ".data" / "dynamodb-local"

KINDS = {"dynoxide": ["dynoxide"], "moto": ["moto"], "arbiter": ["arbiter"], "both": ["dynoxide", "moto"]}


@dataclass(frozen=True)
class Engine:
    """A running engine: where it answers, and which it is."""

    kind: str
    endpoint: str


@contextlib.contextmanager
def running(kind: str) -> Iterator[Engine]:
    """An engine in memory, ended with the block and with the process. Call it from the main thread."""
    port = free_port()
    process = subprocess.Popen(
        _command(kind, port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
        cwd=ARBITER_HOME if kind == "arbiter" else None,
        preexec_fn=die_with(os.getpid()),
    )
    try:
        wait_until_listening(process, port, timeout=60)
        yield Engine(kind, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def _command(kind: str, port: int) -> list[str]:
    if kind == "dynoxide":
        return embedded.start_command(embedded.ensure_binary(ENGINE_HOME), port)
    if kind == "moto":
        return embedded.moto_command(port)
    java = shutil.which("java")
    if java is None or not ARBITER_HOME.exists():
        raise RuntimeError("The arbiter is not installed: see `make test-arbiter`.")
    flags = [
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Djava.library.path=DynamoDBLocal_lib",
    ]
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    return [java, *flags, "-jar", "DynamoDBLocal.jar", *options]


_numbers = itertools.count()


@contextlib.contextmanager
def fresh_tables(engine: Engine, settings: Any, *, workflow_index: bool = True) -> Iterator[dict[str, Any]]:
    """The four tables and the console's own, empty and under names of this block's own; yields logical name
    -> Binding of the four.

    ``settings`` is pytest-django's fixture: the names and the endpoint are put into DYNAMO_TABLES.
    """
    from opsportal.dynamo import clients, tables
    from opsportal.operations.tables import AUDIT, JOBS, places

    prefix = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}-{next(_numbers)}"
    settings.DYNAMO_ENDPOINT_URL = engine.endpoint
    settings.DYNAMO_TABLES = {
        logical: {**table, "name": f"{prefix}-{table['name']}", "endpoint": engine.endpoint}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    settings.OWN_TABLE_PREFIX = f"{prefix}-opsportal_"
    bindings = {binding.logical: binding for binding in tables.bindings()}
    # Where the engine knows no regions, the console's own tables of two places are one.
    own = [tables.own_table(spec, place) for spec in (AUDIT, JOBS) for place in places()]
    if engine.kind != "moto":
        own = list({binding.name: binding for binding in own}.values())
    made = []
    try:
        for binding in (*bindings.values(), *own):
            client = clients.client(binding.region, binding.endpoint)
            client.create_table(**binding.create_request(optional_indexes=workflow_index))
            made.append((client, binding.name))
        yield bindings
    finally:
        for client, name in made:
            with contextlib.suppress(client.exceptions.ResourceNotFoundException):  # the test deleted it
                client.delete_table(TableName=name)
