"""How an app's items are chosen by the filter of its list, for an action on many: it is in the app's descriptor."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from opsportal.descriptors import descriptors
from opsportal.dynamo.lists import Position, Walked
from opsportal.dynamo.spans import Span
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.pages import ItemActions
from opsportal.operations.tags import Action

Values = Mapping[str, str]


@dataclass(frozen=True)
class Bulk:
    """`filters`: the list's own parameters that choose items, with their labels; `ranged`: whether it has a range too.

    `walk(values, span, after)` gives every item that they match, with its key and status. Raises `DynamoError`.
    """

    actions: ItemActions
    filters: Mapping[str, str]
    walk: Callable[[Values, Span, Position | None], Iterator[Walked]]
    ranged: bool = True

    @property
    def logical(self) -> str:
        return self.actions.logical

    @property
    def offered(self) -> list[ItemAction]:
        """The actions that can be done to many at once, in the order of the item's buttons."""
        return [one for one in self.actions.actions if one.bulk is not None]


@cache
def all_bulk() -> dict[str, Bulk]:
    """By logical table."""
    return {one.bulk.logical: one.bulk for one in descriptors() if one.bulk}


def action_of(tag: Action) -> tuple[Bulk, ItemAction] | None:
    """What is done to many under this tag; None where it can't be."""
    return next(
        ((one, action) for one in all_bulk().values() for action in one.offered if action.tag == tag), None
    )
