"""Pages of the actions on workflows, each with its own permission. What is decided is in `actions`."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.console.text import visible
from opsportal.operations import images
from opsportal.operations.changes import Raw
from opsportal.operations.pages import Button, Offer, action_page, button
from opsportal.operations.tags import Action
from tracking import actions, queries
from tracking.forms import FROM_FAILED, RetryForm
from tracking.models import Workflow


def buttons(request: HttpRequest, workflow: Workflow) -> list[Button]:
    """What the item's page offers, disabled with the reason where it can't be done."""

    def url(verb: str) -> str:
        return reverse(f"tracking:{verb}", args=[workflow.id])

    return [
        button(
            request,
            Action.WORKFLOW_RETRY,
            "Retry",
            url("retry"),
            "refresh",
            permission="tracking.retry_workflows",
            why_not=actions.may_retry(workflow.raw),
        ),
        button(
            request,
            Action.WORKFLOW_CANCEL,
            "Cancel",
            url("cancel"),
            "ban",
            permission="tracking.cancel_workflows",
            why_not=actions.may_cancel(workflow.raw),
        ),
        button(
            request,
            Action.WORKFLOW_PURGE,
            "Purge",
            url("purge"),
            "trash",
            permission="tracking.purge_workflows",
            why_not=actions.may_purge(workflow.raw),
            danger=True,
        ),
    ]


@requires("tracking.cancel_workflows")
def cancel(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a cancel."""
    raw = _raw(session_id)
    offer = Offer(
        Action.WORKFLOW_CANCEL,
        "Cancel the workflow",
        "Sets its status to cancelled and the steps that have not ended to stopped. An orchestrator that is "
        "busy with it sees that at its next write, or may overwrite it: the page shows which.",
        _item_url(session_id),
        session_id,
        "Cancel requested.",
        why_not=actions.may_cancel(raw) if raw is not None else actions.GONE,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.cancel(
            session_id, by=by, reason=data["reason"], action_id=data["action_id"]
        ),
    )


@requires("tracking.retry_workflows")
def retry(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a retry: of the whole, or from the first failed step on."""
    raw = _raw(session_id)
    failed = actions.first_failed(Workflow.of(raw)) if raw is not None else None
    offer = Offer(
        Action.WORKFLOW_RETRY,
        "Retry the workflow",
        "Sets it to initializing and what runs again to pending, and sends the command to the orchestrators. "
        "What those steps had recorded is cleared, and the totals are those of the steps that stay.",
        _item_url(session_id),
        session_id,
        "Retry requested.",
        why_not=actions.may_retry(raw) if raw is not None else actions.GONE,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.retry(
            session_id,
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            from_failed=data["start"] == FROM_FAILED,
        ),
        form_class=RetryForm,
        form_options={"failed": visible(failed.label) if failed else ""},
    )


@requires("tracking.purge_workflows")
def purge(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    raw = _raw(session_id)
    too_large = raw is not None and not images.fits(raw)
    offer = Offer(
        Action.WORKFLOW_PURGE,
        "Purge the workflow",
        "Deletes it at once. "
        + (
            "It is too large to keep a copy, so this can't be undone."
            if too_large
            else f"It can be brought back from the audit trail for {settings.AUDIT_IMAGE_DAYS} days."
        ),
        _item_url(session_id),
        session_id,
        "Purged.",
        why_not=actions.may_purge(raw) if raw is not None else actions.GONE,
        key=session_id,
        too_large=too_large,
        danger=True,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.purge(
            session_id,
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            without_image=bool(data.get("without_image")),
        ),
    )


def _raw(session_id: str) -> Raw | None:
    found = queries.workflow(session_id)
    return found.raw if found else None


def _item_url(session_id: str) -> str:
    return reverse("tracking:item", args=[session_id])
