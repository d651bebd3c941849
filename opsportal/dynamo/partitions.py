"""The partitions of an index, and the number and times of the newest items of one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from opsportal.dynamo.attributes import Typed, read_text, read_time
from opsportal.dynamo.errors import AccessDenied, DynamoError, Throttled
from opsportal.dynamo.keys import LAST
from opsportal.dynamo.reads import read
from opsportal.dynamo.shared import forget, shared
from opsportal.dynamo.spans import Span
from opsportal.dynamo.tables import Binding, Index

# Seconds that the partitions are cached, for the whole deployment: a new status shows within a minute.
SEEN_FRESH = 60
# One call each. An attribute with more distinct values is no status.
MAX_PARTITIONS = 30
COUNT_CAP = 500
ALL_TIME, ON_TIME = Span(), timedelta(0)


@dataclass(frozen=True)
class Partitions:
    """Hash key values of an index: first those asked for, then the others found. `seen`: those that the index holds,
    in the same order.

    `complete` is False where the search could not finish; `reason` says why, in a sentence.
    """

    values: tuple[str, ...]
    complete: bool = True
    reason: str = ""
    seen: tuple[str, ...] = ()


def partitions(table: Binding, index: Index, known: Iterable[str]) -> Partitions:
    """The known hash keys and those found by skip-scan, cached for a minute. Raises `DynamoError`.

    Where the Scan is not allowed or throttled, the known ones are returned with the reason.
    """
    seen = _seen(table, index, (index.hash_key,))
    found = {value for (value,) in seen.values}
    values = (*(first := dict.fromkeys(known)), *sorted(found - first.keys()))
    return Partitions(values, seen.complete, seen.reason, tuple(value for value in values if value in found))


def pairs(table: Binding, index: Index) -> "Seen":
    """The pairs of hash and range key in an index whose range key has few values (a priority)."""
    return _seen(table, index, (index.hash_key, index.range_key))


@dataclass(frozen=True)
class Seen:
    """What a skip-scan found: one tuple of key texts per distinct prefix of the index's key."""

    values: tuple[tuple[str, ...], ...]
    complete: bool = True
    reason: str = ""


def _seen(table: Binding, index: Index, prefix: tuple[str, ...]) -> Seen:
    name = f"seen:{table.fingerprint}:{index.name}:{len(prefix)}"
    try:
        found = shared(name, lambda _: _skip_scan(table, index, prefix), fresh=SEEN_FRESH)
    except (AccessDenied, Throttled) as problem:
        return Seen((), complete=False, reason=f"Others can't be found: {problem.sentence}")
    except DynamoError:
        forget(name)  # who tries again asks again
        raise
    if found.failed:
        reason = f"Others can't be found: {found.failed.sentence}"
        return Seen(found.value[0], complete=False, reason=reason)
    return Seen(*found.value)


def _skip_scan(table: Binding, index: Index, prefix: tuple[str, ...]) -> tuple[Any, ...]:
    """One Scan of one item per distinct `prefix`: each starts past the end of the one before. What a `Seen` is made of."""
    types = table.key_attributes
    found: list[tuple[str, ...]] = []
    start: dict[str, Typed] | None = None
    while True:
        answer = read(table, index.name, projection=prefix, start=start, Limit=1)
        if not answer["Items"]:
            return (tuple(found),)
        item = answer["Items"][0]
        values = tuple(str(read_text(item[name])) for name in prefix)
        if values in found:
            return tuple(found), False, "The index could not be walked through."
        if len(found) == MAX_PARTITIONS:
            reason = f"There are more than {MAX_PARTITIONS} different values."
            return tuple(found), False, reason
        found.append(values)
        start = {name: LAST[types.get(name, "S")] for name in table.start_names(index)}
        start.update({name: item[name] for name in prefix})


@dataclass(frozen=True)
class Count:
    """A number of items, exact or, with `more`, at least that many."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number}+" if self.more else str(self.number)


@dataclass(frozen=True)
class Recent:
    """What was created lately with one status. `moments`: when each was created and the seconds it took (None while
    unknown); `undated`: how many more have no readable time. `more`: there are older ones, and all that is newer than
    `since` is here (None: the time is unknown)."""

    moments: tuple[tuple[datetime, Decimal | None], ...] = ()
    undated: int = 0
    more: bool = False
    since: datetime | None = None

    @property
    def count(self) -> Count:
        return Count(len(self.moments) + self.undated, self.more)

    def __add__(self, other: "Recent") -> "Recent":
        known = [one.since for one in (self, other) if one.more and one.since]
        return Recent(
            self.moments + other.moments,
            self.undated + other.undated,
            self.more or other.more,
            max(known, default=None),
        )


# The text of an item's creation, the time that it says (None: it can't be read), and the seconds that it took.
Dated = tuple[str, datetime | None, Decimal | None]


def recent_of(
    rows: Sequence[Dated],
    *,
    more: bool,
    span: Span = ALL_TIME,
    lateness: timedelta = ON_TIME,
) -> Recent:
    """The newest items of a status, the newest first, that are in the span. `more`: there are older ones; `lateness`:
    how much later than its text a time may be."""
    found = [(at, took) for text, at, took in rows if span.holds_at(text, at)]
    moments = tuple((at, took) for at, took in found if at)
    edge = None
    if more and rows:
        # All that is newer than this was read.
        if lateness:
            # To the minute, as if it were UTC: what is before that text may be later by so much.
            oldest = read_time({"S": rows[-1][0][:16]})
            edge = oldest + lateness if isinstance(oldest, datetime) else None
        else:
            edge = next((at for _, at, _ in reversed(rows) if at), None)
        more = edge is None or span.since is None or edge > span.since
    return Recent(moments, len(found) - len(moments), more, edge if more else None)
