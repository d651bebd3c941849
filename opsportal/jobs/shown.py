"""A job as its pages show it: words, tones and figures, nothing that is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from opsportal.console.parameters import FLAGS
from opsportal.console.tones import ATTENTION, FAILED, RUNNING, SUCCESS, UNKNOWN, WAITING
from opsportal.jobs import measures
from opsportal.jobs.frozen import OTHERS
from opsportal.jobs.job import OBSERVED, Counts, Job, Outcome, Pace, State
from opsportal.jobs.measures import Measured, eta_seconds, is_observed, rate, title, write_dollars
from opsportal.operations.bulk import action_of, all_bulk
from opsportal.tables.costs import money

# Tone and icon.
STATES = {
    State.PREVIEWING: (RUNNING, "search"),
    State.READY: (WAITING, "clock"),
    State.RUNNING: (RUNNING, "progress"),
    State.PAUSED: (ATTENTION, "player-pause"),
    State.HALTED: (FAILED, "alert-triangle"),
    State.STOPPED: (ATTENTION, "player-stop"),
    State.FINISHED: (SUCCESS, "circle-check"),
    State.EXPIRED: (ATTENTION, "hourglass"),
}
# What is left of a bar.
REST = "none"
OUTCOMES = {
    Outcome.DONE: ("done", SUCCESS, "circle-check"),
    Outcome.SKIPPED: ("skipped", WAITING, "ban"),
    Outcome.FAILED: ("failed", FAILED, "circle-x"),
    Outcome.PENDING: ("pending", REST, "clock"),
    Outcome.WAITING: ("not picked up yet", WAITING, "clock"),
    Outcome.TAKEN_UP: ("picked up", RUNNING, "progress"),
    Outcome.COMPLETED: ("completed", SUCCESS, "circle-check"),
    Outcome.STILL_RUNNING: ("still running", RUNNING, "progress"),
    Outcome.FAILED_AGAIN: ("failed again", FAILED, "circle-x"),
    Outcome.OVERWRITTEN: ("overwritten", FAILED, "alert-triangle"),
    Outcome.GONE: ("gone", UNKNOWN, "trash"),
    Outcome.CANCELLED: ("cancelled", ATTENTION, "ban"),
}


@dataclass(frozen=True)
class Part:
    """Items of one outcome. `url`: of their list."""

    label: str
    tone: str
    count: int
    url: str = ""


def items_url(job: Job, **wanted: str) -> str:
    query = urlencode(wanted)
    return f"{reverse('jobs:items', args=[job.id])}{f'?{query}' if query else ''}"


def parts(job: Job, counts: Counts) -> list[Part]:
    """Of the whole, done first: what was done by what became of it, where that is observed."""
    numbers = {Outcome.DONE: counts.done}
    if seen := {one: job.outcomes[one] for one in OBSERVED if job.outcomes.get(one)}:
        numbers = {**seen, Outcome.DONE: max(counts.done - sum(seen.values()), 0)}
        if not numbers[Outcome.DONE]:
            del numbers[Outcome.DONE]
    numbers |= {
        Outcome.FAILED: counts.failed,
        Outcome.SKIPPED: counts.skipped,
        Outcome.PENDING: counts.pending,
    }
    return [Part(*OUTCOMES[one][:2], number, items_url(job, outcome=one)) for one, number in numbers.items()]


@dataclass(frozen=True)
class Reason:
    """`url`: of the items that have it."""

    sentence: str
    outcome: str
    count: int
    url: str


def reasons(job: Job, measured: Measured) -> list[Reason]:
    """Why items were skipped or failed, as `measures.reasons` has it."""
    return [
        Reason(sentence, OUTCOMES[outcome][0], count, _reason_url(job, outcome, sentence))
        for outcome, sentence, count in measures.reasons(measured)
    ]


def _reason_url(job: Job, outcome: Outcome, sentence: str) -> str:
    """Items whose reasons were summed up have each its own: those lead to all of that outcome."""
    return items_url(job, outcome=outcome, **({} if sentence == OTHERS else {"reason": sentence}))


def pace_text(pace: Pace | None, *, observed: bool) -> str:
    if pace is None:
        return "At once"
    halt = f"; halts when more than {pace.halt_percent} % failed again" if observed else ""
    return f"First {pace.first:,}, then {pace.per_minute:,} a minute{halt}"


def rate_text(per_second: float) -> str:
    """`29 a minute`, `120 a second`."""
    if per_second >= 10:
        return f"{per_second:,.0f} a second"
    minutely = per_second * 60
    return f"{minutely:,.0f} a minute" if minutely >= 10 or not minutely else f"{minutely:.1f} a minute"


def units_text(job: Job, units: Decimal) -> str:
    """`1,588 write units · $0.12`."""
    return f"{units:,.0f} write unit{'' if units == 1 else 's'} · {money(write_dollars(job, units))}"


def chosen(job: Job) -> Iterator[tuple[str, str]]:
    """What its set was made of: (label, value)."""
    source = job.source
    if source.job:
        words = ", ".join(OUTCOMES[Outcome(one)][0] for one in source.outcomes if one in OUTCOMES)
        yield "Items of job", f"{source.job} ({words})"
        return
    if source.filter is None:
        yield "Chosen", f"{source.keys:,}"
        return
    bulk = all_bulk().get(job.logical)
    labels = bulk.filters if bulk else {}
    given = [
        (labels.get(name) or name, "yes" if name in FLAGS else value)
        for name, value in source.filter.items()
        if name != "sort"
    ]
    yield from given or [("Filter", "none")]
    for label, at in (("From", source.since), ("To", source.until)):
        if at:
            yield label, f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def is_in(job: Job, state: str) -> bool:
    """Whether the list shows it under that tab: a state, "open" for all that are not over, "" for all."""
    return state in ("", job.state) or (state == "open" and job.is_open)


@dataclass(frozen=True)
class Shown:
    """What the pages read of a job. `now` is aware."""

    job: Job
    measured: Measured | None
    now: datetime

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def title(self) -> str:
        return title(self.job)

    @property
    def url(self) -> str:
        return reverse("jobs:job", args=[self.job.id])

    @property
    def tone(self) -> str:
        return STATES[self.job.state][0]

    @property
    def icon(self) -> str:
        return STATES[self.job.state][1]

    @property
    def counts(self) -> Counts | None:
        return self.measured.counts if self.measured else self.job.totals

    @property
    def parts(self) -> list[Part]:
        return parts(self.job, self.counts) if self.counts else []

    @property
    def set_parts(self) -> list[Part]:
        """Of a preview."""
        job = self.job
        return [
            Part("can be done", RUNNING, job.eligible),
            Part("skipped", WAITING, job.matched - job.eligible),
        ]

    @property
    def command(self) -> str:
        """Of the button that starts it: `Purge 397 requests`."""
        return self.title.replace(": ", " ")

    @property
    def reasons(self) -> list[Reason]:
        return reasons(self.job, self.measured) if self.measured else []

    @property
    def summary(self) -> str:
        """`380 done, 12 skipped, 5 pending`: what the bar says."""
        said = [f"{one.count:,} {one.label}" for one in self.parts if one.count]
        return ", ".join(said) or "nothing"

    @property
    def percent(self) -> int:
        """Of what it is to act on, how much was attempted; 100 only where nothing is pending."""
        found = self.counts
        return found.attempted * 100 // found.eligible if found and found.eligible else 0

    @property
    def begun(self) -> bool:
        return self.job.started_at is not None

    @property
    def is_undo(self) -> bool:
        return bool(self.job.undoes)

    @property
    def observed(self) -> bool:
        return is_observed(self.job)

    @property
    def pace(self) -> str:
        return pace_text(self.job.pace, observed=self.observed)

    @property
    def rate(self) -> str:
        found = rate(self.job, self.counts, self.now) if self.counts else None
        return "" if found is None else rate_text(found)

    @property
    def seconds_left(self) -> int | None:
        return eta_seconds(self.job, self.counts, self.now) if self.counts else None

    @property
    def consumed(self) -> str:
        return units_text(self.job, self.counts.units) if self.counts and self.begun else ""

    @property
    def expected(self) -> str:
        return units_text(self.job, self.job.units)

    @property
    def chosen(self) -> list[tuple[str, str]]:
        return list(chosen(self.job))

    @property
    def settled(self) -> bool:
        """Whether nothing of it changes any more: it is over, and what was under way has been seen."""
        job = self.job
        if job.is_open:
            return False
        since = self.now - (job.ended_at or job.created_at)
        if self.observed and job.started_at:
            return since > timedelta(seconds=2 * settings.JOBS_OBSERVE_SECONDS + 60)
        return job.state is not State.STOPPED or since > timedelta(seconds=settings.JOBS_LEASE_SECONDS)

    @property
    def typed(self) -> bool:
        """Whether the count is to be typed."""
        found = action_of(self.job.action)
        return bool(found and found[1].typed) and not self.job.undoes

    @property
    def danger(self) -> bool:
        found = action_of(self.job.action)
        return bool(found and found[1].danger) and not self.job.undoes

    @property
    def seen(self) -> list[object]:
        """What changes when the page does."""
        return [
            self.job.id,
            self.job.state,
            self.job.epoch,
            self.job.matched,
            self.job.why,
            self.summary,
            self.settled,
        ]
