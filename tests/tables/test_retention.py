"""What is finished and old gets an expiry, and nothing else does; many workers do it once."""

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.errors import DynamoError, Unreachable
from opsportal.dynamo.leases import OWNER, Lease
from opsportal.dynamo.tables import Binding
from opsportal.operations import tasks
from opsportal.operations.entries import Actor
from opsportal.operations.outcomes import Conflict, NotFound
from opsportal.tables.grants import places_of
from opsportal.tables.permissions import features
from opsportal.tables.retention import chore, stamping
from opsportal.tables.retention.rules import MARK, RetentionPolicy, Verdict, bound, judge, judge_log, rules
from opsportal.tables.retention.stamping import keep
from requests_app.descriptor import RULE
from tests.false_answers import FALSE
from tests.iam import Iam, judged, table_names
from tests.operations.places import actor, client, dump, get, naive, scan, trail
from tests.operations.proxy import Proxy, instead
from tests.pages import visit
from tests.tables.retained import (
    ago,
    disable_ttl,
    enable_ttl,
    expiry_in_days,
    old_log,
    old_request,
    put_all,
    stamped,
)
from tests.trouble import refused, trouble

EVE = Actor("eve", "operator", "user:1003")


@pytest.fixture
def on(tables: dict[str, Binding], settings: Any) -> Iterator[dict[str, Binding]]:
    """The tables with TTL, and retention of 90 days for requests and 30 for logs."""
    both = tables["requests"], tables["request_logs"]
    enable_ttl(*both)
    settings.RETENTION_REQUEST_DAYS, settings.RETENTION_LOG_DAYS = 90, 30
    settings.RETENTION_UNITS_PER_MINUTE = 1_000_000
    yield tables
    disable_ttl(*both)


def sweep() -> int:
    """What one turn of the worker does with each table."""
    return sum(chore.sweep_table(table, lambda: False) for table in chore.TASK.works_on())


def later(**length: float) -> Any:
    return time_machine.travel(ago(0) + timedelta(**length))


# --- Verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "item"),
    [
        (Verdict.STAMP, old_request("r")),
        (Verdict.STAMP, old_request("r", status="FAILED ")),
        (Verdict.UNFINISHED, old_request("r", status="processing")),
        (Verdict.UNFINISHED, old_request("r", status="stopped")),  # nobody documented that it is an end
        (Verdict.UNFINISHED, old_request("r", status=None)),
        (Verdict.YOUNG, old_request("r", 10)),
        (Verdict.YOUNG, old_request("r", updated_at={"S": naive(ago(1))})),  # created long ago, touched since
        (Verdict.YOUNG, old_request("r", completed_at={"S": "2999-01-01T00:00:00"})),
        (Verdict.UNREADABLE, old_request("r", created_at={"S": "the other day"})),
        (Verdict.UNREADABLE, old_request("r", created_at=None)),
        (Verdict.UNREADABLE, old_request("r", updated_at={"S": "the other day"})),
        (Verdict.OTHERS, old_request("r", ttl={"N": "4102444800"})),
        (Verdict.OTHERS, old_request("r", ttl={"NULL": True})),
        (Verdict.OTHERS, old_request("r", ttl={"N": "7"}, **{MARK: {"N": "8"}})),
        (Verdict.STAMPED, old_request("r", ttl={"N": "7"}, **{MARK: {"N": "7"}})),
        (Verdict.RELEASE, old_request("r", status="pending", ttl={"N": "7"}, **{MARK: {"N": "7.0"}})),
        (Verdict.RELEASE, old_request("r", 10, ttl={"N": "7"}, **{MARK: {"N": "7"}})),
    ],
)
def test_an_item_is_judged_by_its_status_its_newest_stamp_and_its_expiry(verdict: Verdict, item: Any) -> None:
    assert judge(RULE, item, ago(0), 90) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("2026-01-01T00:00:00", Verdict.STAMP),
        ("2026-01-01T00:00:00.000Z", Verdict.STAMP),
        ("2026-01-01T00:00:00+00:00Z", Verdict.STAMP),
        # The texts are in the wrong order about the bound, the times are not.
        ("2026-01-01T23:00:00-05:00", Verdict.YOUNG),
        ("2026-01-02T05:00:00+09:00", Verdict.STAMP),
    ],
)
def test_a_clock_of_any_form_is_read_as_a_time(text: str, verdict: Verdict) -> None:
    stamps = {name: {"S": text} for name in RULE.stamps}
    with time_machine.travel("2026-01-12T02:00:00Z"):
        assert judge(RULE, old_request("r", **stamps), ago(0), 10) is verdict


@pytest.mark.parametrize(
    ("verdict", "log"),
    [
        (Verdict.STAMP, old_log("l", "r")),
        (Verdict.STAMP, old_log("l", None)),
        (Verdict.YOUNG, old_log("l", "r", 5)),
        (Verdict.UNFINISHED, old_log("l", "busy")),
        (Verdict.OTHERS, old_log("l", "r", ttl={"N": "7"})),
        (Verdict.STAMPED, old_log("l", "r", ttl={"N": "7"}, **{MARK: {"N": "7"}})),
        (Verdict.STAMP, old_log("log_1600000000000_001", "r", timestamp=None)),
        (Verdict.UNREADABLE, old_log("l", "r", timestamp={"S": "then"})),
        (Verdict.UNREADABLE, old_log("log_99999999999999_001", "r", timestamp=None)),
    ],
)
def test_a_log_is_judged_by_its_time_and_its_request(verdict: Verdict, log: Any) -> None:
    found = judge_log(RULE, log, ago(0), 30, {"busy"})
    # A year of five digits can't be told; one in the future is young.
    assert found is verdict or (verdict is Verdict.UNREADABLE and found is Verdict.YOUNG)


def test_the_grace_is_never_shorter_than_a_full_look(settings: Any) -> None:
    settings.RETENTION_GRACE_DAYS, settings.RETENTION_REQUEST_DAYS = 0, -5
    assert RetentionPolicy.configured() == RetentionPolicy(0, 0, 2)


def test_no_setting_leads_out_of_the_calendar(settings: Any) -> None:
    settings.RETENTION_GRACE_DAYS = settings.RETENTION_REQUEST_DAYS = settings.RETENTION_LOG_DAYS = 10**14
    lives = RetentionPolicy.configured()
    now = datetime.now(UTC)
    assert bound(now, lives.items) == bound(now, lives.logs) < "1990"
    assert lives.expiry(now) > now.timestamp()


# --- Sweeps --------------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_finished_old_requests_expire_after_the_grace_and_all_else_stays(on: dict[str, Binding]) -> None:
    table, logs = on["requests"], on["request_logs"]
    put_all(
        table,
        old_request("old"),
        old_request("shouted", status="CANCELLED"),
        old_request("busy", status="processing"),
        old_request("odd", status="stopped"),
        old_request("young", 5),
        old_request("touched", updated_at={"S": naive(ago(1))}),
        old_request("writers-own", ttl={"N": "4102444800"}),
        old_request("ungefähr", created_at={"S": "1999 or so"}),
    )
    put_all(
        logs,
        old_log("log-old", "old"),
        old_log("log-old-without-time", "old", timestamp=None),
        old_log("log-of-young", "young", 5),
        old_log("log-of-busy", "busy"),
        old_log("log-orphan", "gone"),
        old_log("log-young-orphan", "gone", 5),
    )
    before = {item["request_id"]["S"]: item for item in scan(table)}
    assert sweep() == 4
    assert stamped(table) == {"old", "shouted"}
    # A log without a time is in no index, and its key does not tell one.
    assert stamped(logs) == {"log-old", "log-orphan"}
    assert 6.9 < expiry_in_days(table, "old") <= 7.0
    for item in scan(table):
        now = {name: value for name, value in item.items() if name not in ("ttl", MARK)}
        was = {name: value for name, value in before[item["request_id"]["S"]].items() if name != "ttl"}
        assert now == was
    assert get(table, "writers-own") == before["writers-own"]


@pytest.mark.no_moto
def test_the_trail_tells_who_stamped_how_many(on: dict[str, Binding], client_for: Any) -> None:
    put_all(on["requests"], *(old_request(f"r{number}") for number in range(3)))
    put_all(on["request_logs"], old_log("l1", "r1"), old_log("l2", "r1"), old_log("orphan", "gone"))
    assert sweep() == 6
    by_requests, by_logs = trail(on["requests"])
    assert actor(by_requests) == ("retention", "worker")
    assert by_requests["count"] == {"N": "5"}
    assert by_requests["note"]["S"] == "3 requests stamped; 2 request_logs stamped"
    assert by_logs["note"]["S"] == "1 request_logs stamped"
    # As every entry: in the feed, and on a page of its own, with no item to lead to.
    client = client_for("operator")
    assert "Request given an expiry" in visit(client, "/audit/").words
    page = visit(client, f"/audit/{by_requests['action_id']['S']}/")
    assert "3 requests stamped" in page.fact("Note")
    assert page.fact_node("Target").all("a") == []
    # What had no effect is not told, and a sweep that is over rests.
    assert sweep() == 0
    with later(hours=2):
        assert sweep() == 0
    assert len(trail(on["requests"])) == 2


def test_a_sweep_goes_on_from_its_watermark_and_once_a_day_from_the_beginning(on: dict[str, Binding]) -> None:
    table = on["requests"]
    put_all(table, old_request("first", 120))
    assert sweep() == 1
    # Below the watermark: one that finished late.
    put_all(table, old_request("late", 200), old_request("next", 100))
    with later(hours=2):
        assert sweep() == 1
        assert stamped(table) == {"first", "next"}
    with later(hours=26):
        assert sweep() == 1
        assert stamped(table) == {"first", "next", "late"}


def test_pages_are_walked_to_the_end(on: dict[str, Binding], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsportal.tables.retention.reading.PAGE", 2)
    monkeypatch.setattr("opsportal.tables.retention.reading.PASSED_BY", 2)
    put_all(on["requests"], *(old_request(f"r{number}", 100 + number) for number in range(7)))
    put_all(on["request_logs"], *(old_log(f"l{number}", "gone") for number in range(7)))
    assert sweep() == 14


def test_what_comes_to_life_again_loses_its_stamp_and_its_logs_theirs(on: dict[str, Binding]) -> None:
    table, logs = on["requests"], on["request_logs"]
    put_all(table, old_request("again"), old_request("rewritten"))
    put_all(logs, old_log("l1", "again"), old_log("l2", "again", ttl={"N": "4102444800"}))
    assert sweep() == 3
    client = clients.client(*table.location, background=True)
    client.update_item(
        TableName=table.name,
        Key={"request_id": {"S": "again"}},
        UpdateExpression="SET #s = :s, updated_at = :at",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "pending"}, ":at": {"S": naive(ago(0))}},
    )
    put_all(table, old_request("rewritten", updated_at={"S": naive(ago(0))}, ttl={"N": "4102444800"}))
    with later(hours=25):
        assert sweep() == 2
    item = get(table, "again")
    assert item is not None
    assert "ttl" not in item
    assert MARK not in item
    assert stamped(logs) == set()
    assert get(logs, "l2") == old_log("l2", "again", ttl={"N": "4102444800"}) | {
        "timestamp": (get(logs, "l2") or {})["timestamp"]
    }
    assert "stamps taken away" in trail(table)[-1]["note"]["S"]


def test_a_request_that_changes_between_reading_and_stamping_is_left_alone(
    on: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = on["requests"]
    put_all(
        table,
        old_request("retried"),
        old_request("deleted"),
        old_request("gets-its-own"),
        old_request("same"),
    )
    stamp = stamping.stamp

    def after_a_change(where: Binding, raw: Any, *arguments: Any) -> bool:
        key, client = raw[where.key]["S"], clients.client(*table.location, background=True)
        if key == "retried":
            put_all(table, old_request("retried", status="pending"))
        elif key == "deleted":
            client.delete_item(TableName=table.name, Key={"request_id": {"S": key}})
        elif key == "gets-its-own":
            put_all(table, raw | {"ttl": {"N": "4102444800"}})
        return stamp(where, raw, *arguments)

    monkeypatch.setattr(stamping, "stamp", after_a_change)
    assert sweep() == 1
    assert stamped(table) == {"same"}
    # Never a ghost.
    assert {item["request_id"]["S"] for item in scan(table)} == {"retried", "gets-its-own", "same"}


@pytest.mark.no_moto
def test_the_units_of_a_minute_are_kept_and_no_log_is_lost_between(
    on: dict[str, Binding], settings: Any
) -> None:
    settings.RETENTION_UNITS_PER_MINUTE = 6
    put_all(on["requests"], old_request("big"))
    put_all(on["request_logs"], *(old_log(f"l{number:02}", "big", 5) for number in range(12)))
    done, steps = 0, 0
    while "big" not in stamped(on["requests"]):
        with later(minutes=steps):
            did = sweep()
            assert sweep() == 0, "the units of this minute are used up"
        done, steps = done + did, steps + 1
        assert steps < 20
    assert steps >= 3
    assert len(stamped(on["request_logs"])) == 12
    assert done == 13


def test_nothing_is_asked_or_written_while_it_is_off(tables: dict[str, Binding], settings: Any) -> None:
    put_all(tables["requests"], old_request("old"))
    before = dump(tables)
    with trouble(tables["requests"], refused("InternalServerError", "", 500)) as met:
        assert sweep() == 0
    assert met == []
    assert dump(tables) == before


@pytest.mark.parametrize("days", [(90, 0), (0, 30)])
@pytest.mark.no_moto
def test_requests_and_logs_are_switched_on_apart(
    on: dict[str, Binding], settings: Any, days: tuple[int, int]
) -> None:
    settings.RETENTION_REQUEST_DAYS, settings.RETENTION_LOG_DAYS = days
    put_all(on["requests"], old_request("old"))
    put_all(on["request_logs"], old_log("of-old", "old"), old_log("orphan", "gone"))
    sweep()
    assert stamped(on["requests"]) == ({"old"} if days[0] else set())
    assert stamped(on["request_logs"]) == ({"of-old", "orphan"} if days[1] else set())


def test_without_ttl_nothing_is_stamped_and_the_log_says_so_once(
    tables: dict[str, Binding], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RETENTION_REQUEST_DAYS = 90
    put_all(tables["requests"], old_request("old"))
    before = dump(tables)
    (turns,) = tasks.Worker([chore.TASK]).turns
    for minutes in (0, 10, 20):
        with later(minutes=minutes):
            turns.take(threading.Event())
    assert dump(tables) == before
    assert caplog.text.count("TTL is off for") == 1


def test_another_ttl_attribute_than_the_one_set_is_told_with_the_setting(
    on: dict[str, Binding], settings: Any
) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "requests": settings.DYNAMO_TABLES["requests"] | {"ttl_attribute": "expires"}
    }
    put_all(on["requests"], old_request("old"))
    with pytest.raises(tasks.NotNow, match="DYNAMODB_REQUESTS_TTL_ATTRIBUTE=ttl"):
        sweep()
    assert get(on["requests"], "old") is not None
    assert stamped(on["requests"]) == set()


# --- Many workers, and their end ------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_many_workers_stamp_each_request_once(
    on: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_all(on["requests"], *(old_request(f"r{number}") for number in range(30)))
    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with later(minutes=3):
        sweep()
    assert len(stamped(on["requests"])) == 30
    counted = sum(int(entry["count"]["N"]) for entry in trail(on["requests"]))
    assert counted == 30


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.mark.no_moto
def test_a_worker_that_dies_in_the_middle_loses_nothing(
    on: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.tables.retention.reading.PAGE", 2)
    put_all(on["requests"], *(old_request(f"r{number}", 100 + number) for number in range(6)))
    put_all(on["request_logs"], *(old_log(f"l{number}", f"r{number}", 5) for number in range(6)))
    stamp, calls = stamping.stamp, []

    def dies(*arguments: Any) -> bool:
        calls.append(arguments)
        if len(calls) == 8:
            # kill -9 leaves no time to write anything down.
            monkeypatch.setattr(Lease, "_write", lambda *_, **__: None)
            raise Killed
        return stamp(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(stamping, "stamp", dies)
        with pytest.raises(Killed):
            sweep()
    monkeypatch.undo()
    assert 0 < len(stamped(on["requests"])) < 6
    assert sweep() == 0, "its lease is not over"
    with later(seconds=chore.LEASE + 5):
        assert sweep() > 0
    assert len(stamped(on["requests"])) == len(stamped(on["request_logs"])) == 6
    notes = [entry["note"]["S"] for entry in trail(on["requests"])]
    assert "at least, since a worker ended in the middle" in notes[0]
    assert len(notes) == 2


@pytest.mark.no_moto
def test_progress_that_an_earlier_version_released_in_the_middle_goes_on_with_all_of_its_look(
    on: dict[str, Binding],
) -> None:
    """It released with owner "nobody" and lease_until 0, and had two queues: "left" and "alive"."""
    table, now = on["requests"], datetime.now(UTC).timestamp()
    put_all(table, old_request("old"), old_request("again"))
    assert sweep() == 2
    put_all(table, old_request("newer", 95))
    client(table).update_item(
        TableName=table.name,
        Key={"request_id": {"S": "again"}},
        UpdateExpression="SET #s = :s, updated_at = :at",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "pending"}, ":at": {"S": naive(ago(0))}},
    )
    position = {
        "left": ["completed"],
        "alive": ["pending"],
        "start": None,
        "marks": {},
        "full_at": now - 60,
    }
    run = {"id": "run-1", "begun": now - 60, "items": 2, "logs": 0, "released": 0, "cut": False}
    lease = chore.lease_of(table)
    client(lease.table).put_item(
        TableName=lease.table.name,
        Item={
            **lease.key,
            "position": {"S": json.dumps(position)},
            "next_at": {"N": "0"},
            "budget_minute": {"N": "0"},
            "budget_spent": {"N": "0"},
            "run": {"S": json.dumps(run)},
            "owner": {"S": "nobody"},
            "lease_until": {"N": "0"},
            "fence": {"N": "7"},
        },
    )
    assert sweep() == 2
    assert stamped(table) == {"old", "newer"}
    (recorded,) = (entry for entry in trail(table) if entry["action_id"]["S"] == "run-1")
    assert recorded["note"]["S"] == "3 requests stamped; 1 stamps taken away from what came to life again"


@pytest.mark.no_moto
def test_trouble_in_the_middle_is_raised_and_what_was_done_is_kept(on: dict[str, Binding]) -> None:
    put_all(on["requests"], old_request("old"))
    fault = refused("ProvisionedThroughputExceededException", "slower")
    with trouble(on["requests"], fault, "UpdateItem"), pytest.raises(DynamoError):
        sweep()
    assert OWNER not in chore.lease_of(on["requests"]).read()
    assert sweep() == 1


@pytest.mark.no_moto
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", ["GetItem", "Query", "Scan", "BatchGetItem", "UpdateItem", "PutItem"])
def test_what_is_not_dynamodbs_answer_takes_no_lease_and_stamps_nothing_more(
    on: dict[str, Binding], proxied: Proxy, operation: str, after: bool
) -> None:
    """Nothing is absent, and no request is finished, unless DynamoDB said so; what was done is done once."""
    put_all(on["requests"], old_request("old"), old_request("alive", status="processing"))
    put_all(on["request_logs"], old_log("of old", "old"), old_log("of alive", "alive"))
    proxied.interfere = instead(FALSE["{}"], of={operation}, after=after)
    for _ in range(2):
        with contextlib.suppress(Unreachable):
            sweep()
    assert operation in proxied.operations()
    assert stamped(on["requests"]) <= {"old"}
    assert stamped(on["request_logs"]) <= {"of old"}
    proxied.reset(proxied.engine)
    with later(seconds=chore.LEASE + 5):  # that it may have taken without knowing
        sweep()
    assert (stamped(on["requests"]), stamped(on["request_logs"])) == ({"old"}, {"of old"})
    assert OWNER not in chore.lease_of(on["requests"]).read()


@pytest.mark.no_moto
def test_the_worker_does_it(on: dict[str, Binding]) -> None:
    put_all(on["requests"], old_request("old"))
    assert tasks.Worker([tasks.registered()["retention"]]).once(threading.Event()) == 1
    assert stamped(on["requests"]) == {"old"}


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    yield from judged(monkeypatch)


@pytest.mark.no_moto
def test_the_policy_of_the_operator_covers_retention(on: dict[str, Binding], iam: Iam) -> None:
    put_all(on["requests"], old_request("old"), old_request("again"))
    put_all(on["request_logs"], old_log("l", "old"), old_log("orphan", "gone"))
    iam.awake = True
    for hours in (0, 25):
        with later(hours=hours):
            sweep()
        put_all(on["requests"], old_request("again", updated_at={"S": naive(ago(0))}))
    iam.awake = False
    names = table_names()
    allowed = {
        (action, names[place.region, place.table.name], place.index)
        for feature in features("operator")
        for place in places_of(feature)
        if place.table and (place.region, place.table.name) in names
        for action in feature.actions
    }
    assert iam.asked - allowed == set()
    assert ("dynamodb:UpdateItem", "request_logs", "") in iam.asked


def test_every_rule_names_tables_and_indexes_that_are_declared() -> None:
    for rule in rules():
        assert rule.by_status.range_key == rule.stamps[0]
        assert rule.by_item.hash_key
        assert not rule.finished & rule.unfinished


@pytest.mark.no_moto
def test_an_operator_sees_when_a_request_expires(on: dict[str, Binding], client_for: Any) -> None:
    put_all(
        on["requests"],
        old_request("old"),
        old_request("text", ttl={"S": "tomorrow"}),
        old_request("milliseconds", ttl={"N": "4102444800000"}),  # to TTL that is a year far away
        old_request("endless", ttl={"N": "1E+30"}),
        old_request("kept", ttl={"NULL": True}),
    )
    sweep()
    assert visit(client_for("operator"), "/requests/old/").fact("Expires") in ("in 7 d", "in 6 d")
    for key in ("text", "milliseconds", "endless", "kept"):
        assert "Expires" not in visit(client_for("operator"), f"/requests/{key}/").words, key


def test_what_is_stamped_looks_like_no_attribute_of_a_writers(
    on: dict[str, Binding], client_for: Any
) -> None:
    put_all(on["requests"], old_request("old"))
    put_all(on["request_logs"], old_log("l", "old"))
    sweep()
    client = client_for("operator")
    assert MARK not in visit(client, "/requests/old/logs/").words
    assert MARK not in visit(client, "/requests/new/?like=old").words


# --- Keeping ---------------------------------------------------------------------------------------------------


def test_what_somebody_keeps_never_expires(on: dict[str, Binding]) -> None:
    table, logs = on["requests"], on["request_logs"]
    put_all(table, old_request("kept"), old_request("other"), old_request("writers", ttl={"N": "4102444800"}))
    put_all(logs, old_log("l1", "kept"), old_log("l2", "kept"))
    sweep()
    done, number = keep(RULE, "kept", by=EVE, reason="evidence")
    assert (done.entry.reason, number) == ("evidence", 2)
    with later(days=8):
        assert sweep() == 0
    item = get(table, "kept")
    assert item is not None
    assert item["ttl"] == {"NULL": True}
    assert MARK not in item
    assert stamped(logs) == set()
    for key in ("kept", "writers"):
        before = raw_text({"M": get(table, key) or {}})
        with pytest.raises(Conflict):
            keep(RULE, key, by=EVE)
        assert raw_text({"M": get(table, key) or {}}) == before
    with pytest.raises(NotFound):
        keep(RULE, "gone", by=EVE)
