"""/audit/undelivered/: messages that are late or not tried any more, with what people can do about each."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from opsportal.console import polls
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.listing import Region, respond, seen_token
from opsportal.console.parameters import cut
from opsportal.operations import resource_types, undelivered
from opsportal.operations.change_views import tabs
from opsportal.operations.entries import Actor, Target
from opsportal.operations.forms import ActionForm
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import Done
from opsportal.operations.pages import action_page, button
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan
from opsportal.operations.undelivered import Undelivered

MAX_KEY = 1_024
NO_PLAN: Callable[..., Plan] = lambda raw, now, intent: Plan()  # noqa: E731
RESEND = ItemAction(
    Action.MESSAGE_RESEND,
    "operations.resend_messages",
    NO_PLAN,
    label="Send again",
    icon="refresh",
    title="Send the message again",
    effect="Tries to send it now, and later again if that fails. Its receiver may get it twice.",
)
DROP = ItemAction(
    Action.MESSAGE_DROP,
    "operations.drop_messages",
    NO_PLAN,
    label="Drop",
    icon="trash",
    title="Drop the message",
    effect="Deletes the message. Its receiver never gets it, and this can't be undone. The item stays as it is.",
    danger=True,
)


@requires("operations.view_audit")
@admitted(Load.LIST)
def page(request: HttpRequest) -> HttpResponse:
    """Over all regions, what has been due for longest first."""
    after = cut(request.GET.get("after", ""), MAX_KEY)
    found = undelivered.listed(after=after)
    digest = seen_token([one.seen for one in found.shown], bool(found.more))
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    rows = [
        (
            one,
            _item_url(one.target),
            [
                button(request, action, reverse(f"operations:{action.tag.verb}", args=[one.key]), why_not)
                for action, why_not in ((RESEND, undelivered.why_not_resend(one)), (DROP, ""))
            ],
        )
        for one in found.shown
    ]
    address = reverse("operations:undelivered")
    region = Region("live", seen=digest)
    context = {
        "tabs": tabs(request, "operations:undelivered"),
        "rows": rows,
        "page": {
            "next_url": f"{address}?{urlencode({'after': found.more})}" if found.more else "",
            "first_url": address if after else "",
        },
        "region": region,
    }
    return respond(request, "operations/undelivered.html", context, region)


def _item_url(target: Target | None) -> str:
    kind = resource_types.of_logical(target.logical) if target else None
    return kind.item_url(target.id) if kind and target else ""


@requires(RESEND.permission)
def resend(request: HttpRequest, message: str) -> HttpResponseBase:
    found = _found(message)
    return _act(request, RESEND, found, undelivered.resend, undelivered.why_not_resend(found))


@requires(DROP.permission)
def drop(request: HttpRequest, message: str) -> HttpResponseBase:
    return _act(request, DROP, _found(message), undelivered.drop)


def _found(key: str) -> Undelivered:
    if found := undelivered.find(cut(key, MAX_KEY)):
        return found
    raise Http404("There is no such message any more: it was delivered or dropped.")


def _act(
    request: HttpRequest, action: ItemAction, found: Undelivered, do: Callable[..., Done], why_not: str = ""
) -> HttpResponseBase:
    def run(by: Actor, form: ActionForm) -> Done:
        return do(found, by=by, reason=form.cleaned_data["reason"], action_id=form.cleaned_data["action_id"])

    what = found.target.id if found.target else found.key
    return action_page(
        request, action, run, what=what, back_url=reverse("operations:undelivered"), why_not=why_not
    )
