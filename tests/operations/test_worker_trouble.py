"""A worker that can't read its outbox goes on, says so once, and serves the places that it can."""

import logging
import threading
from typing import Any

import pytest

from opsportal.dynamo.errors import DynamoError, TableMissing, Unreachable
from opsportal.dynamo.tables import Binding
from opsportal.operations import worker
from opsportal.operations.tables import jobs_beside
from tests.operations.places import client


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.001)
    monkeypatch.setattr(worker, "PAUSE_AFTER_TROUBLE", 0.001)


def test_trouble_is_told_when_it_begins_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    away, missing = (
        Unreachable("The engine is away.", "Wait."),
        TableMissing("There is no table.", "Make it."),
    )
    answers: list[DynamoError | int] = [away, away, away, 2, 1, missing, missing, 4]

    def chore(table: Binding, stopped: threading.Event) -> int:
        if table.region != "us-east-1":
            return 0
        answer = answers.pop(0)
        if not answers:
            stop.set()
        if isinstance(answer, DynamoError):
            raise answer
        return answer

    monkeypatch.setattr(worker, "CHORES", {"outbox": chore})
    with caplog.at_level(logging.INFO, worker.__name__):
        assert worker.run((), stop) == 7
    assert [record.getMessage() for record in caplog.records] == [
        "outbox in us-east-1: The engine is away. Wait.",
        "outbox in us-east-1: going on",
        "outbox in us-east-1: There is no table. Make it.",
        "outbox in us-east-1: going on",
    ]


def test_trouble_in_one_place_does_not_hold_up_the_others(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def chore(table: Binding, stop: threading.Event) -> int:
        looked_at.append(table.region)
        if len(looked_at) == 1:
            raise Unreachable("The first place is away.")
        return 1

    monkeypatch.setattr(worker, "CHORES", {"outbox": chore})
    assert worker.run((), threading.Event(), once=True) == 1
    assert looked_at == ["us-east-1", "eu-north-1"]


def test_a_missing_jobs_table_is_told_with_the_command_that_makes_it(
    tables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    jobs = jobs_beside(tables["requests"])
    client(jobs).delete_table(TableName=jobs.name)
    assert worker.run((), threading.Event(), once=True) == 0
    line = next(record.getMessage() for record in caplog.records if record.name == worker.__name__)
    assert f"There is no table {jobs.name}" in line
    assert "python manage.py dynamo migrate" in line
