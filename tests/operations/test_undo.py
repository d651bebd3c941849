"""Undo of a purge and of an edit, and what an item's page says of the newest change."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User

from opsportal.dynamo.errors import DynamoError
from opsportal.operations import entries, images, item_pages, undo
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor, Entry, Intent, Target, new_action_id, read_entry
from opsportal.operations.item_pages import deletion, trail_of, watch
from opsportal.operations.observation import Observation, Outcome
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action, UnknownAction
from opsportal.operations.transactions import Conflict, Done, NotFound, Plan, act
from requests_app import action_views
from tests.operations.places import FOREIGN, client, dump, get, put, request_item, trail

# The account of who acted is looked up for what a page says.
pytestmark = pytest.mark.django_db

OLGA, OTTO = Actor("olga", "operator", "user:1001"), Actor("otto", "operator", "user:1002")
TARGET = Target("requests", "req-1")


def purge(tables: dict[str, Any], **more: Any) -> tuple[Raw, Entry]:
    """A request with every type, purged; the item as it was, and the entry."""
    item = put(tables["requests"], request_item(status="failed", **{**FOREIGN, **more}))
    return item, action_views.PURGE.act("req-1", by=OLGA, reason="", action_id=new_action_id()).entry


def undone(entry: Entry, by: Actor = OTTO, action_id: str = "") -> Done:
    return undo.undo(entry, by=by, reason="a mistake", action_id=action_id or new_action_id())


@pytest.mark.no_moto
def test_a_purge_is_undone_byte_for_byte(tables: dict[str, Any]) -> None:
    item, entry = purge(tables)
    action_id = new_action_id()
    done = undone(entry, action_id=action_id)
    assert get(tables["requests"], "req-1") == item
    raw = trail(tables["requests"])[-1]
    assert (raw["action"], raw["undo_of"], raw["reason"]) == (
        {"S": "request:undo"},
        {"S": entry.action_id},
        {"S": "a mistake"},
    )
    assert "changes" not in raw  # what came back is in the copy of the purge
    before = dump(tables)
    assert undone(entry, action_id=action_id).repeated
    assert dump(tables) == before
    assert undo.undone_by(entry, [done.entry]) == done.entry
    assert undo.undone_by(done.entry, [entry, done.entry]) is None


@pytest.mark.no_moto
def test_what_has_its_id_again_is_not_overwritten(tables: dict[str, Any]) -> None:
    _, entry = purge(tables)
    put(tables["requests"], request_item())
    before = dump(tables)
    with pytest.raises(Conflict, match="not overwritten"):
        undone(entry)
    assert dump(tables) == before


def test_the_second_of_two_undos_is_refused(tables: dict[str, Any]) -> None:
    _, entry = purge(tables)
    undone(entry)
    with pytest.raises(Conflict, match="There is an item with this id again"):
        undone(entry, by=OLGA)


@pytest.mark.no_moto
def test_a_copy_that_may_be_stale_says_so(tables: dict[str, Any]) -> None:
    _, entry = purge(tables, **{f"attribute {number}": {"N": "1"} for number in range(400)})
    assert entry.stale_image
    assert "may have been a moment old" in undone(entry).entry.note


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        ({"ttl": {"N": "1"}}, "The copy has expired."),
        ({"image": {"B": b"junk"}}, "can't be read"),
        ({"image": {"S": "junk"}}, "The copy has expired."),
    ],
)
@pytest.mark.no_moto
def test_without_its_copy_it_cannot_be_undone(
    tables: dict[str, Any], break_it: dict[str, Any], sentence: str
) -> None:
    _, entry = purge(tables)
    audit = audit_table_for(tables["requests"])
    image = get(audit, f"{entry.action_id}#image")
    put(audit, {**(image or {}), **break_it})
    before = dump(tables)
    assert sentence in undo.why_not(entry)
    with pytest.raises(Conflict, match=sentence):
        undone(entry)
    assert dump(tables) == before


def test_other_effects_cannot_be_undone(tables: dict[str, Any], settings: Any) -> None:
    put(tables["requests"], request_item())
    cancel = action_views.CANCEL.act("req-1", by=OLGA, reason="", action_id=new_action_id()).entry
    assert undo.why_not(cancel) == undo.NEVER
    with pytest.raises(Conflict):
        undone(cancel)
    entry = Entry(new_action_id(), Action.REQUEST_PURGE, OLGA, TARGET, entries.stamp())
    assert "too large" in undo.why_not(entry)
    foreign = Entry(
        new_action_id(), UnknownAction("rocket:purge"), OLGA, TARGET, entries.stamp(), has_image=True
    )
    assert "does not read now" in undo.why_not(foreign)


@pytest.mark.no_moto
def test_a_purge_from_a_table_that_was_replaced_is_not_undone_into_another(
    tables: dict[str, Any], settings: Any
) -> None:
    _, entry = purge(tables)
    entry = read_entry(entry.action_id, tables["requests"]) or entry
    former = tables["requests"].name
    settings.DYNAMO_TABLES = {
        **settings.DYNAMO_TABLES,
        "requests": {**settings.DYNAMO_TABLES["requests"], "name": tables["workflows"].name},
    }
    with pytest.raises(Conflict, match=f"{former}, which this console does not read now"):
        undone(entry)
    assert get(tables["workflows"], "req-1") is None


# --- An edit -------------------------------------------------------------------------------------------

AGENT = Target("agents", "agent-1")


def agent(**more: Any) -> Raw:
    return {
        "agentId": {"S": "agent-1"},
        "name": {"S": "Anna"},
        "role": {"S": "scout"},
        "status": {"S": "active"},
        "updatedAt": {"S": "2025-12-24T10:00:00.000Z"},
        "lastHeartbeat": {"N": "1766570400000"},
        **FOREIGN,
        **more,
    }


def edit(tables: dict[str, Any]) -> tuple[Raw, Entry]:
    """An edit in each way that a path can change: set, added, removed, nested and long."""
    before = put(tables["agents"], agent(settings={"M": {"a": text("1"), "b": text("2")}}))

    def plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
        assert raw is not None
        change = Change(raw).guard("name")
        change.set("name", text("Berta " * 2_000)).set("emoji", text("🦊")).remove("role")
        change.set(("settings", "a"), text("9")).set("updatedAt", text(entries.stamp(now)))
        return Plan(change=change, image=True, watch={"name": text("Berta " * 2_000)})

    done = act(plan, Intent(Action.AGENT_EDIT, AGENT, OLGA, "", new_action_id()))
    return before, read_entry(done.entry.action_id, tables["agents"]) or done.entry


def test_an_edit_is_undone_path_by_path(tables: dict[str, Any]) -> None:
    before, entry = edit(tables)
    written = get(tables["agents"], "agent-1") or {}
    # What the registry wrote since in other places stays.
    put(tables["agents"], {**written, "lastHeartbeat": {"N": "1766570999000"}, "new": text("x")})
    undone(entry)
    after = get(tables["agents"], "agent-1") or {}
    others = {"lastHeartbeat", "updatedAt", "new"}
    assert {name: value for name, value in after.items() if name not in others} == {
        name: value for name, value in before.items() if name not in others
    }
    assert after["new"] == text("x")
    assert after["updatedAt"]["S"] > written["updatedAt"]["S"] or after["updatedAt"] != before["updatedAt"]


@pytest.mark.parametrize("path", ["name", "emoji", "role"])
@pytest.mark.no_moto
def test_an_edit_that_was_changed_since_is_not_undone(tables: dict[str, Any], path: str) -> None:
    _, entry = edit(tables)
    put(tables["agents"], {**(get(tables["agents"], "agent-1") or {}), path: text("another's")})
    before = dump(tables)
    with pytest.raises(Conflict, match=f"{path} was changed since") as refused:
        undone(entry)
    assert refused.value.item is not None
    assert refused.value.item[path] == text("another's")
    assert dump(tables) == before


def test_an_edit_of_what_was_deleted_is_not_undone(tables: dict[str, Any]) -> None:
    _, entry = edit(tables)
    table = tables["agents"]
    client(table).delete_item(TableName=table.name, Key={table.key: {"S": "agent-1"}})
    with pytest.raises(NotFound, match="deleted since"):
        undone(entry)


def test_an_edit_that_is_undone_already_has_nothing_to_undo(tables: dict[str, Any]) -> None:
    _, entry = edit(tables)
    undone(entry)
    with pytest.raises(Conflict):
        undone(entry)


# --- What the page says ---------------------------------------------------------------------------------


SUPERUSER = User(username="root", is_superuser=True, is_active=True)


@dataclass(frozen=True)
class Seen:
    """A `Watched` as it was at that time."""

    observation: Observation | None
    unsettled: bool
    token: str
    problem: str


def watched(tables: dict[str, Any], after: timedelta = timedelta()) -> Seen:
    raw = get(tables["requests"], "req-1")
    assert raw is not None
    with time_machine.travel(datetime.now(UTC) + after):
        found = watch(TARGET, raw, "updated_at", action_views.ACTIONS.still_holds)
        return Seen(found.observation, found.unsettled, found.token, found.problem)


@pytest.mark.no_moto
def test_a_change_is_watched_until_a_worker_answers_or_for_a_while(tables: dict[str, Any]) -> None:
    memory = put(tables["requests"], request_item())
    assert watched(tables) == Seen(None, False, ":False", "")
    action_views.CANCEL.act("req-1", by=OLGA, reason="", action_id=new_action_id())
    now, later, late = (watched(tables, timedelta(minutes=minutes)) for minutes in (0, 14, 16))
    assert [one.observation and one.observation.fate for one in (now, later, late)] == [Outcome.REQUESTED] * 3
    assert [one.unsettled for one in (now, later, late)] == [True, True, False]
    # The page's token changes with the end of the watching, or it would refresh itself for ever.
    assert now.token == later.token != late.token
    assert watched(tables, timedelta(hours=25)).observation is None
    put(tables["requests"], memory)
    found = watched(tables)
    assert found.observation is not None
    assert found.observation.fate is Outcome.OVERWRITTEN
    assert not found.unsettled
    assert found.token != now.token


def test_what_was_written_a_moment_ago_is_watched_before_the_index_knows_it(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tables["requests"], request_item())
    action_views.CANCEL.act("req-1", by=OLGA, reason="", action_id=new_action_id())
    monkeypatch.setattr(item_pages.feeds, "of_target", lambda target, limit: [])
    found = watched(tables)
    assert found.observation is None
    assert found.unsettled
    assert not watched(tables, timedelta(seconds=11)).unsettled


def test_the_page_does_without_the_trail(tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())
    audit = audit_table_for(tables["requests"])
    client(audit).delete_table(TableName=audit.name)
    assert "The audit trail can't be read" in watched(tables).problem
    assert deletion(trail_of(TARGET) or [], SUPERUSER) is None


@pytest.mark.no_moto
def test_who_deleted_it_is_shown_until_it_is_undone(tables: dict[str, Any]) -> None:
    assert deletion(trail_of(TARGET) or [], SUPERUSER) is None
    _, entry = purge(tables)
    found = deletion(trail_of(TARGET) or [], SUPERUSER)
    assert found is not None
    assert (found.entry.action_id, found.undoable) == (entry.action_id, True)
    undone(entry)
    assert watched(tables).observation is None
    table = tables["requests"]
    client(table).delete_item(TableName=table.name, Key={table.key: {"S": "req-1"}})
    assert deletion(trail_of(TARGET) or [], SUPERUSER) is None
    _, again = purge(tables)
    audit = audit_table_for(table)
    client(audit).delete_item(TableName=audit.name, Key={"action_id": {"S": f"{again.action_id}#image"}})
    found = deletion(trail_of(TARGET) or [], SUPERUSER)
    assert found is not None
    assert not found.undoable


def test_an_item_that_came_back_after_a_purge_is_reported(tables: dict[str, Any]) -> None:
    item, entry = purge(tables)
    put(tables["requests"], item)
    for _ in range(2):
        found = watched(tables).observation
        assert found is not None
        assert (found.fate, found.entry.action_id) == (Outcome.OVERWRITTEN, entry.action_id)
        # The worker's own entry about the logs, which is newer, changes nothing of that.
        put(
            audit_table_for(tables["requests"]),
            Entry(new_action_id(), Action.REQUEST_PURGE_LOGS, OLGA, TARGET, entries.stamp(), count=3).item(),
        )


def test_an_image_is_what_was_deleted(tables: dict[str, Any]) -> None:
    item, entry = purge(tables)
    assert undo.copy_of(entry) == item
    packed = entries.read_image(entry.action_id, tables["requests"])
    assert packed is not None
    assert images.unpack(packed) == item


def test_an_error_is_not_taken_for_a_copy_that_is_gone(tables: dict[str, Any]) -> None:
    _, entry = purge(tables)
    audit = audit_table_for(tables["requests"])
    client(audit).delete_table(TableName=audit.name)
    with pytest.raises(DynamoError):
        undo.why_not(entry)
