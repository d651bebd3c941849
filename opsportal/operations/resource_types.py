"""What the operations need to know of each app's items; it is in the app's descriptor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from opsportal.descriptors import descriptors
from opsportal.operations.changes import Change, Path, Raw
from opsportal.operations.entries import Actor


@dataclass(frozen=True)
class ResourceType:
    """A kind of item. `name` is the subject of its audit tags, `stamp` the attribute that each write renews, `statuses`
    those that may hold its status.

    `undo_permissions`: by verb, the permission that undoing it takes; what is not in it can't be undone.
    `note_of_undo`: what else a person should know, given purge and key. `renewed`: the values, by
    attribute, that an undo of a change gives the stamps of the item as read, and those that distinguish a later
    write from it. `history`: the path of the list of its changes of status, which only grows; `record_undo`
    adds the line of an undo to it, given the item as it will be again. `written` is called with the key after
    each effect on an item.
    """

    name: str
    logical: str
    title: str
    stamp: str
    statuses: tuple[str, ...]
    undo_permissions: Mapping[str, str]
    item_url: Callable[[str], str]
    note_of_undo: Callable[[str, str], str] = lambda action_id, key: ""
    renewed: Callable[[Raw, datetime], Raw] = lambda raw, now: {}
    history: Path = ()
    record_undo: Callable[[Change, Raw, Actor, datetime], None] = lambda change, image, by, now: None
    written: Callable[[str], None] = lambda key: None


@cache
def _subjects() -> dict[str, ResourceType]:
    found = [descriptor.resource_type for descriptor in descriptors()]
    return {one.name: one for one in found if one}


def subject(name: str) -> ResourceType:
    """KeyError for one that no app has."""
    return _subjects()[name]


def known(name: str) -> bool:
    return name in _subjects()


def of_logical(logical: str) -> ResourceType | None:
    return next((one for one in _subjects().values() if one.logical == logical), None)
