"""Pages of lists, each with a bounded number of calls and a signed cursor for the next page.

`scan_page` reads a table in no order; `sequence_page` reads partitions one after the other in DynamoDB's
own order; `opsportal.dynamo.merge` reads partitions side by side, newest first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from opsportal.dynamo import cursors
from opsportal.dynamo.attributes import Raw as Raw
from opsportal.dynamo.errors import MalformedCursor
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.reads import read, read_all
from opsportal.dynamo.tables import Binding, Index

Keep = Callable[[Raw], bool]

PAGE_SIZE = 50
# Calls of a page with a filter that no index serves; after them the page says how far it searched.
SEARCH_CALLS = 5
# Read units after which such a page makes no further call.
SEARCH_UNITS = 100.0
# Items that one call of a filtered read evaluates, or 1 MB of them if that is less.
EVALUATED_PER_CALL = 500


class SearchBudget:
    """The read units that a search may still cost on one page. It learns from each answer what an item costs."""

    def __init__(self) -> None:
        self.left, self.spent, self.evaluated = SEARCH_UNITS, 0.0, 0

    @property
    def each(self) -> float:
        """Read units of an item: until one was read, those of one of 8 KB."""
        return self.spent / self.evaluated if self.spent and self.evaluated else 1.0

    def room(self, most: int, *, calls: int = 1) -> int:
        """Items that each of the next `calls` may evaluate, at most so many; 0 when the page has cost enough."""
        return max(0, min(most, -(-int(self.left / self.each) // calls)))

    def spend(self, answer: Mapping[str, Any]) -> None:
        units = float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0))
        self.left -= units
        if scanned := int(answer.get("ScannedCount", 0)):
            self.spent, self.evaluated = self.spent + units, self.evaluated + scanned


@dataclass(frozen=True)
class Sampling:
    """What a page says of the minute's sample: when it was taken (None: it failed) and its read units; `used`: whether
    items of the page may come from it; `statement`: the IAM statement that the console's role lacks for it."""

    at: datetime | None
    units: Decimal
    used: bool
    statement: str = ""


@dataclass
class Page:
    """Items as the wire has them, and how they were found.

    `cursor`: of the next page, "" at the end. `complete`: False where the calls were used up before the page was full;
    `searched_to` is how far it searched then (a sort key's text, or ""). `newer`: items since the list was first shown,
    which it leaves out. `sample`: the source of the items that are in no index.
    """

    items: list[Raw]
    cursor: str = ""
    how: str = ""
    partitions: Sequence[str] = ()
    complete: bool = True
    searched_to: str = ""
    newer: int = 0
    newer_more: bool = False
    notes: list[str] = field(default_factory=list)
    sample: Sampling | None = None


def scan_page(
    table: Binding,
    *,
    purpose: str,
    cursor: str = "",
    limit: int = PAGE_SIZE,
    filters: Filter = (),
    keep: Keep | None = None,
    projection: Sequence[str] = (),
) -> Page:
    """Up to `limit` items of a Scan, in no order. `keep` is a filter that no expression can hold.

    Raises `DynamoError`.
    """
    start = cursors.load(cursor, purpose=purpose).get("key") if cursor else None
    items: list[Raw] = []
    searching, budget = bool(filters or keep), SearchBudget()
    key = table.start_names()
    for _ in range(SEARCH_CALLS):
        most = budget.room(EVALUATED_PER_CALL) if searching else limit - len(items)
        if not most:
            break
        answer = read(table, filters=filters, projection=_with(key, projection), start=start, Limit=most)
        budget.spend(answer)
        start = answer.get("LastEvaluatedKey")
        items += [item for item in answer["Items"] if keep is None or keep(item)]
        if len(items) > limit or (len(items) == limit and start):
            items = items[:limit]
            start = cursors.start_after(items[-1], key)
        if len(items) >= limit or not start:
            break
    return Page(
        items,
        cursor=cursors.dump({"key": start}, purpose=purpose) if start else "",
        how=f"Scan {table.name}",
        complete=not start or len(items) >= limit,
    )


def scan_part(table: Binding, *, filters: Filter, pages: int) -> tuple[list[Raw], bool]:
    """The items of the first pages of a Scan, of at most 1 MB each, and whether there are more. Within a request it
    keeps to the request's time, in the worker to longer ones. Raises `DynamoError`."""
    answers = list(read_all(table, filters=filters, pages=pages, background=None))
    items = [item for answer in answers for item in answer["Items"]]
    return items, "LastEvaluatedKey" in answers[-1]


def _with(key: Sequence[str], projection: Sequence[str]) -> Sequence[str]:
    """The projection with the attributes of a start key; an empty one stays empty, which means all attributes."""
    return (*projection, *key) if projection else ()


@dataclass(frozen=True)
class Part:
    """A key condition of an index, read as one partition. `label` names it, also in a cursor."""

    label: str
    key: tuple[Clause, ...]


def sequence_page(
    table: Binding,
    index: Index,
    parts: Sequence[Part],
    *,
    purpose: str,
    cursor: str = "",
    limit: int = PAGE_SIZE,
    filters: Filter = (),
    keep: Keep | None = None,
    projection: Sequence[str] = (),
    searching: bool = False,
) -> Page:
    """Up to `limit` items of one part after the other, each in the index's own order. `searching`: `keep` leaves out
    most of them.

    The cursor is DynamoDB's own within a part. Raises `DynamoError`.
    """
    position = cursors.load(cursor, purpose=purpose) if cursor else {}
    labels = [part.label for part in parts]
    if position and position.get("part") not in labels:
        raise MalformedCursor(
            "The list changed since this address was made.", "Start again from the first page."
        )
    number = labels.index(position["part"]) if position else 0
    start = position.get("key")
    items: list[Raw] = []
    calls, budget = 0, SearchBudget()
    key = table.start_names(index)
    while number < len(parts) and len(items) < limit and calls < len(parts) + SEARCH_CALLS:
        most = budget.room(EVALUATED_PER_CALL) if filters or searching else limit - len(items)
        if not most:
            break
        answer = read(
            table,
            index.name,
            key=parts[number].key,
            filters=filters,
            projection=_with(key, projection),
            start=start,
            Limit=most,
        )
        calls += 1
        budget.spend(answer)
        start = answer.get("LastEvaluatedKey")
        items += [item for item in answer["Items"] if keep is None or keep(item)]
        if len(items) > limit:
            items = items[:limit]
            start = cursors.start_after(items[-1], key)
        elif not start:
            number += 1
    position = {"part": labels[number], "key": start} if number < len(parts) else {}
    return Page(
        items,
        cursor=cursors.dump(position, purpose=purpose) if position else "",
        how=f"Query {index.name}",
        partitions=labels,
        complete=not position or len(items) >= limit,
    )


def stream(
    table: Binding, index: str, key: Sequence[Clause], *, filters: Filter = (), **arguments: Any
) -> Iterator[Raw]:
    """Every item that matches, oldest first, page by page, for downloads: memory does not grow.

    Patient, except for what is read within a request's budget: the first page. Raises `DynamoError`.
    """
    for answer in read_all(table, index, key=key, filters=filters, background=None, **arguments):
        yield from answer["Items"]
