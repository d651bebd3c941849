"""The engines that the tests run on, and what is known to differ between them.

dynoxide      the embedded engine of `make run`; concurrent, transactional.
moto          a second opinion. Its transactions are not atomic under threads and ignore the client
              request token, and each query reads the whole table: tests of concurrency, of replayed
              transactions and of large tables are marked ``no_moto``. So are tests of pages and of the
              API (the modules ``test_*_pages`` of the apps and the console, most of ``tests/api``, and
              whatever is in a browser), and tests that send nothing but what others send: it is a second
              opinion on DynamoDB, and each shape of call (operation, table, index, expressions, options,
              and how it ends) that the console sends is asked of it by some test of what is beneath: in
              `make test` where SECOND_OPINION of tests/conftest.py names its folder, else in `make test-long`.
              It takes several times as long as dynoxide for each call, and its own server three times as
              long again: tests/moto_server.py is a quicker one.
arbiter       Amazon's DynamoDB Local, for those who accept its licence: `make test-arbiter`. It listens
              on all interfaces and cannot be told otherwise.

None of them throttles, leaves items unprocessed, or deletes what has expired: tests inject those.
"""

import contextlib
import http.client
import itertools
import json
import os
import shutil
import subprocess
import sys
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
        if wire := _wires.pop(port, None):
            wire.close()


_wires: dict[int, http.client.HTTPConnection] = {}


def _call(endpoint: str, region: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
    """The engine's answer, without a client: what goes before and after each test is most of what the
    tests ask, and botocore takes 0.6 ms where this takes 0.1. None: it refuses, or is gone."""
    port = int(endpoint.rpartition(":")[2])
    wire = _wires.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=20))
    credential = f"testing/20250101/{region}/dynamodb/aws4_request"  # no engine looks at the signature
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "X-Amz-Date": "20250101T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=0",
    }
    try:
        wire.request("POST", "/", json.dumps(parameters), headers)
        answer = wire.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        wire.close()
        return None
    found: dict[str, Any] | None = json.loads(body) if answer.status == 200 else None
    return found


def _command(kind: str, port: int) -> list[str]:
    if kind == "dynoxide":
        return embedded.start_command(embedded.ensure_binary(ENGINE_HOME), port)
    if kind == "moto":
        return [sys.executable, str(Path(__file__).with_name("moto_server.py")), str(port)]
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
MAX_LEFT = 500


# (endpoint, region, name) of a table, and what DescribeTable says of it when it is new.
_Made = tuple[str, str, str, dict[str, Any]]


@dataclass
class _Tables:
    """A set of tables under names of its own, and how each was made."""

    prefix: str
    made: list[_Made]


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
    from opsportal.operations.tables import AUDIT, JOBS, locations

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
            own = [tables.internal_table(spec, place) for spec in (AUDIT, JOBS) for place in locations()]
            if engine.kind != "moto":
                own = list({binding.name: binding for binding in own}.values())
            for binding in (*bindings.values(), *own):
                client = clients.client(binding.region, binding.endpoint, background=True)
                client.create_table(**binding.create_request(optional_indexes=workflow_index))
                shape = _shape(engine.endpoint, binding.region, binding.name)
                current.made.append((engine.endpoint, binding.region, binding.name, shape or {}))
        yield bindings
    finally:
        for endpoint, region in {made[:2] for made in current.made}:
            # A ledger that the test made would be found by the next one that gets these tables.
            _call(endpoint, region, "DeleteTable", TableName=f"{prefix}-opsportal_migrations")
        if _emptied(current):
            idle.append(current)
        else:
            _drop(current)


# What differs from one look at the same table to the next.
MOVING = ("ItemCount", "TableSizeBytes", "IndexSizeBytes", "CreationDateTime")


def _shape(endpoint: str, region: str, name: str) -> dict[str, Any] | None:
    """The table's description but for its ``left``, which is how many items it holds."""
    answer = _call(endpoint, region, "DescribeTable", TableName=name)
    if answer is None:
        return None
    table = answer["Table"]
    left = table["ItemCount"]
    for part in (table, *table.get("GlobalSecondaryIndexes", [])):
        for moving in MOVING:
            part.pop(moving, None)
    return {"left": left, **table}


def _emptied(current: _Tables) -> bool:
    """Delete what the tables hold; False where one is not as it was made, or holds much."""
    return all(_empty(*made) for made in current.made)


def _empty(endpoint: str, region: str, name: str, made: dict[str, Any]) -> bool:
    found = _shape(endpoint, region, name)
    if found is None or found | {"left": 0} != made:
        return False  # changed or deleted, or the engine is gone
    if not found["left"]:
        return True  # these engines count at once
    keys = [part["AttributeName"] for part in found["KeySchema"]]
    names = {f"#k{number}": key for number, key in enumerate(keys)}
    answer = _call(
        endpoint,
        region,
        "Scan",
        TableName=name,
        ConsistentRead=True,
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
    )
    if answer is None or len(answer["Items"]) > MAX_LEFT or "LastEvaluatedKey" in answer:
        return False
    left = [{key: item[key] for key in keys} for item in answer["Items"]]
    for at in range(0, len(left), 25):
        deletes = [{"DeleteRequest": {"Key": key}} for key in left[at : at + 25]]
        if _call(endpoint, region, "BatchWriteItem", RequestItems={name: deletes}) is None:
            return False
    return True


def _drop(current: _Tables) -> None:
    for endpoint, region, name, _ in current.made:
        _call(endpoint, region, "DeleteTable", TableName=name)  # which the test may have deleted
