"""How fast a job is, and when it will be done: the same for pages, programs and the command line."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from opsportal.dynamo.tables import binding
from opsportal.jobs import answers, shown
from opsportal.jobs.frozen import OTHERS
from opsportal.jobs.job import Counts, Job, Pace, Source, State
from opsportal.jobs.measures import Measured, eta_seconds, rate
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


def test_reasons_beyond_the_most_frequent_are_one_that_leads_to_its_items() -> None:
    """The preview sums some up itself, and so do chunks."""
    skipped = {f"It is odd {at}." for at in range(60)} | {OTHERS}
    found = Measured(Counts(), dict.fromkeys(sorted(skipped), 2), {"Refused.": 1, OTHERS: 3}, NOW)
    listed = answers.reasons(found)
    names = [(one["outcome"], one["reason"]) for one in listed]
    assert len(names) == len(set(names)) == 52
    assert names[0] == ("failed", "Refused.")
    assert [(one["outcome"], one["reason"], one["count"]) for one in listed[-2:]] == [
        ("failed", OTHERS, 3),
        ("skipped", OTHERS, 2 * (61 - 49)),
    ]
    one_job = replace(job(1), id=str(uuid.uuid4()))
    rows = shown.reasons(one_job, found)
    assert [(row.outcome, row.sentence, row.count) for row in rows] == [
        (one["outcome"], one["reason"], one["count"]) for one in listed
    ]
    assert rows[0].url == shown.items_url(one_job, outcome="failed", reason="Refused.")
    assert rows[-1].url == shown.items_url(one_job, outcome="skipped"), "no item need have that sentence"


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
