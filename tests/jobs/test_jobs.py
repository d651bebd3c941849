"""A job from its making to its end, on the real engine: exact counts, nothing else changed."""

from typing import Any

import pytest

from opsportal.jobs import chunks, control, freezing, running, store
from opsportal.jobs.job import Job, State
from opsportal.operations.entries import Actor
from opsportal.operations.outcomes import Unreadable
from tests import factories
from tests.operations.places import scan

OLGA = Actor("olga", "operator", "user:1001")


def failed(n: int, **values: Any) -> list[dict[str, Any]]:
    return [factories.request(f"req-{at:05}", status="failed", **values) for at in range(n)]


def frozen(name: str, **asked: Any) -> Job:
    """A job whose preview is ready."""
    job = control.make(name, by=OLGA, reason="because", **asked)
    freezing.freeze(job)
    found = store.find(job.id, job.table)
    assert found
    return found


def finished(job: Job) -> Job:
    started = control.start(job, OLGA)
    running.run(started)
    found = store.find(job.id, job.table)
    assert found
    return found


def test_a_purge_of_all_that_match(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    factories.put(
        table, *failed(400), *[factories.request(f"ok-{at}", status="completed") for at in range(5)]
    )
    job = frozen("requests.purge", filter={"status": "failed"})
    assert (job.state, job.matched, job.eligible, job.chunks) == (State.READY, 400, 400, 2)
    job = finished(job)
    assert job.state is State.FINISHED, job
    counts = store.progress_of(job)
    assert (counts.done, counts.skipped, counts.failed, counts.pending) == (400, 0, 0, 0)
    assert len(scan(table)) == 5
    assert all(not one.is_open for one in chunks.progress(job))


def test_a_retry_of_all_that_are_stuck(tables: dict[str, Any]) -> None:
    still = {"created_at": factories.naive(factories.ago(hours=3)), "updated_at": factories.naive(factories.ago(hours=2)),
             "started_at": None, "progress": None}  # fmt: skip
    factories.put(
        tables["requests"],
        *failed(3),
        *[factories.request(f"runs-{at}", status="executing") for at in range(3)],
        *[
            factories.request(f"still-{at}", status=("pending", "executing")[at % 2], **still)
            for at in range(7)
        ],
    )
    job = frozen("requests.retry", filter={"stuck": "1"})
    assert (job.matched, job.eligible, job.reasons) == (7, 7, {})
    job = finished(job)
    assert store.progress_of(job).done == 7
    assert frozen("requests.retry", filter={"stuck": "1"}).matched == 0


def test_a_retry_of_ticked_ones_skips_what_has_changed(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    factories.put(table, *failed(30))
    keys = [f"req-{at:05}" for at in range(30)]
    job = frozen("requests.retry", keys=[*keys, "no-such"], at_once=True)
    assert (job.matched, job.eligible, job.reasons) == (31, 30, {"It is not there any more.": 1})
    factories.put(table, factories.request("req-00003", status="completed"))
    factories.delete(table, "req-00004")
    job = finished(job)
    counts = store.progress_of(job)
    assert (counts.done, counts.skipped, counts.failed, counts.pending) == (28, 3, 0, 0)
    raw = {one["request_id"]["S"]: one for one in scan(table)}
    assert {one["status"]["S"] for one in raw.values()} == {"pending", "completed"}


def test_an_undo_brings_all_back(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    factories.put(table, *failed(60))
    before = scan(table)
    job = finished(frozen("requests.purge", filter={"status": "failed"}))
    assert scan(table) == []
    undone = control.undo(job, OLGA)
    freezing.freeze(undone)
    undone = store.find(undone.id, undone.table) or undone
    assert (undone.state, undone.eligible) == (State.RUNNING, 60)
    running.run(undone)
    undone = store.find(undone.id, undone.table) or undone
    assert store.progress_of(undone).done == 60
    assert scan(table) == before


def test_a_job_over_a_table_of_former_settings_is_left_alone(tables: dict[str, Any], settings: Any) -> None:
    factories.put(tables["requests"], *failed(3))
    job = frozen("requests.purge", filter={"status": "failed"})
    former = settings.DYNAMO_TABLES
    settings.DYNAMO_TABLES = {**former, "requests": {**former["requests"], "name": f"{job.table.name}-2"}}
    with pytest.raises(Unreadable, match="does not read now"):
        store.find(job.id)
    assert job.id not in [one.id for one in store.live(job.table)]
    settings.DYNAMO_TABLES = former
    assert store.find(job.id) == job


def test_what_failed_of_an_undo_is_undone_and_never_done_again(tables: dict[str, Any]) -> None:
    factories.put(tables["requests"], *failed(2))
    job = finished(frozen("requests.purge", filter={"status": "failed"}))
    undone = control.undo(job, OLGA)
    freezing.freeze(undone)
    undone = store.find(undone.id, undone.table) or undone
    running.run(undone)
    undone = store.find(undone.id, undone.table) or undone
    again = control.retry_failed(undone, OLGA)
    assert (again.undoes, again.source.job) == (job.id, undone.id)
