"""CloudWatch alarms for throttles, system errors and age, per table: declared here, compared, created, removed.

Throttles and system errors are published by table and index, or by table and operation, so each alarm asks
Metrics Insights for the sum over all of them: one metric per alarm, whatever indexes and operations there will be.

Missing data: DynamoDB publishes these only when they happen, so their absence is well (``notBreaching``). An age is
published every minute, so its absence means that no worker looks, which is not (``breaching``).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from opsportal.aws import ServiceTrouble, asking, is_emulated, service
from opsportal.console.numbers import setting
from opsportal.dynamo.aws_names import arn
from opsportal.dynamo.deployed import UNKNOWN_HERE
from opsportal.tables import ages
from opsportal.tables.metrics import NAMESPACE
from opsportal.tables.overview import Shown

READ_THROTTLES, WRITE_THROTTLES = "read-throttles", "write-throttles"
SYSTEM_ERRORS, AGE = "system-errors", "age"
# What each sums, and what it says of a table.
SUMS = {
    READ_THROTTLES: (
        "ReadThrottleEvents",
        "Reads of {title} ({name}) are throttled, by the table or an index.",
    ),
    WRITE_THROTTLES: (
        "WriteThrottleEvents",
        "Writes to {title} ({name}) are throttled, by the table or an index.",
    ),
    SYSTEM_ERRORS: ("SystemErrors", "DynamoDB answers requests to {title} ({name}) with HTTP 500."),
}
KINDS = (*SUMS, AGE)
# In the description of every alarm that is made here: no other one is ever changed or removed.
MARK = "Kept by manage.py dynamo alarms."
# Minutes looked at, and how many of them must be bad: a single one is retried by the SDKs.
MINUTES, BAD_MINUTES = 5, 2
# An AWS limit.
MAX_DELETED = 100
TOPIC = re.compile(r"arn:[\w-]+:sns:(?P<region>[a-z0-9-]+):\d{12}:[\w-]{1,256}")


def prefix() -> str:
    """What the names of all alarms of this deployment begin with; the least IAM policy is made of it."""
    return f"{settings.OPSPORTAL_ENV}-opsportal-"


@dataclass(frozen=True)
class Alarm:
    """An alarm as it should be. `arguments` are those of PutMetricAlarm, without the topic it notifies."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """What is to be done with one alarm. `what`: create, change, keep, remove, or foreign (somebody else's,
    under a name of ours). `state`: OK, ALARM or INSUFFICIENT_DATA of one that is there; `details`: what
    differs, in words; `arguments`: those of PutMetricAlarm."""

    what: str
    name: str
    state: str = ""
    details: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def does(self) -> bool:
        return self.what in ("create", "change", "remove")


@dataclass(frozen=True)
class RegionPlan:
    """The alarms of one region. `problem`: why they are unknown; `notes`: what else is to be known."""

    region: str
    changes: tuple[Change, ...] = ()
    problem: ServiceTrouble | None = None
    notes: tuple[str, ...] = ()


# --- As they should be -------------------------------------------------------------------------------------


def declared(one: Shown) -> Iterator[Alarm]:
    """The alarms of a table."""
    table = one.table
    for kind, (metric, says) in SUMS.items():
        # DynamoDB's names hold letters, digits, _, - and . only, so no quote.
        query = f"SELECT SUM({metric}) FROM \"{NAMESPACE}\" WHERE TableName = '{table.name}'"  # noqa: S608
        yield _alarm(
            one,
            kind,
            says.format(title=table.spec.title, name=table.name),
            Metrics=[{"Id": "q1", "Expression": query, "Period": 60, "ReturnData": True}],
            Threshold=1.0,
            EvaluationPeriods=MINUTES,
            DatapointsToAlarm=BAD_MINUTES,
            TreatMissingData="notBreaching",
        )
    watched = {watched.logical for watched in ages.watched_tables()}
    if settings.PUBLISH_AGES and not one.own and table.logical in watched:
        minutes = settings.AGE_ALARM_MINUTES
        yield _alarm(
            one,
            AGE,
            f"An item of {table.spec.title} ({table.name}) has been unfinished for {minutes} minutes, or no worker "
            "of the console looks.",
            Namespace=ages.NAMESPACE,
            MetricName=ages.METRIC,
            Dimensions=[{"Name": "TableName", "Value": table.name}],
            Statistic="Maximum",
            Period=60,
            Threshold=minutes * 60.0,
            EvaluationPeriods=MINUTES,
            DatapointsToAlarm=MINUTES,
            TreatMissingData="breaching",
        )


def _alarm(one: Shown, kind: str, says: str, **arguments: Any) -> Alarm:
    name = f"{prefix()}{one.key}-{kind}"
    description = f"{says} {MARK}"
    comparison = "GreaterThanOrEqualToThreshold"
    told = {"AlarmName": name, "AlarmDescription": description, "ComparisonOperator": comparison}
    return Alarm(name, {**told, **arguments})


# --- As they are -------------------------------------------------------------------------------------------


def plan(
    tables: Sequence[Shown], *, topics: Iterable[str] = (), every: bool = True, remove: bool = False
) -> list[RegionPlan]:
    """What is to be done in each region of `tables`, compared with what CloudWatch has there.

    `topics`: ARNs of SNS topics that alarms of their own region notify; without one an alarm keeps the topic it
    has. `every`: `tables` are all there are, so that an alarm of ours which none of them has is removed.
    `remove`: all of ours go, of these tables or of every one.
    """
    by_region: dict[str, list[Shown]] = {}
    for one in tables:
        by_region.setdefault(one.table.region, []).append(one)
    topic_of = {found["region"]: topic for topic in topics if (found := TOPIC.fullmatch(topic))}
    return [
        _region_plan(region, group, topic_of.get(region, ""), every=every, remove=remove)
        for region, group in by_region.items()
    ]


def _region_plan(region: str, group: list[Shown], topic: str, *, every: bool, remove: bool) -> RegionPlan:
    action = "cloudwatch:DescribeAlarms"
    try:
        with asking(action, region):
            real = [one for one in group if not is_emulated(one.table)]
            if not real:
                return RegionPlan(region, problem=ServiceTrouble(UNKNOWN_HERE))
            found = {alarm["AlarmName"]: alarm for alarm in _described(region)}
    except ServiceTrouble as problem:
        return RegionPlan(region, problem=problem)
    wanted = {} if remove else {alarm.name: alarm for one in real for alarm in declared(one)}
    changes = [_compared(alarm, found.get(name), topic) for name, alarm in wanted.items()]
    for name, alarm in found.items():
        if name not in wanted and _is_ours(alarm) and (every or _is_of(name, group)):
            changes.append(Change("remove", name, alarm.get("StateValue", "")))
    emulated = [one.key for one in group if one not in real]
    notes = [f"{', '.join(emulated)}: {UNKNOWN_HERE}"] if emulated else []
    silent = [
        change for change in changes if change.what == "create" and not change.arguments["AlarmActions"]
    ]
    if silent:
        notes.append(
            f"New alarms in {region} send no notifications. Give the ARN of an SNS topic in that region with --sns-topic."
        )
    return RegionPlan(region, tuple(changes), notes=tuple(notes))


def _described(region: str) -> Iterator[dict[str, Any]]:
    pages = service("cloudwatch", region).get_paginator("describe_alarms")
    for page in pages.paginate(AlarmNamePrefix=prefix(), AlarmTypes=["MetricAlarm"]):
        yield from page["MetricAlarms"]


def _is_ours(alarm: Mapping[str, Any]) -> bool:
    """By its description as well: others may begin the names of their alarms as we do."""
    named = re.fullmatch(rf"{re.escape(prefix())}[\w.-]+-({'|'.join(KINDS)})", alarm["AlarmName"])
    return bool(named) and str(alarm.get("AlarmDescription", "")).endswith(MARK)


def _is_of(name: str, group: list[Shown]) -> bool:
    return name in {f"{prefix()}{one.key}-{kind}" for one in group for kind in KINDS}


def _compared(alarm: Alarm, found: Mapping[str, Any] | None, topic: str) -> Change:
    actions = {"AlarmActions": [topic] if topic else []}
    if found is None:
        says = str(alarm.arguments["AlarmDescription"]).removesuffix(MARK).strip()
        return Change("create", alarm.name, details=(says,), arguments={**alarm.arguments, **actions})
    state = str(found.get("StateValue", ""))
    if not _is_ours(found):
        return Change("foreign", alarm.name, state)
    wanted = {**alarm.arguments, **(actions if topic else {})}
    details = tuple(
        f"{name}: {_text(found.get(name))} -> {_text(value)}"
        for name, value in wanted.items()
        if not _same(value, found.get(name))
    )
    # PutMetricAlarm replaces all of an alarm: what others set of it is given again.
    kept = ("AlarmActions", "OKActions", "InsufficientDataActions", "ActionsEnabled")
    before = {name: found[name] for name in kept if name in found}
    return Change("change" if details else "keep", alarm.name, state, details, {**before, **wanted})


def _same(wanted: Any, found: Any) -> bool:
    """Whether what is wanted is there; CloudWatch may have more of it."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            _same(value, found.get(name)) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(_same(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return bool(wanted == found)


def _text(value: Any) -> str:
    match value:
        case [{"Expression": query}]:
            return str(query)
        case list():
            return ", ".join(map(str, value)) or "none"
        case None:
            return "none"
    return setting(value) if isinstance(value, float) else str(value)


# --- Doing it ------------------------------------------------------------------------------------------------


def carry_out(planned: RegionPlan) -> Iterator[Change]:
    """Do what is planned in a region; yields each change once it is done. Raises `ServiceTrouble`."""
    client = service("cloudwatch", planned.region)
    for change in planned.changes:
        if change.what in ("create", "change"):
            with asking("cloudwatch:PutMetricAlarm", planned.region, _arn(planned.region, change.name)):
                client.put_metric_alarm(**change.arguments)
            yield change
    gone = [change for change in planned.changes if change.what == "remove"]
    for first in range(0, len(gone), MAX_DELETED):
        batch = gone[first : first + MAX_DELETED]
        with asking("cloudwatch:DeleteAlarms", planned.region, _arn(planned.region, f"{prefix()}*")):
            client.delete_alarms(AlarmNames=[change.name for change in batch])
        yield from batch


def _arn(region: str, name: str) -> str:
    return arn("cloudwatch", region, "*", f"alarm:{name}")


def regions_of(tables: Iterable[Shown]) -> list[str]:
    return list(dict.fromkeys(one.table.region for one in tables))


def is_topic_in(topic: str, regions: Iterable[str]) -> bool:
    """Whether it is the ARN of a standard SNS topic in one of the regions: an alarm notifies topics of its own
    region only, and none that is FIFO."""
    found = TOPIC.fullmatch(topic)
    return found is not None and found["region"] in set(regions)
