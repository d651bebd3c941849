"""Which partitions an index has, and how many items are in one, without reading the table."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed, read_text
from opsportal.dynamo.errors import AccessDenied, translated
from opsportal.dynamo.expressions import Clause, Expressions
from opsportal.dynamo.tables import Binding

# Seconds that the partitions found stay known: a new status shows within a minute.
SEEN_LIFE = 60
# One call each; more distinct statuses than that is not a status.
MOST_PARTITIONS = 30
COUNT_CAP = 500

# Past every possible sort key or table key: the next scan starts behind the partition.
_LAST = chr(0x10FFFF) * 64


@dataclass(frozen=True)
class Partitions:
    """Hash key values of an index: those known beforehand first, then the others seen.

    `complete` is False when not all could be found; `reason` then says why, in a sentence.
    """

    values: tuple[str, ...]
    complete: bool = True
    reason: str = ""


def partitions(table: Binding, index: str, hash_key: str, range_key: str, known: Iterable[str]) -> Partitions:
    """The known partitions and those found by skip-scan, cached for a minute. Raises `DynamoError`.

    Where IAM does not allow the Scan, the known ones are returned with the reason.
    """
    first = tuple(dict.fromkeys(known))
    cache, cache_key = caches["process"], f"partitions:{table.fingerprint}:{index}"
    seen: Partitions | None = cache.get(cache_key)
    if seen is None:
        try:
            seen = _skip_scan(table, index, hash_key, range_key)
        except AccessDenied as denied:
            seen = Partitions((), complete=False, reason=f"others can't be looked for: {denied.sentence}")
        cache.set(cache_key, seen, SEEN_LIFE)
    others = sorted(set(seen.values) - set(first))
    return Partitions((*first, *others), seen.complete, seen.reason)


def _skip_scan(table: Binding, index: str, hash_key: str, range_key: str) -> Partitions:
    """One Scan of one item per distinct hash key: each starts past the end of the partition before."""
    client = clients.client(*table.place)
    found: list[str] = []
    start: dict[str, Typed] | None = None
    for _ in range(MOST_PARTITIONS):
        arguments = Expressions().arguments(projection=[hash_key])
        if start:
            arguments["ExclusiveStartKey"] = start
        with translated(table):
            answer = client.scan(TableName=table.name, IndexName=index, Limit=1, **arguments)
        if not answer["Items"]:
            return Partitions(tuple(found))
        value = answer["Items"][0][hash_key]
        text = str(read_text(value))
        if text in found:
            return Partitions(tuple(found), complete=False, reason="the index could not be walked through")
        found.append(text)
        start = {hash_key: value, table.key: {"S": _LAST}}
        if range_key:
            start[range_key] = {"S": _LAST}
    return Partitions(
        tuple(found),
        complete=False,
        reason=f"there are more than {MOST_PARTITIONS} different values",
    )


@dataclass(frozen=True)
class Count:
    """A number of items, exact or, with `more`, at least that many."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number}+" if self.more else str(self.number)


def count(table: Binding, index: str, key: Iterable[Clause]) -> Count:
    """How many items match the key condition, read up to `COUNT_CAP` (a COUNT bills what it reads)."""
    arguments = Expressions().arguments(key=key)
    with translated(table):
        answer = clients.client(*table.place).query(
            TableName=table.name, IndexName=index, Select="COUNT", Limit=COUNT_CAP, **arguments
        )
    return Count(answer["Count"], more="LastEvaluatedKey" in answer)
