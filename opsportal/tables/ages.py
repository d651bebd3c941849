"""How long the oldest unfinished item of a table has waited, as a metric: what a queue's age is to a queue.

DynamoDB publishes nothing of the kind, and an item that nobody works on causes no error anywhere. With PUBLISH_AGES
the worker puts ``OldestUnfinishedSeconds`` into CloudWatch's namespace ``OpsPortal`` once a minute, by the dimension
``TableName``: 0 when everything is finished, and nothing at all when nobody looks, which is an alarm too. It costs
one Query of one key for each unfinished status, and the minute's sample, which the pages have anyway.

Which items are unfinished the apps' descriptors say. What was created more than 30 days ago is past an operator's
care, as it is for the overview; a time that can't be read is passed over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.aws import ServiceTrouble, asking, is_emulated, service
from opsportal.descriptors import descriptors
from opsportal.dynamo import samples
from opsportal.dynamo.attributes import read_text, read_time
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.partitions import Partitions
from opsportal.dynamo.reads import read
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.spans import Span
from opsportal.dynamo.tables import Binding, Index
from opsportal.operations.tasks import NotNow, Over, Task

NAMESPACE = "OpsPortal"
METRIC = "OldestUnfinishedSeconds"
# Days that an item is looked at.
CARE_DAYS = 30
# Keys read of each status: the first may hold what is no time.
MAX_READ = 5
# Of a table whose times have several zones: the oldest by its text need not be the oldest.
MAX_MIXED = 500


@dataclass(frozen=True)
class Watched:
    """A table whose items come to an end.

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


def watched_tables() -> list[Watched]:
    return [descriptor.ages for descriptor in descriptors() if descriptor.ages]


def oldest(watched: Watched, now: datetime) -> float:
    """The seconds since the oldest unfinished item was created; 0 when there is none.

    By the index, and what is in none by the minute's sample, where the role may take it. Raises `DynamoError`.
    """
    sample, index = samples.for_table(watched.sampled), watched.sampled.found().index
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
        ages += [_age(watched.table, index, status, now, sample.mixed) for status in unfinished]
    return max(ages, default=0.0)


def _age(table: Binding, index: Index, status: str, now: datetime, mixed: bool) -> float:
    care = Span.between(now - timedelta(days=CARE_DAYS))
    bounds = (care.wider if mixed else care).clauses(index.range_key)
    key = (Clause(index.hash_key, "=", (status,)), *bounds)
    most = MAX_MIXED if mixed else MAX_READ
    answer = read(table, index.name, key=key, projection=(index.range_key,), background=True, Limit=most)
    times = (read_time(item.get(index.range_key)) for item in answer["Items"])
    created = [moment for moment in times if isinstance(moment, datetime) and care.contains(moment)]
    # A clock that is ahead makes no age below zero.
    return max((now - min(created)).total_seconds(), 0.0) if created else 0.0


# --- The worker's task -----------------------------------------------------------------------------------


def publish(table: Binding, _: Over) -> int:
    """Put the age of a table into CloudWatch; 1. Raises `NotNow`, `DynamoError`."""
    action, now = "cloudwatch:PutMetricData", datetime.now(UTC)
    try:
        with asking(action, table.region):
            if is_emulated(table):
                raise NotNow("unknown here: an emulator has no CloudWatch")
        seconds = oldest(next(one for one in watched_tables() if one.table == table), now)
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
    except ServiceTrouble as error:
        raise NotNow(error.why) from error
    return 1


def _published() -> list[Binding]:
    return [watched.table for watched in watched_tables()] if settings.PUBLISH_AGES else []


TASK = Task("ages", publish, every=60.0, tables=_published)
