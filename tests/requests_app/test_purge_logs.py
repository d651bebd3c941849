"""The logs of a purged request: kept while they may come back, then deleted in two passes, and counted once."""

import contextlib
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine

from opsportal.dynamo import spending
from opsportal.dynamo.errors import Unreachable
from opsportal.dynamo.tables import binding
from opsportal.jobs import running
from opsportal.jobs.work import action_id_of
from opsportal.operations import outbox, undo
from opsportal.operations.entries import Actor, new_action_id, read_entry
from requests_app import action_views, outgoing
from tests import factories
from tests.false_answers import FALSE
from tests.jobs.exact import failed, settled, started
from tests.operations.places import FOREIGN, actor, client, get, put, request_item, scan, trail
from tests.operations.places import outbox as messages
from tests.operations.proxy import Proxy, instead

OLGA = Actor("olga", "operator", "user:1001")
DUE = timedelta(minutes=10, seconds=1)
AFTER = DUE + timedelta(seconds=61)


def log(number: int, request_id: str = "req-1") -> dict[str, Any]:
    return {
        "log_id": {"S": f"log-{request_id}-{number:04}"},
        "request_id": {"S": request_id},
        "timestamp": {"S": f"2025-12-24T10:00:{number % 60:02}.{number:06}"},
        "message": {"S": "line"},
    }


def put_logs(tables: dict[str, Any], numbers: range, request_id: str = "req-1") -> None:
    table = tables["request_logs"]
    items = [{"PutRequest": {"Item": log(number, request_id)}} for number in numbers]
    for at in range(0, len(items), 25):
        client(table).batch_write_item(RequestItems={table.name: items[at : at + 25]})


@pytest.fixture
def purged(tables: dict[str, Any]) -> Callable[..., str]:
    """Purges a request with logs; returns the action_id."""

    def purge(logs: int = 30) -> str:
        put(tables["requests"], request_item(status="failed", **FOREIGN))
        put_logs(tables, range(logs))
        put_logs(tables, range(3), "another")
        action_id = new_action_id()
        action_views.PURGE.act("req-1", by=OLGA, reason="", action_id=action_id)
        return action_id

    return purge


def work(tables: dict[str, Any], after: timedelta) -> int:
    """A worker's round so long after now."""
    with time_machine.travel(datetime.now(UTC) + after):
        return outbox.deliver_due(tables["requests"])


def left(tables: dict[str, Any], request_id: str = "req-1") -> int:
    return sum(item["request_id"]["S"] == request_id for item in scan(tables["request_logs"]))


def counts(tables: dict[str, Any]) -> list[int]:
    return [
        int(e["count"]["N"]) for e in trail(tables["requests"]) if e["action"]["S"] == "request:purge_logs"
    ]


def bring_back(tables: dict[str, Any], purge: str, after: timedelta) -> Any:
    entry = read_entry(purge, tables["requests"])
    assert entry is not None
    with time_machine.travel(datetime.now(UTC) + after):
        note = outgoing.note_of_undo(purge, "req-1")
        done = undo.undo(entry, by=OLGA, reason="", action_id=new_action_id())
    assert done.entry.note == note
    return note


@pytest.mark.no_moto
def test_the_logs_go_in_two_passes_and_are_counted_once(
    tables: dict[str, Any], purged: Callable[..., str]
) -> None:
    purge = purged()
    assert work(tables, DUE - timedelta(minutes=1)) == 0
    assert left(tables) == 30
    assert work(tables, DUE) == 1
    assert left(tables) == 0
    # What the index did not show at the first pass.
    put_logs(tables, range(100, 104))
    assert work(tables, DUE) == 0
    assert counts(tables) == []
    assert work(tables, AFTER) == 1
    assert (left(tables), left(tables, "another")) == (0, 3)
    assert counts(tables) == [34]
    entry = trail(tables["requests"])[-1]
    assert (actor(entry), entry["role"]["S"], entry["target"]["S"]) == (
        (OLGA.name, OLGA.id),
        "operator",
        "req-1",
    )
    assert purge in entry["note"]["S"]
    assert messages(tables["requests"]) == []
    assert work(tables, AFTER * 2) == 0


def test_many_logs_are_deleted_over_many_pages(
    tables: dict[str, Any], purged: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    purged(60)
    table = tables["request_logs"]
    query, write = client(table).query, client(table).batch_write_item
    monkeypatch.setattr(client(table), "query", lambda **arguments: query(**arguments, Limit=27))

    def stingy(RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """Leaves the last one of each batch unprocessed, as DynamoDB may."""
        ((name, requests),) = RequestItems.items()
        cut = requests[:-1] or requests
        answer: dict[str, Any] = write(RequestItems={name: cut})
        unprocessed = requests[len(cut) :]
        return {**answer, "UnprocessedItems": {name: unprocessed} if unprocessed else {}}

    monkeypatch.setattr(client(table), "batch_write_item", stingy)
    monkeypatch.setattr(outgoing, "UNPROCESSED_PAUSE", 0)
    assert work(tables, DUE) == 1
    assert left(tables) == 0
    work(tables, AFTER)
    assert counts(tables) == [60]


@pytest.mark.no_moto
def test_a_handler_that_runs_twice_counts_once(tables: dict[str, Any], purged: Callable[..., str]) -> None:
    """A worker that dies between its work and the deletion of the message leaves it to the next."""
    purged()
    (raw,) = messages(tables["requests"])
    first = outbox.from_item(raw)
    with time_machine.travel(datetime.now(UTC) + DUE):
        outgoing.purge_logs(first, tables["requests"])
    assert work(tables, DUE) == 1  # the message is still there
    assert len(messages(tables["requests"])) == 2
    with time_machine.travel(datetime.now(UTC) + AFTER):
        for raw in sorted(messages(tables["requests"]), key=lambda item: str(item["sk"]["S"])):
            outgoing.purge_logs(outbox.from_item(raw), tables["requests"])
    assert work(tables, AFTER) == 2
    assert counts(tables) == [30]


def test_a_request_that_is_back_in_time_keeps_its_logs(
    tables: dict[str, Any], purged: Callable[..., str]
) -> None:
    put(tables["requests"], request_item(status="failed", **FOREIGN))
    before = get(tables["requests"], "req-1")
    purge = purged()
    assert bring_back(tables, purge, timedelta(minutes=9)) == ""
    restored = get(tables["requests"], "req-1")
    assert restored is not None
    stamps = {name for name in restored if restored[name] != (before or {})[name]}
    assert stamps <= {"created_at", "updated_at", "started_at", "progress"}  # of the factory, made twice
    assert work(tables, DUE) == 1
    assert left(tables) == 30
    assert messages(tables["requests"]) == []
    assert counts(tables) == []


def test_a_request_that_a_worker_put_back_keeps_its_logs(
    tables: dict[str, Any], purged: Callable[..., str]
) -> None:
    purged()
    put(tables["requests"], request_item())
    work(tables, AFTER)
    assert left(tables) == 30
    assert counts(tables) == []


@pytest.mark.no_moto
def test_purged_again_its_logs_wait_for_the_second_time(
    tables: dict[str, Any], purged: Callable[..., str]
) -> None:
    bring_back(tables, purged(), timedelta(minutes=1))
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        action_views.PURGE.act("req-1", by=OLGA, reason="", action_id=new_action_id())
    work(tables, DUE)
    assert left(tables) == 30
    work(tables, DUE + timedelta(minutes=5))
    assert left(tables) == 0


def test_an_undo_after_the_logs_went_says_so(tables: dict[str, Any], purged: Callable[..., str]) -> None:
    purge = purged()
    work(tables, DUE)
    work(tables, AFTER)
    assert bring_back(tables, purge, AFTER) == "Its logs were deleted already, so it comes back without them."
    assert get(tables["requests"], "req-1") is not None


@pytest.mark.no_moto
def test_an_undo_between_the_passes_says_so_too_and_what_went_is_counted(
    tables: dict[str, Any], purged: Callable[..., str]
) -> None:
    purge = purged()
    work(tables, DUE)
    assert "may come back without them" in bring_back(tables, purge, DUE)
    put_logs(tables, range(100, 104))  # those of its new life stay
    work(tables, AFTER)
    assert left(tables) == 4
    assert counts(tables) == [30]


@pytest.mark.no_moto
@pytest.mark.parametrize("operation", ["BatchGetItem", "Query", "BatchWriteItem", "TransactWriteItems"])
def test_what_is_not_dynamodbs_answer_deletes_no_logs_of_a_request_that_is_back(
    tables: dict[str, Any], purged: Callable[..., str], proxied: Proxy, operation: str
) -> None:
    """ "There is no such request" has to be DynamoDB's word; and what came of a message, told by nobody, is done again."""
    action_id = purged()
    bring_back(tables, action_id, timedelta())
    proxied.interfere = instead(FALSE["null"], of={operation})
    with time_machine.travel(datetime.now(UTC) + AFTER):
        for _ in range(2):
            with contextlib.suppress(Unreachable):
                outbox.deliver_due(binding("requests"))
    assert left(tables) == 30


@pytest.mark.no_moto
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_logs_count_as_deleted_when_dynamodb_says_so(
    tables: dict[str, Any], purged: Callable[..., str], proxied: Proxy, after: bool
) -> None:
    purged()
    proxied.interfere = instead(FALSE["{}"], of={"BatchWriteItem"}, after=after)
    with time_machine.travel(datetime.now(UTC) + DUE):
        outbox.deliver_due(binding("requests"))
    assert counts(tables) == []
    assert len(messages(tables["requests"])) == 1
    assert left(tables) == (30 if not after else 5)
    proxied.reset(proxied.engine)
    with time_machine.travel(datetime.now(UTC) + 3 * AFTER):
        outbox.deliver_due(binding("requests"))
    assert left(tables) == 0


def waiting(table: Any) -> list[dict[str, Any]]:
    """The messages about logs that wait for their turn: a job has others too."""
    return [
        one
        for one in messages(table)
        if one["pk"]["S"].startswith("outbox#") and one["message_kind"]["S"] == "requests.purge_logs"
    ]


# --- Of a job ------------------------------------------------------------------------------------------------


@pytest.mark.no_moto
@pytest.mark.django_db
def test_the_logs_of_a_job_go_by_transaction_each_still_checked_for_an_undo(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    names = [f"req-{at:05}" for at in range(40)]
    for name in names:
        put_logs(tables, range(3), name)
    put_logs(tables, range(3), "another")
    factories.put(table, *failed(40))
    job = started("requests.purge", filter={"status": "failed"})
    running.run(job)
    settled(job, done=40)
    assert len(waiting(table)) == 2  # one of each transaction
    # One comes back by an undo, one by its worker; one is undone and purged again.
    for name in ("req-00003", "req-00005"):
        entry = read_entry(action_id_of(job.id, "requests", name), table)
        assert entry
        undo.undo(entry, by=OLGA, reason="", action_id=new_action_id())
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        action_views.PURGE.act("req-00005", by=OLGA, reason="", action_id=new_action_id())
    put(table, factories.request("req-00004", status="pending"))
    kept = {"req-00003", "req-00004", "req-00005"}
    with time_machine.travel(datetime.now(UTC) + DUE), spending.request_budget(None) as spent:
        assert outbox.deliver_due(table) == 4  # and that the job began and is finished
    assert spent.calls < 40 * 3  # of which two for each request: its logs, and its trail
    assert {name: left(tables, name) for name in [*names, "another"] if left(tables, name)} == dict.fromkeys(
        [*kept, "another"], 3
    )
    # What the index did not show at the first pass; and a worker that repeats the second one.
    put_logs(tables, range(100, 102), "req-00007")
    second = [outbox.from_item(one) for one in messages(table) if one.get("part") == {"S": "logs2"}]
    assert len(second) == 2
    for _ in range(2):
        for message in second:
            outgoing.purge_logs(message, table)
    recorded = [entry for entry in trail(table) if entry["action"]["S"] == "request:purge_logs"]
    assert {entry["target"]["S"]: int(entry["count"]["N"]) for entry in recorded} == {
        **dict.fromkeys(set(names) - kept, 3), "req-00007": 5,
    }  # fmt: skip
    assert len(recorded) == 37
    # In the feed of the job: not each in that of all.
    assert {entry["job"]["S"] for entry in recorded} == {job.id}


@pytest.mark.no_moto
def test_a_message_of_a_job_that_takes_too_long_goes_on_in_the_next(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    for at in range(6):
        put_logs(tables, range(30), f"req-{at:05}")
    factories.put(table, *failed(6))
    running.run(started("requests.purge", filter={"status": "failed"}))
    query = client(tables["request_logs"]).query
    monkeypatch.setattr(client(tables["request_logs"]), "query", lambda **asked: query(**asked, Limit=20))
    clock = itertools.count(step=30)  # whatever is done takes longer than a message has
    monkeypatch.setattr(outgoing, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=time.sleep))
    made: list[int] = []
    put_again = outgoing._put_again
    monkeypatch.setattr(
        outgoing,
        "_put_again",
        lambda message, left, *rest: made.append(len(left)) or put_again(message, left, *rest),
    )
    with time_machine.travel(datetime.now(UTC) + AFTER * 2):
        while sent := waiting(table):
            for one in sent:
                outbox.deliver(outbox.from_item(one), table)
    assert not any(left(tables, f"req-{at:05}") for at in range(6))
    assert len(made) > 6
    assert sorted(counts(tables)) == [30] * 6
