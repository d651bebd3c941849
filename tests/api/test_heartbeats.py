"""An agent says that it is still there: what is written, and what the audit trail has of it."""

import itertools
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.db import connection

from opsportal.operations.entries import Actor
from opsportal.operations.outcomes import Conflict, OutcomeUnknown
from registry import heartbeats, registration
from tests.api.conftest import Program
from tests.dynamo.calls import calls_on
from tests.operations.places import actor, dump, get, put, trail
from tests.registry.test_actions import BY, agent, operational
from tests.trouble import denied, trouble

HEARTBEAT = "/api/agents/heartbeat"


@pytest.fixture
def table(tables: Any) -> Any:
    return tables["agents"]


@pytest.fixture
def caller(table: Any, program: Any) -> Program:
    made: Program = program()
    return made


@pytest.mark.parametrize(
    ("item", "name", "form"),
    [
        (agent(), "lastHeartbeat", "N13"),
        (agent(lastHeartbeat={"N": "1763600000"}), "lastHeartbeat", "N10"),
        (agent(lastHeartbeat={"S": "2025-12-24T10:00:00.000Z"}), "lastHeartbeat", "SZ"),
        (agent(lastHeartbeat={"NULL": True}), "lastHeartbeat", "N13"),
        (agent(lastHeartbeat={"L": []}), "lastHeartbeat", "N13"),
        (operational(), "last_heartbeat", "SZ"),
        ({"name": {"S": "bare"}}, "lastHeartbeat", "N13"),
    ],
)
def test_a_heartbeat_renews_the_heartbeat_in_its_form_and_nothing_else(
    caller: Program, table: Any, item: Any, name: str, form: str
) -> None:
    before = put(table, {**item, "agentId": {"S": "a"}, "foreign": {"NS": ["1.5", "2"]}})
    answer = caller.post(HEARTBEAT, {"id": "a"})
    assert (answer.status_code, answer.json()["success"]) == (200, True), answer.content
    after = get(table, "a")
    assert after is not None
    assert {one for one in {*before, *after} if before.get(one) != after.get(one)} == {name}
    ((tag, value),) = after[name].items()
    assert tag == form[0]
    assert value.endswith("Z") if form == "SZ" else len(value) == int(form[1:])
    (entry,) = trail(table)
    assert (entry["action"], entry["target"]) == ({"S": "agent:heartbeat"}, {"S": "a"})
    assert actor(entry) == ("operator via token ci", f"token:{caller.token.pk}")
    (changed,) = entry["changes"]["L"]
    assert changed["M"]["path"] == {"L": [{"S": name}]}


def milliseconds(**ago: float) -> dict[str, str]:
    return {"N": str(int((time.time() - timedelta(**ago).total_seconds()) * 1000))}


def test_the_first_heartbeat_of_a_day_has_an_entry_and_those_that_follow_are_one_call(
    caller: Program, table: Any
) -> None:
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=milliseconds()))
    caller.post(HEARTBEAT, {"id": "a"})
    (entry,) = trail(table)
    assert "represents those that follow" in entry["note"]["S"]
    for _ in range(3):
        before = get(table, "a")
        time.sleep(0.002)
        with calls_on(table) as calls:
            assert caller.post(HEARTBEAT, {"id": "a"}).status_code == 200
        assert calls == ["UpdateItem"]
        assert get(table, "a") != before
    assert trail(table) == [entry]


def test_each_name_and_each_day_and_each_agent_has_an_entry(
    table: Any, program: Callable[..., Program]
) -> None:
    for agent_id in "ab":
        put(table, agent(agentId={"S": agent_id}, lastHeartbeat=milliseconds()))
    ours, theirs = program(name="ci"), program("operator", name="nightly", service=True)
    for caller, agent_id in itertools.product((ours, theirs, ours), "ab"):
        assert caller.post(HEARTBEAT, {"id": agent_id}).status_code == 200
    told = {(actor(entry)[0], entry["target"]["S"]) for entry in trail(table)}
    assert told == set(itertools.product(("operator via token ci", "service nightly"), "ab"))
    assert len(trail(table)) == 4
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1)):
        heartbeats.heartbeat("a", by=BY)
        heartbeats.heartbeat("a", by=BY)
    assert [actor(entry) for entry in trail(table)[4:]] == [(BY.name, BY.id)]


def test_processes_that_know_nothing_of_each_other_write_one_entry(table: Any) -> None:
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=milliseconds()))
    for _ in range(3):
        caches["process"].clear()
        before = get(table, "a")
        time.sleep(0.002)
        heartbeats.heartbeat("a", by=BY)
        assert get(table, "a") != before
    assert len(trail(table)) == 1


@pytest.mark.django_db(transaction=True)
def test_heartbeats_at_once_all_come_through_with_one_entry(table: Any) -> None:
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=milliseconds()))

    def beat(_: int) -> None:
        try:
            heartbeats.heartbeat("a", by=BY)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(beat, range(12)))
    assert len(trail(table)) == 1


@pytest.mark.parametrize(
    ("last", "health"), [({"hours": 9}, "offline"), ({"hours": -9}, "unknown"), (None, "unknown")]
)
def test_a_heartbeat_that_brings_an_agent_back_has_an_entry_of_its_own(
    table: Any, last: dict[str, float] | None, health: str
) -> None:
    """Whoever asks in the night which token keeps it alive finds the name and the time."""
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=milliseconds()))
    heartbeats.heartbeat("a", by=BY)
    was = milliseconds(**last) if last else {"NULL": True}
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=was))
    assert heartbeats.heartbeat("a", by=BY).health == health
    _, entry = trail(table)
    assert entry["note"]["S"] == f"Its health was {health} before."
    (changed,) = entry["changes"]["L"]
    assert changed["M"]["old"]["M"]["value"] == was
    heartbeats.heartbeat("a", by=BY)
    assert len(trail(table)) == 2


def test_no_entry_no_heartbeat(caller: Program, table: Any) -> None:
    """What can't be told in the audit trail is not done."""
    before = put(table, agent(agentId={"S": "a"}))
    arn = "arn:aws:dynamodb:eu-north-1:123456789012:table/audit"
    with trouble(table, denied("PutItem", arn), "TransactWriteItems"):
        assert caller.post(HEARTBEAT, {"id": "a"}).status_code == 503
    assert get(table, "a") == before


def test_where_the_answer_is_lost_the_caller_is_told_to_send_it_again(
    caller: Program, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise OutcomeUnknown

    put(table, agent(agentId={"S": "a"}))
    monkeypatch.setattr(heartbeats, "act", lost)
    answer = caller.post(HEARTBEAT, {"id": "a"})
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert "Send the heartbeat again" in answer.json()["detail"]


def test_others_who_write_all_the_time_make_it_busy(
    caller: Program, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise Conflict("Others are changing it.")

    put(table, agent(agentId={"S": "a"}))
    monkeypatch.setattr(heartbeats, "act", busy)
    monkeypatch.setattr(registration, "PAUSE", 0)
    assert caller.post(HEARTBEAT, {"id": "a"}).status_code == 503


def test_two_heartbeats_of_one_second_are_one(table: Any) -> None:
    """Of a registry that keeps seconds: the second changes nothing, and is no trouble."""
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False):
        put(table, agent(agentId={"S": "a"}, lastHeartbeat={"N": "1795168800"}))
        for _ in range(2):
            assert heartbeats.heartbeat("a", by=BY).id == "a"
    item = get(table, "a")
    assert item is not None
    assert item["lastHeartbeat"] == {"N": "1795168800"}


def test_who_came_in_the_same_second_as_another_has_an_entry_of_the_next(table: Any) -> None:
    """What changed nothing has none; under that name the day has not begun."""
    other = Actor("service other", "operator", "token:1005")
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as clock:
        put(table, agent(agentId={"S": "a"}, lastHeartbeat={"N": "1795168790"}))
        heartbeats.heartbeat("a", by=BY)
        assert heartbeats.heartbeat("a", by=other).id == "a"
        assert [actor(entry)[0] for entry in trail(table)] == [BY.name]
        clock.shift(1)
        heartbeats.heartbeat("a", by=other)
    assert [actor(entry)[0] for entry in trail(table)] == [BY.name, other.name]


def listed_in(page: str) -> list[str]:
    return re.findall(r'title="Only (agent:[^"]*)"><bdi>', page)


def test_lists_leave_heartbeats_out_until_they_are_asked_for(
    caller: Program, table: Any, client_for: Callable[[str], Any]
) -> None:
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=milliseconds()))
    caller.post(HEARTBEAT, {"id": "a"})
    caller.post("/api/agents/a/deactivate")
    viewer = client_for("viewer")
    page = viewer.get("/audit/").content.decode()
    assert listed_in(page) == ["agent:deactivate"]
    (url,) = re.findall(r'<a href="(/audit/[^"]*agent%3Aheartbeat[^"]*)">Heartbeats', page)
    assert listed_in(viewer.get(url).content.decode()) == ["agent:heartbeat"]
    assert "Agent heartbeat sent" not in viewer.get("/agents/a/").content.decode()
    # A program that collects the trail gets all of it.
    listed = [one["action"] for one in caller.get("/api/audit").json()["items"]]
    assert listed == ["agent:deactivate", "agent:heartbeat"]


def test_a_heartbeat_of_nobody_is_404_and_makes_nobody(caller: Program, tables: Any) -> None:
    before = dump(tables)
    for agent_id in ("nobody", "ü" * 1024):
        assert caller.post(HEARTBEAT, {"id": agent_id}).status_code == 404
    assert caller.post(HEARTBEAT, {}).status_code == 400
    assert caller.post(HEARTBEAT, {"id": ""}).status_code == 400
    assert caller.post(HEARTBEAT, {"id": 7}).status_code == 422
    assert caller.post(HEARTBEAT, {"id": "x" * 2049}).status_code == 422
    assert dump(tables) == before


def test_time_does_not_stand_in_the_way_of_a_heartbeat(caller: Program, table: Any) -> None:
    """A clock that was ahead when the item was written."""
    put(table, agent(agentId={"S": "a"}, lastHeartbeat={"N": "9999999999999"}))
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False):
        heartbeats.heartbeat("a", by=BY)
    item = get(table, "a")
    assert item is not None
    assert item["lastHeartbeat"] == {"N": "1795168800000"}
