"""How much of the outbox is due, for the figures of a worker: a chore that looks now and then."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import text
from opsportal.operations.entries import stamp
from opsportal.operations.outbox import SHARDS
from opsportal.operations.tables import jobs_beside
from opsportal.telemetry import figures

# Seconds between two looks: each reads up to MOST_PAGES of 1 MB in each shard.
PAUSE = 30.0
MOST_PAGES = 3


@dataclass(frozen=True)
class Backlog:
    """Messages that are due, claimed ones included (`capped`: at least so many), and since when (seconds)."""

    count: int
    oldest: float
    capped: bool = False


def backlog(table: Binding, now: datetime | None = None) -> Backlog:
    """What is due in the outbox beside `table`. Raises `DynamoError`."""
    now = now or datetime.now(UTC)
    count, first, capped = 0, "", False
    for shard in range(SHARDS):
        in_shard, earliest, more = _shard(table, shard, stamp(now))
        count, capped = count + in_shard, capped or more
        first = min(filter(None, (first, earliest)), default="")
    return Backlog(count, _age(first, now), capped)


def _age(due: str, now: datetime) -> float:
    try:
        moment = datetime.strptime(due, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:  # nothing is due, or what no console wrote
        return 0.0
    return max((now - moment).total_seconds(), 0.0)


def _shard(table: Binding, shard: int, until: str) -> tuple[int, str, bool]:
    """How many are due, the due time of the first, and whether there may be more."""
    jobs = jobs_beside(table)
    start: dict[str, Any] = {}
    count, first = 0, ""
    for _ in range(MOST_PAGES):
        with translated(jobs):
            answer: dict[str, Any] = clients.client(*jobs.place, patient=True).query(
                TableName=jobs.name,
                KeyConditionExpression="pk = :pk AND sk < :until",
                ExpressionAttributeValues={":pk": text(f"outbox#{shard}"), ":until": text(until)},
                ProjectionExpression="sk",
                **start,
            )
        items = answer["Items"]
        count += len(items)
        if items and not first:
            first = str(items[0]["sk"]["S"]).partition("#")[0]
        if "LastEvaluatedKey" not in answer:
            return count, first, False
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    return count, first, True


class Measure:
    """The chore: sets the figures of a place, at most every PAUSE seconds."""

    def __init__(self) -> None:
        self._looked: dict[tuple[str, str], float] = {}

    def __call__(self, table: Binding, stop: threading.Event) -> int:
        if time.monotonic() - self._looked.get(table.place, float("-inf")) < PAUSE:
            return 0
        self._looked[table.place] = time.monotonic()
        found = backlog(table)
        figures.DUE.labels(table.region).set(found.count)
        figures.OLDEST.labels(table.region).set(found.oldest)
        return 0
