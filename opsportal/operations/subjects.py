"""What the operations need to know of each app's items; the apps register it when they are ready."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from opsportal.operations.changes import Raw


@dataclass(frozen=True)
class Subject:
    """A kind of item. `name` is the subject of its audit tags, `stamp` the attribute that each write renews.

    `undo_permission`: who may undo a purge; `undo_edit_permission`: an edit, where items can be edited.
    `note_of_undo`: what else a person should know, given purge and key. `renewed`: the values, by
    attribute, that an undo of an edit gives the stamps of the item as read, and those that tell a later
    write from it. `written` is called with the key after each effect on an item.
    """

    name: str
    logical: str
    title: str
    stamp: str
    undo_permission: str
    item_url: Callable[[str], str]
    note_of_undo: Callable[[str, str], str] = lambda action_id, key: ""
    undo_edit_permission: str = ""
    renewed: Callable[[Raw, datetime], Raw] = lambda raw, now: {}
    written: Callable[[str], None] = lambda key: None

    def permission_to_undo(self, verb: str) -> str:
        """Whose effects of `verb` a person may undo."""
        return self.undo_edit_permission if verb == "edit" else self.undo_permission


_subjects: dict[str, Subject] = {}


def register(subject: Subject) -> None:
    _subjects[subject.name] = subject


def subject(name: str) -> Subject:
    """KeyError for one that no app registered."""
    return _subjects[name]


def known(name: str) -> bool:
    return name in _subjects


def of_logical(logical: str) -> Subject | None:
    return next((one for one in _subjects.values() if one.logical == logical), None)
