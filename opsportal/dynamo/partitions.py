"""Which partitions an index has, and the newest items of one and their number, without reading the table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed, read_text, read_time
from opsportal.dynamo.errors import AccessDenied, Throttled, translated
from opsportal.dynamo.expressions import Clause, Expressions
from opsportal.dynamo.tables import Binding, Index

# Seconds that the partitions found stay known: a new status shows within a minute.
SEEN_LIFE = 60
# Seconds until they are looked for again where that was throttled.
FAILED_LIFE = 10
# One call each; more distinct statuses than that is not a status.
MOST_PARTITIONS = 30
COUNT_CAP = 500

# Past every possible sort key or table key: the next scan starts behind the partition.
_LAST = chr(0x10FFFF) * 64


@dataclass(frozen=True)
class Partitions:
    """Hash key values of an index: those known beforehand first, then the others seen. `seen`: those of both that
    the index holds, in the same order.

    `complete` is False when not all could be found; `reason` then says why, in a sentence.
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
            known = Seen((), complete=False, reason=f"Others can't be looked for: {problem.sentence}")
            life = SEEN_LIFE if isinstance(problem, AccessDenied) else FAILED_LIFE
        cache.set(key, known, life)
    return known


def _skip_scan(table: Binding, index: Index, prefix: tuple[str, ...]) -> Seen:
    """One Scan of one item per distinct `prefix`: each starts past the end of the one before."""
    client = clients.client(*table.place)
    found: list[tuple[str, ...]] = []
    start: dict[str, Typed] | None = None
    while True:
        arguments = Expressions().arguments(projection=prefix)
        if start:
            arguments["ExclusiveStartKey"] = start
        with translated(table):
            answer = client.scan(TableName=table.name, IndexName=index.name, Limit=1, **arguments)
        if not answer["Items"]:
            return Seen(tuple(found))
        item = answer["Items"][0]
        values = tuple(str(read_text(item[name])) for name in prefix)
        if values in found:
            return Seen(tuple(found), complete=False, reason="The index could not be walked through.")
        if len(found) == MOST_PARTITIONS:
            reason = f"There are more than {MOST_PARTITIONS} different values."
            return Seen(tuple(found), complete=False, reason=reason)
        found.append(values)
        start = {name: {"S": _LAST} for name in (index.hash_key, index.range_key, table.key) if name}
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
    """What was created lately with one status. `moments`: when each was, and the seconds that it took (None while
    that is not known); `undated`: how many more have no readable time. `more`: there are older ones, and all that is
    newer than `since` is here (None: nothing is known of the time)."""

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
    """Those attributes of what matches the key condition, in one call. It costs what counting them would:
    a COUNT bills what it reads, and a projection does too."""
    arguments = Expressions().arguments(key=key, projection=attributes)
    with translated(table):
        answer = clients.client(*table.place).query(
            TableName=table.name, IndexName=index, ScanIndexForward=False, Limit=COUNT_CAP, **arguments
        )
    return Newest(tuple(answer["Items"]), more="LastEvaluatedKey" in answer)


def recent_of(
    newest: Newest, *, created: str, lasted: Callable[[dict[str, Typed]], Decimal | None]
) -> Recent:
    """The newest items of a status by time. `created`: the attribute that the index sorts by; `lasted`: how many
    seconds an item took, or None."""
    times = [(at, row) for row in newest.rows if isinstance(at := read_time(row.get(created)), datetime)]
    moments = tuple((at, lasted(row)) for at, row in times)
    # All that is newer than the oldest time among them was read.
    since = times[-1][0] if newest.more and times else None
    return Recent(moments, len(newest.rows) - len(times), newest.more, since)
