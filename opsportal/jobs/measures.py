"""What a job has done, cost and will take: the same for a page, the notice, the API and the command line."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from opsportal.jobs import chunks
from opsportal.jobs.chunks import Progress
from opsportal.jobs.frozen import MAX_REASONS, OTHERS
from opsportal.jobs.job import Counts, Job, Outcome, State
from opsportal.operations.bulk import action_of
from opsportal.operations.resource_types import of_logical
from opsportal.tables.prices import price_list

# Seconds that the sum of a job's chunks is shown for: all who look at it share one.
SHARED_SECONDS = 2


@dataclass(frozen=True)
class Measured:
    """`counts`, and by sentence how many were skipped, and how many failed. `at`: when it was read (aware)."""

    counts: Counts
    skipped: Mapping[str, int]
    failed: Mapping[str, int]
    at: datetime


def measure(job: Job) -> Measured:
    """How far the job is, at most SHARED_SECONDS old within its state. Raises `DynamoError`."""
    cache, key = caches["process"], f"job:{job.id}:{job.state}:{job.epoch}"
    found: Measured | None = None if job.state is State.PREVIEWING else cache.get(key)
    if found is None:
        found = of_chunks(job, chunks.progress(job) if job.started_at else ())
        cache.set(key, found, SHARED_SECONDS)
    return found


def of_chunks(job: Job, found: Iterable[Progress]) -> Measured:
    """The same of its chunks; of a job that has not begun, of its preview."""
    found = list(found)
    skipped, failed = Counter(job.reasons), Counter[str]()
    for one in found:
        skipped.update({reason: len(at) for reason, at in one.reasons.items()})
        failed.update({reason: len(at) for reason, at in one.failures.items()})
    counts = job.totals or (chunks.counts(job, found) if found else previewed(job))
    return Measured(counts, skipped, failed, datetime.now(UTC))


def previewed(job: Job) -> Counts:
    """As its preview counts them, so far."""
    return Counts(job.matched, job.eligible, skipped=job.matched - job.eligible)


def reasons(found: Measured) -> list[tuple[Outcome, str, int]]:
    """Why items were skipped or failed, and how many: failures first, then the most frequent; what is left of each last.
    Sentences hold foreign statuses, of which there may be any number."""
    of = {Outcome.FAILED: found.failed, Outcome.SKIPPED: found.skipped}
    named = [
        (outcome, sentence, count)
        for outcome, counts in of.items()
        for sentence, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if sentence != OTHERS  # as the preview and the chunks sum some up
    ]
    rest = Counter({outcome: counts.get(OTHERS, 0) for outcome, counts in of.items()})
    for outcome, _, count in named[MAX_REASONS:]:
        rest[outcome] += count
    return named[:MAX_REASONS] + [(outcome, OTHERS, count) for outcome, count in rest.items() if count]


def rate(job: Job, counts: Counts, now: datetime) -> float | None:
    """Items a second since it runs without a break; None where it does not run."""
    if job.state is not State.RUNNING or job.running_since is None:
        return None
    # Of a second at least: a burst says nothing of what follows.
    seconds = max((now - job.running_since).total_seconds(), 1.0)
    return max(counts.attempted - job.attempted_before, 0) / seconds


def eta_seconds(job: Job, counts: Counts, now: datetime) -> int | None:
    """Seconds until nothing is pending: at the rate so far, and no faster than its pace; None where that can't be said."""
    at_rate = rate(job, counts, now)
    if at_rate is None:
        return None
    left = counts.pending
    if job.pace:
        # The first ones take no time.
        left -= min(left, max(job.pace.first - (counts.attempted - job.attempted_before), 0))
        paced = job.pace.per_minute / 60
        at_rate = min(at_rate, paced) or paced
    if not left:
        return 0
    return ceil(left / at_rate) if at_rate else None


def write_dollars(job: Job, units: Decimal) -> Decimal | None:
    """What so many write units cost on demand in the region of its table; None where there is no price."""
    return _dollars(job, units, "write_million")


def read_dollars(job: Job, units: Decimal) -> Decimal | None:
    """The same of read units."""
    return _dollars(job, units, "read_million")


def _dollars(job: Job, units: Decimal, figure: str) -> Decimal | None:
    try:
        price: Decimal | None = getattr(price_list().of(job.table.region), figure)
    except ImproperlyConfigured:
        return None
    return None if price is None else units * price / 1_000_000


def is_observed(job: Job) -> bool:
    """Whether what becomes of its items is watched after they were done."""
    found = action_of(job.action)
    return bool(found and found[1].observed) and not job.undoes


def noun(logical: str, count: int) -> str:
    """`request` or `requests`."""
    kind = of_logical(logical)
    word = kind.title.lower() if kind else "item"
    return word if count == 1 else f"{word}s"


def title(job: Job) -> str:
    """`Purge: 397 requests`, `Undo purge: 397 requests`; without the count until the set is frozen."""
    found = action_of(job.action)
    label = found[1].label if found else job.action.spoken.capitalize()
    if job.undoes:
        label = f"Undo {job.action.spoken}"
    if job.frozen_at is None:  # how many is not known
        return f"{label}: {noun(job.logical, 2)}"
    return f"{label}: {job.eligible:,} {noun(job.logical, job.eligible)}"
