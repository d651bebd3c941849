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
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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
# More items than that are quicker dropped with their table than deleted.
MOST_LEFT = 500


@dataclass
class _Tables:
    """A set of tables under names of its own, and how each was made."""

    prefix: str
    made: list[tuple[Any, str, Any]]  # client, name, shape


# Sets that a block left empty, by what they were made for: creating and deleting eight tables would take
# most of a test's time, above all on moto.
_idle: dict[str, list[_Tables]] = {}


@contextlib.contextmanager
def fresh_tables(engine: Engine, settings: Any, *, workflow_index: bool = True) -> Iterator[dict[str, Any]]:
    """The four tables and the console's own, empty and under names that no other block has at the time;
    yields logical name -> Binding of the four.

    ``settings`` is pytest-django's fixture: the names and the endpoint are put into DYNAMO_TABLES. Tables
    that the block changed or deleted are not used again.
    """
    from opsportal.dynamo import clients, tables
    from opsportal.operations.tables import AUDIT, JOBS, places

    wanted = json.dumps([engine.endpoint, workflow_index, settings.DYNAMO_TABLES], sort_keys=True)
    idle = _idle.setdefault(wanted, [])
    found = idle.pop() if idle else None
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    prefix = found.prefix if found else f"{worker}-{os.getpid()}-{next(_numbers)}"
    settings.DYNAMO_ENDPOINT_URL = engine.endpoint
    settings.DYNAMO_TABLES = {
        logical: {**table, "name": f"{prefix}-{table['name']}", "endpoint": engine.endpoint}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    settings.OWN_TABLE_PREFIX = f"{prefix}-opsportal_"
    # A busy machine must not turn a page into its problem state; tests of the budget set their own.
    settings.DYNAMO_CONNECT_TIMEOUT = settings.DYNAMO_READ_TIMEOUT = 10.0
    settings.DYNAMO_REQUEST_DEADLINE = 30.0
    bindings = {binding.logical: binding for binding in tables.bindings()}
    current = found or _Tables(prefix, [])
    try:
        if not found:
            # Where the engine knows no regions, the console's own tables of two places are one.
            own = [tables.own_table(spec, place) for spec in (AUDIT, JOBS) for place in places()]
            if engine.kind != "moto":
                own = list({binding.name: binding for binding in own}.values())
            for binding in (*bindings.values(), *own):
                client = clients.client(binding.region, binding.endpoint, patient=True)
                client.create_table(**binding.create_request(optional_indexes=workflow_index))
                current.made.append((client, binding.name, _shape(client, binding.name)))
        yield bindings
    finally:
        if _emptied(current):
            idle.append(current)
        else:
            _drop(current)


def _shape(client: Any, name: str) -> Any:
    table = client.describe_table(TableName=name)["Table"]
    indexes = sorted(index["IndexName"] for index in table.get("GlobalSecondaryIndexes", []))
    return table["KeySchema"], indexes


def _emptied(current: _Tables) -> bool:
    """Delete what the tables hold; False where one is not as it was made, or holds much."""
    try:
        return all(_empty(client, name, shape) for client, name, shape in current.made)
    except (BotoCoreError, ClientError):
        return False  # deleted, or the engine is gone


def _empty(client: Any, name: str, shape: Any) -> bool:
    if _shape(client, name) != shape:
        return False
    keys = [part["AttributeName"] for part in shape[0]]
    names = {f"#k{number}": key for number, key in enumerate(keys)}
    answer = client.scan(
        TableName=name,
        ConsistentRead=True,
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
    )
    left = [{key: item[key] for key in keys} for item in answer["Items"]]
    if len(left) > MOST_LEFT or "LastEvaluatedKey" in answer:
        return False
    for at in range(0, len(left), 25):
        deletes = [{"DeleteRequest": {"Key": key}} for key in left[at : at + 25]]
        client.batch_write_item(RequestItems={name: deletes})
    return True


def _drop(current: _Tables) -> None:
    for client, name, _ in current.made:
        with contextlib.suppress(BotoCoreError, ClientError):  # the test deleted it
            client.delete_table(TableName=name)
