"""The trail as feeds: newest first over days, shards and places, in bounded calls."""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.dynamo import spending
from opsportal.dynamo.errors import MalformedCursor
from opsportal.operations import entries, feeds
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.feeds import FEED_CALLS, FeedFilter, Sought
from opsportal.operations.tables import audit_table_for, locations
from opsportal.operations.tags import Action
from tests.operations.places import put

NOW = datetime.now(UTC)
CHANCE = random.Random(7)


@pytest.fixture(autouse=True)
def _fewer_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of what entries live, which takes long to walk."""
    monkeypatch.setattr(feeds, "MAX_DAYS", 32)


def entry(at: datetime, **more: Any) -> Entry:
    given = {
        "action_id": str(uuid.UUID(int=CHANCE.getrandbits(128), version=4)),
        "action": Action.REQUEST_CANCEL,
        "actor": Actor("olga", "operator", "user:1001"),
        "target": Target("requests", "req-1"),
        "at": entries.stamp(at),
        **more,
    }
    return Entry(**given)


def write(*written: Entry) -> list[str]:
    """Puts entries beside their tables; their ids, newest first."""
    for one in written:
        put(audit_table_for(one.target.table), one.item())
    return [one.action_id for one in sorted(written, key=lambda one: (one.at, one.action_id), reverse=True)]


def pages(wanted: FeedFilter, limit: int = 50, most: int = 400) -> Iterator[list[str]]:
    cursor, count = "", 0
    while True:
        with spending.request_budget(None) as account:
            page = feeds.page(wanted, purpose="test", cursor=cursor, limit=limit)
        assert account.calls <= FEED_CALLS * len(locations())
        yield [raw["action_id"]["S"] for raw in page.items]
        assert page.cursor != cursor or not page.cursor, "it would go on for ever"
        cursor, count = page.cursor, count + 1
        assert count < most
        if not cursor:
            return


def read(wanted: FeedFilter, limit: int = 50) -> list[str]:
    return [action_id for page in pages(wanted, limit) for action_id in page]


AGENT = Target("agents", "agent-1")


@pytest.mark.no_moto
def test_days_shards_and_places_are_one_feed_newest_first(tables: dict[str, Any]) -> None:
    written = [
        entry(NOW - timedelta(hours=hours, minutes=minutes), target=target)
        for hours in range(0, 24 * 6, 7)
        for minutes, target in ((7, Target("requests", f"req-{hours}")), (8, AGENT))
    ]
    expected = write(*written)
    assert len({raw.item()["feed"]["S"].partition("#")[2] for raw in written}) == 4
    wanted = FeedFilter(start=NOW - timedelta(days=7))
    for limit in (50, 7, 2):
        assert read(wanted, limit) == expected
    within = FeedFilter(start=NOW - timedelta(days=3), end=NOW - timedelta(days=1))
    times = {one.action_id: one.time for one in written}
    wanted_ids = [one for one in expected if within.start <= times[one] <= within.end]  # type: ignore[operator]
    assert 0 < len(wanted_ids) < len(expected)
    assert read(within, 4) == wanted_ids


@pytest.mark.no_moto
def test_a_first_page_costs_no_more_days_than_it_needs(tables: dict[str, Any]) -> None:
    write(*(entry(NOW - timedelta(seconds=number)) for number in range(60)))
    with spending.request_budget(None) as account:
        feeds.page(FeedFilter(), purpose="test")
    days = 1 if (NOW - timedelta(seconds=60)).date() == NOW.date() else 2
    assert account.calls <= len(locations()) * days * feeds.FEED_SHARDS * 2


@pytest.mark.no_moto
def test_what_lies_far_back_is_reached_in_bounded_pages(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page reads so many empty days, says how far it got, and the next goes on from there."""
    monkeypatch.setattr(feeds, "MAX_DAYS", 60)
    expected = write(*(entry(NOW - timedelta(days=days)) for days in (0, 12, 35, 59)))
    found = list(pages(FeedFilter()))
    assert [one for page in found for one in page] == expected
    assert 5 < len(found) <= 3 + 61 * feeds.FEED_SHARDS // FEED_CALLS
    first = feeds.page(FeedFilter(), purpose="test")
    assert not first.complete
    assert first.searched_to[:4] in (str(NOW.year), str(NOW.year - 1))
    assert "~" not in first.searched_to


def test_entries_of_one_moment_are_each_shown_once(tables: dict[str, Any]) -> None:
    at = NOW - timedelta(minutes=3)
    expected = write(
        *(entry(at, target=target) for target in (Target("requests", "req-1"), AGENT) for _ in range(9))
    )
    for limit in (1, 4, 50):
        assert sorted(read(FeedFilter(start=NOW - timedelta(hours=1)), limit)) == sorted(expected)


def test_a_bound_where_the_calendar_begins_shows_nothing(tables: dict[str, Any], client_for: Any) -> None:
    page = client_for("viewer").get("/audit/?to=0001-01-01T00:00")
    assert page.status_code == 200


@pytest.mark.no_moto
def test_filters_show_what_they_name(tables: dict[str, Any]) -> None:
    otto = Actor("otto", "administrator", "user:1002")
    written = [
        entry(
            NOW - timedelta(days=number),
            actor=otto if number % 2 else Actor("olga", "operator", "user:1001"),
            action=Action.REQUEST_RETRY if number % 3 else Action.REQUEST_CANCEL,
            target=Target("requests", f"req-{number % 4}") if number % 5 else AGENT,
        )
        for number in range(30)
    ]
    expected = write(*written)
    by_id = {one.action_id: one for one in written}

    def those(**given: Any) -> list[str]:
        wanted = {"actor": "", "action": "", "target": "", "logical": "", **given}
        return [
            one
            for one in expected
            if (not wanted["actor"] or by_id[one].actor.id in wanted["actor"].ids)
            and wanted["action"] in ("", by_id[one].action.value)
            and wanted["target"] in ("", by_id[one].target.id)
            and wanted["logical"] in ("", by_id[one].target.logical)
        ]

    for given in (
        {"actor": Sought((otto.id,))},
        {"action": "request:retry"},
        {"target": "req-1"},
        {"target": "agent-1"},
        {"logical": "agents"},
        {"actor": Sought((otto.id,)), "action": "request:cancel"},
        {"actor": Sought(("user:1001",)), "target": "req-2"},
        {"actor": Sought((otto.id,)), "target": "req-1", "logical": "requests"},
        {"target": "req-1", "logical": "agents"},
        {"actor": Sought(("user:9",))},
        {"target": "'; DROP"},
    ):
        assert read(FeedFilter(**given), 3) == those(**given), given
    # An item's entries, and an actor's, are an index's, however long ago.
    for given in ({"target": "req-1"}, {"actor": Sought((otto.id,))}):
        with spending.request_budget(None) as account:
            feeds.page(FeedFilter(**given), purpose="test")
        assert account.calls <= 8 * len(locations())


@pytest.mark.no_moto
def test_the_trail_of_an_item_holds_its_own(tables: dict[str, Any]) -> None:
    long = Target("requests", "ü" * 1000 + "\n")
    expected = write(*(entry(NOW - timedelta(days=days), target=long) for days in range(3)))
    write(entry(NOW), entry(NOW, target=Target("workflows", long.id)))
    assert [one.action_id for one in feeds.of_target(long)] == expected
    assert [one.action_id for one in feeds.of_target(long, limit=2)] == expected[:2]
    newest = feeds.latest(long)
    assert newest is not None
    assert newest.action_id == expected[0]
    assert feeds.latest(Target("requests", "none")) is None


@pytest.mark.no_moto
def test_what_a_worker_did_after_it_is_not_the_newest_change(tables: dict[str, Any]) -> None:
    purge = entry(NOW - timedelta(minutes=12), action=Action.REQUEST_PURGE)
    write(purge, entry(NOW, action=Action.REQUEST_PURGE_LOGS))
    newest = feeds.latest(purge.target)
    assert newest is not None
    assert newest.action_id == purge.action_id


@pytest.mark.parametrize("cursor", ["nonsense", "x:y:z"])
def test_a_cursor_of_another_list_is_refused(tables: dict[str, Any], cursor: str) -> None:
    with pytest.raises(MalformedCursor):
        feeds.page(FeedFilter(), purpose="test", cursor=cursor)
    write(*(entry(NOW) for _ in range(3)))
    page = feeds.page(FeedFilter(start=NOW - timedelta(hours=1)), purpose="test", limit=1)
    with pytest.raises(MalformedCursor):
        feeds.page(FeedFilter(), purpose="other", cursor=page.cursor)


JUNK: list[dict[str, Any]] = [
    {"action": {"S": "request:teleport"}},
    {"action": {"S": "rocket:launch"}, "logical": {"S": "rockets"}},
    {"action": {"S": "purge"}},
    {"action": {"N": "7"}, "actor": {"L": []}, "role": {"NULL": True}, "target": {"BOOL": True}},
    {"logical": {"S": ""}, "target": {"S": ""}},
    {"table": {"S": "another-table"}, "action": {"S": "request:purge"}, "has_image": {"S": "no"}},
    {"count": {"S": "many"}, "changes": {"M": {}}, "watch": {"L": []}},
    {"count": {"N": "1E+40"}, "changes": {"L": [{"S": "x"}, {"M": {}}, {"M": {"path": {"S": "p"}}}]}},
    {
        "changes": {
            "L": [
                {"M": {"path": {"L": [{"N": "1"}]}, "old": {"M": {"other": {"S": "x"}}}, "new": {"S": "y"}}}
            ]
        }
    },
    {"undo_of": {"M": {}}, "note": {"SS": ["a"]}, "condition": {"B": b"x"}, "reason": {"S": "\x00<script>"}},
]


def test_whatever_lies_in_the_trail_is_read(tables: dict[str, Any]) -> None:
    audit = audit_table_for(tables["requests"])
    for number, junk in enumerate(JUNK):
        raw = {**entry(NOW - timedelta(seconds=number)).item(), **junk}
        put(audit, raw)
        found = entries.from_item(raw)
        assert found.action.value == str(raw["action"].get("S", "7"))
        assert found.action.subject or found.action.value == "purge"
        assert found.action.verb
        assert isinstance(found.count, int | None)
        for change in found.changes:
            assert isinstance(change.path, tuple)
    put(audit, {**entry(NOW).item(), "at": {"S": "~ not a time"}, "feed": {"S": f"{NOW:%Y-%m-%d}#0"}})
    put(audit, {"action_id": {"S": "bare"}})
    assert entries.from_item({"action_id": {"S": "bare"}}).age == timedelta.max
    assert len(read(FeedFilter())) >= len(JUNK)
