"""Put the demo's items where they are absent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from opsportal.demo import agents, batches, hostile, requests, workflows
from opsportal.demo.place import Item
from opsportal.demo.roster import AT_WORK, UNFINISHED, Roster
from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding, binding

TABLES = ("workflows", "requests", "request_logs", "agents")


@dataclass(frozen=True)
class Loaded:
    """How many of a table's demo items were put, and how many were there."""

    table: Binding
    added: int
    present: int


def load(now: datetime, *, with_hostile: bool = False) -> Iterator[Loaded]:
    """Put every demo item that is absent, table by table; the newest are left to the simulator. Raises DynamoError.

    `now`: see `moment_of`. A second load with the same one finds the first one's items and leaves them alone,
    whatever has happened to them. ``with_hostile``: the items of `hostile` too.
    """
    tables = {name: binding(name) for name in TABLES}
    keys = {name: table.key for name, table in tables.items()}
    company, roster = _company(keys, now), Roster.read()
    odd = hostile.build(keys, settings.WORKFLOW_STEPS, now) if with_hostile else {}
    for name, table in tables.items():
        items = [*company[name], *odd.get(name, [])]
        # A second load reads the keys and writes nothing.
        present = batches.read(table, [item[table.key] for item in items])
        absent = [item for item in items if item[table.key] not in present]
        added = sum(batches.put(table, absent))
        put = {item[table.key] for item in absent}
        roster.add(
            name, [one[table.key] for one in company[name] if one[table.key] in put and _at_work(one, now)]
        )
        yield Loaded(table, added, len(items) - added)
    roster.save()


def moment_of(default: datetime) -> datetime:
    """The ``now`` of the set that was loaded into these tables, or `default`; whole milliseconds, as its ids have
    them. Raises DynamoError."""
    table = binding("agents")
    client = clients.client(table.region, table.endpoint, background=True)
    with translated(table):
        found = client.get_item(
            TableName=table.name, Key={table.key: {"S": agents.FIRST}}, ConsistentRead=True
        ).get("Item")
    if found and "N" in found.get("registeredAt", {}):
        return agents.anchor(found)
    return default.replace(microsecond=default.microsecond // 1000 * 1000)


def _company(key: dict[str, str], now: datetime) -> dict[str, list[Item]]:
    made = requests.build(key["requests"], now)
    return {
        "workflows": workflows.build(key["workflows"], settings.WORKFLOW_STEPS, now),
        "requests": [one.item for one in made],
        "request_logs": requests.build_logs(key["request_logs"], key["requests"], made, now),
        "agents": agents.build(key["agents"], now),
    }


def _at_work(item: Item, now: datetime) -> bool:
    """Whether a program is at work on an item of the company, or is about to be: not where it hangs."""
    if item.get("overallStatus", item.get("status")) not in UNFINISHED:
        return False
    stamp = datetime.fromisoformat(item.get("lastUpdated") or item["updated_at"])
    return now - stamp.replace(tzinfo=UTC) < AT_WORK
