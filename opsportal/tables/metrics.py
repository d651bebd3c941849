"""What CloudWatch knows of the tables: capacity consumed, throttles and errors, one batched call per region.

How DynamoDB publishes (its developer guide, "DynamoDB metrics and dimensions"):

- consumed capacity and throttle events under TableName for the table itself, and under TableName and
  GlobalSecondaryIndexName for each index, which the table's own figure does not contain;
- SystemErrors (HTTP 500) per table *and* operation, so they are asked for per operation and summed;
- UserErrors (HTTP 400) for all tables of an account in a region, with no table named.

Nothing is published where nothing happened, so a missing point is a zero.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connections

from opsportal.aws import ServiceTrouble, asking, is_emulated, service
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError
from opsportal.dynamo.shared import shared
from opsportal.dynamo.tables import Binding
from opsportal.tables.concurrency import together

NAMESPACE = "AWS/DynamoDB"
# The operations on items: what SystemErrors is published by.
OPERATIONS = (
    "GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems",
    "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems",
)  # fmt: skip
# An AWS limit.
MAX_QUERIES = 500
MAX_HOURLY = 72
HOUR, DAY = 3_600, 86_400
# Seconds that an answer is shared (each metric asked for is billed), and that a page waits for one: the answer is
# kept for the next page.
LIFE, PAGE_WAIT = 300, 2.5
DENIED_ACTION = "cloudwatch:GetMetricData"

# (moment, value), a point for each period, oldest first.
Series = tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class TableMetrics:
    """A table's last `hours`, in points of `period` seconds. Consumption in capacity units, the rest in events.

    `read` and `write`: of the table and its indexes together; `reads` and `writes` split them, "" being the
    table itself. `user_errors` are those of *all* tables of the account in the region. `silent`: CloudWatch
    knows of no traffic at all, as of a table that nobody uses, or that has another name. `complete`: False
    when CloudWatch reported only a part.
    """

    hours: int
    period: int
    asked_at: datetime
    reads: Mapping[str, Series] = field(default_factory=dict)
    writes: Mapping[str, Series] = field(default_factory=dict)
    read_throttles: Series = ()
    write_throttles: Series = ()
    system_errors: Series = ()
    user_errors: Series = ()
    silent: bool = False
    complete: bool = True

    @property
    def read(self) -> Series:
        return _sum(self.reads.values())

    @property
    def write(self) -> Series:
        return _sum(self.writes.values())


def total(series: Series) -> float:
    return sum(value for _, value in series)


def table_metrics(
    tables: Iterable[Binding], hours: int = 24, *, background: bool = False, period: int = 0
) -> dict[str, TableMetrics | Unknown]:
    """The metrics of each table, by logical name. Raises nothing: what is not known is `Unknown`.

    Of the console's own tables, which have one name in several places, ask for one place at a time.

    A page waits `PAGE_WAIT` seconds at most and shares what is known for five minutes with the other
    processes; `background` asks afresh and waits for the answer, without the database, in points of `period` seconds
    (0: an hour, beyond `MAX_HOURLY` hours a day). CloudWatch bills metrics and not points.
    """
    found: dict[str, TableMetrics | Unknown] = {}
    by_region: dict[str, list[Binding]] = {}
    for table in tables:
        try:
            with asking(DENIED_ACTION, table.region):
                emulated = is_emulated(table)
        except ServiceTrouble as trouble:
            found[table.logical] = _unknown(trouble)
            continue
        if emulated:
            found[table.logical] = Unknown()
        else:
            by_region.setdefault(table.region, []).append(table)
    if background:
        for region, group in by_region.items():
            try:
                found |= _asked(region, group, hours, period)
            except ServiceTrouble as trouble:
                found |= {table.logical: _unknown(trouble) for table in group}
        return found
    known = together(
        {region: partial(_shared, region, group, hours) for region, group in by_region.items()}, PAGE_WAIT
    )
    late = Unknown("CloudWatch has not answered yet. Reload the page to see its figures.")
    for region, group in by_region.items():
        found |= known.get(region) or {table.logical: late for table in group}
    return found


def _unknown(trouble: ServiceTrouble) -> Unknown:
    return Unknown(trouble.why, denied=trouble.denied, statement=trouble.statement)


Answers = Mapping[str, TableMetrics | Unknown]


def _shared(region: str, tables: Sequence[Binding], hours: int) -> Answers:
    """What the deployment knows of these tables, asked for where that is too old. Runs in a thread of its own."""
    names = "\n".join(sorted(f"{table.logical}\t{table.fingerprint}" for table in tables))
    key = f"metrics:{region}:{hours}:{hashlib.sha256(names.encode()).hexdigest()[:16]}"

    def ask(_: object) -> dict[str, TableMetrics]:
        try:
            return _asked(region, tables, hours)
        except ServiceTrouble as trouble:
            kind = AccessDenied if trouble.denied else DynamoError
            raise kind(trouble.why, statement=trouble.statement) from trouble

    try:
        found = shared(key, ask, fresh=LIFE)
        if not found.failed:
            return found.value
        error = found.failed
    except DynamoError as problem:
        error = problem
    finally:
        connections.close_all()  # this thread's, which the shared cache may have opened
    unknown = Unknown(error.sentence, denied=isinstance(error, AccessDenied), statement=error.statement)
    return {table.logical: unknown for table in tables}


# --- Asking ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """One metric of one table; `part` is an index, an operation or ""."""

    logical: str
    figure: str
    part: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]


PER_INDEX = {
    "reads": "ConsumedReadCapacityUnits",
    "writes": "ConsumedWriteCapacityUnits",
    "read_throttles": "ReadThrottleEvents",
    "write_throttles": "WriteThrottleEvents",
}


def _wanted(table: Binding) -> Iterator[_Wanted]:
    name = ("TableName", table.name)
    for figure, metric in PER_INDEX.items():
        yield _Wanted(table.logical, figure, "", metric, (name,))
        for index in index_names(table):
            dimensions = (name, ("GlobalSecondaryIndexName", index))
            yield _Wanted(table.logical, figure, index, metric, dimensions)
    for operation in OPERATIONS:
        dimensions = (name, ("Operation", operation))
        yield _Wanted(table.logical, "system_errors", operation, "SystemErrors", dimensions)


def index_names(table: Binding) -> tuple[str, ...]:
    """The indexes as deployed; as declared where that is unknown."""
    with suppress(DynamoError):
        return tuple(index.name for index in describe(table).indexes)
    return tuple(index.name for index in table.spec.indexes)


def _asked(region: str, tables: Sequence[Binding], hours: int, period: int = 0) -> dict[str, TableMetrics]:
    """By logical name. Raises `ServiceTrouble`."""
    wanted = [one for table in tables for one in _wanted(table)]
    wanted.append(_Wanted("", "user_errors", "", "UserErrors", ()))
    period = period or (HOUR if hours <= MAX_HOURLY else DAY)
    now = datetime.now(UTC)
    end = datetime.fromtimestamp((int(now.timestamp()) // period + 1) * period, UTC)
    start = end - timedelta(seconds=-(-hours * HOUR // period) * period)
    moments = [start + timedelta(seconds=at) for at in range(0, int((end - start).total_seconds()), period)]
    values, complete = _points(region, wanted, start, end, period)
    everywhere = values[len(wanted) - 1]
    answers: dict[str, TableMetrics] = {}
    for table in tables:
        parts: dict[str, dict[str, Series]] = {figure: {} for figure in (*PER_INDEX, "system_errors")}
        own = [number for number, one in enumerate(wanted) if one.logical == table.logical]
        for number in own:
            one = wanted[number]
            parts[one.figure][one.part] = tuple((at, values[number].get(at, 0.0)) for at in moments)
        answers[table.logical] = TableMetrics(
            hours=hours,
            period=period,
            asked_at=now,
            reads=parts["reads"],
            writes=parts["writes"],
            read_throttles=_sum(parts["read_throttles"].values()),
            write_throttles=_sum(parts["write_throttles"].values()),
            system_errors=_sum(parts["system_errors"].values()),
            user_errors=tuple((at, everywhere.get(at, 0.0)) for at in moments),
            silent=not any(values[number] for number in own),
            complete=complete,
        )
    return answers


def _points(
    region: str, wanted: Sequence[_Wanted], start: datetime, end: datetime, period: int
) -> tuple[list[dict[datetime, float]], bool]:
    """Of each metric its points, and whether that is all of them. Raises `ServiceTrouble`."""
    values: list[dict[datetime, float]] = [{} for _ in wanted]
    said: dict[int, str] = {}
    for first in range(0, len(wanted), MAX_QUERIES):
        arguments: dict[str, Any] = {
            "MetricDataQueries": [
                _query(number, wanted[number], period)
                for number in range(first, min(first + MAX_QUERIES, len(wanted)))
            ],
            "StartTime": start,
            "EndTime": end,
            "ScanBy": "TimestampAscending",
        }
        while True:
            with asking(DENIED_ACTION, region):
                answer = service("cloudwatch", region).get_metric_data(**arguments)
            for result in answer.get("MetricDataResults", ()):
                number = int(result["Id"].removeprefix("q"))
                said[number] = result.get("StatusCode", "Complete")
                moments = (moment.astimezone(UTC) for moment in result["Timestamps"])
                values[number].update(zip(moments, result["Values"], strict=True))
            if not answer.get("NextToken"):
                break
            arguments["NextToken"] = answer["NextToken"]
    # A page that is not the last says PartialData of what the next one goes on with.
    return values, all(said.get(number) == "Complete" for number in range(len(wanted)))


def _query(number: int, wanted: _Wanted, period: int) -> dict[str, Any]:
    metric = {
        "Namespace": NAMESPACE,
        "MetricName": wanted.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in wanted.dimensions],
    }
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}}


def _sum(parts: Iterable[Series]) -> Series:
    """Point by point; all of one call have the same moments."""
    several = list(parts)
    return tuple((points[0][0], sum(value for _, value in points)) for points in zip(*several, strict=True))
