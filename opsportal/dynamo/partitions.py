"""The partitions of an index, and the newest items of one with their number, without reading the table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.core.cache import caches

from opsportal.dynamo.attributes import Typed, read_text, read_time
from opsportal.dynamo.errors import AccessDenied, Throttled
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.keys import LAST
from opsportal.dynamo.reads import read
from opsportal.dynamo.spans import Span
from opsportal.dynamo.tables import Binding, Index

# Seconds that the partitions are cached: a new status shows within a minute.
SEEN_LIFE = 60
# The same after a throttled search.
FAILED_LIFE = 10
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
    cache, key = caches["process"], f"seen:{table.fingerprint}:{index.name}:{len(prefix)}"
    known: Seen | None = cache.get(key)
    if known is None:
        life = SEEN_LIFE
        try:
            known = _skip_scan(table, index, prefix)
        except (AccessDenied, Throttled) as problem:
            known = Seen((), complete=False, reason=f"Others can't be found: {problem.sentence}")
            life = SEEN_LIFE if isinstance(problem, AccessDenied) else FAILED_LIFE
        cache.set(key, known, life)
    return known


def _skip_scan(table: Binding, index: Index, prefix: tuple[str, ...]) -> Seen:
    """One Scan of one item per distinct `prefix`: each starts past the end of the one before."""
    types = table.key_attributes
    found: list[tuple[str, ...]] = []
    start: dict[str, Typed] | None = None
    while True:
        answer = read(table, index.name, projection=prefix, start=start, Limit=1)
        if not answer["Items"]:
            return Seen(tuple(found))
        item = answer["Items"][0]
        values = tuple(str(read_text(item[name])) for name in prefix)
        if values in found:
            return Seen(tuple(found), complete=False, reason="The index could not be walked through.")
        if len(found) == MAX_PARTITIONS:
            reason = f"There are more than {MAX_PARTITIONS} different values."
            return Seen(tuple(found), complete=False, reason=reason)
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
class Newest:
    """The newest items of a partition, at most `COUNT_CAP`, the newest first. `more`: there are older ones."""

    rows: tuple[dict[str, Typed], ...] = ()
    more: bool = False

    @property
    def count(self) -> Count:
        return Count(len(self.rows), self.more)


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


def newest(table: Binding, index: str, key: Iterable[Clause], attributes: Iterable[str]) -> Newest:
    """These attributes of the items that match the key condition, in one call. It costs as much as a COUNT, which is
    billed for what it reads as well."""
    answer = read(table, index, key=key, projection=attributes, ScanIndexForward=False, Limit=COUNT_CAP)
    return Newest(tuple(answer["Items"]), more="LastEvaluatedKey" in answer)


def recent_of(
    newest: Newest,
    *,
    created: str,
    lasted: Callable[[dict[str, Typed]], Decimal | None],
    span: Span = ALL_TIME,
    lateness: timedelta = ON_TIME,
) -> Recent:
    """The newest items of a status that are in the span, with their times. `created`: the sort key of the index;
    `lasted`: the seconds that an item took, or None; `lateness`: how much later than its text a time may be."""
    rows = [row for row in newest.rows if span.holds(row.get(created))]
    times = [(at, row) for row in rows if isinstance(at := read_time(row.get(created)), datetime)]
    moments, undated = tuple((at, lasted(row)) for at, row in times), len(rows) - len(times)
    # All that is newer than the oldest time among them was read.
    since = times[-1][0] if times else None
    more = newest.more
    if more and lateness:
        # To the minute, as if it were UTC: what is before that text may be later by so much.
        oldest = read_time({"S": newest.rows[-1][created]["S"][:16]})
        since = oldest + lateness if isinstance(oldest, datetime) else None
        more = since is None or span.since is None or since > span.since
    return Recent(moments, undated, more, since if more else None)
