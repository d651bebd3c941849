"""A bounded sample of a table's items, and what each index that the table is to get would do with them."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.keys import MAX_HASH_BYTES, MAX_SORT_BYTES
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding, Index

# Pages of a sample: at most 5 MB read, which is 640 read units.
SAMPLE_PAGES = 5
SAMPLE_PAGE_ITEMS = 2000
SAMPLE_NAMED = 20


@dataclass(frozen=True)
class Reject:
    """An item that could not be written again once the index exists: its key, the attribute, and what is
    wrong with that. Texts are the item's, so they are quoted for a terminal."""

    key: str
    attribute: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.key}: {self.attribute} is {self.wrong}"


@dataclass
class Sample:
    """How many items were read, and what one index would do with them.

    `found`: those that it would reject, the first ones `named`; `unlisted`: those that would not be in it, since a
    key attribute is missing, `lacking` per attribute; `example`: the key of the first of them, quoted. `whole`: the
    table was read to its end. Scan reads in the order of the keys' hash, so that the beginning of a large table is
    as good a sample as any.
    """

    read: int = 0
    whole: bool = False
    found: int = 0
    named: list[Reject] = field(default_factory=list)
    unlisted: int = 0
    lacking: Counter[str] = field(default_factory=Counter)
    example: str = ""

    def unlisted_lines(self) -> list[str]:
        """``47 of 50 sampled items (94 %) have no createdAt and would not be in the index``, for people."""
        outside = "would not be in the index"
        if len(self.lacking) == 1:
            ((name, count),) = self.lacking.items()
            return [f"{self._counted(count)} no {name} and {outside}"]
        lines = [f"{self._counted(count)} no {name}" for name, count in self.lacking.items()]
        return [*lines, f"{self._of(self.unlisted)} {outside}"]

    def _counted(self, count: int) -> str:
        return f"{self._of(count)} {'has' if count == 1 else 'have'}"

    def _of(self, count: int) -> str:
        return f"{count:,} of {self.read:,} sampled items ({share(count, self.read)})"


class Samples:
    """Samples of tables for all of their declared indexes: a table is read once, when it is first asked for."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, Sample]] = {}  # by fingerprint

    def of(self, table: Binding, index: Index) -> Sample:
        """Raises `DynamoError`."""
        if table.fingerprint not in self._read:
            self._read[table.fingerprint] = _sampled(table)
        return self._read[table.fingerprint][index.name]


def share(part: int, whole: int) -> str:
    """In percent; neither all nor none where it is not quite."""
    if part == whole:
        return "100 %"
    percent = round(100 * part / whole)
    return "<1 %" if percent < 1 else f"{min(percent, 99)} %"


def _sampled(table: Binding) -> dict[str, Sample]:
    found = describe(table, fresh=True, background=True)
    samples = {index.name: Sample() for index in table.spec.indexes}
    for items, whole in _pages(table, found):
        for index in table.spec.indexes:
            sample = samples[index.name]
            sample.read, sample.whole = sample.read + len(items), whole
            for item in items:
                _look(sample, item, found, index)
    return samples


def _pages(table: Binding, found: Description) -> Iterator[tuple[list[dict[str, Typed]], bool]]:
    """Items with what is a key of the table or of a declared index, and whether they are the last."""
    keys = [found.key, found.range_key]
    keys += [name for index in table.spec.indexes for name in (index.hash_key, index.range_key)]
    names = list(filter(None, keys))
    for answer in read_all(
        table, projection=names, pages=SAMPLE_PAGES, background=True, Limit=SAMPLE_PAGE_ITEMS
    ):
        yield answer["Items"], "LastEvaluatedKey" not in answer


def _look(sample: Sample, item: dict[str, Typed], found: Description, index: Index) -> None:
    bounds = {index.hash_key: MAX_HASH_BYTES} | ({index.range_key: MAX_SORT_BYTES} if index.range_key else {})
    rejects = [
        Reject(_key(item, found), name, wrong)
        for name, most in bounds.items()
        if name in item and (wrong := _wrong_as_key(item[name], most))
    ]
    if rejects:
        sample.found += 1
        if sample.found <= SAMPLE_NAMED:
            sample.named += rejects
        return
    missing = [name for name in bounds if name not in item]
    if missing:
        sample.unlisted += 1
        sample.lacking.update(missing)
        sample.example = sample.example or _key(item, found)


def _wrong_as_key(value: Typed, most: int) -> str:
    ((kind, content),) = value.items()
    if kind != "S":
        return f"of type {kind}, not S"
    if not content:
        return "an empty string"
    if len(content.encode()) > most:
        return f"longer than {most} bytes"
    return ""


def _key(item: dict[str, Typed], found: Description) -> str:
    """The item's key, quoted."""
    values = [next(iter(item.get(name, {"S": ""}).values())) for name in (found.key, found.range_key) if name]
    return " / ".join(json.dumps(str(value)[:100]) for value in values)
