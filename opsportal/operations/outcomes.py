"""How an action ends: done, refused, or not known."""

from dataclasses import dataclass

from opsportal.operations.changes import Raw
from opsportal.operations.entries import Entry


@dataclass(frozen=True)
class Done:
    """The action took effect. `repeated`: it had done so before this call."""

    entry: Entry
    repeated: bool = False


class Refused(Exception):
    """Nothing was written. `sentence` is for a person; `item` is the item as it is now, where known."""

    status = 409

    def __init__(self, sentence: str, item: Raw | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.item = item


class Conflict(Refused):
    """The item's state forbids the action, or somebody else was quicker."""


class Missing(Refused):
    """There is no such item (any more)."""

    status = 404


class OtherIntent(Refused):
    """The action_id belongs to another action."""


class Unknown(Exception):
    """DynamoDB did not say whether the change was made. The same action_id may be sent again."""

    status = 503
    sentence = (
        "DynamoDB did not confirm it, so it is not known whether this was done. "
        "Do it again: what was done already is not done twice."
    )
