"""A table with a sort key, which none of the four has: lists, actions and the trail hold on to the whole key."""

from collections.abc import Iterator
from typing import Any

import pytest

from opsportal.console.converters import quote_key, unquote_key
from opsportal.dynamo import clients
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.keys import NotAKey
from opsportal.dynamo.merge import Merge
from opsportal.dynamo.pages import Page, Part, scan_page, sequence_page
from opsportal.dynamo.partitions import partitions
from opsportal.dynamo.reads import item_of, items_of
from opsportal.dynamo.tables import Binding, Index, TableSpec, binding
from opsportal.operations import entries, feeds
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor, Intent, Target, new_action_id
from opsportal.operations.tags import Action
from opsportal.operations.transactions import NotFound, Plan, act
from tests.dynamo.rows import put_all
from tests.operations.places import put

INDEX = Index("status-index", "status", "at")
SPEC = TableSpec(
    logical="pairs", title="Pairs", key="owner", range_key="number", key_types=("S", "N"), indexes=(INDEX,)
)
OWNERS = ["a", "a,1", "a~2C1", "a/b", "~41", "%7E41", "ü\n", "🚀", "x" * 1024]
OLGA = Actor("olga", "operator", "user:1001")


@pytest.fixture
def pairs(tables: dict[str, Any], settings: Any) -> Iterator[Binding]:
    requests = settings.DYNAMO_TABLES["requests"]
    config = {**requests, "spec": f"{__name__}.SPEC", "name": f"{requests['name']}-pairs", "key": ""}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "pairs": config}
    table = binding("pairs")
    client = clients.client(*table.location, background=True)
    client.create_table(**table.create_request())
    yield table
    client.delete_table(TableName=table.name)


def pair(owner: str, number: str) -> Raw:
    return {
        "owner": {"S": owner},
        "number": {"N": number},
        "status": {"S": "pending"},
        "at": {"S": "2026-11-20"},
        "mark": {"S": "old"},
    }


def walked(table: Binding, page_at: Any) -> list[str]:
    """The keys' texts of all pages of three items."""
    cursor, found = "", []
    while True:
        page: Page = page_at(cursor)
        found += [table.key_in(item).text for item in page.items]
        cursor = page.cursor
        if not cursor:
            return found


def test_lists_show_each_item_of_an_owner_once(pairs: Binding) -> None:
    items = [pair(owner, number) for owner in OWNERS for number in ("-1.5", "20")]
    put_all(pairs, items)
    wanted = sorted(f"{pairs.key_in(item)}" for item in items)
    assert len(set(wanted)) == len(items)
    assert partitions(pairs, INDEX, []).values == ("pending",)

    def merged(cursor: str) -> Page:
        # All share one stamp, so that it is the keys that tell what was shown.
        merge = Merge(pairs, INDEX, ["pending"], limit=3, projection=["mark"])
        return merge.page(purpose="x", cursor=cursor)

    def scanned(cursor: str) -> Page:
        return scan_page(pairs, purpose="x", cursor=cursor, limit=3, projection=["mark"])

    def in_order(cursor: str) -> Page:
        part = Part("all", (Clause("status", "=", ("pending",)),))
        return sequence_page(pairs, INDEX, [part], purpose="x", cursor=cursor, limit=3)

    for page_at in (merged, scanned, in_order):
        assert sorted(walked(pairs, page_at)) == wanted
    found, left = items_of(
        pairs, map(pairs.key_of, [*wanted, "nobody,1"]), consistent=True, projection=["owner", "number"]
    )
    assert (sorted(pairs.key_in(item).text for item in found), left) == (wanted, [])
    assert all(len(item) == 2 for item in found)


def test_an_address_names_one_item_and_its_trail(pairs: Binding) -> None:
    for owner in OWNERS:
        for number in ("1", "1.5"):
            put(pairs, pair(owner, number))

    def marked(raw: Raw | None, now: Any, intent: Intent) -> Plan:
        if raw is None:
            raise NotFound("It is gone.")
        return Plan(change=Change(raw).guard("status").set("mark", text("new")))

    def deleted(raw: Raw | None, now: Any, intent: Intent) -> Plan:
        return Plan(delete=True, image=True)

    for owner in OWNERS:
        target = Target("pairs", unquote_key(quote_key(pairs.key_in(pair(owner, "1.50")).text)))
        assert target.key.wire == {"owner": {"S": owner}, "number": {"N": "1.5"}}
        done = {
            verb: act(planner, Intent(verb, target, OLGA, "", new_action_id()))
            for verb, planner in ((Action.REQUEST_CANCEL, marked), (Action.REQUEST_PURGE, deleted))
        }
        assert item_of(pairs, target.id) is None
        assert item_of(pairs, pairs.key_in(pair(owner, "1")).text) == pair(owner, "1")
        found = feeds.of_target(target)
        assert {one.action_id for one in found} == {one.entry.action_id for one in done.values()}
        assert {one.target for one in found} == {target}
        whole = entries.read_entry(found[0].action_id, pairs)
        assert whole is not None
        assert whole.target.key == target.key
    with pytest.raises(NotFound):
        act(marked, Intent(Action.REQUEST_CANCEL, Target("pairs", "a"), OLGA, "", new_action_id()))
    with pytest.raises(NotAKey):
        _ = Target("pairs", "a,01").key
