"""What an app lets the search find, as its descriptor brings it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from opsportal.console.searching import Read
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.folded import folded
from opsportal.dynamo.keys import Key, NotAKey
from opsportal.dynamo.tables import Binding, Index


@dataclass(frozen=True)
class Hit:
    """One thing that was found. `source`: the name of the `Searched`; `kind` says what it is, `stage` where it is at;
    `match` names what the text was found in, "id" for its key. `status`, `stage` and `updated` are as the item has them;
    a kind without a status has ""."""

    source: str
    kind: str
    key: str
    url: str
    status: Any = ""
    stage: Any = None
    updated: Any = None
    match: str = "id"

    @property
    def id(self) -> str:
        """Of its row: the same key may be in two tables."""
        return f"{self.source}\n{self.key}"

    def found_in(self, match: str) -> Self:
        return replace(self, match=match)


@dataclass(frozen=True)
class Keyed:
    """A key that the typed text may be, and where."""

    table: Binding
    key: Key


def key_of(table: Binding, text: str) -> list[Keyed]:
    """The one key of that text; none where no item can have it."""
    try:
        return [Keyed(table, table.key_of(text))]
    except NotAKey:
        return []


@dataclass(frozen=True)
class Searched:
    """One kind of item. `noun` is its plural.

    `keys`: those that a text may be; `hit`: what is shown of an item, None for one that is no such; `known`: items at
    hand, which cost the page nothing, to look for a part of a text in. `attributes`: in which a text is found, by their
    name, with what people call them; those of `indexed` are asked for where the table has an index by them, whatever its
    name; `declared`: its declared indexes, for a role that may not describe the table. `read`: one step of the search
    for a text. `list_view`: the list that shows the same. `on_demand`: it is searched only where it is asked for.
    """

    name: str
    kind: str
    noun: str
    permission: str
    table: Callable[[], Binding]
    keys: Callable[[str], Sequence[Keyed]]
    hit: Callable[[Raw], Hit | None]
    attributes: tuple[tuple[str, str], ...] = ()
    indexed: tuple[str, ...] = ()
    declared: tuple[Index, ...] = ()
    known: Callable[[], Sequence[Raw]] = lambda: ()
    read: Read | None = None
    list_view: str = ""
    on_demand: bool = False

    def match(self, item: Raw, text: str) -> str:
        """What people call the attribute that the text is found in, "" for none."""
        wanted = folded(text)
        for name, label in ((self.table().key, "id"), *self.attributes):
            if any(wanted in folded(value) for value in _texts(item.get(name, {}))):
                return label
        return ""

    def found(self, items: Sequence[Raw], text: str) -> list[Hit]:
        """Those of the items, with what the text was found in."""
        hits = ((item, self.hit(item)) for item in items)
        return [hit.found_in(self.match(item, text) or hit.match) for item, hit in hits if hit]


def _texts(value: dict[str, Any]) -> list[str]:
    """Of a text, of a list or a set of them, and of a list of maps that have a name."""
    if "L" in value:
        members = (one["M"].get("name", {}) if "M" in one else one for one in value["L"])
        return [one["S"] for one in members if "S" in one]
    return [*([value["S"]] if "S" in value else []), *value.get("SS", [])]
