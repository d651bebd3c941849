"""What an app says of its items that failed: which they are, at which step, by which error and when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from opsportal.descriptors import descriptors
from opsportal.dynamo.attributes import Malformed, Raw, Typed, raw_text, read_text
from opsportal.dynamo.partitions import Partitions
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.tables import Binding

# Members of a map in which programs put the text of an error, and its type.
MESSAGES = (
    "message",
    "Message",
    "errorMessage",
    "error_message",
    "error",
    "detail",
    "details",
    "reason",
    "msg",
)
TYPES = ("errorType", "error_type", "exception", "type", "code", "Code", "name")


@dataclass(frozen=True)
class Failure:
    """Of one item that failed: `step` and `label` are key and label of the step or stage; `error`: the text as it is
    written, untrusted, "" where there is none; `failed_at`: aware, None where that can't be read. `ended_at`: when the step itself
    ended, where that is stamped: an item that is written again while it stands failed has not failed again."""

    step: str
    label: str
    error: str
    failed_at: datetime | None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Source:
    """A table whose items fail.

    `statuses`: those that its items have; it may raise `DynamoError`. `is_failure`: whether a status, as it is written,
    is a failure. `failure_of`: None where the item's status is none. `projection`: the attributes that `failure_of` reads, () for all.
    """

    logical: str
    sampled: Sampled
    statuses: Callable[[], Partitions]
    is_failure: Callable[[str], bool]
    failure_of: Callable[[Raw], Failure | None]
    projection: Sequence[str] = ()

    @property
    def table(self) -> Binding:
        return self.sampled.table


@cache
def all_sources() -> Mapping[str, Source]:
    """What the apps declare, by the logical name of the table."""
    return {one.failures.logical: one.failures for one in descriptors() if one.failures}


def error_text(value: Typed | None) -> str:
    """The text of an error in whatever shape a program wrote it: text, a map with a message, or a list of these, of which
    the first that says something. "" where nothing does."""
    if not value:
        return ""
    if "L" in value:
        return next(filter(None, map(error_text, value["L"])), "")
    if "M" in value:
        members: Raw = value["M"]
        message = next(filter(None, (error_text(members.get(name)) for name in MESSAGES)), "")
        kind = next(filter(None, (_plain(members.get(name)) for name in TYPES)), "")
        if not message:
            return raw_text(value) if members else ""
        return f"{kind}: {message}" if kind and kind not in message else message
    text = read_text(value)
    if isinstance(text, Malformed):
        return text.raw
    return text if text and text.strip() else ""


def _plain(value: Typed | None) -> str:
    text = read_text(value)
    return text if isinstance(text, str) else ""
