"""The API of jobs: one action on many items."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Body, Query, Router
from pydantic import Field

from opsportal.api import effects
from opsportal.api.answers import answer
from opsportal.api.effects import REPLAYED, ReasonIn
from opsportal.api.guards import allow, caller_of
from opsportal.api.lists import StrictQuery
from opsportal.api.problems import ApiProblem, Away, Invalid, Wrong
from opsportal.console.access import Access, requires
from opsportal.console.admission import Load, admitted
from opsportal.dynamo import cursors
from opsportal.dynamo.cursors import MAX_CURSOR
from opsportal.exports.api import CONTENT, FileQuery, answer_file
from opsportal.jobs import answers, control, store
from opsportal.jobs.answers import JobListOut, JobOut, MembersOut
from opsportal.jobs.asked import JobIn, PaceIn, StartIn, selection_of
from opsportal.jobs.exported import EXPORT
from opsportal.jobs.job import Job, Outcome
from opsportal.jobs.measures import measure
from opsportal.jobs.members import page
from opsportal.operations import entries
from opsportal.operations.bulk import action_of, all_bulk
from opsportal.operations.entries import Actor, Entry
from opsportal.operations.outcomes import ActionsOff, IdempotencyMismatch, OutcomeUnknown, Refused
from opsportal.operations.tags import Action

router = Router(tags=["Jobs"])

# Items of a page at least, where there are as many; chunks that a page looks into at most.
PAGE_ITEMS, PAGE_CHUNKS = 100, 40
NO_REASON, AS_IT_IS = ReasonIn(), StartIn()
GONE = "There is no such job, or it is older than 90 days."
_TO_IT = (
    "start_job",
    "pause_job",
    "resume_job",
    "stop_job",
    "set_job_pace",
    "retry_failed_items",
    "undo_job",
)
LINKS = {
    name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}}
    for name in ("get_job", "list_job_items", *_TO_IT)
}
MADE: dict[str, Any] = {
    **effects.EXTRA,
    "responses": {
        202: {"headers": {"Location": {"schema": {"type": "string"}, "required": True}}, "links": LINKS}
    },
}


class ItemsQuery(StrictQuery):
    outcome: Outcome | None = Field(
        None, description="`done` includes those of which more is observed since. Empty: all."
    )
    cursor: str = Field("", max_length=MAX_CURSOR, description="`next` of the page before.")


@router.post("/jobs", response={202: JobOut}, openapi_extra=MADE, summary="Make a job and its preview")
@requires("jobs.run_jobs")
def create_job(request: HttpRequest, body: Body[JobIn]) -> HttpResponse:
    """A worker freezes its set next: `state` is `previewing`, then `ready`."""
    caller = caller_of(request)
    with _refusals(""):
        logical, action = control.action_named(body.action)
    allow(caller, Access("permission", action.permission))
    chosen = selection_of(body, all_bulk()[logical])
    job_id, _ = effects.action_id_of(request, caller.actor, logical)
    with _refusals(job_id):
        job = control.make(
            body.action,
            by=caller.actor,
            reason=body.reason,
            keys=body.keys if "keys" in body.model_fields_set else None,
            filter=chosen.values,
            since=chosen.since,
            until=chosen.until,
            pace=body.pace.as_pace() if body.pace else None,
            at_once="pace" in body.model_fields_set and body.pace is None,
            data={name: caller.may(permission) for name, permission in action.allowances.items()},
            job_id=job_id,
            asked=body.model_dump(mode="python", exclude_unset=True),
        )
    return _made(job)


@router.get(
    "/jobs",
    response=JobListOut,
    openapi_extra={"responses": {200: {"content": CONTENT}}},
    summary="List the newest jobs, open ones first",
)
@requires("jobs.view_jobs")
@admitted(Load.LIST)
def list_jobs(request: HttpRequest, query: Query[FileQuery]) -> HttpResponseBase:
    """A file has all that are kept."""
    query.only_known_in(request)
    if file := answer_file(request, query, EXPORT):
        return file
    found = store.listed(answers.LISTED + 1)
    return answer(
        {
            "items": [answers.row(job) for job in found[: answers.LISTED]],
            "complete": len(found) <= answers.LISTED,
        }
    )


@router.get("/jobs/{key:job_id}", response=JobOut, summary="One job")
@requires("jobs.view_jobs")
def get_job(request: HttpRequest, job_id: str) -> HttpResponse:
    return _answer(_found(job_id))


@router.get("/jobs/{key:job_id}/items", response=MembersOut, summary="The items of a job")
@requires("jobs.view_jobs")
@admitted(Load.LIST)
def list_job_items(request: HttpRequest, job_id: str, query: Query[ItemsQuery]) -> HttpResponse:
    query.only_known_in(request)
    job = _found(job_id)
    wanted = [query.outcome] if query.outcome else []
    purpose = f"api:jobs:{job.id}:{query.outcome or ''}"
    start = cursors.load(query.cursor, purpose=purpose)["chunk"] if query.cursor else 0
    try:
        items, after = page(job, wanted, start, least=PAGE_ITEMS, max_chunks=PAGE_CHUNKS)
    except LookupError:
        raise ApiProblem(
            404, "There are no such items", "The items of this job are not kept any more."
        ) from None
    return answer(
        {
            "items": [answers.member(job, one) for one in items],
            "next": cursors.dump({"chunk": after}, purpose=purpose) if after is not None else None,
        }
    )


# --- What is done with one ---------------------------------------------------------------------------------------


@router.post("/jobs/{key:job_id}/start", response=JobOut, openapi_extra=effects.EXTRA, summary="Start a job")
@requires("jobs.run_jobs")
def start_job(request: HttpRequest, job_id: str, body: Body[StartIn] = AS_IT_IS) -> HttpResponse:
    """`expected` is refused (409) where it is not the number of items that the job would act on."""

    def run(job: Job, by: Actor, action_id: str) -> Job:
        return control.start(job, by, expected=body.expected, action_id=action_id)

    def same(entry: Entry) -> bool:
        return body.expected in (None, entry.count)

    return _changed(request, job_id, Action.JOB_START, run, same, acts=True)


@router.post("/jobs/{key:job_id}/pause", response=JobOut, openapi_extra=effects.EXTRA, summary="Pause a job")
@requires("jobs.run_jobs")
def pause_job(request: HttpRequest, job_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    """The transaction at hand is finished first."""
    return _changed(request, job_id, Action.JOB_PAUSE, _with(control.pause, body), _reason(body))


@router.post(
    "/jobs/{key:job_id}/resume", response=JobOut, openapi_extra=effects.EXTRA, summary="Resume a job"
)
@requires("jobs.run_jobs")
def resume_job(request: HttpRequest, job_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    """One that is paused or halted. What its pace has counted begins from nothing."""
    return _changed(request, job_id, Action.JOB_RESUME, _with(control.resume, body), _reason(body), acts=True)


@router.post("/jobs/{key:job_id}/stop", response=JobOut, openapi_extra=effects.EXTRA, summary="Stop a job")
@requires("jobs.run_jobs")
def stop_job(request: HttpRequest, job_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    """For good; what is done stays done."""
    return _changed(request, job_id, Action.JOB_STOP, _with(control.stop, body), _reason(body))


@router.post(
    "/jobs/{key:job_id}/pace", response=JobOut, openapi_extra=effects.EXTRA, summary="Change a job's pace"
)
@requires("jobs.run_jobs")
def set_job_pace(request: HttpRequest, job_id: str, body: Body[PaceIn]) -> HttpResponse:
    pace = body.pace.as_pace() if body.pace else None

    def run(job: Job, by: Actor, action_id: str) -> Job:
        return control.set_pace(job, pace, by, action_id=action_id)

    def same(entry: Entry) -> bool:
        return entry.note == control.pace_note(pace)

    return _changed(request, job_id, Action.JOB_PACE, run, same, acts=True)


@router.post(
    "/jobs/{key:job_id}/retry-failed",
    response={202: JobOut},
    openapi_extra=MADE,
    summary="Do it again to the items that failed",
)
@requires("jobs.run_jobs")
def retry_failed_items(request: HttpRequest, job_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    """A new job, which freezes from this one's results and starts itself."""
    job = _found(job_id)
    return _follower(request, job, body, control.retry_failed, control.permission_of(job))


@router.post("/jobs/{key:job_id}/undo", response={202: JobOut}, openapi_extra=MADE, summary="Undo a job")
@requires("jobs.run_jobs")
def undo_job(request: HttpRequest, job_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    """A new job, which brings back what this one purged or changed, and starts itself."""
    job = _found(job_id)
    if why := control.why_no_undo(job):
        raise ApiProblem(409, "It can't be undone", why)
    return _follower(request, job, body, control.undo, control.permission_of(replace(job, undoes=job.id)))


# --- How ------------------------------------------------------------------------------------------------------


def _found(job_id: str) -> Job:
    """Raises ApiProblem, Unreadable, `DynamoError`."""
    job = store.find(job_id)
    if job is None:
        raise ApiProblem(404, "There is no such job", GONE)
    return job


def _allow_action(request: HttpRequest, job: Job) -> None:
    """Raises ApiProblem where the caller may not do to one item what the job does."""
    allow(caller_of(request), Access("permission", control.permission_of(job)))


Run = Callable[[Job, Actor, str], Job]


def _with(run: Callable[..., Job], body: ReasonIn) -> Run:
    return lambda job, by, action_id: run(job, by, body.reason.strip(), action_id=action_id)


def _reason(body: ReasonIn) -> Callable[[Entry], bool]:
    return lambda entry: entry.reason == body.reason.strip()


def _changed(
    request: HttpRequest,
    job_id: str,
    action: Action,
    run: Run,
    same: Callable[[Entry], bool],
    *,
    acts: bool = False,
) -> HttpResponse:
    """Change the state of a job, once per Idempotency-Key: the entry of the change has the key's id. `acts`: it goes on to
    change items then."""
    job = _found(job_id)
    if acts:
        _allow_action(request, job)
    by = caller_of(request).actor
    action_id, given = effects.action_id_of(request, by, job.logical)

    def done_before() -> bool:
        entry = entries.read_entry(action_id, job.table) if given else None
        if entry is None:
            return False
        if (
            (entry.action, entry.target.id) != (action, job.id)
            or not entry.actor.is_same(by)
            or not same(entry)
        ):
            raise effects.reused()
        return True

    if done_before():
        return _answer(job, repeated=True)
    with _refusals(action_id):
        try:
            return _answer(run(job, by, action_id))
        except Refused:
            if not done_before():  # by another call with this key, just now
                raise
    return _answer(_found(job_id), repeated=True)


def _follower(
    request: HttpRequest, job: Job, body: ReasonIn, follow: Callable[..., Job], permission: str
) -> HttpResponse:
    caller = caller_of(request)
    allow(caller, Access("permission", permission))
    found = action_of(job.action)
    allowances = found[1].allowances if found else {}
    job_id, _ = effects.action_id_of(request, caller.actor, job.logical)
    with _refusals(job_id):
        data = {name: caller.may(allowance) for name, allowance in allowances.items()}
        return _made(follow(job, caller.actor, reason=body.reason, job_id=job_id, data=data))


@contextmanager
def _refusals(action_id: str) -> Iterator[None]:
    """Raises what is refused inside as ApiProblem."""
    more = {"action_id": action_id} if action_id else {}
    try:
        yield
    except IdempotencyMismatch:
        raise effects.reused() from None
    except control.Invalid as invalid:
        raise Invalid([Wrong("body", (invalid.field,), invalid.sentence)]) from None
    except ActionsOff as off:
        raise effects.actions_off(off) from None
    except Refused as refused:
        title = "You may not do this" if refused.status == 403 else "The job's state does not allow this"
        raise ApiProblem(refused.status, title, refused.sentence, more=more) from None
    except OutcomeUnknown as unknown:
        sentence = f"{unknown.sentence} Send it with {effects.HEADER}: {action_id}"
        raise Away("It is not known whether this was done", sentence, more).problem from unknown


def _made(job: Job) -> HttpResponse:
    headers = {"Location": answers.url_of(job.id)} | ({REPLAYED: "true"} if job.repeated else {})
    return answer(answers.document(job, measure(job)), 202, headers)


def _answer(job: Job, *, repeated: bool = False) -> HttpResponse:
    headers = {REPLAYED: "true"} if repeated else {}
    return answer(answers.document(job, measure(job)), headers=headers)
