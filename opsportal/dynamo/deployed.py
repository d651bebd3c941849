"""All that DynamoDB says of a table as deployed: its description, TTL, recovery and tags, read afresh.

Each part has a permission and an operation of its own, which the role may lack and an emulator may not
know: such a part is `Unknown`, which is never an error of the table's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from opsportal.dynamo import clients
from opsportal.dynamo.descriptions import DeployedIndex, Description, describe
from opsportal.dynamo.errors import AccessDenied, DynamoError, OperationUnknown, TableMissing, translated
from opsportal.dynamo.tables import Binding

__all__ = [
    "UNKNOWN_HERE",
    "Deployed",
    "DeployedIndex",
    "Recovery",
    "Ttl",
    "Unknown",
    "deployed",
    "or_unknown",
]

UNKNOWN_HERE = "unknown here"


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read, and why. False, so that it never passes for an answer.

    `denied`: IAM refused; `statement` is then the policy statement that allows it ("" where none would).
    """

    why: str = UNKNOWN_HERE
    denied: bool = False
    statement: str = ""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class Ttl:
    """`status`: ENABLED, ENABLING, DISABLED or DISABLING; `attribute` is "" while it is off."""

    status: str
    attribute: str = ""

    @property
    def on(self) -> bool:
        return self.status in ("ENABLED", "ENABLING")


@dataclass(frozen=True)
class Recovery:
    """Point-in-time recovery, and between which moments the table can be restored to (None while off). `days`: for
    how long it keeps, 0 where that is not said."""

    enabled: bool
    earliest: datetime | None = None
    latest: datetime | None = None
    days: int = 0


@dataclass(frozen=True)
class Deployed(Description):
    ttl: Ttl | Unknown
    recovery: Recovery | Unknown
    tags: Mapping[str, str] | Unknown


def deployed(table: Binding, *, background: bool = True) -> Deployed:
    """The table as it is now: four calls. Raises `DynamoError` when DescribeTable itself fails.

    `background`: with a worker's time, not a page's.
    """
    found = describe(table, fresh=True, background=background)
    client = clients.client(*table.location, background=background)
    return Deployed(
        **vars(found),
        ttl=or_unknown(table, lambda: _ttl(client.describe_time_to_live(TableName=table.name))),
        recovery=or_unknown(
            table, lambda: _recovery(client.describe_continuous_backups(TableName=table.name))
        ),
        tags=or_unknown(table, lambda: _tags(client, found.arn)),
    )


T = TypeVar("T")


def or_unknown(table: Binding, ask: Callable[[], T]) -> T | Unknown:
    """What `ask` returns of the table, which DescribeTable described, or `Unknown` where its call is not known, not
    allowed or failed."""
    try:
        with translated(table):
            return ask()
    except OperationUnknown:
        return Unknown()
    except AccessDenied as denied:
        return Unknown(denied.sentence, denied=True, statement=denied.statement)
    except TableMissing:
        return Unknown("the table is being created or deleted")
    except DynamoError as error:
        return Unknown(error.sentence)


def _ttl(answer: dict[str, Any]) -> Ttl:
    description = answer.get("TimeToLiveDescription", {})
    status = description.get("TimeToLiveStatus", "DISABLED")
    return Ttl(status, "" if status == "DISABLED" else description.get("AttributeName", ""))


def _recovery(answer: dict[str, Any]) -> Recovery:
    description = answer.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    enabled = description.get("PointInTimeRecoveryStatus") == "ENABLED"
    return Recovery(
        enabled=enabled,
        earliest=_in_utc(description.get("EarliestRestorableDateTime")),
        latest=_in_utc(description.get("LatestRestorableDateTime")),
        days=description.get("RecoveryPeriodInDays", 0) if enabled else 0,
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def _tags(client: Any, arn: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    more: dict[str, str] = {}
    while True:
        answer = client.list_tags_of_resource(ResourceArn=arn, **more)
        tags |= {tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])}
        if not answer.get("NextToken"):
            return tags
        more = {"NextToken": answer["NextToken"]}
