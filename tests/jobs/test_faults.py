"""Jobs among foreign writers, lost answers, throttling, conflicts and second workers: exact counts each time."""

import base64
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from opsportal.dynamo import sampling
from opsportal.dynamo.leases import Lease
from opsportal.jobs import chunk_work, chunks, control, freezing, planning, problems, running, store, work
from opsportal.jobs.job import Job, Outcome, State, part_key
from opsportal.operations import commits
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import NotNow
from opsportal.telemetry import figures
from tests import factories
from tests.dynamo.fake_aws import Answer, error
from tests.jobs.exact import OLGA, Raw, failed, frozen, now, outcomes, reasons, retried, settled, started
from tests.operations.conftest import proxied, proxy_server  # noqa: F401
from tests.operations.places import client, get, images, outbox, put, scan
from tests.operations.proxy import LOST, Forward, Proxy, lost_after_commit

pytestmark = pytest.mark.no_moto  # of several at once, and of what it accepts: see tests/engines.py
TRANSACTION = "TransactWriteItems"
# Attempts of botocore's own, in the background.
ATTEMPTS = 8


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(running, "LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(running, "LOOK_SECONDS", 0)
    monkeypatch.setattr(freezing, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def cancelled(*codes: str) -> Answer:
    reasons = [{"Code": code, "Message": code} if code != "None" else {"Code": "None"} for code in codes]
    return error(
        "TransactionCanceledException", f"Transaction cancelled {codes}", CancellationReasons=reasons
    )


def by_key(table: Any) -> dict[str, Raw]:
    return {raw[table.key]["S"]: raw for raw in scan(table)}


def before_each_commit(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """`act` gets the number of the transaction, once it is planned and before it is sent."""
    sent: list[int] = []

    def interfering(*args: Any, **kwargs: Any) -> None:
        sent.append(len(sent) + 1)
        act(sent[-1])
        commits.commit(*args, **kwargs)

    monkeypatch.setattr(chunk_work, "commit", interfering)


# --- Foreign writers ----------------------------------------------------------------------------------------


def test_what_changes_between_preview_and_run(tables: dict[str, Any]) -> None:
    """A purge wants status and stamp as previewed, the others the status alone."""
    table = tables["requests"]
    for name, skipped in (("requests.purge", 3), ("requests.retry", 2)):
        factories.put(table, *failed(40))
        job = frozen(name, filter={"status": "failed"}, at_once=True)
        assert (job.matched, job.eligible) == (40, 40)
        factories.put(table, factories.request("req-00003", status="completed"))
        factories.delete(table, "req-00004")
        touched = factories.request("req-00005", status="failed")
        factories.put(table, touched, factories.request("req-new", status="failed"))
        before = by_key(table)
        running.run(control.start(job, OLGA))
        settled(job, done=40 - skipped, skipped=skipped)
        said = reasons(job)
        assert said["It was failed at the preview, and is completed now."] == 1
        assert said[work.GONE] == 1
        assert said.get("It was changed since the preview; it is failed now.", 0) == skipped - 2
        left, done = by_key(table), outcomes(job)[Outcome.DONE]
        assert {key: raw for key, raw in left.items() if key not in done} == {
            key: raw for key, raw in before.items() if key not in done
        }  # what matches since, and what was skipped, is as its writer left it
        assert "req-new" in left
        factories.delete(table, *left)


def test_what_changes_between_read_and_write(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that is still what the preview saw is planned again, as it is now."""
    table = tables["requests"]

    def foreign(number: int) -> None:
        if number == 1:
            stamped = {"updated_at": {"S": "2026-11-29T10:00:00.000001"}, "by_worker": {"S": "kept"}}
            put(table, {**by_key(table)["req-00001"], **stamped})
            put(table, {**by_key(table)["req-00002"], "status": {"S": "completed"}})
            factories.delete(table, "req-00003")
            # The way to what is written is taken away.
            put(table, {**by_key(table)["req-00004"], "processing_metadata": {"NULL": True}})

    before_each_commit(monkeypatch, foreign)
    factories.put(table, *failed(60))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    running.run(job)
    settled(job, done=58, skipped=2)
    assert reasons(job) == {"It was failed at the preview, and is completed now.": 1, work.GONE: 1}
    left = by_key(table)
    assert left["req-00001"]["by_worker"] == {"S": "kept"}
    assert [retried(left[key]) for key in sorted(outcomes(job)[Outcome.DONE])] == [1] * 58


def test_an_item_that_never_rests_fails_alone(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]

    def foreign(number: int) -> None:
        put(table, {**by_key(table)["req-00001"], "updated_at": {"S": f"2026-11-29T10:00:00.{number:06}"}})

    before_each_commit(monkeypatch, foreign)
    factories.put(table, *failed(5))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    running.run(job)
    settled(job, done=4, failed=1)
    assert reasons(job) == {chunk_work.OTHER_WRITES: 1}


def test_one_that_can_not_be_planned_holds_up_no_other(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(5))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    plan = work.Work.plan

    def poisoned(self: Any, raw: Raw, moment: Any, intent: Any) -> Any:
        if intent.target.id == "req-00002":
            raise TypeError("a foreign shape")
        return plan(self, raw, moment, intent)

    monkeypatch.setattr(work.Work, "plan", poisoned)
    running.run(job)
    settled(job, done=4, failed=1)
    assert reasons(job) == {work.UNPLANNED: 1}
    again = frozen("requests.cancel", keys=["req-00002"])
    assert (again.eligible, again.reasons) == (0, {work.UNPLANNED: 1})
    assert "a foreign shape" in caplog.text


# --- What DynamoDB answers ----------------------------------------------------------------------------------


def test_throttling_conflicts_and_lost_answers_change_no_count(
    proxied: Proxy,  # noqa: F811
    tables: dict[str, Any],
    settings: Any,
) -> None:
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/queue"
    table = tables["requests"]
    factories.put(table, *failed(120, processing_strategy="sqs"))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    conflicts = figures.JOB_CONFLICTS._value.get()
    throttled = error("ThrottlingException", "slow down")
    unavailable = error("InternalServerError", "no", status=500)
    proxied.on(
        TRANSACTION,
        cancelled("ThrottlingError", "None"),
        cancelled("None", "None", "ProvisionedThroughputExceeded"),
        cancelled("None", "TransactionConflict", "None"),
        cancelled("TransactionConflict", "None", "None"),
        *[throttled] * ATTEMPTS,
        error("TransactionInProgressException", "wait"),
        *[LOST] * ATTEMPTS,
        *[lost_after_commit] * ATTEMPTS,
        *[unavailable] * ATTEMPTS,
        lost_after_commit,
        error("ValidationException", "refused whole"),
    )
    running.run(job)
    job = settled(job, done=120)
    left = by_key(table)
    assert {retried(raw) for raw in left.values()} == {1}
    # Each has its message, and no other has.
    sent = [one for one in outbox(table) if one.get("message_kind") == {"S": "requests.sqs"}]
    assert sorted(one["target"]["S"] for one in sent) == sorted(left)
    assert figures.JOB_CONFLICTS._value.get() - conflicts >= 2


def test_an_item_that_others_always_hold_fails_alone(
    proxied: Proxy,  # noqa: F811
    tables: dict[str, Any],
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(10))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)

    def held(operation: str, arguments: dict[str, Any], forward: Forward) -> Answer:
        if operation != TRANSACTION:
            return forward()
        codes = [
            "TransactionConflict"
            if next(iter(one.values())).get("Key", {}).get("request_id") == {"S": "req-00003"}
            else "None"
            for one in arguments["TransactItems"]
        ]
        return cancelled(*codes) if "TransactionConflict" in codes else forward()

    proxied.interfere = held
    running.run(job)
    settled(job, done=9, failed=1)
    assert reasons(job) == {chunk_work.OTHER_WRITES: 1}
    assert retried(by_key(table)["req-00003"]) == 0


def test_one_that_dynamodb_refuses_fails_alone(
    proxied: Proxy,  # noqa: F811
    tables: dict[str, Any],
) -> None:
    """It does not say which of a transaction it is."""
    table = tables["requests"]
    factories.put(table, *failed(70))
    job = started("requests.purge", filter={"status": "failed"})

    def refused(operation: str, arguments: dict[str, Any], forward: Forward) -> Answer:
        bad = operation == TRANSACTION and any(
            one.get("Delete", {}).get("Key") == {"request_id": {"S": "req-00037"}}
            for one in arguments["TransactItems"]
        )
        return error("ValidationException", "a value is not right") if bad else forward()

    proxied.interfere = refused
    running.run(job)
    settled(job, done=69, failed=1)
    (sentence,) = reasons(job)
    assert "a value is not right" in sentence
    assert list(by_key(table)) == ["req-00037"]


def test_a_job_that_is_throttled_for_good_can_be_paused_and_ends_its_turn(
    proxied: Proxy,  # noqa: F811
    tables: dict[str, Any],
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(5))
    for by_a_person in (True, False):
        job = started("requests.retry", filter={"status": "failed"}, at_once=True)
        asked: list[str] = []

        def throttled(
            operation: str,
            arguments: Raw,
            forward: Forward,
            job: Job = job,
            asked: list[str] = asked,
            by_a_person: bool = by_a_person,
        ) -> Answer:
            items = arguments.get("TransactItems", [])
            if operation != TRANSACTION or items[0].get("Update", {}).get("Key", {}).get("sk") == {
                "S": "meta"
            }:
                return forward()
            asked.append(operation)
            if by_a_person and len(asked) == 3:
                control.pause(job, OLGA)
            return cancelled("ThrottlingError", *["None"] * (len(items) - 1))

        proxied.interfere = throttled
        assert running.run(job, over=lambda asked=asked: len(asked) >= 4) == 0  # type: ignore[misc]
        assert len(asked) == (3 if by_a_person else 4)
        proxied.reset(proxied.engine)
        assert (now(job).state is State.PAUSED) == by_a_person
        (chunk,) = chunks.progress(job)
        assert (chunk.at, chunk.lease_until) == (0, 0)  # the next turn can have it at once
        control.stop(now(job), OLGA)
    assert {raw["status"]["S"] for raw in by_key(table).values()} == {"failed"}


# --- Several workers, and people ------------------------------------------------------------------------------


def test_a_worker_that_comes_back_late_is_refused(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has planned, and its lease is over before it writes: another does it all meanwhile."""
    table = tables["requests"]
    factories.put(table, *failed(70))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    conflicts = figures.JOB_CONFLICTS._value.get()

    def expire(number: int) -> None:
        if number == 2:
            (chunk,) = [one for one in outbox(table) if one["sk"]["S"].startswith("chunk#")]
            put(jobs_table_for(table), {**chunk, "lease_until": {"N": "1"}})
            assert running.run(job) == 70 - 49

    before_each_commit(monkeypatch, expire)
    assert running.run(job) == 49
    settled(job, done=70)
    assert {retried(raw) for raw in by_key(table).values()} == {1}
    assert figures.JOB_CONFLICTS._value.get() == conflicts + 1


def test_a_worker_whose_chunk_was_claimed_by_another_writes_nothing_more(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though that one has done nothing to it yet."""
    table = tables["requests"]
    factories.put(table, *failed(70))
    job = started("requests.retry", filter={"status": "failed"}, at_once=True)
    taken: list[Lease] = []

    def claim(number: int) -> None:
        if number == 2:
            (chunk,) = [one for one in outbox(table) if one["sk"]["S"].startswith("chunk#")]
            put(jobs_table_for(table), {**chunk, "lease_until": {"N": "1"}})
            other = Lease(jobs_table_for(table), part_key(job.id, "chunk#00000")).claim(30)
            assert other
            taken.append(other)

    before_each_commit(monkeypatch, claim)
    assert running.run(job) == 49
    assert store.progress_of(job).done == 49
    taken[0].release()
    assert running.run(job) == 21
    settled(job, done=70)
    assert {retried(raw) for raw in by_key(table).values()} == {1}


def test_pause_resume_and_stop_in_the_middle(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table = tables["requests"]
    factories.put(table, *failed(400))
    job = started("requests.purge", filter={"status": "failed"})
    wishes = {2: control.pause, 6: control.stop}

    def wish(number: int) -> None:
        if number in wishes:
            wishes[number](now(job), OLGA)

    before_each_commit(monkeypatch, wish)
    running.run(job)
    # Of what was planned by then two more transactions are written at most.
    paused = store.progress_of(now(job)).done
    assert now(job).state is State.PAUSED
    assert 64 <= paused <= 64 + 2 * 32
    assert running.run(now(job)) == 0
    running.run(control.resume(now(job), OLGA))
    done = store.progress_of(now(job)).done
    assert paused < done <= paused + 6 * 32
    settled(job, done=done, state=State.STOPPED)
    assert running.run(now(job)) == 0
    assert len(scan(table)) == 400 - done


@pytest.mark.parametrize("expires", [False, True])
def test_what_a_worker_still_sends_once_a_job_is_stopped_is_refused(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, expires: bool
) -> None:
    """However late it is, and whoever stopped the job: an undo, which is finished by then, would miss it."""
    table = tables["requests"]
    monkeypatch.setattr(freezing, "CHUNK_KEYS", 60)
    monkeypatch.setattr(running, "LOOK_SECONDS", 60)
    factories.put(table, *failed(120))
    job = started("requests.purge", filter={"status": "failed"})
    undone: list[Job] = []

    def stop(number: int) -> None:
        if number == 2:
            if expires:
                freezing._close(now(job), State.STOPPED, "It was open for too long.")
            else:
                control.stop(now(job), OLGA)
            undone.append(control.undo(now(job), OLGA))
            freezing.freeze(undone[0])
            running.run(now(undone[0]))

    before_each_commit(monkeypatch, stop)
    assert running.run(job) == 32
    settled(job, done=32, state=State.STOPPED)
    settled(undone[0], done=32)
    assert len(scan(table)) == 120


def test_no_job_holds_up_another(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by an action that this version has not, nor by an error, nor by being the older one."""
    table = tables["requests"]
    monkeypatch.setattr(freezing, "CHUNK_KEYS", 20)
    factories.put(table, *failed(100))
    keys = [f"req-{at:05}" for at in range(100)]
    long = started("requests.retry", keys=keys[:60], at_once=True)
    short = started("requests.retry", keys=keys[60:70], at_once=True)
    gone = started("requests.purge", keys=keys[70:80])
    client(jobs_table_for(table)).delete_item(
        TableName=jobs_table_for(table).name, Key={"pk": {"S": f"job#{gone.id}"}, "sk": {"S": "keys#00000"}}
    )
    unknown = started("requests.retry", keys=keys[80:], at_once=True)
    kind = running.work_of

    def without(job: Job) -> Any:
        if job.id == unknown.id:
            raise running.ActionGone("no such action")
        return kind(job)

    monkeypatch.setattr(running, "work_of", without)
    turns = iter(range(1_000))
    ends: list[int] = []

    def over() -> bool:
        if not ends and now(short).state is State.FINISHED:
            ends.append(next(turns))
            assert store.progress_of(now(long)).done < 60
        return False

    with pytest.raises((NotNow, LookupError)):
        running.run_due(table, over)
    assert ends
    settled(long, done=60)
    settled(short, done=10)
    assert now(gone).state is now(unknown).state is State.RUNNING
    assert (now(gone).problem, now(unknown).problem) == (problems.UNFORESEEN, "no such action")
    # It is taken back once it is over.
    monkeypatch.setattr(running, "work_of", kind)
    with pytest.raises(LookupError):
        running.run_due(table, lambda: False)
    assert settled(unknown, done=20).problem == ""


# --- Sets -------------------------------------------------------------------------------------------------------


def test_items_of_350_kb_and_those_whose_copy_is_too_large(tables: dict[str, Any], settings: Any) -> None:
    settings.DYNAMO_VALIDATES_ALL = False  # as deployed
    table = tables["requests"]
    text = base64.b64encode(os.urandom(250_000)).decode()[:345_000]
    noise = factories.Typed(B=os.urandom(393_000))  # no packing makes it smaller
    for raw in (*failed(24, payload=text), factories.request("req-noise", status="failed", payload=noise)):
        put(table, raw)
    put(table, factories.request("req-grows", status="failed"))
    job = frozen("requests.purge", filter={"status": "failed"})
    assert (job.matched, job.eligible) == (26, 25)
    assert job.reasons == {work.TOO_LARGE_TO_KEEP: 1}
    # Of the same status and stamp, and too large since.
    put(table, {**by_key(table)["req-grows"], "payload": dict(noise)})
    running.run(control.start(job, OLGA))
    settled(job, done=24, skipped=2)
    assert reasons(job) == {work.TOO_LARGE_TO_KEEP: 1}
    assert sorted(by_key(table)) == ["req-grows", "req-noise"]
    assert len(images(table)) == 24
    undone = control.undo(now(job), OLGA)
    freezing.freeze(undone)
    running.run(now(undone))
    settled(undone, done=24)
    assert by_key(table)["req-00007"]["payload"] == {"S": text}


def test_what_has_no_index_and_keys_of_every_kind(
    tables_without_index: dict[str, Any],
) -> None:
    table = tables_without_index["workflows"]
    odd = ["a/b", "a,1", "a~2C1", "%7E41", " space ", "ü\n", "🚀", '"quoted"', "#:{}", "x" * 1024]
    for options, strange in (
        ({"filter": {"status": "processing"}}, 0),
        ({"keys": [*odd, "x" * 3_000, "\ud800"]}, 2),  # no item has such a key
    ):
        factories.put(
            table,
            *(
                factories.workflow(key, overallStatus="processing", createdAt=factories.MISSING)
                for key in odd
            ),
        )
        job = started("workflows.cancel", **options)
        running.run(job)
        settled(job, done=len(odd), skipped=strange)
        assert outcomes(job)[Outcome.DONE] == set(odd)


@pytest.mark.parametrize(
    ("logical", "filters"),
    [
        ("requests", [{"priority": "high"}, {"q": "req-"}, {"status": "odd 34"}, {}]),
        ("workflows", [{"source": "BANK"}, {"status": "odd 34"}, {}]),
    ],
)
def test_a_set_is_whole_where_not_all_statuses_can_be_found(
    tables: dict[str, Any], logical: str, filters: list[dict[str, str]]
) -> None:
    """More than the index is asked for: a list says so, and a job must leave none out."""
    table = tables[logical]
    make = factories.request if logical == "requests" else factories.workflow
    extra: dict[str, Any] = {"priority": "high"} if logical == "requests" else {"sourceType": "BANK"}
    status = "status" if logical == "requests" else "overallStatus"
    factories.put(table, *(make(f"req-{at:02}", **{status: f"odd {at}"}, **extra) for at in range(35)))
    for given in filters:
        job = frozen(f"{logical}.purge", filter=given)
        assert job.matched == (1 if "status" in given else 35), given
        control.stop(job, OLGA)


def test_all_of_a_table_are_also_those_that_no_sample_has_room_for(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MAX_ROWS", 2)
    table = tables["requests"]
    whole = failed(9)
    for raw in whole[:6]:
        del raw["created_at"]
    factories.put(table, *whole)
    assert frozen("requests.purge", filter={}).matched == 9


def test_a_range_over_mixed_forms_of_time(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    forms = [
        lambda moment: factories.naive(moment),
        lambda moment: factories.zulu(moment),
        lambda moment: moment.astimezone(timezone(timedelta(hours=9))).isoformat(timespec="seconds"),
        lambda moment: moment.astimezone(timezone(timedelta(hours=-9))).isoformat(timespec="seconds"),
    ]
    for n, form in enumerate(forms):
        inside, outside = form(at), form(at - timedelta(days=1))
        factories.put(
            table,
            factories.request(f"in-{n}", status="failed", created_at=inside),
            factories.request(f"out-{n}", status="failed", created_at=outside),
        )
    span = {"since": at - timedelta(minutes=1), "until": at + timedelta(minutes=1)}
    job = started("requests.retry", filter={"status": "failed"}, at_once=True, **span)
    running.run(job)
    settled(job, done=len(forms))
    assert outcomes(job)[Outcome.DONE] == {f"in-{n}" for n in range(len(forms))}


def test_items_that_move_while_they_are_walked_are_each_there_once(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(30))  # walked before "processing"
    factories.put(table, *(factories.request(f"busy-{at}", status="processing") for at in range(5)))
    read, moved = freezing.read_items, []

    def moving(*args: Any) -> Any:
        if not moved:
            moved.append(1)
            factories.put(
                table, *(factories.request(f"req-{at:05}", status="processing") for at in range(10))
            )
        return read(*args)

    monkeypatch.setattr(freezing, "read_items", moving)
    job = frozen("requests.fail", filter={})
    assert job.matched == 35
    assert job.eligible == 15  # as they are by then
    running.run(control.start(job, OLGA))
    settled(job, done=15, skipped=20)


def test_a_preview_whose_worker_dies_loses_and_doubles_no_key(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(150))
    job = control.make("requests.retry", by=OLGA, filter={"status": "failed"}, at_once=True)
    monkeypatch.setattr(freezing, "CHUNK_KEYS", 40)
    monkeypatch.setattr(freezing, "BATCH_KEYS", 10)
    commit, written = freezing.commit, []

    def dying(*args: Any, **kwargs: Any) -> None:
        commit(*args, **kwargs)
        written.append(1)
        if len(written) in (1, 3):
            raise commits.NoAnswer("its answer is lost") if len(written) == 1 else KeyboardInterrupt

    monkeypatch.setattr(freezing, "commit", dying)
    assert freezing.freeze(job) == 0
    assert now(job).chunks == 1
    with pytest.raises(KeyboardInterrupt):
        freezing.freeze(job)
    # One that was stopped for longer than its lease, and goes on.
    over = iter([False] * 5 + [True] * 50)
    freezing.freeze(job, lambda: next(over))
    freezing.freeze(job)
    job = now(job)
    assert (job.state, job.matched, job.eligible) == (State.READY, 150, 150)
    frozen_keys = [key for n in range(job.chunks) for key in chunks.keys_of(job, n).texts]
    assert sorted(frozen_keys) == [f"req-{at:05}" for at in range(150)]
    assert [one.size for one in chunks.progress(job)].count(40) >= 2


def test_a_person_who_stops_a_preview_is_not_overruled(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.put(tables["requests"], *failed(3))
    job = control.make("requests.retry", by=OLGA, filter={"status": "failed"}, at_once=True)
    commit = freezing.commit

    def stopped_after(*args: Any, **kwargs: Any) -> None:
        commit(*args, **kwargs)
        control.stop(now(job), OLGA)

    monkeypatch.setattr(freezing, "commit", stopped_after)
    freezing.freeze(job)
    assert now(job).state is State.STOPPED


def test_a_filter_that_few_match_makes_full_chunks(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    factories.put(table, *failed(40))
    walk = freezing.all_bulk()["requests"].walk

    def page_by_page(*args: Any) -> Any:
        for walked in walk(*args):
            for item in walked.items:
                yield type(walked)([item], walked.position)

    bulk = {
        "requests": type(freezing.all_bulk()["requests"])(
            freezing.all_bulk()["requests"].actions, {}, page_by_page
        )
    }
    monkeypatch.setattr(freezing, "all_bulk", lambda: bulk)
    assert frozen("requests.retry", filter={"status": "failed"}, at_once=True).chunks == 1


def test_limits_and_items_of_another_open_job(tables: dict[str, Any], settings: Any) -> None:
    table = tables["requests"]
    factories.put(table, *failed(12))
    first = frozen("requests.retry", keys=["req-00000", "req-00001"], at_once=True)
    second = frozen("requests.retry", filter={"status": "failed"}, at_once=True)
    assert (second.matched, second.eligible) == (12, 10)
    assert second.reasons == {f"It is in job {first.id}.": 2}
    running.run(control.start(second, OLGA))
    settled(second, done=10, skipped=2)
    settings.JOBS_MAX_ITEMS = 11
    factories.put(table, *failed(12))
    third = frozen("requests.retry", filter={"status": "failed"}, at_once=True)
    assert third.state is State.STOPPED
    assert (
        third.why == "More than 11 items match, as many as JOBS_MAX_ITEMS allows. Choose fewer by a filter."
    )
    assert get(table, "req-00005")["status"] == {"S": "failed"}  # type: ignore[index]


@pytest.mark.parametrize("held", [True, False])
def test_a_preview_waits_for_an_older_one_of_its_table(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """Which another worker freezes, or which has to go on later: an item is in one open job."""
    table = tables["requests"]
    factories.put(table, *failed(5))
    factories.put(tables["workflows"], factories.workflow("session-1", overallStatus="failed"))
    first, second = (
        control.make(f"requests.{verb}", by=OLGA, filter={"status": "failed"}) for verb in ("retry", "purge")
    )
    another = control.make("workflows.retry", by=OLGA, keys=["session-1"])
    if held:
        lease = Lease(jobs_table_for(table), first.key).claim(30)
        assert lease
    else:
        answers: list[Exception] = [commits.NoAnswer()]

        def commit(*args: Any, **kwargs: Any) -> None:
            if answers:
                raise answers.pop()
            commits.commit(*args, **kwargs)

        monkeypatch.setattr(freezing, "commit", commit)
    freezing.freeze_due(table, lambda: False)
    assert [now(job).state for job in (first, second)] == [State.PREVIEWING] * 2
    assert now(another).state is State.READY
    if held:
        lease.release()
    freezing.freeze_due(table, lambda: False)
    assert [(now(job).state, now(job).eligible) for job in (first, second)] == [
        (State.READY, 5),
        (State.READY, 0),
    ]
    assert now(second).reasons == {f"It is in job {first.id}.": 5}


def test_what_is_read_and_does_not_fit_is_not_read_again(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MAX_BYTES", 40_000)
    factories.put(tables["requests"], *failed(30, payload="x" * 10_000))
    job = started("requests.purge", filter={"status": "failed"})
    asked: list[str] = []
    read = work.read_items

    def counted(table: Any, keys: list[str]) -> Any:
        asked.extend(keys)
        return read(table, keys)

    monkeypatch.setattr(work, "read_items", counted)
    running.run(job)
    settled(job, done=30)
    assert sorted(asked) == [f"req-{at:05}" for at in range(30)]


def test_keys_that_got_no_answer_are_asked_for_again(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer holds 16 MB: of what is larger together, an engine chooses what it leaves out."""
    factories.put(tables["requests"], *failed(30))
    job = started("requests.purge", filter={"status": "failed"})
    read = work.read_items

    def partly(table: Any, keys: list[str]) -> Any:
        found, _ = read(table, keys)
        left = frozenset(sorted(keys)[: len(keys) - 4])  # the first ones never come among many
        return {key: raw for key, raw in found.items() if key not in left}, left

    monkeypatch.setattr(work, "read_items", partly)
    running.run(job)
    settled(job, done=30)
