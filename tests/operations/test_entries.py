"""What an entry is, byte for byte; what a change says of itself; and the copies kept for an undo."""

import hashlib
import os
import re
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.dynamo import clients
from opsportal.operations import entries, images
from opsportal.operations.changes import NULL, Change, Changed, at, delete_request, number, same, text
from opsportal.operations.entries import Actor, Entry, Target, is_action_id, new_action_id, stamp
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from tests.dynamo.typed import values
from tests.operations.places import FOREIGN, get, put

DAY = 86_400


def entry(**more: Any) -> Entry:
    given = {
        "action_id": new_action_id(),
        "action": Action.REQUEST_RETRY,
        "actor": Actor("olga", "operator", "user:1001"),
        "target": Target("requests", "req-1"),
        "at": stamp(),
        **more,
    }
    return Entry(**given)


def test_the_layout_of_an_entry(settings: Any) -> None:
    settings.AUDIT_ENTRY_DAYS, settings.AUDIT_IMAGE_DAYS = 400, 30
    made = entry(
        action_id="6fa459ea-ee8a-4ca4-894e-db77e160355e",
        at="2026-11-20T10:00:00.000001Z",
        reason="because",
        condition="status as read",
        changes=(Changed(("a", "b"), None, text("new")), Changed(("gone",), number(1), None)),
        watch={"a.b": text("new")},
        has_image=True,
        stale_image=True,
        count=7,
        undo_of="6fa459ea-ee8a-4ca4-894e-db77e160355f",
        note="noted",
    )
    raw = made.item()
    shard = int(hashlib.sha256(made.action_id.encode()).hexdigest(), 16) % 4
    name = made.target.table.name
    assert abs(int(raw.pop("ttl")["N"]) - time.time() - 400 * DAY) < 60
    assert raw == {
        "action_id": {"S": "6fa459ea-ee8a-4ca4-894e-db77e160355e"},
        "at": {"S": "2026-11-20T10:00:00.000001Z"},
        "action": {"S": "request:retry"},
        "actor": {"S": "olga"},
        "actor_id": {"S": "user:1001"},
        "actor_key": {"S": "user:1001"},
        "role": {"S": "operator"},
        "logical": {"S": "requests"},
        "table": {"S": name},
        "target": {"S": "req-1"},
        "target_hash": {"S": hashlib.sha256(f"requests\n{name}\nreq-1".encode()).hexdigest()},
        "feed": {"S": f"2026-11-20#{shard}"},
        "reason": {"S": "because"},
        "condition": {"S": "status as read"},
        "changes": {
            "L": [
                {"M": {"path": {"L": [{"S": "a"}, {"S": "b"}]}, "new": {"M": {"value": {"S": "new"}}}}},
                {"M": {"path": {"L": [{"S": "gone"}]}, "old": {"M": {"value": {"N": "1"}}}}},
            ]
        },
        "watch": {"M": {"a.b": {"S": "new"}}},
        "undo_of": {"S": "6fa459ea-ee8a-4ca4-894e-db77e160355f"},
        "has_image": {"BOOL": True},
        "stale_image": {"BOOL": True},
        "count": {"N": "7"},
        "note": {"S": "noted"},
    }
    image = entries.image_item(made.action_id, b"packed")
    assert abs(int(image.pop("ttl")["N"]) - time.time() - 30 * DAY) < 60
    # No attribute of any index: an image is in no feed.
    assert image == {"action_id": {"S": f"{made.action_id}#image"}, "image": {"B": b"packed"}}


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("req-1", "8976bd557b63f8eaff182d45a2a4ca55d6bcaf78714a0bb54f9ecad47d5ffd1e"),
        ("a/b~41 ü,\n", "d0469e3f72ef09c177d3581f469977bf20f882c6175eecba1b39280ced9eecd2"),
    ],
)
def test_the_entries_of_an_item_are_found_by_the_hash_that_older_ones_have(
    settings: Any, key: str, written: str
) -> None:
    requests = {**settings.DYNAMO_TABLES["requests"], "name": "prod-market_intelligence_requests"}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "requests": requests}
    assert Target("requests", key).hash == written


def test_an_entry_is_read_as_it_was_written(tables: dict[str, Any]) -> None:
    made = entry(
        changes=(Changed(("foreign", "map"), {"M": FOREIGN}, None), Changed(("x",), NULL, {"SS": ["a"]})),
        watch={"status": text("pending")},
        table=tables["requests"].name,
    )
    raw = put(audit_table_for(tables["requests"]), made.item())
    found = entries.read_entry(made.action_id, tables["requests"])
    assert found is not None
    assert found == entries.from_item(raw)
    assert (found.action, found.actor, found.target, found.watch) == (
        made.action,
        made.actor,
        made.target,
        made.watch,
    )
    assert found.changes[1] == made.changes[1]
    assert same(found.changes[0].old, made.changes[0].old)
    assert entries.read_entry(new_action_id(), tables["requests"]) is None


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 20, 10, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        datetime.fromisoformat("2026-11-20T23:59:59.999999-14:00"),
    ],
)
def test_stamps_have_one_width_and_the_order_of_time(moment: datetime) -> None:
    written = stamp(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", written)
    assert entry(at=written).time == moment
    assert stamp(moment + timedelta(microseconds=1)) > written


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("6fa459ea-ee8a-4ca4-894e-db77e160355e", True),
        ("6fa459ea-ee8a-4ca4-894e-db77e160355e#image", False),
        ("6fa459ea-ee8a-4ca4-894e-db77e160355e\n", False),
        ("6FA459EA-EE8A-4CA4-894E-DB77E160355E", False),
        ("", False),
        ("../x", False),
    ],
)
def test_only_a_uuid_is_an_action_id(text: str, valid: bool) -> None:
    assert is_action_id(text) is valid


def test_the_tags_keep_their_grammar() -> None:
    for action in Action:
        assert re.fullmatch(r"(request|workflow|agent|message|job|case|list|export):[a-z_]+", action.value)
        assert f"{action.subject}:{action.verb}" == action.value


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "bottom"}
    for _ in range(levels):
        value = {"M": {"in": value}}
    return value


@pytest.mark.no_moto
def test_long_deep_and_many_values_are_cut_so_that_the_entry_fits(tables: dict[str, Any]) -> None:
    """An item of DynamoDB's holds 400 KB and 32 levels, whatever an operator may change."""
    for changes in (
        (Changed(("long",), text("☃" * 300_000), text("x" * 350_000)),),
        (Changed(("deep",), deep(30), text("x")),),
        tuple(Changed((f"attribute {n}",), text("ä" * 900), {"L": [text("y" * 900)]}) for n in range(400)),
    ):
        made = entry(changes=changes, reason="r" * 5_000)
        put(audit_table_for(tables["requests"]), made.item())
        found = entries.read_entry(made.action_id, tables["requests"])
        assert found is not None
        assert len(found.reason) == entries.MAX_REASON
        assert [change.path for change in found.changes] == [change.path for change in changes]
        first = found.changes[0].old
        assert first is not None
        assert first["S"].endswith("…")
    whole = entry(changes=(Changed(("deep",), deep(20), text("x")),))
    assert entries.from_item(whole.item()).changes == whole.changes


# --- Changes -------------------------------------------------------------------------------------------


def test_what_is_as_it_was_is_not_changed() -> None:
    change = Change({"a": text("x"), "n": {"N": "1.50"}, "m": {"M": {"s": {"SS": ["a", "b"]}}}})
    change.set("a", text("x")).set("n", number("1.5")).set(("m", "s"), {"SS": ["b", "a"]}).remove("none")
    assert change.changed == []


def test_missing_parents_are_made_once_and_guarded() -> None:
    change = Change({"text": text("x"), "map": {"M": {}}})
    change.set(("a", "b", "c"), text("1")).set(("a", "b", "d"), text("2")).set(("a", "e"), text("3"))
    change.set(("text", "b"), text("4")).set(("map", "new"), text("5"))
    request = change.request("table", {"id": text("k")})
    names, written = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
    assert {"M": {"b": {"M": {"c": text("1"), "d": text("2")}}, "e": text("3")}} in written.values()
    assert {one.path for one in change.changed} == {("a",), ("text",), ("map", "new")}
    assert set(names.values()) == {"id", "a", "text", "map", "new"}
    guarded = re.findall(r"attribute_not_exists\((#n\d+)\)", request["ConditionExpression"])
    assert {names[mark] for mark in guarded} == {"a"}
    assert change.condition == "a as read and text as read"


def test_no_foreign_text_is_part_of_an_expression() -> None:
    attack = "x) OR attribute_exists(y"
    change = Change({attack: text("1"), "m": {"M": {"a.b": text("2")}}}).guard(attack, ("m", "a.b"))
    change.set(attack, text(attack)).remove(("m", "a.b"))
    request = change.request("table", {"id": text("k")})
    for name in ("UpdateExpression", "ConditionExpression"):
        assert re.fullmatch(r"[A-Za-z_#:0-9 =().,]+", request[name])
        assert attack not in request[name]
    assert {"id", attack, "m", "a.b"} == set(request["ExpressionAttributeNames"].values())


# What builders of libraries take for a path into another attribute, or refuse.
ODD_NAMES = ("a.b", "a[0]", "[", "]", "a]b", "#n0", ":v0", " ", "ü", "SET", "size(a)")


@pytest.mark.no_moto
def test_an_attribute_of_any_name_is_guarded_set_and_removed(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    odd = {name: text("old") for name in ODD_NAMES}
    item = put(
        table,
        {"request_id": text("odd"), "a": {"L": [text("x")]}, "map": {"M": {**odd, "b": text("x")}}, **odd},
    )
    change = Change(item)
    for name in ODD_NAMES:
        change.guard(name, ("map", name)).set(name, text("new")).remove(("map", name))
    key = {"request_id": item["request_id"]}
    client = clients.client(*table.location)
    client.update_item(**change.request(table.name, key))
    found = get(table, "odd")
    assert found == item | dict.fromkeys(ODD_NAMES, text("new")) | {"map": {"M": {"b": text("x")}}}
    request, whole = delete_request(table.name, key, found)
    client.delete_item(**request)
    assert whole
    assert get(table, "odd") is None


def test_a_list_grows_and_what_is_none_stays() -> None:
    raw = {"list": {"L": [text("a")]}, "null": NULL, "text": text("x")}
    change = Change(raw).append("list", text("b")).append("null", text("b")).append("new", text("b"))
    change.append("text", text("b"))
    assert [(one.path[0], one.new) for one in change.changed] == [
        ("list", {"L": [text("a"), text("b")]}),
        ("null", {"L": [text("b")]}),
        ("new", {"L": [text("b")]}),
    ]
    assert at(raw, ("list", "deeper")) is None
    assert at({}, ("a", "b")) is None


@hypothesis_settings(max_examples=60)
@given(values, values)
def test_a_value_is_the_same_as_itself(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same(one, json_copy(one))
    assert same(one, other) == same(other, one)
    assert not same(one, None)
    assert same(None, None)


def json_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: json_copy(member) for name, member in reversed(list(value.items()))}
    return [json_copy(member) for member in value] if isinstance(value, list) else value


# --- Copies --------------------------------------------------------------------------------------------


@hypothesis_settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), values, max_size=5))
def test_a_copy_is_exact(raw: dict[str, Any]) -> None:
    assert images.unpack(images.pack(raw)) == raw


def test_names_that_look_like_its_own_marks_are_kept() -> None:
    for raw in (
        {"\x00bytes": {"S": "x"}},
        {"m": {"M": {"\x00bytes": {"B": b"\x00"}}}},
        {"m": {"M": {"\x00bytes": {"S": "x"}, "B": {"BS": [b"1", b"\xff"]}}}},
    ):
        assert images.unpack(images.pack(raw)) == raw


def test_what_does_not_fit_is_known_before() -> None:
    assert images.fits({"text": {"S": "x" * 399_000}})
    assert not images.fits({"noise": {"B": os.urandom(392_000)}})


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no zlib",
        zlib.compress(b"{"),
        zlib.compress(b"[1]"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b"\xff"),
    ],
)
def test_what_is_no_copy_is_unreadable(packed: bytes) -> None:
    with pytest.raises(images.Unreadable):
        images.unpack(packed)


def test_an_expired_or_a_broken_copy_is_none(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    for item in (
        {"ttl": {"N": str(int(time.time()) - 1)}, "image": {"B": b"x"}},
        {"ttl": {"S": "soon"}, "image": {"B": b"x"}},
        {"image": {"B": b"x"}},
        {"ttl": {"N": str(int(time.time()) + 60)}, "image": {"S": "x"}},
        {},
    ):
        put(audit_table_for(table), {"action_id": {"S": "a#image"}, **item})
        assert entries.read_image("a", table) is None
    put(audit_table_for(table), entries.image_item("a", b"x"))
    assert entries.read_image("a", table) == b"x"
