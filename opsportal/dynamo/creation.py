"""Creating a table as it is declared, deleting it, and waiting until either is done."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.deployed import Deployed, Recovery, Ttl
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import UNKNOWN_OPERATION, DynamoError, TableMissing, translated
from opsportal.dynamo.tables import Binding

Say = Callable[[str], object]

WAIT_SECONDS = 300
# Between two lines about the same thing that is waited for.
PROGRESS_SECONDS = 10
# What DynamoDB answers about recovery in the first seconds of a table's life.
NOT_YET = "ContinuousBackupsUnavailableException"


@dataclass(frozen=True)
class Setting:
    """A setting of a table that has a call of its own: what it is, for people, and the call."""

    text: str
    operation: str
    arguments: Mapping[str, Any]


def create(table: Binding, *, optional_indexes: bool = False, say: Say | None = None) -> bool:
    """Create the table, wait until it is ACTIVE, then set TTL and point-in-time recovery. Whether this call
    made it: a table that somebody else creates meanwhile is waited for, and nothing is set on it.

    An engine that knows no TTL or recovery leaves them off. Raises `DynamoError`.
    """
    client = clients.client(*table.location, background=True)
    made = False
    with translated(table), suppress(client.exceptions.ResourceInUseException):
        client.create_table(**table.create_request(optional_indexes=optional_indexes))
        made = True
    wait_until_active(table, say)
    if made:
        complete(table)
    return made


def complete(table: Binding) -> None:
    """Set what CreateTable cannot. May be repeated. Raises `DynamoError`."""
    for setting in settings_after_creation(table):
        apply(setting, table)


def settings_after_creation(table: Binding) -> list[Setting]:
    """What CreateTable cannot set. Encryption and tags it can."""
    wanted = []
    if table.ttl_attribute and table.spec.ttl_attribute:
        specification = {"Enabled": True, "AttributeName": table.ttl_attribute}
        arguments = {"TableName": table.name, "TimeToLiveSpecification": specification}
        wanted.append(Setting(f"TTL on {table.ttl_attribute}", "update_time_to_live", arguments))
    if table.spec.point_in_time_recovery:
        recovery = {"PointInTimeRecoveryEnabled": True}
        arguments = {"TableName": table.name, "PointInTimeRecoverySpecification": recovery}
        wanted.append(Setting("point-in-time recovery", "update_continuous_backups", arguments))
    return wanted


def settings_lacking(table: Binding, found: Deployed) -> list[Setting]:
    """What the table as deployed lacks and can be given without harm. What is unknown is not lacking; a
    TTL on another attribute, or a tag of another value, is somebody's choice."""
    off = {
        "update_time_to_live": isinstance(found.ttl, Ttl) and found.ttl.status == "DISABLED",
        "update_continuous_backups": isinstance(found.recovery, Recovery) and not found.recovery.enabled,
    }
    lacking = [setting for setting in settings_after_creation(table) if off[setting.operation]]
    if isinstance(found.tags, Mapping):
        missing = {key: value for key, value in table.tags.items() if key not in found.tags}
        if missing:
            tags = [{"Key": key, "Value": value} for key, value in missing.items()]
            arguments = {"ResourceArn": found.arn, "Tags": tags}
            lacking.append(Setting(f"the tags {', '.join(missing)}", "tag_resource", arguments))
    return lacking


def apply(setting: Setting, table: Binding) -> bool:
    """Make the setting; False where the engine does not know it. Raises `DynamoError`."""
    client = clients.client(*table.location, background=True)
    for pause in _pauses(WAIT_SECONDS):
        with translated(table):
            try:
                getattr(client, setting.operation)(**setting.arguments)
                return True
            except ClientError as error:
                code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
                if code in UNKNOWN_OPERATION:
                    return False
                if code == "ValidationException" and "already" in message.lower():
                    return True  # the second of two migrators; TTL says so in words
                if code != NOT_YET:
                    raise
        time.sleep(pause)
    raise _took_too_long(table, WAIT_SECONDS)


def delete(table: Binding) -> None:
    """Delete the table and wait until it is gone. One that is gone, or going, is no error."""
    client = clients.client(*table.location, background=True)
    for pause in _pauses(WAIT_SECONDS):
        try:
            if describe(table, fresh=True, background=True).state != "DELETING":
                with translated(table), suppress(client.exceptions.ResourceInUseException):
                    client.delete_table(TableName=table.name)
        except TableMissing:
            return
        time.sleep(pause)
    raise _took_too_long(table, WAIT_SECONDS)


def wait_until_active(table: Binding, say: Say | None = None, seconds: float | None = None) -> Description:
    """Wait until table and indexes are ACTIVE, with a line now and then. DynamoError after `seconds`, by
    default five minutes; what is waited for goes on, and a later run waits again."""
    limit = WAIT_SECONDS if seconds is None else seconds
    begun = time.monotonic()
    said, last = "", begun
    for pause in _pauses(limit):
        # DescribeTable is eventually consistent right after CreateTable.
        with suppress(TableMissing):
            found = describe(table, fresh=True, background=True)
            if found.state == "ACTIVE" and all(index.usable for index in found.indexes):
                return found
            now, waiting = time.monotonic(), _waiting_for(found)
            if say and (waiting != said or now - last >= PROGRESS_SECONDS):
                say(f"  {waiting} ({now - begun:.0f} s)")
                said, last = waiting, now
        time.sleep(pause)
    raise _took_too_long(table, limit)


def _waiting_for(found: Description) -> str:
    for index in found.indexes:
        if not index.usable:
            of = f"; {index.items:,} of {found.items:,} items" if index.items else ""
            return f"{found.name} is {found.state}, {index.name} is being built{of}"
    return f"{found.name} is {found.state}"


def _pauses(seconds: float) -> Iterator[float]:
    """Seconds between looks, until `seconds` are over."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while time.monotonic() <= deadline:
        yield pause
        pause = min(pause * 2, 5)


def _took_too_long(table: Binding, seconds: float) -> DynamoError:
    return DynamoError(f"{table.name} is not ready after {seconds:g} s.", "Run the command again later.")
