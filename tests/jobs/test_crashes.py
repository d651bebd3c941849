"""Workers that are killed, or stopped for longer than their lease, in the middle of a job."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsportal.jobs import control, freezing, running, store
from opsportal.jobs.job import Job, Outcome, State
from opsportal.operations import images
from opsportal.supervisor import die_with
from tests import factories
from tests.engines import BASE_DIR
from tests.jobs.exact import OLGA, Raw, failed, frozen, now, outcomes, retried, settled, started
from tests.operations.places import client, put, scan
from tests.operations.places import images as kept
from tests.processes import eventually

pytestmark = pytest.mark.no_moto  # of several processes at once: see tests/engines.py

SETUP = """
import json, os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
given = json.loads(sys.argv[1])
for name, value in given.items():
    setattr(settings, name, value)
import django
django.setup()
from django.core.management import call_command
from opsportal.jobs import chunk_work
from opsportal.telemetry import figures
"""
WORKER = """
call_command("worker", "--only", "jobs", "--only", "jobs-freeze")
"""
# It has planned its second transaction, and stops itself before it sends it.
STOPS_ITSELF = """
commit, sent = chunk_work.commit, []
def stopping(*args, **kwargs):
    sent.append(1)
    if len(sent) == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    commit(*args, **kwargs)
chunk_work.commit = stopping
call_command("worker", "--only", "jobs", "--once")
print(figures.JOB_CONFLICTS._value.get())
"""
Begin = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def begin(tables: dict[str, Any], settings: Any) -> Iterator[Begin]:
    """Starts a process with that program and the tables of the test; it ends with the test."""
    settings.JOBS_LEASE_SECONDS = 1
    names = ("DYNAMO_TABLES", "OWN_TABLE_PREFIX", "JOBS_LEASE_SECONDS")
    given = {name: getattr(settings, name) for name in names}
    processes: list[subprocess.Popen[str]] = []

    def start(program: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", SETUP + program, json.dumps(given)],
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with(os.getpid()),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def survives(job: Job, begin: Begin, kills: int, workers: int) -> None:
    """Carry out the job by so many workers at once, and kill one after another in the middle of it."""
    points = sorted(random.sample(range(1, job.eligible * 9 // 10), kills))
    running_now = [begin(WORKER) for _ in range(workers)]
    for number, point in enumerate(points):
        assert eventually(lambda point=point: store.progress_of(job).attempted >= point, 120)  # type: ignore[misc]
        assert now(job).state is State.RUNNING, "it was over before it was killed"
        victim = running_now[number % workers]
        victim.kill()
        victim.communicate()
        running_now[number % workers] = begin(WORKER)
    assert eventually(lambda: now(job).state is State.FINISHED, 240)


def foreign_changes(table: Any, keys: list[str], statuses: dict[str, str]) -> None:
    for key in keys:
        put(table, factories.request(key, status=statuses.setdefault(key, "completed")))


@pytest.mark.parametrize(
    ("name", "size", "kills"),
    [
        ("requests.retry", 400, 2),
        pytest.param("requests.retry", 5_000, 10, marks=pytest.mark.long),
        pytest.param("requests.purge", 5_000, 10, marks=pytest.mark.long),
    ],
)
def test_workers_that_are_killed_lose_and_repeat_nothing(
    tables: dict[str, Any], begin: Begin, name: str, size: int, kills: int
) -> None:
    """Two workers on one job, killed by turns, while another program changes items."""
    table = tables["requests"]
    every = failed(size)
    factories.put(table, *every, *(factories.request(f"other-{at}", status="completed") for at in range(5)))
    before = {raw["request_id"]["S"]: raw for raw in scan(table)}
    job = frozen(name, filter={"status": "failed"}, at_once=True)
    changed = [f"req-{at:05}" for at in range(0, size, size // 20)]
    foreign_changes(table, changed[:10], {})
    gone = [f"req-{at:05}" for at in range(7, size, size // 5)]
    factories.delete(table, *gone)
    job = control.start(job, OLGA)
    # The others while it runs; what it has done by then is no longer "failed", and is left.
    late = threading.Thread(target=_change_what_is_left, args=(table, changed[10:]))
    late.start()
    survives(job, begin, kills, workers=2)
    late.join()
    by_outcome = outcomes(now(job))
    done, skipped = by_outcome[Outcome.DONE], by_outcome[Outcome.SKIPPED]
    assert {*changed[:10], *gone} <= skipped <= {*changed, *gone}
    settled(job, done=len(done), skipped=size - len(done))
    left = {raw["request_id"]["S"]: raw for raw in scan(table)}
    for key in (f"other-{at}" for at in range(5)):
        assert left[key] == before[key]
    if name == "requests.retry":
        assert {retried(left[key]) for key in done} == {1}
        assert {left[key]["status"]["S"] for key in done} == {"pending"}
        assert {left[key]["status"]["S"] for key in skipped - {*gone}} == {"completed"}
    else:
        assert not done & left.keys()
        copies = {image["action_id"]["S"]: image["image"]["B"] for image in kept(table)}
        assert len(copies) == len(done)
        unpacked = [images.unpack(copy) for copy in copies.values()]
        assert {raw["request_id"]["S"] for raw in unpacked} == done
        assert all(raw == before[raw["request_id"]["S"]] for raw in unpacked)


def _change_what_is_left(table: Any, keys: list[str]) -> None:
    """A program that ends what it finds failed, and leaves alone what it does not."""
    engine = client(table)
    for key in keys:
        with contextlib.suppress(engine.exceptions.ConditionalCheckFailedException):
            engine.update_item(
                TableName=table.name,
                Key={"request_id": {"S": key}},
                UpdateExpression="SET #status = :new, updated_at = :at",
                ConditionExpression="#status = :old",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":new": {"S": "completed"}, ":old": {"S": "failed"}, ":at": {"S": "2026-11-29T10:00:00.000000"},
                },
            )  # fmt: skip


@pytest.mark.long
def test_a_worker_that_was_stopped_for_longer_than_its_lease_is_refused(
    tables: dict[str, Any], begin: Begin
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(300))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    stopped = begin(STOPS_ITSELF)
    stat = Path(f"/proc/{stopped.pid}/stat")
    assert eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 60)

    def finished() -> bool:
        running.run(job)
        return now(job).state is State.FINISHED

    assert eventually(finished, 60)
    settled(job, done=300)
    before = scan(table)
    stopped.send_signal(signal.SIGCONT)
    output, _ = stopped.communicate(timeout=60)
    assert output.splitlines()[-1] == "1.0", output
    settled(job, done=300)
    assert scan(table) == before
    assert {retried(raw) for raw in before} == {1}


@pytest.mark.long
def test_a_preview_whose_worker_is_killed_is_whole(tables: dict[str, Any], begin: Begin) -> None:
    factories.put(tables["requests"], *failed(4_000))
    job = control.make("requests.purge", by=OLGA, filter={"status": "failed"})
    worker = begin(WORKER)
    for point in (500, 1_800):
        assert eventually(lambda point=point: now(job).matched > point, 60)  # type: ignore[misc]
        worker.kill()
        worker.communicate()
        assert now(job).state is State.PREVIEWING
        worker = begin(WORKER)
    assert eventually(lambda: now(job).state is State.READY, 60)
    keys: list[str] = sorted(outcomes(now(job))[Outcome.PENDING])
    assert keys == [f"req-{at:05}" for at in range(4_000)]
    assert now(job).eligible == 4_000


@pytest.mark.long
def test_2000_purges_are_undone_as_a_whole(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    factories.put(table, *failed(2_000))
    before: list[Raw] = scan(table)
    job = started("requests.purge", filter={"status": "failed"})
    running.run(job)
    settled(job, done=2_000)
    assert scan(table) == []
    put(table, factories.request("req-00007", status="pending"))  # of that id there is one again
    undone = control.undo(now(job), OLGA)
    freezing.freeze(undone)
    running.run(now(undone))
    settled(undone, done=1_999, skipped=1)
    left = {raw["request_id"]["S"]: raw for raw in scan(table)}
    assert left.pop("req-00007")["status"] == {"S": "pending"}
    assert list(left.values()) == [raw for raw in before if raw["request_id"] != {"S": "req-00007"}]
