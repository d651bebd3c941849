"""What operators do to agents: in the layout of their registry, and beside its heartbeats."""

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.operations import entries, images, undo
from opsportal.operations.changes import same
from opsportal.operations.entries import Actor
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.item_pages import watch
from opsportal.operations.observation import Outcome, observe
from opsportal.operations.transactions import Conflict, IdempotencyMismatch, NotFound
from registry import action_views, actions, profile
from registry.dialects import DOCUMENTED
from tests import dumps
from tests.dynamo.typed import EVERY_TYPE

# The account of who acted is looked up for what a page says.
pytestmark = pytest.mark.django_db

BY = Actor("olga", "operator", "user:1001")
MS = "1763600000000"


def new_id() -> str:
    return str(uuid.uuid4())


def agent(**others: Any) -> dict[str, Any]:
    """As the discovery service stores one."""
    return {
        "name": {"S": "Coach"},
        "endpoint": {"S": "https://coach.example.com/agent"},
        "capabilities": {"SS": ["fitness_analysis", "benchmark_analysis"]},
        "tags": {"L": [{"S": "core"}, {"N": "7"}]},
        "status": {"S": "active"},
        "type": {"S": "core"},
        "lastHeartbeat": {"N": MS},
        "registeredAt": {"N": MS},
        "updatedAt": {"N": MS},
        "pricing": {"S": '{"baseFee": "0.01", "weight": 0.100}'},
        "reputationScore": {"N": "92"},
        **others,
    }


def operational(**others: Any) -> dict[str, Any]:
    """As an operational registry of the same kind does."""
    return {
        "agent_name": {"S": "Extraction"},
        "agent_type": {"S": "TRADE_EXTRACTION"},
        "deployment_status": {"S": "ACTIVE"},
        "capabilities": {"L": [{"S": "pdf_parsing"}]},
        "last_heartbeat": {"S": "2025-12-24T10:00:00.000Z"},
        "active_tasks": {"N": "3"},
        **others,
    }


TEXTS = {
    "name": "New",
    "endpoint": "https://new.example.com",
    "capabilities": "b\na\nb",
    "type": "dynamic",
    "pricing": '{"baseFee": 0.10}',
    "description": "",
}


def register(key: str = "a", *, action_id: str = "", by: Actor = BY, **texts: str) -> Any:
    data = {"texts": {**TEXTS, **texts}, "others": {}, "dialect": DOCUMENTED}
    return action_views.REGISTER.act(key, by=by, action_id=action_id, **data)


def edit(key: str = "a", *, action_id: str = "", drawn: Any = None, **texts: str) -> Any:
    return action_views.EDIT.act(key, by=BY, action_id=action_id, texts=texts, drawn=drawn)


def declare(verb: str, key: str = "a", *, action_id: str = "", by: Actor = BY) -> Any:
    action: ItemAction = getattr(action_views, verb.upper())
    return action.act(key, by=by, action_id=action_id)


@pytest.fixture
def table(tables: dict[str, Any]) -> Any:
    return tables["agents"]


def now(table: Any, key: str = "a") -> dict[str, Any]:
    return dumps.item(table, key) or {}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if not same(before.get(name), after.get(name))}


# --- Register ----------------------------------------------------------------------------------------


def test_register_puts_an_agent_as_deployed_registries_store_one(table: Any) -> None:
    action_id = new_id()
    register(action_id=action_id)
    after = now(table)
    stamp = after.pop("registeredAt")
    assert after.pop("updatedAt") == stamp
    assert abs(int(stamp["N"]) - datetime.now(UTC).timestamp() * 1000) < 20_000
    after["capabilities"]["SS"].sort()
    assert after == {
        table.key: {"S": "a"},
        "name": {"S": "New"},
        "endpoint": {"S": "https://new.example.com"},
        "capabilities": {"SS": ["a", "b"]},
        "type": {"S": "dynamic"},
        "pricing": {"S": '{"baseFee": 0.10}'},
        "status": {"S": "active"},
        "reputationScore": {"N": "50"},
    }
    entry = entries.read_entry(action_id, table)
    assert entry is not None
    assert entry.condition == "does not exist"
    sides = {change.path: (change.old, change.new) for change in entry.changes}
    assert sides[("name",)] == (None, {"S": "New"})


def test_register_refuses_an_id_that_is_taken(table: Any) -> None:
    dumps.put(table, "a", agent())
    with dumps.nothing_written(table), pytest.raises(Conflict, match="an agent with this id already"):
        register()


def test_a_repeated_registration_is_one(table: Any) -> None:
    action_id = new_id()
    assert not register(action_id=action_id).repeated
    assert register(action_id=action_id).repeated
    assert len(dumps.audit(table)) == 1
    with pytest.raises(IdempotencyMismatch):
        register("b", action_id=action_id)
    with pytest.raises(IdempotencyMismatch):
        register(action_id=action_id, by=Actor("otto", "operator", "user:1002"))
    assert dumps.item(table, "b") is None


@pytest.mark.no_moto
def test_of_two_registrations_at_once_one_wins(table: Any) -> None:
    results: list[Any] = []
    gate = threading.Barrier(2)

    def go(name: str) -> None:
        gate.wait()
        try:
            results.append(register(name=name))
        except Conflict as conflict:
            results.append(conflict)

    threads = [threading.Thread(target=go, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [isinstance(result, Conflict) for result in results].count(True) == 1
    assert len(dumps.audit(table)) == 1


# --- Edit --------------------------------------------------------------------------------------------


def test_edit_writes_what_was_changed_in_the_layout_of_the_item(table: Any) -> None:
    before = dumps.put(table, "a", agent(**EVERY_TYPE))
    edit(
        name="Better",
        capabilities="fitness_analysis\nnew one",
        tags="7\nextra",
        pricing='{"baseFee": "0.02"}',
        type="",
    )
    after = now(table)
    assert changed(before, after) == {"name", "capabilities", "tags", "pricing", "type", "updatedAt"}
    assert after["name"] == {"S": "Better"}
    assert sorted(after["capabilities"]["SS"]) == ["fitness_analysis", "new one"]
    assert after["tags"] == {"L": [{"N": "7"}, {"S": "extra"}]}
    assert after["pricing"] == {"S": '{"baseFee": "0.02"}'}
    assert after["type"] == {"NULL": True}
    assert int(after["updatedAt"]["N"]) > int(MS)
    assert {name: after[name] for name in EVERY_TYPE} == {name: before[name] for name in EVERY_TYPE}


def test_edit_of_an_operational_agent_uses_its_names(table: Any) -> None:
    before = dumps.put(table, "a", operational())
    edit(name="Extraction 2", type="OTHER", capabilities="pdf_parsing\nocr")
    after = now(table)
    assert changed(before, after) == {"agent_name", "agent_type", "capabilities"}
    assert after["agent_type"] == {"S": "OTHER"}
    assert after["capabilities"] == {"L": [{"S": "pdf_parsing"}, {"S": "ocr"}]}


def test_edit_of_a_nested_document_keeps_the_types_of_what_was_not_touched(table: Any) -> None:
    nested = {
        "zones": {"SS": ["a", "b"]},
        "key": {"B": b"\x00\x01"},
        "fee": {"N": "0.1"},
        "flag": {"BOOL": True},
        "deep": {"M": {"numbers": {"NS": ["1", "2"]}, "list": {"L": [{"N": "1"}, {"NULL": True}]}}},
    }
    raw = dumps.put(table, "a", agent(pricing={"M": nested}))
    text = profile.shown(raw, profile.FIELDS["pricing"])
    edit(pricing=text.replace("0.1", "0.25"))
    after = now(table)["pricing"]["M"]
    assert same({"M": after}, {"M": {**nested, "fee": {"N": "0.25"}}})


def test_edit_keeps_the_members_of_a_list_that_are_no_text(table: Any) -> None:
    dumps.put(table, "a", agent(capabilities={"L": [{"S": "x"}, {"M": {"odd": {"S": "y"}}}, {"N": "5"}]}))
    edit(capabilities="5\nz")
    assert now(table)["capabilities"] == {"L": [{"N": "5"}, {"S": "z"}, {"M": {"odd": {"S": "y"}}}]}


def test_edit_that_changes_nothing_is_refused(table: Any) -> None:
    dumps.put(table, "a", agent())
    with (
        dumps.nothing_written(table),
        pytest.raises(Conflict, match="No change: it already has these values"),
    ):
        edit(name="Coach", capabilities="benchmark_analysis\nfitness_analysis")


def test_a_heartbeat_between_drawing_and_sending_does_not_prevent_an_edit(table: Any) -> None:
    raw = dumps.put(table, "a", agent())
    drawn = profile.drawn(raw)
    dumps.put(table, "a", agent(lastHeartbeat={"N": "1763600099000"}, updatedAt={"N": "1763600099000"}))
    edit(name="Better", drawn=drawn)
    assert now(table)["name"] == {"S": "Better"}
    assert now(table)["lastHeartbeat"] == {"N": "1763600099000"}


def test_what_another_changed_meanwhile_is_not_overwritten(table: Any) -> None:
    drawn = profile.drawn(dumps.put(table, "a", agent()))
    dumps.put(table, "a", agent(name={"S": "Theirs"}))
    with (
        dumps.nothing_written(table),
        pytest.raises(Conflict, match="Name was changed meanwhile; it is now: Theirs"),
    ):
        edit(name="Mine", drawn=drawn)
    edit(role="coach", drawn=drawn)  # another field is free
    assert now(table)["name"] == {"S": "Theirs"}


def test_edit_of_what_is_gone_says_so(table: Any) -> None:
    with dumps.nothing_written(table), pytest.raises(NotFound):
        edit(name="x")


def test_edit_loses_to_a_write_in_the_same_moment(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dumps.put(table, "a", agent())
    renewed = actions.renewed

    def slowly(raw: Any, moment: Any) -> Any:
        dumps.put(table, "a", agent(name={"S": "Theirs"}))  # with the same stamps
        return renewed(raw, moment)

    monkeypatch.setattr(actions, "renewed", slowly)
    with pytest.raises(Conflict, match="in the meantime"):
        edit(name="Mine")
    assert now(table)["name"] == {"S": "Theirs"}
    assert dumps.audit(table) == []


def test_an_edit_is_undone_from_its_entry(table: Any) -> None:
    before = dumps.put(table, "a", agent())
    entry = edit(name="Better", role="coach", capabilities="z\ny\nx", description="d" * 3999).entry
    stored = entries.read_entry(entry.action_id, table)
    assert stored is not None
    assert stored.has_image
    done = undo.undo(stored, by=BY, reason="", action_id=new_id())
    after = now(table)
    assert changed(before, after) == {"updatedAt"}  # role and description are absent again
    assert int(after["updatedAt"]["N"]) > int(MS)
    assert done.entry.undo_of == entry.action_id
    assert (
        observe(done.entry, after, "lastHeartbeat", action_views.ACTIONS.still_holds).fate
        is Outcome.REQUESTED
    )


def test_an_edit_with_values_longer_than_an_entry_shows_can_be_undone(table: Any) -> None:
    before = dumps.put(table, "a", agent())
    long = '{"text": "' + "é" * 9_000 + '"}'
    entry = edit(pricing=long).entry
    stored = entries.read_entry(entry.action_id, table)
    assert stored is not None
    assert any((change.new or {}).get("S", "").endswith("…") for change in stored.changes)
    undo.undo(stored, by=BY, reason="", action_id=new_id())
    assert now(table)["pricing"] == before["pricing"]


def test_an_edit_that_was_edited_over_is_not_undone(table: Any) -> None:
    dumps.put(table, "a", agent())
    entry = edit(name="Better").entry
    edit(name="Best")
    with dumps.nothing_written(table), pytest.raises(Conflict, match="name was changed since"):
        undo.undo(entry, by=BY, reason="", action_id=new_id())


def test_an_edit_of_what_is_too_large_for_a_copy_needs_the_second_confirmation(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    dumps.put(table, "a", agent())
    with dumps.nothing_written(table), pytest.raises(Conflict, match="too large to keep a copy"):
        edit(name="Better")
    action_views.EDIT.act("a", by=BY, texts={"name": "Better"}, without_image=True)
    assert now(table)["name"] == {"S": "Better"}


def test_the_same_action_id_edits_once(table: Any) -> None:
    dumps.put(table, "a", agent())
    action_id = new_id()
    edit(name="Better", action_id=action_id)
    assert edit(name="Better", action_id=action_id).repeated
    assert len(dumps.audit(table)) == 1


# --- Activate, deactivate, purge ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "item", "attribute", "written"),
    [
        ("deactivate", agent(), "status", "inactive"),
        ("deactivate", agent(status={"S": "Active"}), "status", "inactive"),
        ("deactivate", agent(status={"S": "unheard of"}), "status", "inactive"),
        ("activate", agent(status={"S": "INACTIVE"}), "status", "ACTIVE"),
        ("activate", agent(status={"NULL": True}), "status", "active"),
        ("activate", agent(status={"L": []}), "status", "active"),
        ("deactivate", operational(), "deployment_status", "INACTIVE"),
        ("activate", operational(deployment_status={"S": "DRAINING"}), "deployment_status", "ACTIVE"),
        ("activate", operational(deployment_status={"S": "inactive"}), "deployment_status", "active"),
        ("activate", {"agent_type": {"S": "X"}}, "deployment_status", "ACTIVE"),
        ("activate", {}, "status", "active"),
    ],
)
def test_the_declared_status_is_written_where_and_how_the_item_has_it(
    table: Any, verb: str, item: Any, attribute: str, written: str
) -> None:
    before = dumps.put(table, "a", {**item, **EVERY_TYPE})
    declare(verb)
    after = now(table)
    assert after[attribute] == {"S": written}
    assert changed(before, after) - {"updatedAt"} == {attribute}
    assert ("updatedAt" in after) == (attribute == "status")


@pytest.mark.parametrize(
    ("verb", "item", "sentence"),
    [
        ("activate", agent(status={"S": "Active"}), "active already"),
        ("deactivate", operational(deployment_status={"S": "INACTIVE"}), "inactive already"),
        ("purge", agent(), "It is active; deactivate it first"),
        ("purge", operational(deployment_status={"S": "DRAINING"}), "It is DRAINING; deactivate it first"),
        ("purge", {}, "without a status"),
    ],
)
@pytest.mark.no_moto
def test_what_the_state_forbids_is_refused_and_writes_nothing(
    table: Any, verb: str, item: Any, sentence: str
) -> None:
    dumps.put(table, "a", item)
    with dumps.nothing_written(table), pytest.raises(Conflict, match=sentence):
        declare(verb)


@pytest.mark.parametrize("verb", ["activate", "deactivate", "purge"])
def test_what_is_gone_is_not_acted_on(table: Any, verb: str) -> None:
    with dumps.nothing_written(table), pytest.raises(NotFound):
        declare(verb)


@pytest.mark.parametrize(
    ("old", "form"),
    [
        (None, "milliseconds"),
        ({"N": MS}, "milliseconds"),
        ({"N": "1763600000"}, "seconds"),
        ({"S": MS}, "milliseconds as text"),
        ({"S": "2025-12-24T10:00:00.000Z"}, "zulu"),
        ({"S": "2025-12-24T10:00:00+00:00"}, "offset"),
        ({"S": "2025-12-24T10:00:00"}, "naive"),
        ({"L": []}, "milliseconds"),
    ],
)
def test_stamps_keep_the_form_that_the_item_has(old: Any, form: str) -> None:
    moment = datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=UTC)
    expected = {
        "milliseconds": {"N": "1795168800250"},
        "seconds": {"N": "1795168800"},
        "milliseconds as text": {"S": "1795168800250"},
        "offset": {"S": "2026-11-20T10:00:00.250+00:00"},
        "zulu": {"S": "2026-11-20T10:00:00.250Z"},
        "naive": {"S": "2026-11-20T10:00:00.250"},
    }
    assert actions.stamp(moment, old) == expected[form]


@pytest.mark.parametrize(
    "item", [agent(status={"S": "inactive"}), operational(deployment_status={"S": "INACTIVE"})]
)
def test_an_inactive_agent_is_purged_and_comes_back_by_undo(table: Any, item: Any) -> None:
    before = dumps.put(table, "a", {**item, **EVERY_TYPE})
    done = declare("purge")
    assert dumps.item(table, "a") is None
    undo.undo(done.entry, by=BY, reason="", action_id=new_id())
    assert changed(before, now(table)) == set()


@pytest.mark.parametrize("verb", ["edit", "deactivate", "purge", "register"])
def test_actions_follow_the_key_attribute_of_the_settings(engine: Any, settings: Any, verb: str) -> None:
    from tests.engines import fresh_tables

    place = {**settings.DYNAMO_TABLES["agents"], "key": "agent_id"}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "agents": place}
    with fresh_tables(engine, settings) as tables:
        table = tables["agents"]
        if verb != "register":
            dumps.put(table, "a", agent(status={"S": "inactive" if verb == "purge" else "active"}))
        {"edit": lambda: edit(name="x"), "register": register}.get(verb, lambda: declare(verb))()
        after = dumps.item(table, "a")
        assert (after is None) == (verb == "purge")


# --- What becomes of it: whole items from a registry's memory ------------------------------------------


def beat(table: Any, memory: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A heartbeat: the registry puts what it remembers."""
    at = str(int((datetime.now(UTC) + timedelta(seconds=1)).timestamp() * 1000))
    if "deployment_status" in memory:
        fresh: dict[str, Any] = {"last_heartbeat": {"S": datetime.now(UTC).isoformat()}}
    else:
        fresh = {"lastHeartbeat": {"N": at}, "updatedAt": {"N": at}, "status": {"S": "active"}}
    return dumps.put(table, "a", {**memory, **fresh, **others})


def fate(table: Any, raw: dict[str, Any] | None = None) -> Outcome | None:
    raw = raw or now(table)
    stamp = profile.heartbeat_name(raw) or profile.UPDATED
    found = watch(actions.target("a"), raw, stamp, action_views.ACTIONS.still_holds).observation
    return found.fate if found else None


def test_a_deactivation_that_a_heartbeat_overwrites_is_said_to_be_overwritten(table: Any) -> None:
    memory = dumps.put(table, "a", agent())
    entry = declare("deactivate").entry
    assert fate(table) is Outcome.REQUESTED
    observed = observe(entry, beat(table, memory), "lastHeartbeat", action_views.ACTIONS.still_holds)
    assert observed.fate is Outcome.OVERWRITTEN
    assert observed.at is not None
    assert observed.at > entry.time


def test_a_deactivation_that_a_registry_took_over_is_seen(table: Any) -> None:
    dumps.put(table, "a", agent())
    declare("deactivate")
    beat(table, now(table), status={"S": "Inactive"})
    assert fate(table) is Outcome.SEEN


@pytest.mark.parametrize("item", [agent(), operational()])
def test_an_edit_is_requested_then_seen_or_overwritten(table: Any, item: Any) -> None:
    memory = dumps.put(table, "a", item)
    edit(name="Better", capabilities="z\na")
    assert fate(table) is Outcome.REQUESTED
    edited = now(table)
    if "SS" in edited["capabilities"]:  # DynamoDB keeps no order in a set
        assert fate(table, {**edited, "capabilities": {"SS": ["z", "a"]}}) is Outcome.REQUESTED
    beat(table, edited)
    assert fate(table) is Outcome.SEEN
    beat(table, memory)
    assert fate(table) is Outcome.OVERWRITTEN


def test_a_registration_that_heartbeats_keep_is_seen(table: Any) -> None:
    register()
    assert fate(table) is Outcome.REQUESTED
    beat(table, now(table))
    assert fate(table) is Outcome.SEEN
    beat(table, {**now(table), "name": {"S": "Other"}})
    assert fate(table) is Outcome.OVERWRITTEN


def test_an_agent_that_its_registry_put_back_after_a_purge_is_said_to_be(table: Any) -> None:
    memory = dumps.put(table, "a", agent(status={"S": "inactive"}))
    declare("purge")
    beat(table, memory)
    assert fate(table) is Outcome.OVERWRITTEN
