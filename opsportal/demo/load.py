"""Put the demo's items where they are absent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from opsportal.demo import agents, malformed, request_logs, requests, workflows
from opsportal.demo.place import Item, attribute_values
from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding, binding

KEYS_PER_READ = 100  # BatchGetItem's limit


@dataclass(frozen=True)
class Loaded:
    """How many of a table's demo items were put, and how many were there."""

    table: Binding
    added: int
    present: int


def load(now: datetime) -> Iterator[Loaded]:
    """Put every demo item that is absent, table by table. Raises DynamoError.

    The ids do not depend on ``now``, so a second load finds the first one's items and leaves them alone,
    whatever has happened to them.
    """
    tables = {name: binding(name) for name in ("workflows", "requests", "request_logs", "agents")}
    key = {name: table.key for name, table in tables.items()}
    made = requests.build(key["requests"], now)
    items = {
        "workflows": [
            *workflows.build(key["workflows"], settings.WORKFLOW_STEPS, now),
            *malformed.workflows(key["workflows"], now),
        ],
        "requests": [*made, *malformed.requests(key["requests"], now)],
        "request_logs": [
            *request_logs.build(key["request_logs"], key["requests"], made),
            *malformed.request_logs(key["request_logs"], made[-1][key["requests"]], now),
        ],
        "agents": [*agents.build(key["agents"], now), *malformed.agents(key["agents"], now)],
    }
    for name, table in tables.items():
        with translated(table):
            added = _put_absent(table, items[name])
        yield Loaded(table, added, len(items[name]) - added)


def _put_absent(table: Binding, items: list[Item]) -> int:
    """The present ones are found by batched reads, so that a second load costs next to nothing; the
    condition holds against whoever else writes meanwhile."""
    client = clients.client(table.region, table.endpoint, patient=True)
    added = 0
    for start in range(0, len(items), KEYS_PER_READ):
        some = items[start : start + KEYS_PER_READ]
        present = _present(client, table, [item[table.key] for item in some])
        for item in some:
            if item[table.key] in present:
                continue
            try:
                client.put_item(
                    TableName=table.name,
                    Item=attribute_values(item),
                    ConditionExpression="attribute_not_exists(#key)",
                    ExpressionAttributeNames={"#key": table.key},
                )
                added += 1
            except client.exceptions.ConditionalCheckFailedException:
                continue
    return added


def _present(client: Any, table: Binding, keys: list[str]) -> set[str]:
    """Which of the keys exist."""
    found: set[str] = set()
    names = {"#key": table.key}
    asked: dict[str, Any] = {
        table.name: {
            "Keys": [{table.key: {"S": key}} for key in keys],
            "ProjectionExpression": "#key",
            "ExpressionAttributeNames": names,
        }
    }
    while asked:
        answer = client.batch_get_item(RequestItems=asked)
        found |= {item[table.key]["S"] for item in answer["Responses"].get(table.name, [])}
        asked = answer.get("UnprocessedKeys", {})
    return found
