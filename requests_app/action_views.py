"""Pages of the actions on requests, each with its own permission. What is decided is in `actions`."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.console.findings import spoken_minutes
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ReasonedForm
from opsportal.operations.item_actions import ItemAction, ItemPages
from opsportal.operations.pages import Button, button
from opsportal.operations.tags import Action
from requests_app import actions, marking, queries
from requests_app.findings import minutes_still
from requests_app.models import IntelligenceRequest

UNFINISHED = "requests_app.purge_unfinished_requests"


def _read(request_id: str) -> Raw | None:
    found = queries.request(request_id)
    return found.raw if found else None


def _retried(raw: Raw | None) -> str:
    sent = " and sends its message to the queue" if raw is not None and actions.uses_queue(raw) else ""
    alive = ""
    if raw is not None and actions.has_stopped(raw):
        minutes = minutes_still(IntelligenceRequest.of(raw), datetime.now(UTC))
        alive = (
            f" It has not moved for {spoken_minutes(minutes)}. If its worker is still alive, two may work on it at "
            "once, or that one may overwrite the retry: the page shows which."
        )
    return (
        f"Sets it to pending with its progress at zero{sent}. Its errors are kept, its results too until a "
        f"worker replaces them.{alive}"
    )


def _known(effect: str) -> Callable[[Raw | None], str]:
    """With a sentence before it where the console does not know the item's status."""
    return lambda raw: f"{marking.unknown_status(raw)} {effect}".strip()


PAGES = ItemPages("requests", _read, actions.GONE)
RETRY = ItemAction(
    Action.REQUEST_RETRY,
    "requests_app.retry_requests",
    label="Retry",
    icon="refresh",
    title="Retry the request",
    effect=_retried,
    done="Retry requested.",
    run=actions.retry,
    may=actions.may_retry,
)
CANCEL = ItemAction(
    Action.REQUEST_CANCEL,
    "requests_app.cancel_requests",
    label="Cancel",
    icon="ban",
    title="Cancel the request",
    effect=_known(
        "Sets its status to cancelled. A worker that is busy with it sees that at its next look, or may "
        "overwrite it: the page shows which."
    ),
    done="Cancel requested.",
    run=actions.cancel,
    may=actions.may_cancel,
)
FAIL = ItemAction(
    Action.REQUEST_FAIL,
    "requests_app.fail_requests",
    label="Mark failed",
    icon="circle-x",
    title="Mark the request failed",
    effect=_known(
        "Sets its status to failed, with the reason as its newest error. A worker that is still alive may "
        "overwrite it: the page shows that."
    ),
    done="Mark failed requested.",
    run=marking.fail,
    may=marking.may_fail,
    undone="undone",
    form_class=ReasonedForm,
)
COMPLETE = ItemAction(
    Action.REQUEST_COMPLETE,
    "requests_app.complete_requests",
    label="Mark completed",
    icon="circle-check",
    title="Mark the request completed",
    effect=_known(
        "Sets its status to completed and leaves progress and results as they are; the page says who marked "
        "it. A worker that is still alive may overwrite it: the page shows that."
    ),
    done="Mark completed requested.",
    run=marking.complete,
    may=marking.may_complete,
    undone="undone",
)


def _purge(request: HttpRequest) -> ItemAction:
    """As the person may: of what has not ended only some."""
    unfinished = request.user.has_perm(UNFINISHED)
    return ItemAction(
        Action.REQUEST_PURGE,
        "requests_app.purge_requests",
        label="Purge",
        icon="trash",
        title="Purge the request",
        effect=f"Deletes it at once, and its logs after {settings.UNDO_LOGS_MINUTES} minutes.",
        done="Purged.",
        run=actions.purge,
        may=lambda raw: actions.may_purge(raw, unfinished=unfinished),
        more=lambda data: {"unfinished": unfinished},
        undone="brought back",
        typed=True,
        danger=True,
    )


def buttons(request: HttpRequest, item: IntelligenceRequest) -> list[Button]:
    """What the item's page offers."""
    like = f"{reverse('requests:new')}?{urlencode({'like': item.id})}"
    return [
        *(
            PAGES.button(request, item.id, item.raw, one)
            for one in (RETRY, CANCEL, FAIL, COMPLETE, _purge(request))
        ),
        _submit_button(request, "Start like this one", like, "copy"),
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


@requires(CANCEL.permission)
def cancel(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a cancel."""
    return PAGES.page(request, request_id, CANCEL)


@requires(RETRY.permission)
def retry(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a retry."""
    return PAGES.page(request, request_id, RETRY)


@requires(FAIL.permission)
def fail(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, marking it failed."""
    return PAGES.page(request, request_id, FAIL)


@requires(COMPLETE.permission)
def complete(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, marking it completed."""
    return PAGES.page(request, request_id, COMPLETE)


@requires("requests_app.purge_requests")
def purge(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    return PAGES.page(request, request_id, _purge(request))
