"""What people and programs do with jobs: make, start, pause, resume, change the pace, stop, retry the failed, undo. The same
for a page, the API and the command line; who may do it is looked at there, by `permission_of`."""

import contextlib
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.conf import settings

from opsportal.accounts import actors
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_json
from opsportal.dynamo.tables import binding
from opsportal.jobs import chunks, states, store
from opsportal.jobs.freezing import begun, phrase
from opsportal.jobs.job import Job, Outcome, Pace, Source, State
from opsportal.operations import undo as undoing
from opsportal.operations.bulk import action_of, all_bulk
from opsportal.operations.changes import number, text
from opsportal.operations.entries import MAX_REASON, Actor, stamp
from opsportal.operations.forms import ReasonedForm
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import Conflict, OutcomeUnknown, Refused
from opsportal.operations.switch import check_actions_are_on
from opsportal.operations.tags import Action
from opsportal.telemetry import figures

# Of a retry, unless somebody asks for another; and of how few items it needs none.
DEFAULT_PACE = Pace(first=10, per_minute=60, halt_share=Decimal("0.2"))
FEW = 10
# How often a stop of all is tried for each.
STOP_TRIES = 5


class NotAllowed(Refused):
    """The person may not do it."""

    status = 403


class Invalid(Refused):
    """A value is at fault: `field` names it."""

    status = 422

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def permission_of(job: Job) -> str:
    """What starting it takes, besides `jobs.run_jobs`: that of doing it to one item, or of undoing it. "" where this
    version of the console can't do it."""
    found = action_of(job.action)
    if found is None:
        return ""
    bulk, action = found
    return bulk.actions.undo_permissions.get(action.tag.verb, "") if job.undoes else action.permission


def action_named(name: str) -> tuple[str, ItemAction]:
    """The logical table and the action of a name such as "requests.retry". Raises Invalid."""
    logical, _, verb = name.partition(".")
    bulk = all_bulk().get(logical)
    action = next((one for one in bulk.offered if one.tag.verb == verb), None) if bulk else None
    if action is None:
        raise Invalid("action", f"There is no such action for many items. There are: {', '.join(names())}.")
    return logical, action


def names() -> list[str]:
    """The actions that can be done to many items, such as "requests.retry"."""
    return [f"{logical}.{one.tag.verb}" for logical, bulk in all_bulk().items() for one in bulk.offered]


def name_of(job: Job) -> str:
    return f"{job.logical}.{'undo' if job.undoes else job.action.verb}"


def make(
    name: str,
    *,
    by: Actor,
    reason: str = "",
    keys: Sequence[str] | None = None,
    filter: Mapping[str, str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    pace: Pace | None = None,
    at_once: bool = False,
    data: Mapping[str, bool] | None = None,
    job_id: str = "",
    asked: object = None,
) -> Job:
    """Make a job on the items with these keys, or on all that match the filter of their list, whose set a worker freezes
    next. Without a `pace` it has the default of its action; `at_once`: none. `data`: what the plan needs to know of the
    person, see `ItemAction.allowances`. Made again under the same `job_id` it is the same; `asked`: what that call must have
    too (JSON data), where it is not all of these.

    Raises Invalid, Conflict, IdempotencyMismatch, ActionsOff, OutcomeUnknown, `DynamoError`.
    """
    logical, action = action_named(name)
    check_actions_are_on()
    if len(reason) > MAX_REASON:
        raise Invalid("reason", f"At most {MAX_REASON:,} characters.")
    if issubclass(action.form_class, ReasonedForm) and not reason.strip():
        raise Invalid("reason", "It must say why: it becomes the items' error.")
    if keys is not None:
        keys = list(dict.fromkeys(keys))
        if not keys:
            raise Invalid("keys", "No item is chosen.")
        if len(keys) > settings.JOBS_MAX_ITEMS:
            raise Invalid("keys", f"At most {settings.JOBS_MAX_ITEMS:,} items, as JOBS_MAX_ITEMS allows.")
        source = Source(keys=len(keys))
    else:
        source = Source(filter=dict(filter or {}), since=since, until=until)
    if asked is None:
        asked = [reason, keys, filter, pace.stored() if pace else at_once]
    job = Job(
        id=job_id or str(uuid.uuid4()),
        table=binding(logical),
        action=action.tag,
        actor=by,
        reason=reason.strip(),
        source=source,
        state=State.PREVIEWING,
        created_at=store.now(),
        pace=pace or (DEFAULT_PACE if action.observed and not at_once else None),
        data=data or {},
        asked=_digest(asked),
    )
    return store.put(job, keys or ())


def _digest(content: object) -> str:
    return hashlib.sha256(as_json(content, compact=True).encode("utf-8", "surrogatepass")).hexdigest()


def start(job: Job, by: Actor, *, expected: int | None = None, action_id: str = "") -> Job:
    """Start a job that is ready. `expected`: the count that the person has seen; `action_id`: of its entry, here and
    below. Raises Conflict, NotAllowed, IdempotencyMismatch, ActionsOff, OutcomeUnknown, `DynamoError`."""
    check_actions_are_on()
    if refusal := no_start(job, by):
        raise refusal
    if expected is not None and expected != job.eligible:
        raise Conflict(f"It would act on {job.eligible:,} items, not on {expected:,}.")
    values = begun(job, store.now()) | {"started_by": text(by.name), "expires_at": None}
    if job.pace and job.eligible < FEW and job.pace == DEFAULT_PACE:
        values["pace"] = None
    event = states.Event(Action.JOB_START, by, job.reason, phrase(job), job.eligible, action_id=action_id)
    started = states.change(job, values, event=event)
    _count(job, "started")
    return started


def no_start(job: Job, by: Actor) -> Refused | None:
    """Why that person can't start it, None where they can."""
    if job.state is not State.READY:
        return Conflict(_not(job, "started"))
    if job.expires_at and job.expires_at <= store.now():
        return Conflict("Its preview has expired. Make a new one.")
    if not job.eligible:
        return Conflict("There is nothing to do: the preview skips every item.")
    if needs_second_person(job) and not _is_second_person(job, by):
        return NotAllowed(
            f"A purge of more than {settings.JOBS_SECOND_PERSON:,} items needs a second person (JOBS_SECOND_PERSON): "
            "somebody else must start it."
        )
    return None


def needs_second_person(job: Job) -> bool:
    return job.needs_second_person


def _is_second_person(job: Job, by: Actor) -> bool:
    """A token is the person whose it is; a service and a command are nobody."""
    person = actors.person_of(by.id)
    return bool(person) and person != actors.person_of(job.actor.id)


def pause(job: Job, by: Actor, reason: str = "", *, action_id: str = "") -> Job:
    """Raises as `start`, but for ActionsOff: to hold a job is never refused."""
    if job.state is not State.RUNNING:
        raise Conflict(_not(job, "paused"))
    values: dict[str, Typed | None] = {"state": text(State.PAUSED), "why": None}
    event = states.Event(Action.JOB_PAUSE, by, reason, action_id=action_id)
    return states.change(job, values, event=event)


def resume(job: Job, by: Actor, reason: str = "", *, action_id: str = "") -> Job:
    """Go on after a pause or a halt; what its pace has counted begins from nothing. Raises as `start`."""
    check_actions_are_on()
    if job.state not in (State.PAUSED, State.HALTED):
        raise Conflict(_not(job, "resumed"))
    values: dict[str, Typed | None] = {
        "state": text(State.RUNNING),
        "why": None,
        "running_since": text(stamp()),
        "attempted_before": number(store.progress_of(job).attempted),
    }
    return states.change(job, values, event=states.Event(Action.JOB_RESUME, by, reason, action_id=action_id))


def set_pace(job: Job, pace: Pace | None, by: Actor, *, action_id: str = "") -> Job:
    """Give it another pace, None for at once; it stays in its state. Raises as `start`."""
    check_actions_are_on()
    if not job.is_open:
        raise Conflict(_not(job, "given another pace"))
    values = {"pace": text(as_json(pace.stored(), compact=True)) if pace else None}
    if job.state is State.RUNNING:
        values["why"] = None
    event = states.Event(Action.JOB_PACE, by, note=pace_note(pace), action_id=action_id)
    return states.change(job, values, event=event)


def pace_note(pace: Pace | None) -> str:
    """As its entry has it."""
    if pace is None:
        return "at once"
    return f"first {pace.first}, then {pace.per_minute} a minute, halt at {pace.halt_percent} %"


def stop(job: Job, by: Actor, reason: str = "", *, action_id: str = "") -> Job:
    """End it for good; what is done stays done. Raises as `start`."""
    if not job.is_open:
        raise Conflict(_not(job, "stopped"))
    done = store.progress_of(job).done
    event = states.Event(Action.JOB_STOP, by, reason, count=done, action_id=action_id)
    values = {
        **states.over(State.STOPPED),
        "why": None,
        "started_by": text(job.started_by) if job.started_by else None,
    }
    stopped = states.change(job, values, event=event)
    with contextlib.suppress(DynamoError):  # it is stopped all the same; what follows the job does this too
        chunks.withdraw(stopped)
    _count(job, "stopped")
    return stopped


def stop_all(by: Actor, reason: str = "") -> tuple[list[Job], list[str]]:
    """Stop every open job of every location: those that are stopped, and of each other one why it is not. Raises
    `DynamoError`."""
    stopped, left = [], []
    for job_id, table in store.open_ids().items():
        for attempt in range(STOP_TRIES):
            try:
                job = store.find(job_id, table)
                if job and job.is_open:
                    stopped.append(stop(job, by, reason))
            except (Conflict, OutcomeUnknown) as error:  # its worker was quicker: look again
                if attempt + 1 == STOP_TRIES:
                    left.append(f"Job {job_id}: {error.sentence}")
            except (ValueError, KeyError, TypeError):
                left.append(f"Job {job_id} can't be read: a later version of the console wrote it.")
                break
            else:
                break
    return stopped, left


def retry_failed(
    job: Job, by: Actor, *, reason: str = "", job_id: str = "", data: Mapping[str, bool] | None = None
) -> Job:
    """A new job of the same action on the items that failed, or failed again. It starts itself. `data`: as of `make`.
    Raises as `start`."""
    outcomes = (Outcome.FAILED, Outcome.FAILED_AGAIN, Outcome.OVERWRITTEN)
    return _follow(job, by, reason, job_id, outcomes, data, undoes=job.undoes)


def undo(
    job: Job, by: Actor, *, reason: str = "", job_id: str = "", data: Mapping[str, bool] | None = None
) -> Job:
    """A new job that undoes what this one has done. It starts itself. Raises as `start`."""
    if why := why_no_undo(job):
        raise Conflict(why)
    return _follow(job, by, reason, job_id, (Outcome.DONE,), data, undoes=job.id)


def why_no_undo(job: Job) -> str:
    """Why what it has done can't be undone, "" where it can be."""
    found = action_of(job.action)
    if job.undoes or found is None or not found[1].undone:
        return undoing.NEVER
    if job.is_open:
        return f"It is {job.state}: stop it first, or wait until it is finished."
    if job.images_until is None:
        return "It has done nothing."
    if job.images_until <= store.now():
        return "The copies that were kept for an undo have expired."
    return ""


def _follow(
    job: Job,
    by: Actor,
    reason: str,
    job_id: str,
    outcomes: tuple[Outcome, ...],
    data: Mapping[str, bool] | None,
    *,
    undoes: str,
) -> Job:
    check_actions_are_on()
    if job.state in (State.PREVIEWING, State.READY, State.EXPIRED):
        raise Conflict("It has not begun.")
    found = action_of(job.action)
    if found is None:
        raise Conflict("This version of the console can't do this to many items.")
    observed = found[1].observed and not undoes
    follower = Job(
        id=job_id or str(uuid.uuid4()),
        table=job.table,
        action=job.action,
        actor=by,
        reason=reason.strip() or f"Follows job {job.id}.",
        source=Source(job=job.id, outcomes=tuple(outcomes)),
        state=State.PREVIEWING,
        created_at=store.now(),
        pace=(job.pace or DEFAULT_PACE) if observed else None,
        data=data or {},
        starts_itself=True,
        undoes=undoes,
        asked=_digest([job.id, outcomes, reason]),
    )
    return store.put(follower)


def _not(job: Job, done: str) -> str:
    return f"The job is {job.state}: it can't be {done}."


def _count(job: Job, event: str) -> None:
    figures.JOBS.labels(job.action.subject, job.action.verb, event).inc()
