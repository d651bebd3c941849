"""The minute's sample of a table: each minute one Scan of at most 1 MB, from where the last one stopped, in rounds.

It keeps what an index can't give: the items that are in no index (`Row`), and for a table without an index the time and
status of each item (`Moment`). Its size is bounded, for the shared cache. Pages read it by `opsportal.dynamo.samples`.
"""

import pickle
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from opsportal.dynamo.attributes import Typed, read_text, read_time
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.expressions import AnyOf, Clause
from opsportal.dynamo.lookup import Found
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.partitions import COUNT_CAP, MAX_PARTITIONS
from opsportal.dynamo.reads import item_of, read
from opsportal.dynamo.spans import Span
from opsportal.dynamo.structure import key_mismatch
from opsportal.dynamo.tables import Binding, Index, binding
from opsportal.dynamo.timestamp_form import MAX_FORMS, form_of

# Seconds between two Scans of a table.
FRESH_SECONDS = 60
# At most so many rows, the newest, and so many compressed bytes.
MAX_ROWS, MAX_BYTES = 2_000, 300_000
MAX_MOMENTS = 4_000
# Rows of a table of more than one Scan that are read again by their key each minute: those that are not finished, the
# longest unread first. Their status would be as old as the last pass otherwise.
RECHECKED = 20
# Characters of a text, and of any other value together, that are kept of a row.
MAX_TEXT, MAX_VALUE = 1_000, 4_000


@dataclass(frozen=True)
class Sampled:
    """A table whose items come to an end; the app declares it.

    `index`: the one that lists read, as declared; `found` looks it up as deployed. `others`: further ones whose
    outside is kept too, where they are deployed. `keep`: what a list shows of an item. `updated`: when an item
    without a readable `created` last moved, of which the attribute `touched` is the main part. `lasted`: the seconds that it took, None while that is not known.
    `is_open`: whether something may follow a status.
    """

    logical: str
    index: Index
    found: Callable[[], Found]
    keep: Callable[[Raw], Raw]
    updated: Callable[[Raw], datetime | None]
    lasted: Callable[[Raw], Decimal | None]
    is_open: Callable[[str], bool]
    touched: str
    others: Callable[[], tuple[Index, ...]] = tuple

    @property
    def table(self) -> Binding:
        return binding(self.logical)

    @property
    def status(self) -> str:
        return self.index.hash_key

    @property
    def created(self) -> str:
        return self.index.range_key

    def within(self, span: Span) -> tuple[Clause | AnyOf, ...]:
        """As a filter: what may have been created in the span, else may have moved in it last, or has no text for
        either time; `holds` says which of them are."""
        created, touched = span.wider.clauses(self.created), span.wider.clauses(self.touched)
        undated = Clause(self.created, "not text")
        if not created:
            return ()
        return (AnyOf((created, (undated, *touched), (undated, Clause(self.touched, "not text")))),)

    def holds(self, item: Raw, span: Span) -> bool:
        """Whether the item belongs to the span, or has no time that can be read."""
        if "S" in item.get(self.created, {}):
            return span.holds(item[self.created])
        at = self.moment(item)
        return at is None or span.contains(at)

    def moment(self, item: Raw) -> datetime | None:
        """When it was created, else when it last moved; None where neither can be read."""
        created = read_time(item.get(self.created))
        return created if isinstance(created, datetime) else self.updated(item)


class Row(NamedTuple):
    """An item as a list shows it. `stamp`: its position in the order; no two rows have the same.

    `number`: of the pass that found it; `read`: when (epoch seconds)."""

    stamp: str
    item: Raw
    number: int
    read: float

    @property
    def undated(self) -> bool:
        return self.stamp.startswith(UNDATED)

    @property
    def at(self) -> datetime:
        """The time that it is listed at; ValueError where it is undated."""
        return datetime.fromisoformat(self.stamp.partition("#")[0]).replace(tzinfo=UTC)


class Moment(NamedTuple):
    """When an item was created (epoch seconds, None where that can't be read), and how long it took."""

    at: float | None
    status: str
    seconds: Decimal | None
    number: int


# Before every time, so that what has none comes last.
UNDATED = "!"


@dataclass(frozen=True)
class Pass:
    """One reading of the table from its beginning. `outside`: items in no index; `dropped`: those of them, and
    `moments` those of all items, that what is kept had no room for. `forms`: how `created` is written."""

    began: datetime
    items: int = 0
    outside: int = 0
    dropped: int = 0
    moments: int = 0
    forms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What the cache holds. `index`: the one that it is the outside of, "" for none: then every item is outside.
    `key`: the names of the table's key attributes, on which `start` depends.

    `start`: where the next Scan goes on, None at the beginning of the table; `number`: of the pass under way, which
    is `now`; `last`: the whole pass before it, None until there is one. `size`: items of the table as DynamoDB
    counts them every six hours, None where that is not known. `packed`: rows and moments, see `unpacked`.
    """

    index: str
    key: tuple[str, ...]
    packed: bytes
    number: int
    now: Pass
    start: Raw | None = None
    last: Pass | None = None
    size: int | None = None


def unpacked(kept: Kept) -> tuple[dict[str, Row], dict[str, Moment]]:
    """Rows and moments by a digest of the item's key, the newest first."""
    rows, moments = pickle.loads(zlib.decompress(kept.packed))  # noqa: S301 - our own cache, which pickles too
    return rows, moments


def taken(spec: Sampled, before: Kept | None) -> Kept:
    """The sample after one more Scan. Raises `DynamoError`."""
    found = spec.found()
    name = found.index.name if found.index else ""
    now = datetime.now(UTC)
    key_names = tuple(spec.table.key_attributes)
    if before is None or (before.index, before.key) != (name, key_names):
        before = Kept(name, key_names, b"", 1, Pass(now))
        rows: dict[str, Row] = {}
        moments: dict[str, Moment] = {}
    else:
        rows, moments = unpacked(before)
    items, start = _scanned(spec.table, before.start)
    # A pass begins with the Scan that has nothing before it.
    passed = before.now if before.start else Pass(now)
    outside, forms = passed.outside, Counter(passed.forms)
    others = spec.others() if found.index else ()
    for item in items:
        if spec.table.key not in item:
            raise key_mismatch(spec.table)
        digest = spec.table.key_in(item).digest
        rows.pop(digest, None)
        moments.pop(digest, None)
        form = form_of(item[spec.created]) if spec.created in item else ""
        if form and (len(forms) < MAX_FORMS or form in forms):
            forms[form] += 1
        missing = not found.index or is_outside(item, found.index)
        outside += missing
        if missing or any(is_outside(item, index) for index in others):
            rows[digest] = _row(spec, digest, item, before.number, now)
        if not found.index:
            moments[digest] = _moment(spec, item, before.number)
    passed = replace(passed, items=passed.items + len(items), outside=outside, forms=dict(forms))
    if start or before.start:
        _recheck(spec, rows, found.index, now)
    if not start:
        # What this pass has not found is gone.
        rows = {digest: row for digest, row in rows.items() if row.number == before.number}
        moments = {digest: one for digest, one in moments.items() if one.number == before.number}
    packed, dropped_rows, dropped_moments = _packed(rows, moments, found.index)
    passed = replace(passed, dropped=passed.dropped + dropped_rows, moments=passed.moments + dropped_moments)
    return Kept(
        name,
        key_names,
        packed,
        before.number if start else before.number + 1,
        passed,
        start,
        before.last if start else passed,
        _size(spec.table),
    )


def _recheck(spec: Sampled, rows: dict[str, Row], index: Index | None, now: datetime) -> None:
    """Replace some of the rows by what GetItem returns. Without permission for it they stay as scanned."""
    table = spec.table
    older = [
        (row.read, digest)
        for digest, row in rows.items()
        if row.read < now.timestamp() and spec.is_open(str(read_text(row.item.get(spec.status)) or ""))
    ]
    for _, digest in sorted(older)[:RECHECKED]:
        row = rows[digest]
        try:
            item = item_of(table, table.key_in(row.item).text)
        except DynamoError:
            return
        del rows[digest]
        if item and (index is None or is_outside(item, index)):
            rows[digest] = _row(spec, digest, item, row.number, now)


def is_outside(item: Mapping[str, Typed], index: Index) -> bool:
    """Whether the index can't hold the item, for want of a text in a key attribute."""
    return any("S" not in item.get(name, {}) for name in (index.hash_key, index.range_key) if name)


def _scanned(table: Binding, start: Raw | None) -> tuple[list[Raw], Raw | None]:
    """One page, as much as DynamoDB gives, and where the next begins."""
    answer = read(table, start=start)
    return answer["Items"], answer.get("LastEvaluatedKey")


def _size(table: Binding) -> int | None:
    try:
        return describe(table).items
    except DynamoError:
        return None


def _row(spec: Sampled, digest: str, item: Raw, number: int, now: datetime) -> Row:
    return Row(stamp_of(spec.moment(item), digest), as_row(spec, item), number, now.timestamp())


def as_row(spec: Sampled, item: Raw) -> Raw:
    """Of the item what a list shows, and its key."""
    kept = {name: shortened(value) for name, value in spec.keep(item).items()}
    return kept | spec.table.key_in(item).wire


def stamp_of(moment: datetime | None, digest: str) -> str:
    """A position among the texts of an index's sort key, never equal to one of them."""
    if moment is None:
        return f"{UNDATED}{digest}"
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}#{digest}"


def _moment(spec: Sampled, item: Raw, number: int) -> Moment:
    at = spec.moment(item)
    status = str(read_text(item.get(spec.status)) or "")[:MAX_TEXT]
    return Moment(at.timestamp() if at else None, status, spec.lasted(item), number)


def shortened(value: Typed) -> Typed:
    """The value without what no list shows: the rest of a long text, and what is too large to be meant."""
    ((tag, content),) = value.items()
    if tag == "S":
        return value if len(content) <= MAX_TEXT else {"S": content[:MAX_TEXT] + "…"}
    if tag in ("N", "BOOL", "NULL") or len(str(content)) <= MAX_VALUE:
        return value
    return {tag: type(content)()}


def _packed(rows: dict[str, Row], moments: dict[str, Moment], index: Index | None) -> tuple[bytes, int, int]:
    """Rows and moments as the cache holds them, and how many of each had no room: the newest are kept, and first
    those that the list's own index does not hold."""

    def weight(pair: tuple[str, Row]) -> tuple[bool, str]:
        return index is None or is_outside(pair[1].item, index), pair[1].stamp

    newest = dict(sorted(rows.items(), key=weight, reverse=True)[:MAX_ROWS])
    kept = _newest_of_each(moments)
    packed = zlib.compress(pickle.dumps((newest, kept)))
    while len(packed) > MAX_BYTES and newest:
        newest = dict(list(newest.items())[: int(len(newest) * 0.9 * MAX_BYTES / len(packed))])
        packed = zlib.compress(pickle.dumps((newest, kept)))
    return packed, len(rows) - len(newest), len(moments) - len(kept)


def _newest_of_each(moments: dict[str, Moment]) -> dict[str, Moment]:
    """At most `COUNT_CAP` of each status, as a count by the index would give, and of so many statuses."""
    room: Counter[str] = Counter()
    kept: dict[str, Moment] = {}
    for digest, one in sorted(moments.items(), key=lambda pair: pair[1].at or 0, reverse=True):
        if (
            len(kept) < MAX_MOMENTS
            and room[one.status] < COUNT_CAP
            and (one.status in room or len(room) < MAX_PARTITIONS)
        ):
            kept[digest] = one
            room[one.status] += 1
    return kept
