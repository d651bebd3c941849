"""On-demand backups of a table: list them, make one. What a table can be restored to without any is its
point-in-time recovery, which `deployed` reads."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.creation import NOT_YET, Say
from opsportal.dynamo.deployed import Unknown, or_unknown
from opsportal.dynamo.errors import DynamoError, OperationUnknown, translated
from opsportal.dynamo.tables import Binding

WAIT_SECONDS = 3600


@dataclass(frozen=True)
class Backup:
    """A backup. `state`: CREATING, AVAILABLE or DELETED; `kind`: USER, SYSTEM (of a deleted table) or
    AWS_BACKUP; `size` in bytes."""

    name: str
    arn: str
    state: str
    kind: str
    created_at: datetime | None
    size: int = 0


def backups(table: Binding, *, background: bool = True) -> list[Backup] | Unknown:
    """Every backup of tables of that name, newest first; or `Unknown`. Raises nothing of DynamoDB's."""
    return or_unknown(
        table, lambda: _listed(clients.client(*table.location, background=background), table.name)
    )


def create_backup(table: Binding, name: str = "", say: Say | None = None) -> Backup | Unknown:
    """Make a backup and wait until it is AVAILABLE. `name`: 3 to 255 of ``A-Za-z0-9_.-``; by default made of the
    table's and the time. Unknown where the engine has no backups. Raises `DynamoError`."""
    client = clients.client(*table.location, background=True)
    name = name or f"{table.name[:200]}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        with translated(table):
            made = _backup(_asked(client, table, name))
    except OperationUnknown:
        return Unknown()
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.2
    while made.state == "CREATING":
        if time.monotonic() > deadline:
            raise DynamoError(
                f"The backup {made.arn} is not AVAILABLE after {WAIT_SECONDS} s.",
                "It continues: python manage.py dynamo backup list shows it.",
            )
        if say and pause > 3:
            say(f"  backup {made.name} is being made")
        time.sleep(pause)
        pause = min(pause * 2, 10)
        with translated(table):
            made = _backup(client.describe_backup(BackupArn=made.arn)["BackupDescription"]["BackupDetails"])
    return made


def _asked(client: Any, table: Binding, name: str) -> dict[str, Any]:
    for pause in (1, 2, 4, 8, 0):
        try:
            details: dict[str, Any] = client.create_backup(TableName=table.name, BackupName=name)[
                "BackupDetails"
            ]
            return details
        except ClientError as error:
            # In the first seconds of a table's life.
            if error.response["Error"]["Code"] != NOT_YET or not pause:
                raise
        time.sleep(pause)
    raise AssertionError


def _listed(client: Any, name: str) -> list[Backup]:
    found: list[Backup] = []
    arguments: dict[str, Any] = {"TableName": name, "BackupType": "ALL"}
    while True:
        answer = client.list_backups(**arguments)
        found += [_backup(summary) for summary in answer.get("BackupSummaries", [])]
        if not answer.get("LastEvaluatedBackupArn"):
            break
        arguments["ExclusiveStartBackupArn"] = answer["LastEvaluatedBackupArn"]
    return sorted(found, key=lambda one: one.created_at or datetime.min.replace(tzinfo=UTC), reverse=True)


def _backup(details: dict[str, Any]) -> Backup:
    created_at = details.get("BackupCreationDateTime")
    return Backup(
        name=details.get("BackupName", ""),
        arn=details.get("BackupArn", ""),
        state=details.get("BackupStatus", ""),
        kind=details.get("BackupType", ""),
        created_at=created_at.astimezone(UTC) if created_at else None,
        size=details.get("BackupSizeBytes", 0),
    )
