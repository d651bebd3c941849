"""The actions on an app's items as a person meets them: addresses, buttons, and the page (and dialog) of each."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from opsportal.accounts.actors import user_id
from opsportal.accounts.roles import role_of
from opsportal.console.access import person, requires
from opsportal.console.messages import DONE
from opsportal.console.problems import wants_fragment
from opsportal.dynamo.models import DynamoModel
from opsportal.operations import images
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.forms import ActionForm
from opsportal.operations.item_actions import ItemAction, Offer
from opsportal.operations.observation import as_written, goes_on
from opsportal.operations.switch import OFF
from opsportal.operations.transactions import Done, OutcomeUnknown, Refused


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person in the role that they act in."""
    user = person(request)
    return Actor(user.get_username(), role_of(user), user_id(user))


@dataclass(frozen=True)
class Button:
    """An action as a page offers it. `why_not`: the reason when it can't be done, else ""."""

    action: Offer
    url: str
    why_not: str = ""


def button(request: HttpRequest, action: Offer, url: str, why_not: str = "") -> Button:
    """The button, disabled where actions are off, or the person's role or the item's state does not allow it."""
    why_not = _off(action) or why_not
    if not request.user.has_perm(action.permission):
        role = role_of(request.user) or "no role"
        why_not = f"Your role ({role}) may not do this."
    return Button(action, url, why_not)


def _off(action: Offer) -> str:
    return OFF if settings.ACTIONS_OFF and not action.ends else ""


@dataclass(frozen=True)
class ItemActions:
    """All actions on the items of one app."""

    # The namespace of its addresses, and what these call the key.
    namespace: str
    parameter: str
    model: type[DynamoModel]
    # The sentence for an item that is not there.
    gone: str
    # The attributes that each write renews, and those whose case means nothing.
    stamps: tuple[str, ...]
    statuses: tuple[str, ...]
    # Those with a button and a page of their own, in this order, and those whose views are written by hand.
    actions: tuple[ItemAction, ...]
    others: tuple[ItemAction, ...] = ()

    def __iter__(self) -> Iterator[ItemAction]:
        return iter((*self.others, *self.actions))

    @property
    def logical(self) -> str:
        return self.model.logical

    @property
    def undo_permissions(self) -> dict[str, str]:
        """By verb, the permission that undoing it takes: that of doing it."""
        return {one.tag.verb: one.permission for one in self if one.undone}

    def target(self, key: str) -> Target:
        return Target(self.logical, key)

    def item_url(self, key: str) -> str:
        return reverse(f"{self.namespace}:item", args=[key])

    def url(self, action: ItemAction, key: str) -> str:
        return reverse(f"{self.namespace}:{action.tag.verb}", args=[key])

    def urls(self) -> list[URLPattern]:
        """The address of each action, and its view with its mark."""
        return [
            path(f"<key:{self.parameter}>/{one.tag.verb}/", self._view(one), name=one.tag.verb)
            for one in self.actions
        ]

    def _view(self, action: ItemAction) -> Callable[..., HttpResponseBase]:
        @requires(action.permission)
        def view(request: HttpRequest, **key: str) -> HttpResponseBase:
            return self.page(request, key[self.parameter], action)

        return view

    def buttons(self, request: HttpRequest, key: str, raw: Raw) -> list[Button]:
        """What the item's page offers, disabled with the reason where it can't be done."""
        return [
            button(request, one, self.url(one, key), one.why_not(key, raw, **allowed(request, one)))
            for one in self.actions
        ]

    def still_holds(self, entry: Entry, raw: Raw) -> bool:
        """Whether the item, written by another since, still holds or advances what the entry wrote."""
        by_default = partial(as_written, stamps=self.stamps, statuses=self.statuses)
        declared = next((one.still_holds for one in self if one.tag == entry.action), None)
        return (goes_on if entry.undo_of else declared or by_default)(entry, raw)

    def page(self, request: HttpRequest, key: str, action: ItemAction) -> HttpResponseBase:
        """Ask for it, and carry it out; see `action_page`. Raises `DynamoError`."""
        found = self.model.read(key, consistent=True)
        raw = found.raw if found else None
        too_large = bool(action.undone) and raw is not None and not images.fits(raw)
        effect = action.effect if isinstance(action.effect, str) else action.effect(raw)
        if too_large:
            effect += " It is too large to keep a copy, so this can't be undone."
        elif action.undone:
            effect += f" It can be {action.undone} from the audit trail for {settings.AUDIT_IMAGE_DAYS} days."
        more = allowed(request, action)

        def run(by: Actor, form: ActionForm) -> Done:
            reason, action_id = form.cleaned_data["reason"], form.cleaned_data["action_id"]
            return action.act(key, by=by, reason=reason, action_id=action_id, **form.data_of_intent(), **more)

        return action_page(
            request,
            replace(action, effect=effect),
            run,
            what=key,
            back_url=self.item_url(key),
            why_not=action.why_not(key, raw, **more) if raw is not None else self.gone,
            form_options={"key": key if action.typed else "", "too_large": too_large, "raw": raw},
        )


def allowed(request: HttpRequest, action: ItemAction) -> dict[str, bool]:
    """What the plan's data says of the person."""
    return {name: request.user.has_perm(permission) for name, permission in action.allowances.items()}


Run = Callable[[Actor, ActionForm], object]


def action_page(
    request: HttpRequest,
    action: Offer,
    run: Run,
    *,
    what: str,
    back_url: str,
    done_url: str = "",
    why_not: str = "",
    form_options: Mapping[str, Any] | None = None,
) -> HttpResponseBase:
    """GET: the form, alone for htmx (a dialog), else as a page. POST: run it with the form, which is valid.

    `what`: the id that it is done to; `why_not`: its state forbids it, and the form is not shown, as while actions are
    off; `done_url`: where one is led after it, where that is not `back_url`.

    Done: htmx closes the dialog and refreshes, others are redirected. Invalid: 422 and the form. Refused: its status
    (404, 409) and the sentence. Unknown: 503 and the same form, to be sent again.
    """
    options = form_options or {}
    why_not = _off(action) or why_not
    shown = {"action": action, "what": what, "back_url": back_url, "why_not": why_not}
    if request.method != "POST":
        return _form(request, {**shown, "form": action.form_class(**options)})
    shown["form"] = form = action.form_class(request.POST, **options)
    if not form.is_valid():
        return _form(request, shown, 422)
    try:
        run(actor_of(request), form)
    except Refused as refused:
        return _form(request, {**shown, "refusal": refused.sentence}, refused.status)
    except OutcomeUnknown as unknown:
        return _form(request, {**shown, "refusal": unknown.sentence, "again": True}, unknown.status)
    return _answer_done(request, action, done_url or back_url)


def _answer_done(request: HttpRequest, action: Offer, url: str) -> HttpResponse:
    if wants_fragment(request):
        done = {"action": action.tag.value, "said": action.done}
        events = {"console:close": "", "console:done": done, "console:refresh": ""}
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})
    messages.info(request, action.done, extra_tags=DONE)
    return redirect(url)


def _form(request: HttpRequest, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    template = "operations/action.html"
    in_dialog = wants_fragment(request)
    if in_dialog:
        template = f"{template}#form"
        # htmx swaps 409 and 422; what else is wrong must be read too.
        status = 409 if status in (404, 503) else status
    return render(request, template, {**context, "in_dialog": in_dialog}, status=status)
