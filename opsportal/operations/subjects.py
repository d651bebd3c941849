"""What the operations need to know of each app's items; the apps register it when they are ready."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """A kind of item. `name` is the subject of its audit tags, `stamp` the attribute that each write renews,
    `undo_permission` who may undo, `note_of_undo` what else a person should know, given purge and key."""

    name: str
    logical: str
    title: str
    stamp: str
    undo_permission: str
    item_url: Callable[[str], str]
    note_of_undo: Callable[[str, str], str] = lambda action_id, key: ""


_subjects: dict[str, Subject] = {}


def register(subject: Subject) -> None:
    _subjects[subject.name] = subject


def subject(name: str) -> Subject:
    """KeyError for one that no app registered."""
    return _subjects[name]


def of_logical(logical: str) -> Subject | None:
    return next((one for one in _subjects.values() if one.logical == logical), None)
