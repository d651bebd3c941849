"""The items of a job, each with what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from opsportal.console import polls
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.listing import Region, respond, seen_token
from opsportal.dynamo.pages import PAGE_SIZE
from opsportal.jobs import chunks, members
from opsportal.jobs.chunks import Progress
from opsportal.jobs.job import OBSERVED, Job, Outcome
from opsportal.jobs.measures import SHARED_SECONDS, noun
from opsportal.jobs.members import Member
from opsportal.jobs.shown import OUTCOMES, items_url
from opsportal.jobs.views import found_job, shown_job
from opsportal.jobs.work import action_id_of
from opsportal.operations.resource_types import of_logical

# A page ends with the chunk that fills it; chunks that it reads at most, of up to 320 items each.
CHUNKS = 4


@dataclass(frozen=True)
class Row:
    member: Member
    url: str
    entry_url: str

    @property
    def label(self) -> str:
        return OUTCOMES[self.member.outcome][0]

    @property
    def tone(self) -> str:
        found = OUTCOMES[self.member.outcome][1]
        return "waiting" if found == "none" else found

    @property
    def icon(self) -> str:
        return OUTCOMES[self.member.outcome][2]


@requires("jobs.view_jobs")
@admitted(Load.LIST)
def items(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The items of a job some chunks at a time, from `chunk` on; `outcome` and `reason` (the whole sentence) choose."""
    job = found_job(str(job_id))
    one = shown_job(job)
    outcome, reason = request.GET.get("outcome", ""), request.GET.get("reason", "")
    wanted = Outcome(outcome) if outcome in list(Outcome) else None
    start = request.GET.get("chunk", "")
    candidates = [
        chunk
        for chunk in _progress(job)
        if chunk.n >= (int(start) if start.isdecimal() and len(start) < 6 else 0) and _may_hold(chunk, wanted)
    ]
    found, following, gone = _page(job, candidates, wanted, reason)
    members_seen = [(member.key, member.outcome, member.reason) for member in found]
    digest = seen_token(members_seen, following, gone, one.seen)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    kind = of_logical(job.logical)
    rows = [
        Row(
            member,
            kind.item_url(member.key) if kind else "",
            reverse("operations:entry", args=[action_id_of(job.id, job.logical, member.key)])
            if member.was_done
            else "",
        )
        for member in found
    ]
    more = {name: value for name, value in (("outcome", outcome), ("reason", reason)) if value}
    context: dict[str, Any] = {
        "one": one,
        "job": job,
        "rows": rows,
        "chips": [("Reason", reason, items_url(job, **({"outcome": outcome} if outcome else {})))]
        if reason
        else [],
        "tabs": _tabs(job, outcome),
        "gone": gone,
        "nouns": noun(job.logical, 2),
        "page": {
            "next_url": items_url(job, **more, chunk=str(following)) if following is not None else "",
            "next_text": "More" if rows else "Search on",
            "first_url": items_url(job, **more) if start else "",
        },
    }
    return respond(request, "jobs/items.html", context, Region("live", seen=digest, finished=one.settled))


def _progress(job: Job) -> list[Progress]:
    cache, key = caches["process"], f"job-chunks:{job.id}:{job.state}:{job.epoch}"
    found: list[Progress] | None = cache.get(key)
    if found is None:
        found = chunks.progress(job)
        cache.set(key, found, SHARED_SECONDS)
    return found


def _may_hold(chunk: Progress, wanted: Outcome | None) -> bool:
    """Whether a chunk may hold items of that outcome, as far as its counts say."""
    if wanted is Outcome.SKIPPED:
        return bool(chunk.skipped or chunk.left)
    if wanted is Outcome.FAILED:
        return bool(chunk.failed)
    if wanted is Outcome.PENDING:
        return chunk.at < chunk.size
    return wanted is None or bool(chunk.done)


def _page(
    job: Job, candidates: Sequence[Progress], wanted: Outcome | None, reason: str
) -> tuple[list[Member], int | None, bool]:
    """The matching ones of the first chunks; the chunk that follows these, None at the end; and whether keys of some
    have expired."""
    found: list[Member] = []
    gone = False
    for place, chunk in enumerate(candidates):
        if len(found) >= PAGE_SIZE or place == CHUNKS:
            return found, chunk.n, gone
        try:
            held = members.of_one_chunk(job, chunk)
        except LookupError:
            held, gone = [], True
        found += [one for one in held if _is_wanted(one, wanted) and reason in ("", one.reason)]
    return found, None, gone


def _is_wanted(member: Member, wanted: Outcome | None) -> bool:
    return wanted in (None, member.outcome) or (wanted is Outcome.DONE and member.was_done)


def _tabs(job: Job, outcome: str) -> list[tuple[str, str, bool, str]]:
    own = (Outcome.DONE, Outcome.SKIPPED, Outcome.FAILED, Outcome.PENDING)
    seen = [one for one in OBSERVED if job.outcomes.get(one) or one == outcome]
    return [
        ("All", items_url(job), not outcome, ""),
        *(
            (OUTCOMES[one][0].capitalize(), items_url(job, outcome=one), one == outcome, "")
            for one in (*own, *seen)
        ),
    ]
