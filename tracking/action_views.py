"""Pages of the actions on workflows, each with its own permission. What is decided is in `actions`."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from opsportal.console.access import requires
from opsportal.console.text import visible
from opsportal.operations.changes import Raw
from opsportal.operations.item_actions import ItemAction, ItemPages
from opsportal.operations.pages import Button
from opsportal.operations.tags import Action
from tracking import actions, queries
from tracking.forms import FROM_FAILED, RetryForm
from tracking.models import Workflow


def _read(session_id: str) -> Raw | None:
    found = queries.workflow(session_id)
    return found.raw if found else None


def _failed_step(raw: Raw | None) -> Mapping[str, Any]:
    failed = actions.first_failed(Workflow.of(raw)) if raw is not None else None
    return {"failed": visible(failed.label) if failed else ""}


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
    effect=(
        "Sets its status to cancelled and the steps that have not ended to stopped. An orchestrator that is "
        "busy with it sees that at its next write, or may overwrite it: the page shows which."
    ),
    done="Cancel requested.",
    run=actions.cancel,
    may=actions.may_cancel,
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
    return [PAGES.button(request, workflow.id, workflow.raw, one) for one in (RETRY, CANCEL, PURGE)]


@requires(CANCEL.permission)
def cancel(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a cancel."""
    return PAGES.page(request, session_id, CANCEL)


@requires(RETRY.permission)
def retry(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a retry: of the whole, or from the first failed step on."""
    return PAGES.page(request, session_id, RETRY)


@requires(PURGE.permission)
def purge(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    return PAGES.page(request, session_id, PURGE)
