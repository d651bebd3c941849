"""What became of a change: compares the item as it is now with what the audit entry says was written.

A worker may put a whole item back from its own memory (docs/data.md#what-deployed-writers-do), so that a change made
here is gone a moment later. Success is therefore never claimed on one's own write alone.
"""

import enum
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from opsportal.dynamo.attributes import Typed, read_number, read_text, read_time
from opsportal.operations.changes import Raw, at, same
from opsportal.operations.entries import Entry


class Outcome(enum.StrEnum):
    REQUESTED = "requested"  # the newest write is still ours
    SEEN = "seen"  # a later write keeps or advances it
    OVERWRITTEN = "overwritten"  # a later write undid it
    GONE = "gone"


@dataclass(frozen=True)
class Observation:
    """`at`: when the later write was made, where the item says so. `lost`: the paths of counts that the console wrote
    and that the item, though seen, has lost."""

    fate: Outcome
    entry: Entry
    at: datetime | None = None
    lost: tuple[str, ...] = ()


# Whether the item, written by another after the entry, still holds or advances what it wrote.
StillHolds = Callable[[Entry, Raw], bool]


def goes_on(entry: Entry, raw: Raw) -> bool:
    """Of what makes an item or brings it back: whatever follows goes on from there."""
    return True


def as_written(entry: Entry, raw: Raw, *, stamps: Container[str] = (), statuses: Container[str] = ()) -> bool:
    """Whether every watched value is as it was written: but for `stamps`, which each write renews, and whatever the
    case of `statuses`."""
    return all(
        _folded(at(raw, (name,))) == _folded(value)
        if name in statuses
        else same(at(raw, tuple(name.split("."))), value)
        for name, value in entry.watch.items()
        if name not in stamps
    )


def _folded(value: Typed | None) -> str:
    return str(read_text(value) or "").strip().lower()


def observe(entry: Entry, raw: Raw | None, stamp_name: str, still_holds: StillHolds) -> Observation:
    """`stamp_name`: the attribute that writers renew with each write, whose value is in `entry.watch`."""
    if raw is None:
        return Observation(Outcome.GONE, entry)
    if as_written(entry, raw):
        return Observation(Outcome.REQUESTED, entry)
    later: Any = read_time(raw.get(stamp_name))
    # A worker that puts back its memory may put back an old stamp, which says nothing of when.
    asked = entry.time
    newer = isinstance(later, datetime) and isinstance(asked, datetime) and later > asked
    when = later if newer else None
    if not still_holds(entry, raw):
        return Observation(Outcome.OVERWRITTEN, entry, when)
    return Observation(Outcome.SEEN, entry, when, tuple(_lost_counts(entry, raw)))


# What the console counts in the items of others, by its path in what entries watch.
COUNTS = ("retryCount", "processing_metadata.retry_count")


def _lost_counts(entry: Entry, raw: Raw) -> Iterator[str]:
    for name in COUNTS:
        wrote, now = read_number(entry.watch.get(name)), read_number(at(raw, tuple(name.split("."))))
        if isinstance(wrote, Decimal) and not (isinstance(now, Decimal) and now >= wrote):
            yield name
