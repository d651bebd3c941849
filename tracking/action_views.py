"""Pages of the actions on workflows, each with its own permission. What is decided is in `actions`."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from opsportal.console.access import requires
from opsportal.console.text import visible
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ReasonedForm
from opsportal.operations.item_actions import ItemAction, ItemPages
from opsportal.operations.pages import Button
from opsportal.operations.tags import Action
from tracking import actions, marking, queries
from tracking.forms import FROM_FAILED, RetryForm
from tracking.models import Workflow


def _read(session_id: str) -> Raw | None:
    found = queries.workflow(session_id)
    return found.raw if found else None


def _failed_step(raw: Raw | None) -> Mapping[str, Any]:
    failed = actions.first_failed(Workflow.of(raw)) if raw is not None else None
    return {"failed": visible(failed.label) if failed else ""}


def _known(effect: str) -> Callable[[Raw | None], str]:
    """With a sentence before it where the console does not know the item's status."""
    return lambda raw: f"{marking.unknown_status(raw)} {effect}".strip()


PAGES = ItemPages("tracking", _read, actions.GONE)
RETRY = ItemAction(
    Action.WORKFLOW_RETRY,
    "tracking.retry_workflows",
    label="Retry",
    icon="refresh",
    title="Retry the workflow",
    effect=(
        "Sets it to initializing and what runs again to pending, and sends the command to the orchestrators. "
        "What those steps had recorded is cleared, and the totals are those of the steps that stay."
    ),
    done="Retry requested.",
    run=actions.retry,
    may=actions.may_retry,
    more=lambda data: {"from_failed": data["start"] == FROM_FAILED},
    form_class=RetryForm,
    options=_failed_step,
)
CANCEL = ItemAction(
    Action.WORKFLOW_CANCEL,
    "tracking.cancel_workflows",
    label="Cancel",
    icon="ban",
    title="Cancel the workflow",
    effect=_known(
        "Sets its status to cancelled and the steps that have not ended to stopped. An orchestrator that is "
        "busy with it sees that at its next write, or may overwrite it: the page shows which."
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
    effect=_known(
        "Sets its status to failed, and its running steps to error with the reason. An orchestrator that is still "
        "alive may overwrite it: the page shows that."
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
    effect=_known(
        "Sets its status to completed and leaves steps and totals as they are; the page says who marked it. An "
        "orchestrator that is still alive may overwrite it: the page shows that."
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
    """Ask for, and carry out, a retry: of the whole, or from the first failed step on."""
    return PAGES.page(request, session_id, RETRY)


@requires(PURGE.permission)
def purge(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    return PAGES.page(request, session_id, PURGE)
