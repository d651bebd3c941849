"""Migrations as processes: ended by kill -9 between two of them and inside of one, and two at once."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.plans import migrate, plan
from opsportal.dynamo.tables import Binding
from opsportal.supervisor import die_with
from tests.dynamo.migrated import NAMES, all_as_declared, ledger_item, new_place
from tests.engines import BASE_DIR, Engine

pytestmark = pytest.mark.no_moto  # about processes and concurrency: see tests/engines.py

# Migrates; with an operation and a number it stops before the call of that number, and says so.
PROGRAM = """
import json, sys, threading
import django
from django.conf import settings
django.setup()
tables, prefix, operation, number = json.loads(sys.argv[1])
settings.DYNAMO_TABLES, settings.OWN_TABLE_PREFIX = tables, prefix
from opsportal.dynamo import clients
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.tables import bindings
seen = []
def stop(model, **_):
    if model.name == operation:
        seen.append(operation)
        if len(seen) == number:
            print("STOPPED", flush=True)
            threading.Event().wait()
for place in {table.location for table in bindings()}:
    clients.client(*place, background=True).meta.events.register("before-call.dynamodb", stop)
print("READY", flush=True)
sys.stdin.readline()
print("applied", migrate(lambda line: None, app="requests_app"), flush=True)
"""


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        yield found


@contextlib.contextmanager
def migrator(settings: Any, operation: str = "", number: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """Such a process, ready; a line on its standard input lets it go."""
    told = json.dumps([settings.DYNAMO_TABLES, settings.OWN_TABLE_PREFIX, operation, number])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, told],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        preexec_fn=die_with(os.getpid()),
    )
    try:
        assert process.stdin
        assert _line(process) == "READY"
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def _go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    ("operation", "number", "begun"),
    [
        # The writes to the ledger are begun, applied, begun, applied.
        pytest.param("UpdateItem", 3, False, id="between two migrations", marks=pytest.mark.long),
        pytest.param("UpdateTimeToLive", 2, True, id="inside of one"),
    ],
)
def test_a_migration_that_was_ended_by_kill_9_is_taken_up(
    place: dict[str, Binding], settings: Any, engine: Engine, operation: str, number: int, begun: bool
) -> None:
    with migrator(settings, operation, number) as process:
        _go(process)
        assert _line(process) == "STOPPED"
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(5) == -signal.SIGKILL
    logs = place["request_logs"]
    assert "applied_at" in ledger_item(place["requests"], NAMES[0])
    assert ("begun_at" in ledger_item(logs, NAMES[1])) is begun
    first = plan(app="requests_app").planned[0]
    assert first.outlook.lines[0].startswith("finish" if begun else "create")
    assert migrate(lambda line: None) > 0
    all_as_declared(place, engine.kind)
    # Ours, whichever run ended it: a rollback may delete it.
    assert ledger_item(logs, NAMES[1])["made"]
    assert migrate(lambda line: None) == 0


def test_two_processes_at_once_apply_everything_once(
    place: dict[str, Binding], settings: Any, engine: Engine
) -> None:
    with migrator(settings) as first, migrator(settings) as second:
        _go(first)
        _go(second)
        said = [_line(process) for process in (first, second)]
        assert [process.wait(10) for process in (first, second)] == [0, 0]
    applied = [int(line.removeprefix("applied ")) for line in said]
    assert sum(applied) == 2
    for table, name in ((place["requests"], NAMES[0]), (place["request_logs"], NAMES[1])):
        assert ledger_item(table, name)["made"]
        state = clients.client(*table.location).describe_table(TableName=table.name)["Table"]["TableStatus"]
        assert state == "ACTIVE"
    migrate(lambda line: None)
    all_as_declared(place, engine.kind)
