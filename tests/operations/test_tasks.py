"""The worker takes the turns of its tasks side by side: none holds up another, and a problem is logged once."""

import logging
import threading
from typing import Any

import pytest
from django.db import connections

from opsportal.dynamo.errors import DynamoError, TableMissing, Unreachable
from opsportal.dynamo.tables import Binding
from opsportal.operations import outbox, tasks
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import NotNow, Over, Task, Turns, Worker
from tests.operations.places import client


@pytest.fixture(autouse=True)
def _no_pause_after_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSE_AFTER_PROBLEM", 0.001)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, tasks.__name__)
    return caplog


def test_a_problem_is_logged_when_it_begins_and_when_it_is_over(said: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    away, missing = (
        Unreachable("The engine is away.", "Wait."),
        TableMissing("There is no table.", "Make it."),
    )
    answers: list[DynamoError | NotNow | int] = [
        away, away, away, 2, 1, missing, missing, NotNow("The database refuses."), 4,
    ]  # fmt: skip

    def run(table: Binding, over: Over) -> int:
        answer = answers.pop(0)
        if not answers:
            stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Worker([Task("test", run, every=0.001, per_location=False)]).run(stop) == 7
    assert [record.getMessage() for record in said.records] == [
        "test in us-east-1: The engine is away. Wait.",
        "test in us-east-1: works again",
        "test in us-east-1: There is no table. Make it.",
        "test in us-east-1: The database refuses.",
        "test in us-east-1: works again",
    ]


def test_an_exception_nobody_foresaw_is_logged_once_with_its_traceback(
    said: pytest.LogCaptureFixture,
) -> None:
    stop, turns = threading.Event(), []

    def run(table: Binding, over: Over) -> int:
        turns.append(table)
        if len(turns) == 3:
            stop.set()
        raise RuntimeError("unforeseen")

    assert Worker([Task("test", run, per_location=False)]).run(stop) == 0
    (record,) = said.records
    assert record.getMessage() == "test in us-east-1: RuntimeError: unforeseen"
    assert record.exc_info


def test_a_task_that_hangs_holds_up_no_other_and_makes_the_worker_unhealthy(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "STOP_SECONDS", 0.01)
    stop, never, overdue = threading.Event(), threading.Event(), list[str]()

    def hangs(table: Binding, over: Over) -> int:
        never.wait()
        return 0

    def counts(table: Binding, over: Over) -> int:
        overdue[:] = worker.overdue()
        if len(overdue) == 2:
            stop.set()
        return 1

    hung = Task("hung", hangs, deadline=0.0)
    worker = Worker([hung, Task("quick", counts, every=0.001, per_location=False)])
    assert worker.run(stop) >= 1
    assert overdue == ["hung in us-east-1", "hung in eu-north-1"]
    assert said.records[-1].getMessage() == "Stopped in the middle of hung in us-east-1, hung in eu-north-1."
    never.set()


def test_a_problem_in_one_location_does_not_hold_up_the_others() -> None:
    looked_at: list[str] = []

    def run(table: Binding, over: Over) -> int:
        looked_at.append(table.region)
        if len(looked_at) == 1:
            raise Unreachable("The first location is away.")
        return 1

    assert Worker([Task("test", run)]).once(threading.Event()) == 1
    assert looked_at == ["us-east-1", "eu-north-1"]


class Stop(threading.Event):
    """Set after so many pauses, which take no time."""

    def __init__(self, pauses: int) -> None:
        super().__init__()
        self.pauses, self.waited = pauses, list[float | None]()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        if len(self.waited) == self.pauses:
            self.set()
        return self.is_set()


def test_a_turn_begins_some_time_after_the_last_and_later_after_a_problem(
    db: None, tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PAUSE_AFTER_PROBLEM", 10.0)
    problems = [False, True, False]

    def run(table: Binding, over: Over) -> int:
        if problems.pop(0):
            raise NotNow("Later.")
        return 1

    stop = Stop(3)
    turns = Turns(Task("test", run, every=2.0), tables["requests"])
    thread = threading.Thread(target=turns.go_on, args=(stop,))
    thread.start()
    thread.join()
    assert (turns.done, stop.waited) == (2, [2.0, 10.0, 2.0])


def test_a_turn_is_over_after_half_of_its_time_and_its_calls_end_with_it(
    tables: dict[str, Any], said: pytest.LogCaptureFixture
) -> None:
    seen: list[bool] = []

    def run(table: Binding, over: Over) -> int:
        seen.append(over())
        return outbox.deliver_due(table)

    stop = threading.Event()
    for deadline in (1000.0, 0.0):
        Turns(Task("test", run, deadline=deadline), tables["requests"]).take(stop)
    stop.set()
    Turns(Task("test", run), tables["requests"]).take(stop)
    assert seen == [False, True, True]
    (record,) = said.records
    assert "It would take longer than 0 s" in record.getMessage()


def test_database_connections_are_renewed_at_each_turn_and_closed_with_the_thread() -> None:
    stop, done = threading.Event(), list[str]()

    def run(table: Binding, over: Over) -> int:
        connection = connections["default"]
        connection.close_if_unusable_or_obsolete = lambda: done.append("renewed")  # type: ignore[method-assign]
        connection.close = lambda: done.append("closed")  # type: ignore[method-assign]
        if "renewed" in done:
            stop.set()
        return 1

    Worker([Task("test", run, every=0.001, per_location=False)]).run(stop)
    assert done == ["renewed", "closed"]


def test_a_missing_jobs_table_is_logged_with_the_command_that_makes_it(
    tables: dict[str, Any], said: pytest.LogCaptureFixture
) -> None:
    jobs = jobs_table_for(tables["requests"])
    client(jobs).delete_table(TableName=jobs.name)
    assert Worker([outbox.DELIVERY]).once(threading.Event()) == 0
    line = said.records[0].getMessage()
    assert f"There is no table {jobs.name}" in line
    assert "python manage.py dynamo migrate" in line
