"""What a sample of a table's items looks like, against what the console's model reads.

A Scan comes in the order of the partition keys' hashes, so that its first items are a fair sample, but for
tables with a sort key, where they come partition by partition.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Raw, Typed, raw_text, read_text
from opsportal.dynamo.deployed import Deployed
from opsportal.dynamo.models import model_of
from opsportal.dynamo.reads import read
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, Index

Types = Mapping[str, str] | None

SAMPLE = 200
ITEMS_PER_CALL = 100
# Of 1 MB each at most, which is 128 read units: large items end a sample early, and it says so.
MAX_CALLS = 20
TEXT_LENGTH = 60


@dataclass
class Shape:
    """An attribute: in how many items, of which types, and whether the console's pages know it."""

    name: str
    known: bool
    present: int = 0
    types: Counter[str] = field(default_factory=Counter)


@dataclass
class Oddity:
    """Something that some items have: how many, and the key of the first of them."""

    what: str
    example: str
    count: int = 0


@dataclass
class Sample:
    """`read` of `about` items (DynamoDB's own count, about six hours old; `whole`: the table ended there).

    `odd`: parts that could not be read; `undocumented`: values outside of a documented list; `unindexed`: key
    attributes of an index that an item lacks, or has of another type.
    """

    table: Binding
    about: int
    read: int = 0
    whole: bool = False
    calls: int = 0
    read_units: Decimal = Decimal(0)
    shapes: dict[str, Shape] = field(default_factory=dict)
    odd: dict[str, Oddity] = field(default_factory=dict)
    undocumented: dict[str, Oddity] = field(default_factory=dict)
    unindexed: dict[str, Oddity] = field(default_factory=dict)


def sample(table: Binding, found: Deployed, size: int = SAMPLE) -> Sample:
    """Read up to `size` items of the table and look at each. Raises `DynamoError`."""
    made = Sample(table, found.items)
    indexes = _indexes(table, found)
    keys = [name for name in (found.key, found.range_key) if name]
    with request_budget(None) as account:
        for item in _items(table, made, size):
            _look(made, item, _example(item, keys), indexes)
    made.calls, made.read_units = account.calls, account.read_units
    return made


def _items(table: Binding, made: Sample, size: int) -> Iterator[Raw]:
    start: Raw | None = None
    for _ in range(MAX_CALLS):
        answer = read(table, start=start, background=True, Limit=min(size - made.read, ITEMS_PER_CALL))
        for item in answer["Items"]:
            made.read += 1
            yield item
        start = answer.get("LastEvaluatedKey")
        made.whole = start is None
        if made.whole or made.read >= size:
            return


def _example(item: Raw, keys: list[str]) -> str:
    """The item's key as text."""
    values = [item.get(name, {}) for name in keys]
    texts = [read_text(value) for value in values]
    return " / ".join(
        text if isinstance(text, str) else raw_text(value) for text, value in zip(texts, values, strict=True)
    )


def _look(made: Sample, item: Raw, example: str, indexes: list[tuple[Index, Types]]) -> None:
    model = model_of(made.table.logical)
    read = model.from_item(item) if model else None
    known = read.known if read else frozenset(item)
    for name, value in item.items():
        shape = made.shapes.setdefault(name, Shape(name, name in known))
        shape.present += 1
        shape.types.update(value.keys())
    if read:
        for path, reason in read.unreadable.items():
            _count(made.odd, f"{path}: {reason}", example)
        for path, text in read.undocumented.items():
            _count(made.undocumented, f"{path} is {excerpt(text, TEXT_LENGTH)!r}", example)
    for index, types in indexes:
        for name in filter(None, (index.hash_key, index.range_key)):
            if problem := _not_indexed(item.get(name), types, name):
                where = f"not in {index.name}" if types else f"would not be in {index.name}"
                _count(made.unindexed, f"{name} {problem}: {where}", example)


def _indexes(table: Binding, found: Deployed) -> list[tuple[Index, Types]]:
    """The declared indexes, each with the types of its keys as deployed, None where it is not.

    The console's own indexes are sparse on purpose.
    """
    if model_of(table.logical) is None:
        return []
    deployed = {(index.hash_key, index.range_key) for index in found.indexes}
    return [
        (index, found.attribute_types if (index.hash_key, index.range_key) in deployed else None)
        for index in table.spec.indexes
    ]


def _not_indexed(value: Typed | None, types: Types, name: str) -> str:
    """Why an item with that value of a key attribute is not in the index; "" where it is."""
    if value is None:
        return "is missing"
    kind = next(iter(value), "")
    if kind == (types or {}).get(name, "S") and value[kind] != "":
        return ""
    refused = "" if types else ", and DynamoDB would refuse writes of it once there is the index"
    return ("is empty" if value.get(kind) == "" else f"is of type {kind}") + refused


def _count(counts: dict[str, Oddity], what: str, example: str) -> None:
    counts.setdefault(what, Oddity(what, example)).count += 1
