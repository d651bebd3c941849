"""How an action ends: done, refused, or not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsportal.operations.changes import Raw
from opsportal.operations.entries import Entry


@dataclass(frozen=True)
class Done:
    """The action took effect. `repeated`: it had done so before this call; else `before` is the item as it was."""

    entry: Entry
    repeated: bool = False
    before: Raw | None = None


class Refused(Exception):
    """Nothing was written. `sentence` is for a person; `item` is the item as it is now, where known.

    `field`: the value of the request that is at fault, where it is one of them; `more`: what a program is sent with
    the sentence.
    """

    status = 409
    field = ""
    more: Mapping[str, Any] = {}

    def __init__(self, sentence: str, item: Raw | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.item = item


class Conflict(Refused):
    """The item's state forbids the action, or somebody else was quicker."""


class Unreadable(Conflict):
    """A job or a case that another program wrote, a later version of the console, or one with other settings."""


class ActionsOff(Refused):
    """Nobody can change anything now (ACTIONS=off), whatever the item's state."""


class NotFound(Refused):
    """There is no such item (any more)."""

    status = 404


def existing(raw: Raw | None, gone: str) -> Raw:
    """The item, or Missing with the sentence `gone`."""
    if raw is None:
        raise NotFound(gone)
    return raw


class IdempotencyMismatch(Refused):
    """The action_id belongs to another action."""


class OutcomeUnknown(Exception):
    """DynamoDB did not say whether the change was made. The same action_id may be sent again."""

    status = 503
    sentence = (
        "DynamoDB did not confirm it, so it is not known whether this was done. "
        "Do it again: what was done already is not done twice."
    )
