"""Messages to the outside: at least once, by one worker at a time, and none in another's way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from opsportal.dynamo.errors import Unreachable
from opsportal.dynamo.leases import Lease
from opsportal.dynamo.tables import binding
from opsportal.operations import outbox, tasks, undelivered
from opsportal.operations.entries import new_action_id
from opsportal.operations.outbox import (
    CLAIM,
    MAX_TRIES,
    PAUSE,
    Message,
    backlog,
    deliver,
    deliver_due,
    due,
    send_soon,
)
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import Task, Worker
from tests.false_answers import FALSE
from tests.operations import places
from tests.operations.proxy import Proxy, instead
from tests.trouble import denied, trouble


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages of kind `test` that were carried out; those whose body says so fail."""
    done: list[Message] = []

    def handle(message: Message, table: Any) -> None:
        if message.body.get("fails"):
            raise Unreachable("The queue is away.") if message.body["fails"] == "dynamo" else OSError("away")
        done.append(message)

    monkeypatch.setitem(outbox.handlers(), "test", handle)
    return done


def put(table: Any, due_at: datetime | None = None, kind: str = "test", **body: Any) -> Message:
    message = Message(kind, body, new_action_id(), due_at or datetime.now(UTC))
    outbox.put(message, table)
    return message


def test_a_message_is_what_was_put(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    message = put(table, text="naïve ☃ \x00 \u202e", number=7, nested={"list": [None, True]})
    assert list(due(table)) == [message]
    part = Message("test", {}, message.action_id, message.due, part="logs")
    outbox.put(part, table)
    assert set(map(str, due(table))) == {str(message), str(part)}


def test_what_is_due_is_sent_at_once_and_deleted(tables: dict[str, Any], handled: list[Message]) -> None:
    table = tables["requests"]
    now, later = put(table), put(table, datetime.now(UTC) + timedelta(minutes=10))
    for message in (now, later):
        send_soon(message, table)
    assert handled == [now]
    assert [outbox.from_item(item) for item in places.outbox(table)] == [later]
    assert deliver_due(table) == 0
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11)):
        assert deliver_due(table) == 1
    assert handled == [now, later]
    # Whoever comes late finds nothing to do.
    assert not deliver(later, table)


def test_what_fails_at_once_is_left_to_the_worker(
    tables: dict[str, Any], handled: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    table = tables["requests"]
    message = put(table, fails="once")
    send_soon(message, table)
    assert message.action_id in caplog.text
    assert len(places.outbox(table)) == 1


@pytest.mark.no_moto
def test_what_fails_is_put_off_ever_longer_and_blocks_nothing(
    tables: dict[str, Any], handled: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    table = tables["requests"]
    start = datetime.now(UTC)
    broken = [put(table, start, fails=kind) for kind in ("dynamo", "other")]
    broken.append(put(table, start, kind="of another version"))
    good = [put(table, start + timedelta(milliseconds=number)) for number in range(6)]
    seconds = 1.0
    with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
        assert deliver_due(table) == 6
        assert deliver_due(table) == 0
    assert {message.action_id for message in handled} == {message.action_id for message in good}
    for message in broken:
        assert message.action_id in caplog.text
    tried = 1
    for wait in (PAUSE, 2 * PAUSE, 4 * PAUSE, 8 * PAUSE):
        for early, tries in ((0, tried), (1, tried + 1)):
            with time_machine.travel(start + timedelta(seconds=seconds + wait + early), tick=False):
                deliver_due(table)
            assert {item["tries"]["N"] for item in places.outbox(table)} == {str(tries)}
        seconds += wait + 1
        tried += 1
    # In the end once in an hour, and then no more.
    for tries in (MAX_TRIES - 2, MAX_TRIES - 1):
        for item in places.outbox(table):
            free = {name: value for name, value in item.items() if name != "claimed_until"}
            places.put(jobs_table_for(table), {**free, "tries": {"N": str(tries)}})
        now = start + timedelta(days=1)
        with time_machine.travel(now, tick=False):
            deliver_due(table)
        states = {item["pk"]["S"].partition("#")[0] for item in places.outbox(table)}
        if tries == MAX_TRIES - 2:
            ends = {int(item["claimed_until"]["N"]) for item in places.outbox(table)}
            assert (states, ends) == ({"outbox"}, {int(now.timestamp()) + 3600})
    assert states == {"undeliverable"}
    assert {item["tries"]["N"] for item in places.outbox(table)} == {str(MAX_TRIES)}
    with time_machine.travel(start + timedelta(days=9), tick=False):
        assert deliver_due(table) == 0
        found = undelivered.listed().shown
        assert {one.why for one in found} == {
            "The queue is away.", "away", "This version of the console knows no message of the kind of another version.",
        }  # fmt: skip
        assert backlog(table).given_up == len(found) == 3


@pytest.mark.no_moto
def test_what_can_not_be_deleted_is_sent_again_ever_less_often(
    tables: dict[str, Any], handled: list[Message]
) -> None:
    table, start = tables["requests"], datetime.now(UTC)
    message = put(table, start)
    jobs = jobs_table_for(table)
    refused = denied("DeleteItem", "arn:aws:dynamodb:us-east-1:111122223333:table/jobs")
    with trouble(jobs, refused, "DeleteItem", "TransactWriteItems"):
        for seconds in (1, 5, PAUSE + 2, 2 * PAUSE, 3 * PAUSE + 4):
            with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
                assert deliver_due(table) == 0
        assert handled == [message] * 3
        (item,) = places.outbox(table)
        assert "DeleteItem" in item["why"]["S"]
        last = {name: value for name, value in item.items() if name != "claimed_until"}
        places.put(jobs, {**last, "tries": {"N": str(MAX_TRIES)}})
        with time_machine.travel(start + timedelta(days=1), tick=False):
            assert deliver_due(table) == 0
            (item,) = places.outbox(table)
            assert int(item["claimed_until"]["N"]) == int((start + timedelta(days=1)).timestamp()) + 3600
    with time_machine.travel(start + timedelta(days=2), tick=False):
        assert deliver_due(table) == 1
    assert places.outbox(table) == []


def test_a_thousand_that_fail_do_not_keep_the_next_waiting(
    tables: dict[str, Any], handled: list[Message]
) -> None:
    """More than one answer of DynamoDB's (1 MB) holds, in the same shard."""
    table = tables["requests"]
    start = datetime.now(UTC) - timedelta(hours=1)
    first = put(table, datetime.now(UTC))
    shard = first.key["pk"]
    until = {"N": str(int(datetime.now(UTC).timestamp()) + 600)}
    padding = {"S": "x" * 100_000}
    for number in range(12):
        message = Message("test", {"fails": "x"}, new_action_id(), start + timedelta(seconds=number))
        item = {**message.item(), "pk": shard, "claimed_until": until, "padding": padding}
        places.put(jobs_table_for(table), item)
    assert deliver_due(table) == 1
    assert handled == [first]


@pytest.mark.no_moto
def test_a_message_that_could_not_be_put_off_waits_for_the_end_of_its_claim(
    tables: dict[str, Any], handled: list[Message]
) -> None:
    table = tables["requests"]
    message = put(table)

    def vanishes(message: Message, _table: Any) -> None:
        jobs = jobs_table_for(table)
        places.client(jobs).delete_item(TableName=jobs.name, Key=message.key)
        raise OSError("and it fails too")

    outbox.handlers()["test"] = vanishes
    assert deliver_due(table) == 0
    assert places.outbox(table) == []
    assert not deliver(message, table)


@pytest.mark.no_moto
def test_junk_in_the_outbox_is_logged_and_passed_by(
    tables: dict[str, Any], handled: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    table = tables["requests"]
    message = put(table)
    junk = [
        {},
        {"body": {"S": "{"}, "action_id": {"S": "x"}, "due": {"S": "yesterday"}, "part": {"S": "0"}},
        {**message.item(), "body": {"S": "not JSON"}},
        {**message.item(), "body": {"N": "7"}},
    ]
    for number, item in enumerate(junk):
        key = {"pk": message.key["pk"], "sk": {"S": f"2025-12-24T10:00:00.00000{number}Z#x"}}
        places.put(jobs_table_for(table), {**item, **key})
    assert deliver_due(table) == 1
    assert handled == [message]
    assert deliver_due(table) == 0
    assert caplog.text.count("can't be read") == len(junk)  # not at each look
    assert len(places.outbox(table)) == len(junk)


@pytest.mark.no_moto
def test_many_workers_at_once_send_each_message_once(tables: dict[str, Any], handled: list[Message]) -> None:
    table = tables["requests"]
    messages = [put(table) for _ in range(12)]
    barrier = threading.Barrier(4)

    def work(_: int) -> int:
        barrier.wait(10)
        return Worker([outbox.DELIVERY]).once(threading.Event())

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 12
    assert sorted(message.action_id for message in handled) == sorted(one.action_id for one in messages)


@pytest.mark.no_moto
def test_the_claim_of_a_worker_that_died_ends(
    tables: dict[str, Any], handled: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    message = put(table)
    now = datetime.now(UTC)

    def dies(message: Message, _: Any) -> None:
        raise RuntimeError("kill -9")

    with monkeypatch.context() as patch:
        patch.setitem(outbox.handlers(), "test", dies)
        patch.setattr(Lease, "renew", lambda *_, **__: None)
        with pytest.raises(RuntimeError, match="kill -9"):
            deliver(message, table, now)
    assert not deliver(message, table, now)
    assert deliver_due(table, now=now + timedelta(seconds=CLAIM)) == 0
    assert deliver_due(table, now=now + timedelta(seconds=CLAIM + 1)) == 1
    assert handled == [message]


# --- The worker ---------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_it_works_in_every_place(tables: dict[str, Any], handled: list[Message]) -> None:
    messages = [put(tables["requests"]), put(tables["agents"])]
    assert tables["requests"].region != tables["agents"].region
    assert Worker([outbox.DELIVERY]).once(threading.Event()) == 2
    assert {message.action_id for message in handled} == {message.action_id for message in messages}


def test_it_ends_when_it_is_stopped_even_amid_its_work(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, stop = tables["requests"], threading.Event()
    for _ in range(3):
        put(table)
    monkeypatch.setitem(outbox.handlers(), "test", lambda message, table: stop.set())
    worker = Worker([outbox.DELIVERY])
    # The engine knows no regions: the other one's turn would take a message of the same table meanwhile.
    worker.turns = [turns for turns in worker.turns if turns.table.region == table.region]
    assert worker.run(stop) == 1
    assert len(places.outbox(table)) == 2
    assert Worker([outbox.DELIVERY]).run(stop) == 0


@pytest.mark.no_moto
def test_the_command_does_what_is_due_and_only_what_was_asked_for(
    tables: dict[str, Any], handled: list[Message], capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    put(tables["requests"])
    monkeypatch.setitem(tasks._tasks, "other", Task("other", lambda table, over: 100))
    call_command("worker", "--once", "--only", "outbox")
    assert capsys.readouterr().out == "1 done.\n"
    with pytest.raises(CommandError, match="choose from"):
        call_command("worker", "--only", "nothing")


@pytest.mark.no_moto
@pytest.mark.parametrize("kind", ["a page", "null", "403"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", ["UpdateItem", "DeleteItem"])
def test_a_message_is_gone_when_dynamodb_says_so(
    proxied: Proxy, tables: dict[str, Any], handled: list[Message], kind: str, after: bool, operation: str
) -> None:
    """Its claim and its deletion, answered by something else: what was done of it, is done again."""
    table = tables["requests"]
    message = put(table)
    through = binding("requests")
    proxied.interfere = instead(FALSE[kind], of={operation}, after=after)
    assert deliver_due(through) == 0
    sent, gone = operation == "DeleteItem", operation == "DeleteItem" and after
    assert handled == [message] * sent
    assert len(places.outbox(table)) == (0 if gone else 1)
    proxied.reset(proxied.engine)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=CLAIM + 1)):
        assert deliver_due(through) == (0 if gone else 1)
    assert handled == [message] * (1 if gone else 1 + sent)
    assert places.outbox(table) == []


def test_what_is_due_is_not_taken_for_nothing(proxied: Proxy, tables: dict[str, Any]) -> None:
    put(tables["requests"])
    proxied.interfere = instead(FALSE["{}"])
    with pytest.raises(Unreachable):
        deliver_due(binding("requests"))
