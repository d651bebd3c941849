"""The page (and dialog) of an action: its effect in a sentence, why, and what came of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from opsportal.accounts.actors import user_id
from opsportal.accounts.roles import role_of
from opsportal.console.problems import wants_fragment
from opsportal.operations.entries import Actor
from opsportal.operations.forms import ActionForm
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Done, Refused, Unknown


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person in the role that they act in."""
    user = request.user
    assert isinstance(user, User)  # the marks of the views let nobody else in
    return Actor(user.get_username(), role_of(user), user_id(user))


@dataclass(frozen=True)
class Button:
    """An action as an item's page offers it. `why_not`: the reason when it can't be done, else "".
    `dialog`: whether its form fits into one; otherwise it is a page."""

    action: Action
    label: str
    url: str
    icon: str
    why_not: str = ""
    danger: bool = False
    dialog: bool = True


def button(
    request: HttpRequest,
    action: Action,
    label: str,
    url: str,
    icon: str,
    *,
    permission: str,
    why_not: str = "",
    danger: bool = False,
    dialog: bool = True,
) -> Button:
    """The button, disabled where the person's role or the item's state does not allow it."""
    if not request.user.has_perm(permission):
        role = role_of(request.user) or "no role"
        why_not = f"Your role ({role}) may not do this."
    return Button(action, label, url, icon, why_not, danger, dialog)


@dataclass(frozen=True)
class Offer:
    """What the page of an action says. `why_not`: the item's state forbids it, and the form is not shown.

    `key`: must be typed to confirm (for what is deleted). `too_large`: no copy for an undo can be kept.
    `done`: what is said after it, which is never more than that it was asked for. `done_url`: where one is
    led then, where that is not the item's page. `wide`: there are many fields, side by side.
    """

    action: Action
    title: str
    effect: str
    item_url: str
    what: str
    done: str
    why_not: str = ""
    key: str = ""
    too_large: bool = False
    danger: bool = False
    done_url: str = ""
    wide: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


Run = Callable[[Actor, Mapping[str, Any]], Done]


def action_page(
    request: HttpRequest,
    offer: Offer,
    run: Run,
    *,
    form_class: type[ActionForm] = ActionForm,
    template: str = "operations/action.html",
    form_options: Mapping[str, Any] | None = None,
) -> HttpResponseBase:
    """GET: the form, alone for htmx (a dialog), else as a page. POST: run it.

    Done: htmx closes the dialog and refreshes, others are redirected to the item. Invalid: 422 and the form.
    Refused: its status (404, 409) and the sentence. Unknown: 503 and the same form, to be sent again.
    """
    options = {"key": offer.key, "too_large": offer.too_large, **(form_options or {})}
    if request.method != "POST":
        return _form(request, offer, form_class(**options), template)
    form = form_class(request.POST, **options)
    if not form.is_valid():
        return _form(request, offer, form, template, status=422)
    try:
        done = run(actor_of(request), form.cleaned_data)
    except Refused as refused:
        return _form(request, offer, form, template, status=refused.status, trouble=refused.sentence)
    except Unknown as unknown:
        return _form(
            request, offer, form, template, status=unknown.status, trouble=unknown.sentence, again=True
        )
    return answer_done(request, offer, done)


def answer_done(request: HttpRequest, offer: Offer, done: Done) -> HttpResponse:
    if wants_fragment(request):
        events = {"console:close": "", "console:refresh": "", "console:done": {"action": offer.action.value}}
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})
    messages.info(request, offer.done)
    return redirect(offer.done_url or offer.item_url)


def _form(
    request: HttpRequest,
    offer: Offer,
    form: ActionForm,
    template: str,
    *,
    status: int = 200,
    trouble: str = "",
    again: bool = False,
) -> HttpResponse:
    in_dialog = wants_fragment(request)
    if in_dialog:
        template = f"{template}#form"
        # htmx swaps 409 and 422; what else is wrong must be read too.
        status = 409 if status in (404, 503) else status
    context = {
        "offer": offer,
        "form": form,
        "trouble": trouble,
        "again": again,
        "in_dialog": in_dialog,
        **offer.extra,
    }
    return render(request, template, context, status=status)
