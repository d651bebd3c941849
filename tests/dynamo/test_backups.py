"""Backups: made, listed, and what the tables can be restored to. Only moto knows them; DynamoDB's slowness and
refusals are injected."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo import backups as module
from opsportal.dynamo.backups import Backup, backups, create_backup
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.tables import Binding
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.migrated import new_place
from tests.engines import Engine
from tests.test_docs import assert_printed

DETAILS = {
    "BackupArn": "arn:aws:dynamodb:us-east-1:1:table/t/backup/01",
    "BackupName": "nightly",
    "BackupStatus": "CREATING",
    "BackupType": "USER",
    "BackupCreationDateTime": 1795132800.0,
    "BackupSizeBytes": 2048,
}


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        migrate(lambda line: None, tables=("requests", "agents"), target="migration_20251215")
        yield found


def run(*arguments: str) -> tuple[list[str], int]:
    """Lines and exit status of the command."""
    out = StringIO()
    status = 0
    try:
        call_command("dynamo", "backup", *arguments, stdout=out)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return out.getvalue().splitlines(), status


def test_a_backup_is_made_and_listed_or_unknown_here(place: dict[str, Binding], engine: Engine) -> None:
    made, status = run("create", "--table", "requests")
    listed, _ = run("list", "--table", "requests")
    name = place["requests"].name
    assert made[0] == listed[0] == f"requests: {name}, us-east-1 at {engine.endpoint}"
    if engine.kind != "moto":
        assert made[1:] == ["  on-demand backups: unknown here; none was made"]
        assert status == 1
        assert listed[1:] == ["  point-in-time recovery: unknown here", "  on-demand backups: unknown here"]
        assert not backups(place["requests"])
        return
    assert status == 0
    assert_printed("backup", "python manage.py dynamo backup", "\n".join(run()[0]))
    found = backups(place["requests"])
    assert isinstance(found, list)
    (one,) = found
    assert one.name.startswith(f"{name}-20")
    assert one.state == "AVAILABLE"
    assert made[1].startswith(f"  AVAILABLE: {one.name}, ")
    assert made[1].endswith(one.arn)
    assert listed[1].startswith("  point-in-time recovery: any second from 20")
    assert listed[2] == "  on-demand backups: 1"
    assert listed[3].endswith(one.arn)


def test_a_restore_is_shown_as_commands_and_not_done(place: dict[str, Binding], engine: Engine) -> None:
    if engine.kind != "moto":
        lines, _ = run("restore", "--table", "requests")
        assert lines[1:] == ["  nothing to restore from: point-in-time recovery unknown here, no backup"]
        return
    create_backup(place["requests"], "before-the-change")
    name = place["requests"].name
    lines, status = run("restore", "--table", "requests", "--table", "agents")
    assert status == 0
    to_point, from_backup = (line for line in lines if line.startswith("  aws "))
    assert (
        f"restore-table-to-point-in-time --source-table-name {name} --target-table-name {name}-restored"
        in to_point
    )
    assert to_point.endswith(f"Z --region us-east-1 --endpoint-url {engine.endpoint}")
    assert f"restore-table-from-backup --target-table-name {name}-restored --backup-arn arn:" in from_backup
    assert any("point DYNAMODB_REQUESTS_TABLE at it" in line for line in lines)
    assert lines[-1] == "  nothing to restore from: point-in-time recovery off, no backup"


@pytest.mark.no_moto
def test_what_to_back_up_must_be_named_and_exist(place: dict[str, Binding]) -> None:
    with pytest.raises(CommandError, match="Name what to back up: --table with one of workflows, requests"):
        run("create")
    with pytest.raises(CommandError, match="There is no table 'nothing'; there are workflows, requests"):
        run("create", "--table", "nothing")
    lines, status = run("list", "--table", "request_logs")
    assert status == 1
    assert lines[1].startswith(f"  There is no table {place['request_logs'].name}")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that take no time; the seconds that were asked for."""
    paused: list[float] = []
    monkeypatch.setattr(module.time, "sleep", paused.append)
    return paused


def test_a_backup_is_waited_for(fake: FakeDynamo, requests_table: Binding, quick: list[float]) -> None:
    not_yet = error("ContinuousBackupsUnavailableException", "Backups are being enabled for the table.")
    creating = Answer({"BackupDescription": {"BackupDetails": DETAILS}})
    available = Answer({"BackupDescription": {"BackupDetails": {**DETAILS, "BackupStatus": "AVAILABLE"}}})
    fake.says(not_yet, Answer({"BackupDetails": DETAILS}), *[creating] * 6, available)
    said: list[str] = []
    made = create_backup(requests_table, "nightly", said.append)
    assert isinstance(made, Backup)
    assert (made.state, made.size, made.kind) == ("AVAILABLE", 2048, "USER")
    assert made.created_at
    assert made.created_at.year == 2026
    assert fake.operations == ["CreateBackup"] * 2 + ["DescribeBackup"] * 7
    assert quick[0] == 1
    assert said == ["  backup nightly is being made"] * 3


@pytest.mark.usefixtures("quick")
def test_a_backup_that_never_ends_says_so(
    fake: FakeDynamo, requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", -1)
    fake.says(Answer({"BackupDetails": DETAILS}))
    with pytest.raises(DynamoError, match="is not AVAILABLE after"):
        create_backup(requests_table)
    fake.says(error("ContinuousBackupsUnavailableException", "Backups are being enabled for the table."))
    with pytest.raises(DynamoError, match="ContinuousBackupsUnavailableException"):
        create_backup(requests_table)


def test_every_page_of_backups_is_read_newest_first(fake: FakeDynamo, requests_table: Binding) -> None:
    older = {**DETAILS, "BackupName": "older", "BackupCreationDateTime": 1795000000.0}
    fake.says(
        Answer({"BackupSummaries": [older], "LastEvaluatedBackupArn": DETAILS["BackupArn"]}),
        Answer({"BackupSummaries": [DETAILS]}),
    )
    found = backups(requests_table)
    assert isinstance(found, list)
    assert [one.name for one in found] == ["nightly", "older"]
    assert fake.asked[1][1]["ExclusiveStartBackupArn"] == DETAILS["BackupArn"]


def test_backups_that_may_not_be_listed_are_unknown_and_say_why(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    fake.says(
        error(
            "AccessDeniedException",
            "User: u is not authorized to perform: dynamodb:ListBackups on resource: r",
        )
    )
    found = backups(requests_table)
    assert isinstance(found, Unknown)
    assert found.denied
    assert "dynamodb:ListBackups" in found.why
    with pytest.raises(DynamoError, match="may not perform"):
        create_backup(requests_table)
