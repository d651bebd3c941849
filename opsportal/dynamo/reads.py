"""Reads: items by their keys; Query and Scan, one answer or one after the other."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from opsportal.dynamo import clients, spending
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause, Expressions, Filter
from opsportal.dynamo.keys import Key, NotAKey
from opsportal.dynamo.tables import Binding

Answer = dict[str, Any]
# An AWS limit of one BatchGetItem.
BATCH_KEYS = 100


def item_of(table: Binding, text: str, *, consistent: bool = False, background: bool = False) -> Raw | None:
    """The item whose key has that text, or None. Raises `DynamoError`."""
    try:
        key = table.key_of(text)
    except NotAKey:
        return None
    with translated(table):
        answer = clients.client(*table.location, background=background, trusted=True).get_item(
            TableName=table.name, Key=key.wire, ConsistentRead=consistent
        )
    return answer.get("Item")


def items_of(
    table: Binding,
    keys: Iterable[Key],
    *,
    consistent: bool = False,
    background: bool = False,
    projection: Sequence[str] = (),
) -> tuple[list[Raw], list[Key]]:
    """The items with these keys that are there, in no order, and the keys that DynamoDB gave no answer about: of items
    of over 16 MB together, or when throttled. One call for every 100. Raises `DynamoError`."""
    wanted = [key.wire for key in keys]
    arguments = {"ConsistentRead": consistent, **Expressions().arguments(projection=projection)}
    found: list[Raw] = []
    left: list[Raw] = []
    for first in range(0, len(wanted), BATCH_KEYS):
        with translated(table):
            answer = clients.client(*table.location, background=background, trusted=True).batch_get_item(
                RequestItems={table.name: {"Keys": wanted[first : first + BATCH_KEYS], **arguments}}
            )
        found += answer["Responses"].get(table.name, [])
        left += answer.get("UnprocessedKeys", {}).get(table.name, {}).get("Keys", [])
    return found, [table.key_in(one) for one in left]


def items_of_tables(wanted: Sequence[tuple[Binding, Sequence[Key]]]) -> dict[str, list[Raw]]:
    """The items with these keys that are there, by the name of their table, in one call: tables of one location, and at
    most 100 keys together. Without a table of which nothing was answered, for being throttled. Raises `DynamoError`, for
    all of them, where one is missing or may not be read."""
    table = wanted[0][0]
    asked = {one.name: {"Keys": [key.wire for key in keys]} for one, keys in wanted}
    with translated(table):
        client = clients.client(*table.location, trusted=True)
        answer = client.batch_get_item(RequestItems=asked)
    left = answer.get("UnprocessedKeys", {})
    found: dict[str, list[Raw]] = answer["Responses"]
    return {name: found.get(name, []) for name in asked if name not in left or found.get(name)}


def read(
    table: Binding,
    index: str = "",
    *,
    key: Iterable[Clause] = (),
    filters: Filter = (),
    projection: Iterable[str] = (),
    start: Raw | None = None,
    background: bool | None = False,
    **arguments: Any,
) -> Answer:
    """One answer of a Query, where there is a key condition, or else of a Scan. `start`: the LastEvaluatedKey of the
    answer before. `background` None: as in the background outside of a request's budget. Raises `DynamoError`."""
    arguments |= Expressions().arguments(key=key, filters=filters, projection=projection)
    if index:
        arguments["IndexName"] = index
    if start:
        arguments["ExclusiveStartKey"] = start
    if background is None:
        background = spending.current() is None
    client = clients.client(*table.location, background=background, trusted=True)
    operation = client.query if "KeyConditionExpression" in arguments else client.scan
    with translated(table):
        answer: Answer = operation(TableName=table.name, **arguments)
    return answer


def read_all(
    table: Binding, index: str = "", *, pages: int | None = None, **arguments: Any
) -> Iterator[Answer]:
    """What `read` answers with these arguments, page by page, to the end or up to so many `pages`. The last one of all
    has no LastEvaluatedKey."""
    for _ in itertools.count() if pages is None else range(pages):
        answer = read(table, index, **arguments)
        yield answer
        if "LastEvaluatedKey" not in answer:
            return
        arguments["start"] = answer["LastEvaluatedKey"]
