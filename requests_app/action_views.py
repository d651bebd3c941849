"""Pages of the actions on requests, each with its own permission. What is decided is in `actions`."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.operations import images
from opsportal.operations.changes import Raw
from opsportal.operations.pages import Button, Offer, action_page, button
from opsportal.operations.tags import Action
from requests_app import actions, queries
from requests_app.models import IntelligenceRequest

UNFINISHED = "requests_app.purge_unfinished_requests"


def buttons(request: HttpRequest, item: IntelligenceRequest) -> list[Button]:
    """What the item's page offers, disabled with the reason where it can't be done."""

    def url(verb: str) -> str:
        return reverse(f"requests:{verb}", args=[item.id])

    unfinished = request.user.has_perm(UNFINISHED)
    return [
        button(
            request,
            Action.REQUEST_RETRY,
            "Retry",
            url("retry"),
            "refresh",
            permission="requests_app.retry_requests",
            why_not=actions.may_retry(item.raw),
        ),
        button(
            request,
            Action.REQUEST_CANCEL,
            "Cancel",
            url("cancel"),
            "ban",
            permission="requests_app.cancel_requests",
            why_not=actions.may_cancel(item.raw),
        ),
        button(
            request,
            Action.REQUEST_PURGE,
            "Purge",
            url("purge"),
            "trash",
            permission="requests_app.purge_requests",
            why_not=actions.may_purge(item.raw, unfinished=unfinished),
            danger=True,
        ),
        _submit_button(
            request,
            "Start like this one",
            f"{reverse('requests:new')}?{urlencode({'like': item.id})}",
            "copy",
        ),
    ]


def new_button(request: HttpRequest) -> Button:
    """What the list offers."""
    return _submit_button(request, "New request", reverse("requests:new"), "plus")


def _submit_button(request: HttpRequest, label: str, url: str, icon: str) -> Button:
    return button(
        request,
        Action.REQUEST_SUBMIT,
        label,
        url,
        icon,
        permission="requests_app.submit_requests",
        dialog=False,
    )


@requires("requests_app.cancel_requests")
def cancel(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a cancel."""
    raw = _raw(request_id)
    offer = Offer(
        Action.REQUEST_CANCEL,
        "Cancel the request",
        "Sets its status to cancelled. A worker that is busy with it sees that at its next look, or may "
        "overwrite it: the page shows which.",
        _item_url(request_id),
        request_id,
        "Cancel requested.",
        why_not=actions.may_cancel(raw) if raw is not None else actions.GONE,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.cancel(
            request_id, by=by, reason=data["reason"], action_id=data["action_id"]
        ),
    )


@requires("requests_app.retry_requests")
def retry(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a retry."""
    raw = _raw(request_id)
    sent = " and sends its message to the queue" if raw is not None and actions.uses_queue(raw) else ""
    offer = Offer(
        Action.REQUEST_RETRY,
        "Retry the request",
        f"Sets it to pending with its progress at zero{sent}. Its errors are kept, its results too until a "
        "worker replaces them.",
        _item_url(request_id),
        request_id,
        "Retry requested.",
        why_not=actions.may_retry(raw) if raw is not None else actions.GONE,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.retry(request_id, by=by, reason=data["reason"], action_id=data["action_id"]),
    )


@requires("requests_app.purge_requests")
def purge(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    raw = _raw(request_id)
    unfinished = request.user.has_perm(UNFINISHED)
    too_large = raw is not None and not images.fits(raw)
    offer = Offer(
        Action.REQUEST_PURGE,
        "Purge the request",
        f"Deletes it at once, and its logs after {settings.UNDO_LOGS_MINUTES} minutes. "
        + (
            "It is too large to keep a copy, so this can't be undone."
            if too_large
            else f"It can be brought back from the audit trail for {settings.AUDIT_IMAGE_DAYS} days."
        ),
        _item_url(request_id),
        request_id,
        "Purged.",
        why_not=actions.may_purge(raw, unfinished=unfinished) if raw is not None else actions.GONE,
        key=request_id,
        too_large=too_large,
        danger=True,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.purge(
            request_id,
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            unfinished=unfinished,
            without_image=bool(data.get("without_image")),
        ),
    )


def _raw(request_id: str) -> Raw | None:
    found = queries.request(request_id)
    return found.raw if found else None


def _item_url(request_id: str) -> str:
    return reverse("requests:item", args=[request_id])
