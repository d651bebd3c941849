"""How long the oldest unfinished item of a table has waited, as a metric: what a queue's age is to a queue.

DynamoDB publishes nothing of the kind, and an item that nobody works on causes no error anywhere. With PUBLISH_AGES
the worker puts ``OldestUnfinishedSeconds`` into CloudWatch's namespace ``OpsPortal`` once a minute, by the dimension
``TableName``: 0 when everything is finished, and nothing at all when nobody looks, which is an alarm too. It costs
one Query of one key for each unfinished status, and the minute's sample, which the pages have anyway.

Which items are unfinished the apps say, by `register`. What was created more than 30 days ago is past an operator's
care, as it is for the overview; a time that can't be read is passed over.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.aws import ServiceTrouble, asking, is_emulated, service
from opsportal.dynamo import clients, samples
from opsportal.dynamo.attributes import read_text, read_time
from opsportal.dynamo.errors import DynamoError, translated
from opsportal.dynamo.expressions import Clause, Expressions
from opsportal.dynamo.partitions import Partitions
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.tables import Binding, Index

logger = logging.getLogger(__name__)

NAMESPACE = "OpsPortal"
METRIC = "OldestUnfinishedSeconds"
# Seconds between two looks of one worker, and days that an item is looked at.
EVERY, CARE_DAYS = 60.0, 30
# Keys read of each status: the first may hold what is no time.
MOST_READ = 5


@dataclass(frozen=True)
class Watched:
    """A table whose items come to an end; the app registers it.

    `statuses`: those that its items have; it may raise `DynamoError`. `finished`: the statuses, in lower case, that
    nothing follows.
    """

    sampled: Sampled
    statuses: Callable[[], Partitions]
    finished: Callable[[], frozenset[str]]

    @property
    def logical(self) -> str:
        return self.sampled.logical

    @property
    def table(self) -> Binding:
        return self.sampled.table


_watched: dict[str, Watched] = {}


def register(watched: Watched) -> None:
    _watched[watched.logical] = watched


def watched_tables() -> list[Watched]:
    return list(_watched.values())


def oldest(watched: Watched, now: datetime) -> float:
    """The seconds since the oldest unfinished item was created; 0 when there is none.

    By the index, and what is in none by the minute's sample, where the role may take it. Raises `DynamoError`.
    """
    sample, index = samples.of(watched.sampled), watched.sampled.found().index
    if index is None and sample.failed and not sample.at:
        raise sample.failed
    earliest, finished = now - timedelta(days=CARE_DAYS), watched.finished()

    def is_open(status: str) -> bool:
        return status.strip().lower() not in finished

    ages = [
        max((now - row.at).total_seconds(), 0.0)
        for row in sample.outside(index)
        if not row.undated
        and row.at >= earliest
        and is_open(str(read_text(row.item.get(watched.sampled.status)) or ""))
    ]
    if index:
        unfinished = [status for status in watched.statuses().values if status and is_open(status)]
        ages += [_age(watched.table, index, status, now) for status in unfinished]
    return max(ages, default=0.0)


def _age(table: Binding, index: Index, status: str, now: datetime) -> float:
    since = f"{now - timedelta(days=CARE_DAYS):%Y-%m-%dT%H:%M:%S}"
    key = (Clause(index.hash_key, "=", (status,)), Clause(index.range_key, ">=", (since,)))
    arguments = Expressions().arguments(key=key, projection=(index.range_key,))
    with translated(table):
        answer = clients.client(*table.place, patient=True).query(
            TableName=table.name, IndexName=index.name, Limit=MOST_READ, ScanIndexForward=True, **arguments
        )
    times = (read_time(item.get(index.range_key)) for item in answer["Items"])
    created = next((moment for moment in times if isinstance(moment, datetime)), None)
    # A clock that is ahead makes no age below zero.
    return max((now - created).total_seconds(), 0.0) if created else 0.0


# --- The worker's chore ----------------------------------------------------------------------------------

_next: dict[str, float] = {}
_said: dict[str, str] = {}


def chore(beside: Binding, stop: threading.Event) -> int:
    """Publish the ages of the tables in the place of `beside` whose minute has come; how many.

    Trouble is told when it begins and when it is over, and not raised: the worker's other chores must not be
    held up by a metric.
    """
    published = 0
    for watched in watched_tables() if settings.PUBLISH_AGES else ():
        table = watched.table
        if table.place != beside.place or stop.is_set():
            continue
        if time.monotonic() < _next.get(table.fingerprint, 0.0):
            continue
        _next[table.fingerprint] = time.monotonic() + EVERY
        why = _publish(watched)
        published += not why
        if why != _said.get(table.fingerprint, ""):
            logger.warning("age of %s: %s", table.logical, why or "going on")
        _said[table.fingerprint] = why
    return published


def _publish(watched: Watched) -> str:
    """Why it could not be published, or ""."""
    table, action = watched.table, "cloudwatch:PutMetricData"
    now = datetime.now(UTC)
    try:
        with asking(action, table.region):
            if is_emulated(table):
                return "unknown here: there is no CloudWatch beside an emulator"
        seconds = oldest(watched, now)
        with asking(action, table.region):
            service("cloudwatch", table.region).put_metric_data(
                Namespace=NAMESPACE,
                MetricData=[
                    {
                        "MetricName": METRIC,
                        "Dimensions": [{"Name": "TableName", "Value": table.name}],
                        "Timestamp": now,
                        "Value": seconds,
                        "Unit": "Seconds",
                    }
                ],
            )
    except ServiceTrouble as trouble:
        return trouble.why
    except DynamoError as trouble:
        return f"{trouble.sentence} {trouble.mend}".strip()
    return ""


def forget() -> None:
    """Look at every table at once, as a new process would."""
    _next.clear()
    _said.clear()
