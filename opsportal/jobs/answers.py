"""Jobs as the API and `manage.py bulk --json` answer them."""

from typing import Any

from ninja import Schema
from pydantic import Field

from opsportal.api.answers import time_text
from opsportal.console.converters import quote_key
from opsportal.jobs import control, measures
from opsportal.jobs.job import OBSERVED, Counts, Job, Outcome, State
from opsportal.jobs.measures import Measured, eta_seconds, is_observed, rate, write_dollars
from opsportal.jobs.members import Member
from opsportal.jobs.work import action_id_of

# Of a list at most.
LISTED = 50


class PaceOut(Schema):
    first: int
    per_minute: int
    halt_share: float


class SourceOut(Schema):
    """What its set was made of: the number of keys that were sent, a filter with the bounds in time that it had when the
    job was made, or another job's items by their outcome."""

    keys: int | None
    filter: dict[str, str] | None
    since: str | None
    until: str | None
    job: str | None
    outcomes: list[str]


class ListedCountsOut(Schema):
    matched: int = Field(description="Items of the set, those included that the preview skips.")
    eligible: int = Field(description="Those that it acts on.")


class CountsOut(ListedCountsOut):
    """`matched` is the sum of `done`, `skipped`, `failed` and `pending`."""

    done: int
    skipped: int
    failed: int
    pending: int


class JobRowOut(Schema):
    id: str
    url: str
    action: str
    undoes: str | None = Field(description="Of an undo: the job that it undoes.")
    state: State
    why: str = Field(description="Why it is in this state, where that was no person's wish.")
    reason: str
    by: str = Field(description="Who made it, by the name at that time.")
    actor_id: str
    started_by: str | None
    source: SourceOut
    pace: PaceOut | None = Field(description="Null: at once.")
    counts: ListedCountsOut
    created_at: str | None
    frozen_at: str | None
    expires_at: str | None = Field(description="Of a preview: until when it can be started.")
    started_at: str | None
    ended_at: str | None


class ReasonOut(Schema):
    outcome: Outcome
    reason: str
    count: int


class SampleOut(Schema):
    key: str
    status: str


class CostOut(Schema):
    write_units: int = Field(description="That the preview expects.")
    consumed_write_units: float = Field(description="Until now.")
    read_units: float = Field(description="That the preview consumed.")
    price: float | None = Field(
        description="US dollars of `write_units` on demand; null without a price for the region."
    )


class UndoOut(Schema):
    possible: bool
    until: str | None = Field(description="How long the copies are kept.")
    why_not: str


class JobOut(JobRowOut):
    counts: CountsOut
    outcomes: dict[str, int] | None = Field(
        description="What became of the items that were done, as far as it was observed; null where it is not."
    )
    rate: float | None = Field(
        description="Items a minute since it began or was resumed; null unless it runs."
    )
    eta_seconds: int | None = Field(description="Until it is finished; null unless it runs.")
    reasons: list[ReasonOut] = Field(description="Why items were skipped or failed, the most frequent first.")
    sample: list[SampleOut] = Field(description="The first twenty of those that it acts on.")
    cost: CostOut
    undo: UndoOut
    needs_second_person: bool = Field(description="Whether somebody else than its maker must start it.")


class JobListOut(Schema):
    items: list[JobRowOut]
    complete: bool = Field(description="False where there are more: these are the newest, open ones first.")


class MemberOut(Schema):
    key: str
    url: str = Field(description="The item's address.")
    status: str = Field(description="At the preview.")
    outcome: Outcome
    reason: str = Field(description="Why it was skipped, or failed.")
    action_id: str | None = Field(description="Of one that was done: its entry in the audit trail.")


class MembersOut(Schema):
    items: list[MemberOut]
    next: str | None = Field(
        description="The cursor of the next page; null at the end. A page may be empty before it."
    )


def row(job: Job) -> dict[str, Any]:
    """See `JobRowOut`."""
    source = job.source
    return {
        "id": job.id,
        "url": url_of(job.id),
        "action": control.name_of(job),
        "undoes": job.undoes or None,
        "state": job.state.value,
        "why": job.why,
        "reason": job.reason,
        "by": job.actor.name,
        "actor_id": job.actor.id,
        "started_by": job.started_by or None,
        "source": {
            "keys": source.keys or None,
            "filter": dict(source.filter) if source.filter is not None else None,
            "since": time_text(source.since),
            "until": time_text(source.until),
            "job": source.job or None,
            "outcomes": list(source.outcomes),
        },
        "pace": job.pace.stored() if job.pace else None,
        "counts": {"matched": job.matched, "eligible": job.eligible},
        **{
            name: time_text(getattr(job, name))
            for name in ("created_at", "frozen_at", "expires_at", "started_at", "ended_at")
        },
    }


def document(job: Job, found: Measured) -> dict[str, Any]:
    """See `JobOut`."""
    why_not = control.why_no_undo(job)
    per_second = rate(job, found.counts, found.at)
    return {
        **row(job),
        "counts": counts(found.counts),
        "outcomes": {one.value: job.outcomes.get(one, 0) for one in OBSERVED} if is_observed(job) else None,
        "rate": None if per_second is None else round(per_second * 60, 1),
        "eta_seconds": eta_seconds(job, found.counts, found.at),
        "reasons": reasons(found),
        "sample": [{"key": key, "status": status} for key, status in job.sample],
        "cost": {
            "write_units": job.units,
            "consumed_write_units": found.counts.units,
            "read_units": job.read_units,
            "price": write_dollars(job, job.units),
        },
        "undo": {"possible": not why_not, "until": time_text(job.images_until), "why_not": why_not},
        "needs_second_person": control.needs_second_person(job),
    }


def reasons(found: Measured) -> list[dict[str, Any]]:
    """See `ReasonOut`."""
    return [
        {"outcome": outcome.value, "reason": sentence, "count": count}
        for outcome, sentence, count in measures.reasons(found)
    ]


def counts(found: Counts) -> dict[str, int]:
    names = ("matched", "eligible", "done", "skipped", "failed", "pending")
    return {name: getattr(found, name) for name in names}


def member(job: Job, one: Member) -> dict[str, Any]:
    """See `MemberOut`."""
    return {
        "key": one.key,
        "url": f"/api/{job.logical}/{quote_key(one.key)}",
        "status": one.status,
        "outcome": one.outcome.value,
        "reason": one.reason,
        "action_id": action_id_of(job.id, job.logical, one.key) if one.was_done else None,
    }


def url_of(job_id: str) -> str:
    return f"/api/jobs/{quote_key(job_id)}"
