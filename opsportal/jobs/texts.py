"""Jobs as lines of text, for the command line."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from opsportal.jobs import control
from opsportal.jobs.answers import reasons
from opsportal.jobs.job import OBSERVED, Job, State
from opsportal.jobs.measures import Measured, eta_seconds, is_observed, rate, write_dollars
from opsportal.tables.columns import columns
from opsportal.tables.costs import money


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def listed(jobs: Sequence[Job]) -> list[str]:
    """One line each under the names of their columns."""
    rows = [
        (job.id, control.name_of(job), job.state, f"{job.eligible:,}", _at(job.created_at), job.actor.name)
        for job in jobs
    ]
    if not rows:
        return ["There are no jobs."]
    return columns([("id", "action", "state", "items", "made at", "by"), *rows], left=(0, 1, 2, 4, 5))


def progress(job: Job, found: Measured) -> str:
    """How far it is: `running: 120 done, 2 skipped, 0 failed, 278 pending; 60 a minute, 4 min left`."""
    counts = found.counts
    if job.state is State.PREVIEWING:
        return f"previewing: {counts.matched:,} so far"
    said = (
        f"{job.state}: {counts.done:,} done, {counts.skipped:,} skipped, {counts.failed:,} failed, "
        f"{counts.pending:,} pending"
    )
    per_second, left = rate(job, counts, found.at), eta_seconds(job, counts, found.at)
    if per_second:
        said += f"; {per_second * 60:,.0f} a minute"
    return said if left is None else f"{said}, {left:,} s left"


def described(job: Job, found: Measured) -> Iterator[str]:
    """All that is known of one."""
    yield f"{job.id}  {control.name_of(job)}" + (f" of job {job.undoes}" if job.undoes else "")
    yield f"  {progress(job, found)}"
    if job.why:
        yield f"  why: {job.why}"
    if job.state is State.READY:
        yield f"  it acts on {job.eligible:,} of {job.matched:,}; can be started until {_at(job.expires_at) if job.expires_at else 'then'}"
    if control.needs_second_person(job):
        yield "  somebody else than its maker must start it, on its page or over the API"
    yield f"  made by {job.actor.name} at {_at(job.created_at)}" + (f": {job.reason}" if job.reason else "")
    if job.started_at:
        yield f"  started by {job.started_by or job.actor.name} at {_at(job.started_at)}"
    if job.ended_at:
        yield f"  ended at {_at(job.ended_at)}"
    yield f"  pace: {control.pace_note(job.pace)}"
    if is_observed(job) and (
        seen := [
            f"{job.outcomes[one]:,} {one.value.replace('_', ' ')}"
            for one in OBSERVED
            if job.outcomes.get(one)
        ]
    ):
        yield f"  observed: {', '.join(seen)}"
    yield f"  about {job.units:,.0f} write units ({money(write_dollars(job, job.units))}); consumed {found.counts.units:,.0f}"
    for one in reasons(found):
        yield f"  {one['count']:,} {one['outcome']}: {one['reason']}"
    if job.started_at and not job.is_open:
        why_not = control.why_no_undo(job)
        yield f"  undo: {why_not or f'possible until {_at(job.images_until)}' if job.images_until else why_not}"
