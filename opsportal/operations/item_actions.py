"""What an app lets people and programs do with one of its items: declared once, as a value.

The page, its address, the button, the operation of the API and "Do it again" are made of it (`pages.ItemActions`,
`opsportal.api.effects`); how it is written is in `transactions`.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsportal.console.statuses import Vocabulary
from opsportal.operations import resource_types
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Actor, Intent, Target, new_action_id
from opsportal.operations.forms import ActionForm
from opsportal.operations.observation import StillHolds
from opsportal.operations.outcomes import Done, Refused
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Planner, act


@dataclass(frozen=True)
class Offer:
    """What a person is offered: a button, and the page (or dialog) that asks for it."""

    tag: Action
    permission: str
    _: KW_ONLY
    # The button's; `name` distinguishes it from others on its page, where the tag does not.
    label: str
    icon: str
    name: str = ""
    # The page's. The effect may depend on the item as read, None where it is gone.
    title: str = ""
    effect: str | Callable[[Raw | None], str] = ""
    # Whether the button is red; whether the form fits into a dialog, or is a page; and whether it has many fields, side
    # by side.
    danger: bool = False
    dialog: bool = True
    wide: bool = False
    # Whether it only ends work, which is possible where actions are off.
    ends: bool = False
    # What asks for more than a reason.
    form_class: type[ActionForm] = ActionForm
    # What is said after it, where the tag does not say it.
    said: str = ""

    @property
    def done(self) -> str:
        """What is said after it: that it was written, never what a worker makes of it."""
        return self.said or f"{self.tag.past}."

    @property
    def id(self) -> str:
        """Of its button."""
        return self.name or self.tag


@dataclass(frozen=True)
class ItemAction(Offer):
    """One action. Its verb is that of its address, its permission and its entry. `form_class` asks for the plan's data."""

    # What it writes, or why it can't be done, in a sentence: the button's reason is the same.
    plan: Planner
    _: KW_ONLY
    # The API's: what the operation does, and the scope that a token needs for it. Without a scope there is none.
    summary: str = ""
    scope: str = ""
    # What an undo does ("brought back"), where a copy is kept for one.
    undone: str = ""
    # Whether the id has to be typed.
    typed: bool = False
    # What more the plan's data holds: whether the person has a permission, by name.
    allowances: Mapping[str, str] = field(default_factory=dict)
    # What the plan of each gets where it is done to many at once; None: it can't be.
    bulk: Mapping[str, Any] | None = None
    # Where workers take up what it did: the statuses that say what became of it. A job of it goes on only while that
    # goes well.
    observed: Vocabulary | None = None
    # Whether a later write of another program keeps what was written. By default each watched value is as it was.
    still_holds: StillHolds | None = None

    def act(self, key: str, *, by: Actor, reason: str = "", action_id: str = "", **data: Any) -> Done:
        """Carry it out on the item `key`. Raises as `transactions.act`."""
        return act(self.plan, self._intent(key, by, reason, action_id or new_action_id(), data))

    def why_not(self, key: str, raw: Raw, **data: Any) -> str:
        """Why its plan refuses the item as read; "" where it can be done."""
        try:
            self.plan(raw, datetime.now(UTC), self._intent(key, Actor("", "", ""), "", "", data))
        except Refused as refused:
            return refused.sentence
        return ""

    def _intent(self, key: str, by: Actor, reason: str, action_id: str, data: Mapping[str, Any]) -> Intent:
        target = Target(resource_types.subject(self.tag.subject).logical, key)
        return Intent(self.tag, target, by, reason, action_id, data)
