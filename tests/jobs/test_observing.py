"""What became of the items of a job: each outcome, what is read for it, and for how long."""

from collections.abc import Sequence
from typing import Any

import pytest

from opsportal.dynamo.errors import Throttled
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks, control, freezing, observing, pacing, running, store, work
from opsportal.jobs.job import SETTLED, Job, Outcome, State
from opsportal.jobs.members import members
from opsportal.jobs.observing import outcome_of
from opsportal.operations import entries
from opsportal.operations.bulk import action_of
from opsportal.operations.commits import commit
from opsportal.operations.entries import Entry
from opsportal.operations.tables import jobs_table_for
from requests_app.action_views import CANCEL
from tests import factories
from tests.jobs.pacers import OLGA, Simulator, Worker, dies, failed, now, started, takes
from tests.operations.places import Raw, get, put, request_item, scan

LATER = {"S": "2099-01-01T00:00:00.000000"}


def at_once(keys: list[str], name: str = "requests.retry") -> Job:
    """A job that is finished."""
    job = started(name, keys=keys, at_once=True)
    running.run(job)
    assert now(job).state is State.FINISHED
    return now(job)


def written(job: Job, key: str) -> tuple[Entry, Raw]:
    """The entry of an item of a job, and the item."""
    entry = entries.read_entry(work.action_id_of(job.id, job.logical, key), job.table)
    raw = get(job.table, key)
    assert entry
    assert raw
    return entry, raw


def outcome(job: Job, entry: Entry, raw: Raw | None, age: float = 0) -> Outcome:
    found = action_of(job.action)
    assert found
    bulk, action = found
    assert action.observed
    return outcome_of(entry, raw, action.observed, bulk.actions.still_holds, age)


@pytest.mark.no_moto
def test_each_outcome_of_a_request(tables: dict[str, Any], settings: Any) -> None:
    settings.REQUEST_TERMINAL_STATUSES = ["archived", "timeout"]
    table = tables["requests"]
    memory = put(table, request_item("counted", "failed"))
    put(table, request_item("bare", "failed", processing_metadata={"S": "no map"}))
    job = at_once(["counted", "bare"])
    entry, ours = written(job, "counted")
    bare_entry, bare = written(job, "bare")
    cases = [
        ({}, Outcome.WAITING),
        ({"progress": {"M": {}}}, Outcome.WAITING),
        ({"updated_at": LATER}, Outcome.TAKEN_UP),
        ({"status": {"S": "Processing"}, "updated_at": LATER}, Outcome.TAKEN_UP),
        ({"status": {"S": "somewhere"}, "updated_at": LATER}, Outcome.TAKEN_UP),
        ({"status": {"L": []}, "updated_at": LATER}, Outcome.TAKEN_UP),
        ({"status": {"S": "COMPLETED"}, "updated_at": LATER}, Outcome.COMPLETED),
        ({"status": {"S": "success"}}, Outcome.COMPLETED),
        ({"status": {"S": "archived"}}, Outcome.COMPLETED),
        ({"status": {"S": "failed"}, "updated_at": LATER}, Outcome.FAILED_AGAIN),
        ({"status": {"S": " Error"}}, Outcome.FAILED_AGAIN),
        ({"status": {"S": "timeout"}}, Outcome.FAILED_AGAIN),
        ({"status": {"S": "cancelled"}}, Outcome.CANCELLED),
    ]  # fmt: skip
    for changes, expected in cases:
        for one, raw in ((entry, ours), (bare_entry, bare)):
            assert outcome(job, one, {**raw, **changes}) is expected, changes
            aged = Outcome.STILL_RUNNING if expected is Outcome.TAKEN_UP else expected
            assert outcome(job, one, {**raw, **changes}, age=300) is aged, changes
            assert outcome(job, one, {**raw, **changes}, age=299) is expected, changes
    assert outcome(job, entry, None) is Outcome.GONE
    # A program that puts back what it remembers of the time before the retry.
    for changes in (
        {},
        {"updated_at": LATER},
        {"status": {"S": "completed"}},
        {"status": {"S": "processing"}},
    ):
        assert outcome(job, entry, {**memory, **changes}) is Outcome.OVERWRITTEN, changes
    assert outcome(job, entry, {**ours, "processing_metadata": {"NULL": True}}) is Outcome.OVERWRITTEN


@pytest.mark.no_moto
def test_each_outcome_of_a_workflow(tables: dict[str, Any], settings: Any) -> None:
    settings.WORKFLOW_COMMANDS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/commands"
    table = tables["workflows"]
    memory = put(table, factories.workflow("s", overallStatus="failed"))
    job = at_once(["s"], "workflows.retry")
    entry, ours = written(job, "s")
    later = {"lastUpdated": {"S": "2099-01-01T00:00:00.000Z"}}
    restarted = {
        name: value
        for name, value in {**ours, **later, "createdAt": {"S": "2099-01-01T00:00:00.000Z"}}.items()
        if name not in ("retryCount", "pdfAdapter")
    }
    for raw, expected in (
        (ours, Outcome.WAITING),
        ({**ours, **later}, Outcome.TAKEN_UP),
        ({**ours, **later, "overallStatus": {"S": "completed"}}, Outcome.COMPLETED),
        ({**ours, **later, "overallStatus": {"S": "failed"}}, Outcome.FAILED_AGAIN),
        ({**ours, **later, "overallStatus": {"S": "cancelled"}}, Outcome.CANCELLED),
        ({**memory, **later}, Outcome.OVERWRITTEN),
        (restarted, Outcome.TAKEN_UP),  # the orchestrator's own first item knows of no retry
        ({**restarted, "overallStatus": {"S": "failed"}}, Outcome.FAILED_AGAIN),
        (None, Outcome.GONE),
    ):
        assert outcome(job, entry, raw) is expected, raw


def test_a_retry_at_once_is_observed_once_it_is_over(tables: dict[str, Any]) -> None:
    """Item by item, until each is settled; a halt is nothing for it."""
    table, simulator = tables["requests"], Simulator()
    failed(table, 9)
    keys = [f"req-{at:05}" for at in range(9)]
    job, worker = started("requests.retry", keys=keys), Worker(table)
    assert worker.turn() == 0
    assert worker.pacer.held == {}  # until it is over
    running.run(job)
    simulator.works(keys[:3], fails=True)
    simulator.works(keys[3:4])
    takes(table, keys[4:6])
    CANCEL.act(keys[6], by=OLGA)
    factories.delete(table, keys[7])
    assert [worker.turn(), worker.turn(6)] == [0, 0]
    job = now(job)
    expected = {"failed_again": 3, "completed": 1, "taken_up": 2, "cancelled": 1, "gone": 1, "waiting": 1}
    assert (job.state, job.outcomes) == (State.FINISHED, expected)
    # Another worker goes on with what is not settled.
    dies(job)
    worker = Worker(table, worker.at)
    worker.turn()
    takes(table, keys[4:5], "failed")
    worker.turn(6)
    assert now(job).outcomes == {**expected, "failed_again": 4, "taken_up": 1}
    worker.turn(300)
    del expected["taken_up"]
    assert now(job).outcomes == {**expected, "failed_again": 4, "still_running": 1}
    assert [one.id for one in store.live(table)] == [job.id]
    takes(table, keys[8:], "completed")
    worker.turn(300)  # nobody looks any more
    assert store.live(table) == []
    job = now(job)
    assert job.outcomes == {**expected, "failed_again": 4, "still_running": 1}
    assert sum(worker.turn(15) for _ in range(3)) == 0
    assert worker.pacer.held == {}
    found = {one.key: one.outcome for page in members(job) for one in page}
    assert [found[key].value for key in keys] == [
        "failed_again", "failed_again", "failed_again", "completed", "failed_again", "still_running", "cancelled", "gone",
        "waiting",
    ]  # fmt: skip
    # Its failed ones are those that failed again: nobody wants what was cancelled.
    again = control.retry_failed(job, OLGA)
    freezing.freeze(again)
    assert (now(again).matched, now(again).eligible) == (4, 4)


@pytest.mark.no_moto
def test_what_is_read_is_bounded(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of a large job is followed, a hundred at a time; what is settled is not read again."""
    table = tables["requests"]
    failed(table, 60)
    monkeypatch.setattr(observing, "MAX_FOLLOWED", 30)
    monkeypatch.setattr(observing, "MAX_DRAWN", 12)
    job, worker = at_once([f"req-{at:05}" for at in range(60)]), Worker(table)
    read: list[tuple[str, bool, int]] = []
    settled: set[str] = set()
    commits: list[int] = []

    def counting(of: Binding, keys: Sequence[str], *, consistent: bool = True) -> Any:
        read.append((of.logical, consistent, len(keys)))
        assert not settled & {*keys}
        return work.read_items(of, keys, consistent=consistent)

    monkeypatch.setattr(observing, "read_items", counting)
    worker.turn()
    takes(table, [f"req-{at:05}" for at in range(0, 60, 2)], "completed")
    takes(table, [f"req-{at:05}" for at in range(1, 60, 4)], "failed")
    worker.turn(5)
    assert sum(now(job).outcomes.values()) == 12
    bad = now(job).outcomes["failed_again"]
    assert read == [("audit", True, 12), ("requests", False, 12), ("requests", True, bad)]
    settled |= {one.key for page in members(job) for one in page if one.outcome in SETTLED}
    assert settled

    def committing(of: Binding, operations: list[Any], **more: Any) -> None:
        commits.append(len(operations))
        commit(of, operations, **more)

    monkeypatch.setattr(pacing, "commit", committing)
    for _ in range(20):
        worker.turn(14)
    written = len(commits)
    assert written < 20
    for _ in range(20):
        worker.turn(14)
    assert len(commits) == written  # nothing has changed
    assert store.live(table) != []
    job = now(job)
    assert sum(job.outcomes.values()) == 30
    entries_read = sum(count for name, _, count in read if name == "audit")
    assert entries_read == 30
    worker.turn(60)
    assert store.live(table) == []
    seen = [one["codes"]["S"] for one in scan(jobs_table_for(table)) if one["sk"]["S"].startswith("seen#")]
    assert sum(len(one.replace(".", "")) for one in seen) == 30


@pytest.mark.no_moto
def test_a_stale_read_is_no_outcome(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An eventually consistent read may give the item as it was before the retry; and none at all, when throttled."""
    table = tables["requests"]
    failed(table, 5)
    keys = [f"req-{at:05}" for at in range(5)]
    before = {key: get(table, key) or {} for key in keys}
    job, worker = at_once(keys), Worker(table)

    def stale(of: Binding, keys: Sequence[str], *, consistent: bool = True) -> Any:
        if of.logical == "requests" and not consistent:
            return {key: before[key] for key in keys[1:]}, frozenset(keys[:1])
        return work.read_items(of, keys, consistent=consistent)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "progress", raises(Throttled("slow")))
        with pytest.raises(Throttled):
            worker.turn()  # and what it had claimed is free again
    worker.turn()
    assert worker.pacer.held
    with monkeypatch.context() as patch:
        patch.setattr(chunks, "keys_of", raises(Throttled("slow")))
        worker.turn(6)
        assert now(job).outcomes == {}
    with monkeypatch.context() as patch:
        patch.setattr(observing, "read_items", stale)
        worker.turn(15)
        assert now(job).outcomes == {"waiting": 4}
        patch.setattr(observing, "read_items", raises(Throttled("slow")))
        worker.turn(15)
        assert now(job).outcomes == {"waiting": 4}
    worker.turn(15)
    assert now(job).outcomes == {"waiting": 5}


def raises(error: Exception) -> Any:
    def call(*given: Any, **more: Any) -> None:
        raise error

    return call


@pytest.mark.no_moto
def test_an_undo_and_what_nobody_takes_up_are_not_observed(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    failed(table, 3)
    keys = [f"req-{at:05}" for at in range(3)]
    factories.put(table, *[factories.request(f"run-{at}", status="processing") for at in range(3)])
    worker = Worker(table)
    for job in (at_once(keys, "requests.purge"), at_once([f"run-{at}" for at in range(3)], "requests.fail")):
        assert job not in store.live(table)
        undone = control.undo(job, OLGA)
        freezing.freeze(undone)
        running.run(now(undone))
        worker.turn()
        worker.turn(6)
        assert (now(undone).state, now(undone).outcomes) == (State.FINISHED, {})
    stopped = started("requests.purge", keys=keys)
    control.stop(stopped, OLGA)
    worker.turn()
    assert store.live(table) == []
