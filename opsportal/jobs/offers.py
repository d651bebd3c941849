"""What a person is offered to do with a job, each with why it can't be done."""

from collections.abc import Callable
from dataclasses import replace

from django.http import HttpRequest
from django.urls import reverse

from opsportal.jobs import control
from opsportal.jobs.forms import PaceForm
from opsportal.jobs.job import BAD, Job, State
from opsportal.jobs.measures import Measured
from opsportal.operations.bulk import action_of
from opsportal.operations.item_actions import Offer
from opsportal.operations.pages import Button, button
from opsportal.operations.tags import Action

RUN = "jobs.run_jobs"
NOT_KNOWN = "This version of the console can't do this to many items."

PAUSE = Offer(
    Action.JOB_PAUSE, RUN, label="Pause", icon="player-pause", name="pause", title="Pause the job", ends=True,
    effect="Nothing more is done until somebody resumes it. A transaction that is under way is still carried out.",
)  # fmt: skip
RESUME = Offer(
    Action.JOB_RESUME, RUN, label="Resume", icon="player-play", name="resume", title="Resume the job",
    effect="The job goes on with what is pending. A pace starts again with its first items.",
)  # fmt: skip
PACE = Offer(
    Action.JOB_PACE, RUN, label="Change the pace", icon="settings", name="pace", title="Change the pace",
    effect="Applies from the next item on. A halted or paused job stays so until it is resumed.", form_class=PaceForm,
)  # fmt: skip
STOP = Offer(
    Action.JOB_STOP, RUN, label="Stop", icon="player-stop", name="stop", title="Stop the job", danger=True, ends=True,
    effect="Ends it for good. What is done stays done; what is pending is left as it is.",
)  # fmt: skip
DISCARD = replace(
    STOP,
    label="Discard",
    icon="x",
    title="Discard the job",
    danger=False,
    effect="Ends it before anything is done.",
)
RETRY_FAILED = Offer(
    Action.JOB_START, RUN, label="Retry the failed", icon="refresh", name="retry-failed", title="Retry the failed",
    effect="Makes a new job of the items that failed. It starts by itself.", dialog=False,
)  # fmt: skip
UNDO = Offer(
    Action.JOB_START, RUN, label="Undo all", icon="history", name="undo", title="Undo the job", danger=True,
    effect="Makes a new job that undoes what this one has done, item by item. It starts by itself. An item that was "
    "changed since is left as it is.", dialog=False,
)  # fmt: skip
# Those that begin or change work, which takes the permission of the action too.
WORKS = (RESUME, PACE, RETRY_FAILED, UNDO)


def missing(request: HttpRequest, job: Job, offer: Offer | None = None) -> str:
    """The permission that the person lacks for it (for a start, without an offer), "" where there is none."""
    needed = [RUN, control.permission_of(job)] if offer is None or offer in WORKS else [RUN]
    return next((one for one in needed if one and not request.user.has_perm(one)), "")


def why_not(job: Job, offer: Offer, measured: Measured) -> str:
    """Why its state does not allow it, "" where it can be done."""
    return _STATE[offer.name](job, measured)


def _when(*states: State) -> Callable[[Job, Measured], str]:
    return lambda job, measured: "" if job.state in states else f"The job is {job.state}."


def _nothing_failed(job: Job, measured: Measured) -> str:
    if action_of(job.action) is None:
        return NOT_KNOWN
    if job.started_at is None:
        return "It has not begun."
    again = sum(job.outcomes.get(one, 0) for one in BAD)
    return "" if measured.counts.failed or again else "Nothing failed."


_STATE: dict[str, Callable[[Job, Measured], str]] = {
    "pause": _when(State.RUNNING),
    "resume": _when(State.PAUSED, State.HALTED),
    "pace": lambda job, measured: "" if job.is_open else f"The job is {job.state}.",
    "stop": lambda job, measured: "" if job.is_open else f"The job is {job.state}.",
    "retry-failed": _nothing_failed,
    "undo": lambda job, measured: control.why_no_undo(job),
}


def buttons(request: HttpRequest, job: Job, measured: Measured) -> list[Button]:
    """Those of its state, and those that may follow, disabled with the reason where they can't be used."""
    return [_button(request, job, one, measured) for one in _of_state(job)]


def _of_state(job: Job) -> list[Offer]:
    if job.state in (State.PREVIEWING, State.READY):
        return [DISCARD]
    found = action_of(job.action)
    undoable = bool(found and found[1].undone) and not job.undoes
    later = [RETRY_FAILED, *([UNDO] if undoable else [])] if job.started_at else []
    if job.is_open:
        return [PAUSE if job.state is State.RUNNING else RESUME, PACE, STOP, *later]
    return later


def _button(request: HttpRequest, job: Job, offer: Offer, measured: Measured) -> Button:
    lacks = missing(request, job, offer)
    offered = replace(offer, permission=lacks or RUN)
    return button(request, offered, url(job, offer), why_not(job, offer, measured))


def url(job: Job, offer: Offer) -> str:
    return reverse(f"jobs:{offer.name}", args=[job.id])
