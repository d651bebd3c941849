"""Pages of jobs: the list, one job in each of its states, and the notice on other pages."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import caches
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse

from opsportal.accounts.roles import role_of
from opsportal.console import polls
from opsportal.console.access import path_on_this_host, requires
from opsportal.console.admission import Load, admitted
from opsportal.console.columns import PageState, table
from opsportal.console.listing import Empty, Listing, Region, respond, seen_token
from opsportal.dynamo.tables import binding
from opsportal.exports import views as exports
from opsportal.jobs import control, offers, store
from opsportal.jobs.columns import COLUMNS
from opsportal.jobs.exported import EXPORT
from opsportal.jobs.following import followed, leave
from opsportal.jobs.forms import StartForm
from opsportal.jobs.job import Job, State
from opsportal.jobs.measures import SHARED_SECONDS, measure, noun, read_dollars
from opsportal.jobs.shown import Shown, is_in
from opsportal.operations import actors, feeds
from opsportal.operations.entries import Entry, Target
from opsportal.operations.outcomes import Unreadable
from opsportal.operations.pages import actor_of
from opsportal.operations.resource_types import of_logical
from opsportal.operations.switch import OFF
from opsportal.tables.costs import money


def found_job(job_id: str, logical: str = "") -> Job:
    """As it is now; `logical`: in the location of that table. Http404 where there is none, or where another version of
    the console made it. Raises `DynamoError`."""
    try:
        found = store.find(job_id, binding(logical) if logical else None)
    except Unreadable as unreadable:
        raise Http404(unreadable.sentence) from unreadable
    if found is None:
        raise Http404(f"There is no job with this id. Jobs are kept for {store.LIFE_DAYS} days.")
    return found


def shown_job(job: Job) -> Shown:
    """With how far it is. Raises `DynamoError`."""
    return Shown(job, measure(job), datetime.now(UTC))


# --- The list ---------------------------------------------------------------------------------------------------

# Jobs that the list shows at most.
LISTED = 50
FILTERS = {"state": "State"}


@requires("jobs.view_jobs")
@admitted(Load.LIST)
def list_(request: HttpRequest) -> HttpResponseBase:
    """The newest jobs of all regions, open ones first; `state` chooses."""
    listing = Listing(request, "jobs", FILTERS, ranged=False, columns=COLUMNS)
    if answer := exports.answer(request, listing, EXPORT):
        return answer
    cache = caches["process"]
    found: list[Job] | None = cache.get("jobs:listed")
    if found is None:
        found = store.listed(LISTED)
        cache.set("jobs:listed", found, SHARED_SECONDS)
    now = datetime.now(UTC)
    rows = [
        shown_job(job) if job.is_open else Shown(job, None, now)
        for job in found
        if is_in(job, listing["state"])
    ]
    digest = seen_token([one.seen for one in rows], [(job.id, job.state) for job in found])
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    still_open = any(one.job.is_open for one in rows)
    seen = polls.lasting(digest, [now + polls.MINUTE] if still_open else [])
    region = Region("live", seen=seen, finished=bool(rows) and not still_open)
    context = {
        "listing": listing,
        "rows": rows,
        "table": table(COLUMNS, rows, PageState.of(listing)),
        "tabs": _tabs(found, listing),
        "empty": None if rows else _empty(listing["state"]),
        "at_most": LISTED,
    }
    return respond(request, "jobs/list.html", context, region)


def _tabs(found: list[Job], listing: Listing) -> list[tuple[str, str, bool, Any]]:
    asked = listing["state"]
    held = {str(job.state) for job in found} | ({asked} if asked in list(State) else set())
    states = [str(state) for state in State if state in held]
    still_open = sum(job.is_open for job in found)
    return [
        ("All", listing.url(state=None), not asked, ""),
        ("Open", listing.url(state="open"), asked == "open", still_open or ""),
        *((state.capitalize(), listing.url(state=state), asked == state, "") for state in states),
    ]


def _empty(asked: str) -> Empty:
    if asked:
        return Empty("no_match", "No jobs in this state", link_url=reverse("jobs:list"), link_text="All jobs")
    return Empty(
        "nothing_yet",
        "No jobs yet",
        "A job acts on many items at once. Tick rows of a list, or choose all that match its filter.",
    )


# Seconds between two polls of a page on which something is waited for.
WAITED_FOR = {State.PREVIEWING: 2, State.RUNNING: 5}

# --- One job ----------------------------------------------------------------------------------------------------


@requires("jobs.view_jobs")
def job_page(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One job: its preview with the form that starts it, or how far it is."""
    return answer_job(request, found_job(str(job_id)))


def start_form(job: Job, data: QueryDict | None = None) -> StartForm:
    one = Shown(job, None, datetime.now(UTC))
    return StartForm(data, job=job, typed=one.typed, observed=one.observed)


def answer_job(
    request: HttpRequest, job: Job, *, start: StartForm | None = None, refusal: str = "", status: int = 200
) -> HttpResponse:
    """Its page. `start`: the form as it was sent; `refusal`: why that was not carried out. Raises `DynamoError`."""
    one = shown_job(job)
    history = _history(job) if request.user.has_perm("operations.view_audit") else []
    ready = job.state is State.READY
    buttons = offers.buttons(request, job, one.measured) if one.measured else []
    why_no_start = _why_no_start(request, job) if ready else ""
    said = [*(one.why_not for one in buttons), why_no_start]
    digest = seen_token(one.seen, [entry.action_id for entry in history], said)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    context = {
        "one": one,
        "job": job,
        "history": history,
        "buttons": buttons,
        "start": (start or start_form(job)) if ready else None,
        "why_no_start": why_no_start,
        "refusal": refusal,
        "no_undo": control.why_no_undo(job),
        "nouns": noun(job.logical, 2),
        "sample": _sample(job) if not one.begun else [],
        "preview_cost": f"{job.read_units:,.0f} read units · {money(read_dollars(job, job.read_units))}",
    }
    # While it runs its rate and what is left of its time go on; and people's names may be others by then.
    moments = [one.now + polls.MINUTE] if (job.is_open and one.begun) or history else []
    region = Region("live", seen=polls.lasting(digest, moments), finished=one.settled)
    return respond(request, "jobs/job.html", context, region, status=status)


def _sample(job: Job) -> list[tuple[str, str, str]]:
    """(key, status, address) of the first items."""
    kind = of_logical(job.logical)
    return [(key, status, kind.item_url(key) if kind else "") for key, status in job.sample]


def _why_no_start(request: HttpRequest, job: Job) -> str:
    if settings.ACTIONS_OFF:
        return OFF
    if offers.missing(request, job):
        return f"Your role ({role_of(request.user) or 'no role'}) may not start it."
    refusal = control.no_start(job, actor_of(request))
    return refusal.sentence if refusal else ""


def _history(job: Job) -> list[Entry]:
    """The entries of the job as a whole, newest first. Raises `DynamoError`."""
    if job.started_at is None and job.is_open and not job.epoch:
        return []
    cache, key = caches["process"], f"job-history:{job.id}:{job.state}:{job.epoch}"
    found: list[Entry] | None = cache.get(key)
    if found is None:
        found = actors.named(feeds.of_target(Target(job.logical, job.id)))
        cache.set(key, found, SHARED_SECONDS)
    return found


# --- The notice -------------------------------------------------------------------------------------------------

STOP_POLLING = 286  # a status of htmx


@requires("jobs.view_jobs")
@admitted(Load.PANEL)
def notice(request: HttpRequest) -> HttpResponse:
    """How far the person's own jobs are, newest first; the end of each is said once."""
    rows: list[Shown] = []
    over: set[str] = set()
    here = path_on_this_host(request, request.headers.get("HX-Current-URL", ""))
    for job_id, logical in reversed(followed(request)):
        try:
            job = found_job(job_id, logical)
        except Http404:
            over.add(job_id)
            continue
        if not job.is_open:
            over.add(job_id)
        # Its own page says more.
        if not here.startswith(reverse("jobs:job", args=[job_id])):
            rows.append(shown_job(job))
    if over:
        leave(request, over)
    status = 200 if followed(request) else STOP_POLLING
    response = render(request, "jobs/notice.html", {"rows": rows[:1], "more": len(rows) - 1}, status=status)
    if ended := [one for one in rows if not one.job.is_open]:
        said = " ".join(f"{one.title} is {one.job.state}: {one.summary}." for one in ended)
        response["HX-Trigger"] = json.dumps({"console:announce": {"text": said}})
    return response
