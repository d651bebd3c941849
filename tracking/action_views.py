"""Pages of the actions on workflows, each with its own permission. What is decided is in `actions`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from opsportal.console.access import requires
from opsportal.console.converters import quote_key, unquote_key
from opsportal.console.text import excerpt
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ReasonedForm
from opsportal.operations.item_actions import ItemAction, ItemPages
from opsportal.operations.pages import Button
from opsportal.operations.tags import Action
from tracking import actions, marking, queries
from tracking.forms import STEP, WHOLE, RetryForm
from tracking.models import Workflow
from tracking.steps import Step


def _read(session_id: str) -> Raw | None:
    found = queries.workflow(session_id)
    return found.raw if found else None


def _starts(raw: Raw | None) -> Mapping[str, Any]:
    """What the form of a retry offers: every recorded step, the first failed one chosen."""
    if raw is None:
        return {}
    workflow = Workflow.of(raw)
    failed = actions.first_failed(workflow)
    steps = [(_value(step.key), _label(step)) for step in workflow.steps if step.present]
    return {"steps": steps, "start": _value(failed.key) if failed else WHOLE}


def _value(key: str) -> str:
    return STEP + quote_key(key)


def _label(step: Step) -> str:
    return f"From {excerpt(step.label, 80)} on ({excerpt(step.status_text, 30)})"


def _chosen(data: Mapping[str, Any]) -> Mapping[str, Any]:
    start = str(data["start"])
    return {"from_step": unquote_key(start.removeprefix(STEP)) if start != WHOLE else ""}


def _effect(verb: str, sentence: str) -> Callable[[Raw | None], str]:
    """The effect; before it, that the console does not know the item's status, and after it, how many of the steps one
    change holds where these are too many for it."""

    def effect(raw: Raw | None) -> str:
        notes = marking.notes_before(raw, datetime.now(UTC)) if raw is not None else {}
        unknown = marking.unknown_status(raw) if verb != "retry" else ""
        return f"{unknown} {sentence} {notes.get(verb, '')}".strip()

    return effect


PAGES = ItemPages("tracking", _read, actions.GONE)
RETRY = ItemAction(
    Action.WORKFLOW_RETRY,
    "tracking.retry_workflows",
    label="Retry",
    icon="refresh",
    title="Retry the workflow",
    effect=_effect(
        "retry",
        "Sets it to initializing, and the chosen step and those after it to pending, and sends the command to the "
        "orchestrators. What those steps had recorded is cleared. Earlier steps stay as they are, and the totals become "
        "those of the steps that stay.",
    ),
    done="Retry requested.",
    run=actions.retry,
    may=actions.may_retry,
    more=_chosen,
    form_class=RetryForm,
    options=_starts,
)
CANCEL = ItemAction(
    Action.WORKFLOW_CANCEL,
    "tracking.cancel_workflows",
    label="Cancel",
    icon="ban",
    title="Cancel the workflow",
    effect=_effect(
        "cancel",
        "Sets its status to cancelled and the steps that have not ended to stopped. An orchestrator that is "
        "busy with it sees that at its next write, or may overwrite it: the page shows which.",
    ),
    done="Cancel requested.",
    run=actions.cancel,
    may=actions.may_cancel,
)
FAIL = ItemAction(
    Action.WORKFLOW_FAIL,
    "tracking.fail_workflows",
    label="Mark failed",
    icon="circle-x",
    title="Mark the workflow failed",
    effect=_effect(
        "fail",
        "Sets its status to failed, and its running steps to error with the reason. An orchestrator that is still "
        "alive may overwrite it: the page shows that.",
    ),
    done="Mark failed requested.",
    run=marking.fail,
    may=marking.may_fail,
    undone="undone",
    form_class=ReasonedForm,
)
COMPLETE = ItemAction(
    Action.WORKFLOW_COMPLETE,
    "tracking.complete_workflows",
    label="Mark completed",
    icon="circle-check",
    title="Mark the workflow completed",
    effect=_effect(
        "complete",
        "Sets its status to completed and leaves steps and totals as they are; the page says who marked it. An "
        "orchestrator that is still alive may overwrite it: the page shows that.",
    ),
    done="Mark completed requested.",
    run=marking.complete,
    may=marking.may_complete,
    undone="undone",
)
PURGE = ItemAction(
    Action.WORKFLOW_PURGE,
    "tracking.purge_workflows",
    label="Purge",
    icon="trash",
    title="Purge the workflow",
    effect="Deletes it at once.",
    done="Purged.",
    run=actions.purge,
    may=actions.may_purge,
    undone="brought back",
    typed=True,
    danger=True,
)


def buttons(request: HttpRequest, workflow: Workflow) -> list[Button]:
    """What the item's page offers."""
    return [
        PAGES.button(request, workflow.id, workflow.raw, one)
        for one in (RETRY, CANCEL, FAIL, COMPLETE, PURGE)
    ]


@requires(CANCEL.permission)
def cancel(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a cancel."""
    return PAGES.page(request, session_id, CANCEL)


@requires(FAIL.permission)
def fail(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, marking it failed."""
    return PAGES.page(request, session_id, FAIL)


@requires(COMPLETE.permission)
def complete(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, marking it completed."""
    return PAGES.page(request, session_id, COMPLETE)


@requires(RETRY.permission)
def retry(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a retry: of the whole, or from any recorded step on."""
    return PAGES.page(request, session_id, RETRY)


@requires(PURGE.permission)
def purge(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    return PAGES.page(request, session_id, PURGE)
