"""Creating a table as it is declared, and waiting until it can be used."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import UNKNOWN_OPERATION, DynamoError, TableMissing, translated
from opsportal.dynamo.tables import Binding

WAIT_SECONDS = 300
# What DynamoDB answers about recovery in the first seconds of a table's life.
NOT_YET = "ContinuousBackupsUnavailableException"


def create(table: Binding, *, optional_indexes: bool = False) -> None:
    """Create the table, wait until it is ACTIVE, then set TTL and point-in-time recovery.

    A table that somebody else creates meanwhile is waited for. An engine that knows no TTL or recovery
    leaves them off. Raises `DynamoError`.
    """
    client = clients.client(*table.place, patient=True)
    with translated(table), suppress(client.exceptions.ResourceInUseException):
        client.create_table(**table.create_request(optional_indexes=optional_indexes))
    wait_until_active(table)
    if table.ttl_attribute and table.spec.ttl_attribute:
        _if_known(
            lambda: client.update_time_to_live(
                TableName=table.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl_attribute},
            ),
            table,
        )
    if table.spec.point_in_time_recovery:
        _if_known(
            lambda: client.update_continuous_backups(
                TableName=table.name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            ),
            table,
        )


def _if_known(call: Callable[[], Any], table: Binding) -> None:
    for pause in _pauses():
        with translated(table):
            try:
                call()
                return
            except ClientError as error:
                code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
                if code in UNKNOWN_OPERATION or "already" in message.lower():
                    return  # the latter: the second of two migrators; TTL says so in words
                if code != NOT_YET:
                    raise
        time.sleep(pause)
    raise _took_too_long(table)


def wait_until_active(table: Binding) -> None:
    """Wait until table and indexes are ACTIVE. DynamoError after five minutes."""
    for pause in _pauses():
        # DescribeTable is eventually consistent right after CreateTable.
        with suppress(TableMissing):
            description = describe(table, fresh=True, patient=True)
            if description.state == "ACTIVE" and all(index.usable for index in description.indexes):
                return
        time.sleep(pause)
    raise _took_too_long(table)


def _pauses() -> Iterator[float]:
    """Seconds between looks, until `WAIT_SECONDS` are over."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.05
    while time.monotonic() <= deadline:
        yield pause
        pause = min(pause * 2, 5)


def _took_too_long(table: Binding) -> DynamoError:
    return DynamoError(f"{table.name} is not ready after {WAIT_SECONDS} s.", "Run the command again later.")
