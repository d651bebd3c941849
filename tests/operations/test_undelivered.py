"""What can never be sent, and what is late: seen, sent again, dropped."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from opsportal.alerts import watches
from opsportal.alerts.watches import Question
from opsportal.aws import MessageRefused
from opsportal.operations import outbox, undelivered
from opsportal.operations.entries import new_action_id, stamp
from opsportal.operations.outbox import Message, deliver_due
from opsportal.operations.tables import jobs_table_for
from opsportal.tables.doctor.findings import FAIL, OK
from opsportal.tables.doctor.surroundings import worker
from tests.operations import places
from tests.operations.places import request_item

pytestmark = pytest.mark.no_moto
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/requests"


class Receiver:
    """In place of the queue: what it says to each message, None to take it."""

    def __init__(self) -> None:
        self.says: Exception | None = MessageRefused("Message must be shorter than 1024 bytes.")
        self.taken: list[dict[str, Any]] = []

    def __call__(self, url: str, body: dict[str, Any]) -> None:
        if self.says:
            raise self.says
        self.taken.append(body)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Receiver:
    made = Receiver()
    settings.REQUESTS_QUEUE_URL = QUEUE
    monkeypatch.setattr("requests_app.outgoing.send_message", made)
    return made


def retry(client: Client, key: str = "req-1") -> str:
    action_id = new_action_id()
    answer = client.post(f"/requests/{key}/retry/", {"reason": "", "action_id": action_id})
    assert answer.status_code == 302
    return action_id


def do(client: Client, verb: str, reason: str = "as agreed") -> Any:
    (found,) = undelivered.listed().shown
    url = reverse(f"operations:{verb}", args=[found.key])
    return client.post(url, {"reason": reason, "action_id": new_action_id()})


def test_a_refused_message_is_seen_and_can_be_sent_again_or_dropped(
    tables: dict[str, Any], receiver: Receiver, client_for: Callable[[str], Client]
) -> None:
    table = tables["requests"]
    viewer, operator, administrator = map(client_for, ("viewer", "operator", "administrator"))
    places.put(table, request_item(status="failed", processing_strategy={"S": "sqs"}))
    assert "All messages were delivered" in viewer.get("/audit/undelivered/").text
    action_id = retry(operator)
    # It was tried once, and is not tried any more: the page of the item and the list say so to all.
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert deliver_due(table) == 0
    page = viewer.get("/audit/undelivered/").text
    for shown in (
        "undeliverable",
        "requests.sqs",
        "req-1",
        "shorter than 1024 bytes",
        f"/audit/{action_id}/",
    ):
        assert shown in page
    assert "Your role (viewer) may not do this." in page
    item_page = viewer.get("/requests/req-1/").text
    assert "the queue never got it: <bdi>Message must be shorter than 1024 bytes." in item_page
    found = worker(table)
    assert found.state == FAIL
    assert "1 undelivered" in found.what
    # By role.
    assert do(viewer, "resend").status_code == do(operator, "drop").status_code == 403
    # Again in vain; then taken, under the same action_id.
    assert do(operator, "resend").status_code == 302
    (again,) = undelivered.listed().shown
    assert (again.given_up, again.tries, again.key) == (True, 1, again.key)
    receiver.says = None
    assert do(operator, "resend").status_code == 302
    assert [body["action_id"] for body in receiver.taken] == [action_id]
    assert undelivered.listed().shown == ()
    assert places.outbox(table) == []
    assert worker(table).state == OK
    assert "never got it" not in viewer.get("/requests/req-1/").text
    entries = [(one["action"]["S"], one["target"]["S"]) for one in places.trail(table)]
    assert entries == [("request:retry", "req-1"), *[("message:resend", "req-1")] * 2]
    # The retry is what the item's page goes on watching.
    assert "No worker has picked it up yet" in viewer.get("/requests/req-1/").text
    receiver.says = MessageRefused("an invalid character")
    places.put(table, request_item(status="failed", processing_strategy={"S": "sqs"}))
    retry(operator)
    assert do(administrator, "drop").status_code == 302
    assert places.outbox(table) == []
    assert places.trail(table)[-1]["reason"] == {"S": "as agreed"}


def test_a_late_message_is_seen_with_its_last_error_and_tried_at_once(
    tables: dict[str, Any], receiver: Receiver, client_for: Callable[[str], Client]
) -> None:
    table, operator = tables["requests"], client_for("operator")
    receiver.says = OSError("the queue is away")
    places.put(table, request_item(status="failed", processing_strategy={"S": "sqs"}))
    start = datetime.now(UTC)
    retry(operator)
    assert undelivered.listed().shown == ()
    assert worker(table).state == OK
    with time_machine.travel(start + timedelta(hours=3)) as clock:
        # Claimed until its next try, which is when it is looked past by workers.
        deliver_due(table)
        finding = worker(table)
        assert (finding.state, "tried 2 times: the queue is away" in finding.why) == (FAIL, True)
        page = operator.get("/audit/undelivered/").text
        assert "<bdi>late</bdi>" in page
        assert "the queue is away" in page
        assert "the queue never got it: <bdi>the queue is away" in operator.get("/requests/req-1/").text
        receiver.says = None
        assert do(operator, "resend").status_code == 302
        assert len(receiver.taken) == 1
        assert places.outbox(table) == []
        clock.shift(1)


def test_a_message_that_can_not_fit_is_refused_before_anything_is_written(
    tables: dict[str, Any],
    receiver: Receiver,
    client_for: Callable[[str], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator, table = client_for("operator"), tables["requests"]
    emoji = {"M": {"note": {"S": "\N{ROCKET}" * 90_000}}}
    places.put(table, request_item(status="failed", processing_strategy={"S": "sqs"}, config=emoji))
    receiver.says = None
    retry(operator)
    (sent,) = receiver.taken
    assert sent["configuration"]["note"] == "\N{ROCKET}" * 90_000
    # 400 KB of what JSON writes with six characters each, and a queue that takes less.
    controls = {"M": {"note": {"S": "\x01" * 100_000}}}
    places.put(table, request_item(status="failed", processing_strategy={"S": "sqs"}, config=controls))
    before = places.dump(tables)
    answer = operator.post("/requests/req-1/retry/", {"reason": "", "action_id": new_action_id()})
    assert (answer.status_code, "larger than the 400 KB" in answer.text) == (409, True)
    monkeypatch.setattr("opsportal.aws._limits", {QUEUE: 262_144})
    places.put(table, request_item(status="failed", processing_strategy={"S": "sqs"}, config=emoji))
    before = places.dump(tables)
    answer = operator.post("/requests/req-1/retry/", {"reason": "", "action_id": new_action_id()})
    assert (answer.status_code, "its queue takes at most 262,144" in answer.text) == (409, True)
    assert places.dump(tables) == before
    assert len(receiver.taken) == 1


def test_pages_of_many_over_all_locations_have_each_once_and_junk_can_be_dropped(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    start = datetime.now(UTC) - timedelta(days=1)
    made = []
    for count in range(9):
        table = tables["requests" if count % 2 else "agents"]
        message = Message("of another version", {}, new_action_id(), start + timedelta(seconds=count))
        raw = message.item()
        if count % 3 == 0:
            raw |= message.key_in("undeliverable")
        places.put(jobs_table_for(table), raw)
        made.append(raw["sk"]["S"])
    seen, after = [], ""
    while True:
        found = undelivered.listed(after=after, limit=2)
        seen += [one.key for one in found.shown]
        if not (after := found.more):
            break
    assert seen == made
    junk = {
        "pk": {"S": "outbox#1"},
        "sk": {"S": "2025-01-01<script>"},
        "body": {"N": "7"},
        "tries": {"S": "x"},
    }
    places.put(jobs_table_for(tables["requests"]), junk)
    administrator = client_for("administrator")
    page = administrator.get("/audit/undelivered/").text
    assert "can&#x27;t read it" in page or "can't read it" in page
    assert "<script>" not in page.partition("<main")[2]
    assert administrator.get("/audit/undelivered/?after=%00~\U0001f680").status_code == 200
    key = {"message": junk["sk"]["S"]}
    for verb, status in (("resend", 409), ("drop", 302), ("drop", 404)):
        url = reverse(f"operations:{verb}", kwargs=key)
        assert administrator.post(url, {"reason": "x", "action_id": new_action_id()}).status_code == status
    assert len(undelivered.listed().shown) == 9


def test_a_rule_fires_for_what_is_late_or_given_up(tables: dict[str, Any]) -> None:
    watch = watches.watch("message.undelivered")
    assert watch
    assert watch.still
    now = datetime.now(UTC)
    made = {}
    for minutes, state in ((1, "outbox"), (7, "outbox"), (1, "undeliverable"), (90, "outbox")):
        message = Message("test", {}, new_action_id(), now - timedelta(minutes=minutes))
        given_up = {"given_up_at": {"S": stamp(now)}} if state != "outbox" else {}
        places.put(
            jobs_table_for(tables["requests"]), {**message.item(), **message.key_in(state), **given_up}
        )
        made[minutes, state] = message.key["sk"]["S"]

    def asks(threshold: float) -> Question:
        return Question(now=now, baseline=now, threshold=threshold)

    found = watch.read(asks(5))
    expected = {made[key] for key in ((7, "outbox"), (1, "undeliverable"), (90, "outbox"))}
    assert ({fact.subject for fact in found.facts}, found.complete) == (expected, True)
    found = watch.read(asks(60))
    assert {fact.subject: fact.since for fact in found.facts} == {
        made[1, "undeliverable"]: now,
        made[90, "outbox"]: now - timedelta(minutes=30),
    }
    assert watch.still(asks(5), made[7, "outbox"])
    assert not watch.still(asks(60), made[7, "outbox"])
    assert not watch.still(asks(5), "gone")


def test_a_message_of_an_earlier_version_is_still_read(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    message = Message("test", {"number": 0.5, "text": "☃"}, new_action_id(), datetime.now(UTC))
    old = {**message.item(), "body": {"S": '{"number": 0.5, "text": "\\u2603"}'}}
    places.put(jobs_table_for(table), old)
    (found,) = outbox.due(table)
    assert found.body == {"number": Decimal("0.5"), "text": "☃"}
