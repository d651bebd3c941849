"""How fast a job is, and when it will be done: the same for pages, programs and the command line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from opsportal.dynamo.tables import binding
from opsportal.jobs.job import Counts, Job, Pace, Source, State
from opsportal.jobs.measures import eta_seconds, rate
from opsportal.operations.entries import Actor
from opsportal.operations.tags import Action

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def job(seconds: float, **values: Any) -> Job:
    """One that has run for so many seconds."""
    return Job(
        "j", binding("requests"), Action.REQUEST_RETRY, Actor("olga", "operator", "user:7"), "", Source(),
        values.pop("state", State.RUNNING), NOW, running_since=NOW - timedelta(seconds=seconds), **values,
    )  # fmt: skip


def of(done: int, skipped: int = 0) -> Counts:
    """Of 100 that it acts on."""
    return Counts(matched=100, eligible=100, done=done, skipped=skipped)


PACE = Pace(first=10, per_minute=60, halt_share=Decimal("0.2"))


@pytest.mark.parametrize(
    ("running", "counts", "per_second", "left"),
    [
        (job(20), of(40), 2.0, 30),
        (job(20), of(30, skipped=10), 2.0, 30),  # what was skipped was attempted
        (job(20, attempted_before=20), of(40), 1.0, 60),  # since it was resumed
        (job(0.1), of(40), 40.0, 2),  # a burst says nothing of what follows
        (job(20), of(0), 0.0, None),
        (job(20), of(100), 5.0, 0),
        (job(1, pace=PACE), of(10), 10.0, 90),  # no faster than its pace
        (job(20, pace=PACE), of(0), 0.0, 90),  # by its pace, and the first take no time
        (job(100, pace=PACE), of(50), 0.5, 100),  # slower than its pace
        (job(20, state=State.PAUSED), of(40), None, None),
        (job(20, state=State.FINISHED), of(100), None, None),
    ],
)  # fmt: skip
def test_the_rate_and_what_is_left(running: Job, counts: Counts, per_second: float, left: int | None) -> None:
    assert rate(running, counts, NOW) == per_second
    assert eta_seconds(running, counts, NOW) == left
