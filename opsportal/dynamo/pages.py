"""Pages of lists: a bounded number of calls each, and a signed cursor to go on from.

`scan_page` reads a table in no order; `sequence_page` reads partitions one after the other in DynamoDB's
own order; `opsportal.dynamo.merge` reads partitions side by side, newest first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from opsportal.dynamo import clients, cursors, spending
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import MalformedCursor, translated
from opsportal.dynamo.expressions import Clause, Expressions, Filter
from opsportal.dynamo.tables import Binding, Index

Raw = dict[str, Typed]
Keep = Callable[[Raw], bool]

PAGE_SIZE = 50
# Calls that a filter may cost which no index serves; then the page says how far it searched.
SEARCH_CALLS = 5
# Items that one call of a filtered read evaluates; DynamoDB stops at 1 MB before that.
EVALUATED_PER_CALL = 500


@dataclass(frozen=True)
class Sampling:
    """The minute's sample of a table, as far as a page names it: when it was taken (None: it could not be) and its
    read units; `used`: whether items of the page may come from it; `statement`: what the policy of the console's role
    lacks for it."""

    at: datetime | None
    units: Decimal
    used: bool
    statement: str = ""


@dataclass
class Page:
    """Items as the wire has them, and how they were found.

    `cursor`: where the next page starts, "" at the end. `complete`: this page is as full as it can be; if
    not, the calls were used up first, and `searched_to` says how far (a sort key's text, or "").
    `newer`: items that came since the list was first shown, left out of it. `sample`: where the items that are in
    no index come from.
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
    """Up to `limit` items of a Scan, in no order. `keep` filters what no expression can say.

    Raises `DynamoError`.
    """
    start = cursors.load(cursor, purpose=purpose).get("key") if cursor else None
    client = clients.client(*table.place)
    items: list[Raw] = []
    searching = bool(filters or keep)
    key = (table.key,)
    for _ in range(SEARCH_CALLS):
        arguments = Expressions().arguments(filters=filters, projection=_with(key, projection))
        if start:
            arguments["ExclusiveStartKey"] = start
        with translated(table):
            answer = client.scan(
                TableName=table.name,
                Limit=EVALUATED_PER_CALL if searching else limit - len(items),
                **arguments,
            )
        start = answer.get("LastEvaluatedKey")
        items += [item for item in answer["Items"] if keep is None or keep(item)]
        if len(items) > limit or (len(items) == limit and start):
            items = items[:limit]
            start = _start_after(items[-1], key)
        if len(items) >= limit or not start:
            break
    return Page(
        items,
        cursor=cursors.dump({"key": start}, purpose=purpose) if start else "",
        how=f"Scan {table.name}",
        complete=not start or len(items) >= limit,
    )


def scan_part(table: Binding, *, filters: Filter, pages: int) -> tuple[list[Raw], bool]:
    """What the first pages of a Scan, of at most 1 MB each, hold, and whether there are more. Patient, but for the
    first page of a request. Raises `DynamoError`."""
    items: list[Raw] = []
    arguments = Expressions().arguments(filters=filters)
    for _ in range(pages):
        client = clients.client(*table.place, patient=spending.current() is None)
        with translated(table):
            answer = client.scan(TableName=table.name, **arguments)
        items += answer["Items"]
        if not answer.get("LastEvaluatedKey"):
            return items, False
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return items, True


def items_of(table: Binding, keys: Sequence[Typed]) -> list[Raw]:
    """The whole items with these keys (at most 100, an AWS limit) that are there, in one call and in no order. Those that
    DynamoDB leaves out for their size (over 16 MB together) are missing. Raises `DynamoError`."""
    with translated(table):
        answer = clients.client(*table.place).batch_get_item(
            RequestItems={table.name: {"Keys": [{table.key: key} for key in keys]}}
        )
    return list(answer["Responses"].get(table.name, ()))


def _with(key: Sequence[str], projection: Sequence[str]) -> Sequence[str]:
    """The projection with what a start key is made of; none stays none, which is every attribute."""
    return (*projection, *key) if projection else ()


def _start_after(item: Raw, key: Sequence[str]) -> Raw:
    return {name: item[name] for name in key}


@dataclass(frozen=True)
class Part:
    """A key condition of an index, read as one partition. `label` names it and is its place in a cursor."""

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
    projection: Sequence[str] = (),
) -> Page:
    """Up to `limit` items of one part after the other, each in the index's own order.

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
    client = clients.client(*table.place)
    items: list[Raw] = []
    calls = 0
    key = [name for name in (index.hash_key, index.range_key, table.key) if name]
    while number < len(parts) and len(items) < limit and calls < len(parts) + SEARCH_CALLS:
        arguments = Expressions().arguments(
            key=parts[number].key, filters=filters, projection=_with(key, projection)
        )
        if start:
            arguments["ExclusiveStartKey"] = start
        with translated(table):
            answer = client.query(
                TableName=table.name,
                IndexName=index.name,
                Limit=EVALUATED_PER_CALL if filters else limit - len(items),
                **arguments,
            )
        calls += 1
        start = answer.get("LastEvaluatedKey")
        items += answer["Items"]
        if len(items) > limit:
            items = items[:limit]
            start = _start_after(items[-1], key)
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
    start: Raw | None = None
    while True:
        client = clients.client(*table.place, patient=spending.current() is None)
        request = Expressions().arguments(key=key, filters=filters)
        if start:
            request["ExclusiveStartKey"] = start
        with translated(table):
            answer = client.query(TableName=table.name, IndexName=index, **request, **arguments)
        yield from answer["Items"]
        start = answer.get("LastEvaluatedKey")
        if not start:
            return
