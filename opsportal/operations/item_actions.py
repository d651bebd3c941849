"""What an app offers to do with one of its items: declared once, for the button and for the page."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.operations import images
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ActionForm
from opsportal.operations.pages import Button, Offer, action_page, button
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Done


@dataclass(frozen=True)
class ItemAction:
    """The verb of `action` is that of the view and of the address.

    `label`, `icon`: the button's; `title`, `effect`, `done`: the page's, see `pages.Offer` (`effect` may depend on
    the item as read, None where it is gone). `may`: why it can't be done with the item as read, "" where it can.
    `run`: called with the key and `by`, `reason`, `action_id`, and what `more` takes out of the form's data.
    `undone`: what an undo does, where a copy is kept for one; `run` gets `without_image` then too.
    `typed`: the id has to be typed. `options`: what the form is made with, of the item as read.
    """

    action: Action
    permission: str
    _: KW_ONLY
    label: str
    icon: str
    title: str
    effect: str | Callable[[Raw | None], str]
    done: str
    run: Callable[..., Done]
    may: Callable[[Raw], str] = lambda raw: ""
    more: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda data: {}
    undone: str = ""
    typed: bool = False
    danger: bool = False
    wide: bool = False
    form_class: type[ActionForm] = ActionForm
    options: Callable[[Raw | None], Mapping[str, Any]] = lambda raw: {}


@dataclass(frozen=True)
class ItemPages:
    """Buttons and pages of the items of one app. `namespace`: of its addresses; `read`: the item as it is now,
    or None; `gone`: the sentence for that."""

    namespace: str
    read: Callable[[str], Raw | None]
    gone: str

    def item_url(self, key: str) -> str:
        return reverse(f"{self.namespace}:item", args=[key])

    def button(self, request: HttpRequest, key: str, raw: Raw, one: ItemAction) -> Button:
        """What the item's page offers, disabled with the reason where it can't be done."""
        return button(
            request,
            one.action,
            one.label,
            reverse(f"{self.namespace}:{one.action.verb}", args=[key]),
            one.icon,
            permission=one.permission,
            why_not=one.may(raw),
            danger=one.danger,
        )

    def page(self, request: HttpRequest, key: str, one: ItemAction) -> HttpResponseBase:
        """Ask for it, and carry it out; see `pages.action_page`. Raises `DynamoError`."""
        raw = self.read(key)
        too_large = bool(one.undone) and raw is not None and not images.fits(raw)
        effect = one.effect if isinstance(one.effect, str) else one.effect(raw)
        if too_large:
            effect += " It is too large to keep a copy, so this can't be undone."
        elif one.undone:
            effect += f" It can be {one.undone} from the audit trail for {settings.AUDIT_IMAGE_DAYS} days."

        def run(by: Any, data: Mapping[str, Any]) -> Done:
            more = dict(one.more(data))
            if one.undone:
                more["without_image"] = bool(data.get("without_image"))
            return one.run(key, by=by, reason=data["reason"], action_id=data["action_id"], **more)

        offer = Offer(
            one.action,
            one.title,
            effect,
            self.item_url(key),
            key,
            one.done,
            why_not=one.may(raw) if raw is not None else self.gone,
            key=key if one.typed else "",
            too_large=too_large,
            danger=one.danger,
            wide=one.wide,
        )
        return action_page(request, offer, run, form_class=one.form_class, form_options=one.options(raw))
