"""The actions on requests, declared: pages, buttons and operations of the API are made of `ACTIONS`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from opsportal.console.findings import spoken_minutes
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ReasonedForm
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.item_pages import Watched, watch
from opsportal.operations.observation import goes_on
from opsportal.operations.pages import Button, ItemActions, button
from opsportal.operations.tags import Action
from requests_app import actions
from requests_app.findings import minutes_still
from requests_app.models import IntelligenceRequest
from requests_app.queue import is_pending
from requests_app.statuses import VOCABULARY, unknown_status


def _retried(raw: Raw | None) -> str:
    sent = " and sends its message to the queue" if raw is not None and actions.uses_queue(raw) else ""
    alive = ""
    if raw is not None and actions.has_stopped(raw):
        minutes = minutes_still(IntelligenceRequest.from_item(raw), datetime.now(UTC))
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
    return lambda raw: f"{unknown_status(raw) if raw is not None else ''} {effect}".strip()


SUBMIT = ItemAction(
    Action.REQUEST_SUBMIT,
    "requests_app.submit_requests",
    actions.plan_submit,
    label="New request",
    icon="plus",
    scope="requests:write",
    dialog=False,
    still_holds=goes_on,
)
RETRY = ItemAction(
    Action.REQUEST_RETRY,
    "requests_app.retry_requests",
    actions.retry,
    label="Retry",
    icon="refresh",
    title="Retry the request",
    effect=_retried,
    summary="Retry a request",
    scope="requests:write",
    still_holds=actions.holds_retry,
    bulk={},
    observed=VOCABULARY,
)
CANCEL = ItemAction(
    Action.REQUEST_CANCEL,
    "requests_app.cancel_requests",
    actions.cancel,
    label="Cancel",
    icon="ban",
    title="Cancel the request",
    effect=_known(
        "Sets its status to cancelled. A worker that is busy with it notices at its next read, or may "
        "overwrite it: the page shows which."
    ),
    summary="Cancel a request",
    scope="requests:write",
    bulk={},
)
FAIL = ItemAction(
    Action.REQUEST_FAIL,
    "requests_app.fail_requests",
    actions.fail,
    label="Mark failed",
    icon="circle-x",
    title="Mark the request failed",
    effect=_known(
        "Sets its status to failed, with the reason as its newest error. A worker that is still alive may "
        "overwrite it: the page shows that."
    ),
    summary="Mark a request failed",
    scope="request:fail",
    undone="undone",
    form_class=ReasonedForm,
    bulk={},
)
COMPLETE = ItemAction(
    Action.REQUEST_COMPLETE,
    "requests_app.complete_requests",
    actions.complete,
    label="Mark completed",
    icon="circle-check",
    title="Mark the request completed",
    effect=_known(
        "Sets its status to completed and leaves progress and results as they are; the page says who marked "
        "it. A worker that is still alive may overwrite it: the page shows that."
    ),
    summary="Mark a request completed",
    scope="request:complete",
    undone="undone",
    bulk={},
)
PURGE = ItemAction(
    Action.REQUEST_PURGE,
    "requests_app.purge_requests",
    actions.purge,
    label="Purge",
    icon="trash",
    title="Purge the request",
    effect=lambda raw: f"Deletes it at once, and its logs after {settings.UNDO_LOGS_MINUTES} minutes.",
    undone="brought back",
    typed=True,
    danger=True,
    allowances={"unfinished": "requests_app.purge_unfinished_requests"},
    bulk={},
)
ACTIONS = ItemActions(
    namespace="requests",
    model=IntelligenceRequest,
    parameter="request_id",
    gone=actions.GONE,
    stamps=("updated_at",),
    statuses=("status",),
    actions=(RETRY, CANCEL, FAIL, COMPLETE, PURGE),
    others=(SUBMIT,),
)


def watched(item: IntelligenceRequest) -> Watched:
    """Whether its message is on its way, of one that waits for one. Two calls; never raises `DynamoError`."""
    if not (is_pending(item) and actions.uses_queue(item.raw)):
        return Watched()
    return watch(ACTIONS.target(item.id), item.raw, "updated_at", ACTIONS.still_holds)


def buttons(request: HttpRequest, item: IntelligenceRequest) -> list[Button]:
    """What the item's page offers."""
    like = f"{reverse('requests:new')}?{urlencode({'like': item.id})}"
    again = replace(SUBMIT, label="Copy to a new request", icon="copy")
    return [*ACTIONS.buttons(request, item.id, item.raw), button(request, again, like)]


def new_button(request: HttpRequest) -> Button:
    """What the list offers."""
    return button(request, SUBMIT, reverse("requests:new"))
