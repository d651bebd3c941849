"""The newest rows of each part of a table (a partition of an index, or the whole table), read in turns of some units each.

To read 500 items of every status again each ten seconds was what the overview cost most. So a turn reads what is new at
the head of a part, and goes on below where the last turn stopped until its units are spent. At the end of a part a pass
is over, and the next turn begins at its head: a small part is read whole in each turn, and the last row of a large one
is some minutes old, which the figures say.
"""

import pickle
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.core.cache import caches

from opsportal.dynamo import partitions
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import read
from opsportal.dynamo.spans import Span
from opsportal.dynamo.structure import key_mismatch
from opsportal.dynamo.tables import Binding, Index

ALL_TIME = Span()
# Bytes that one unit reads, eventually consistent; and those that a row is taken to have before one was read.
UNIT_BYTES, GUESSED_BYTES = 8_192, 2_000
# A first turn costs so many times what others do: of few items it knows all at once.
FIRST = 2.5
# Items of a part that are kept as a list shows them, the newest of those that are worth it.
MAX_ITEMS = 25
# Seconds that rows are kept without a turn. The format is part of the key: two versions of the console that share a
# database must not read one another's rows.
KEPT_SECONDS, FORMAT = 86_400, 4


class Row(NamedTuple):
    """`number`: of the pass that read it; `stamp`: the text of its sort key, "" where there is none; `fact`: what the
    figures need of it, plain; `item`: as a list shows it, where it is worth that."""

    number: int
    stamp: str
    fact: Any
    item: Raw | None


@dataclass
class Part:
    """Rows by a digest of their key, the newest first. `number`: of the pass under way, which goes on after `start`,
    None at the head. `began`, `ended`: when this pass began, and the last whole one (epoch seconds, 0 for none); `more`:
    that one found more rows than are kept. `gap`: stamps, an upper and a lower one, between which rows may be missing,
    since there was more that is new than the head's reading held; it is read next, and the pass goes on at `resume`.
    `read_at`: when its head was read last."""

    rows: dict[str, Row] = field(default_factory=dict)
    number: int = 1
    start: Raw | None = None
    began: float = 0.0
    ended: float = 0.0
    more: bool = False
    gap: tuple[str, str] | None = None
    resume: Raw | None = None
    read_at: float = 0.0

    @property
    def partial(self) -> bool:
        """Whether there are rows that are not here."""
        return not self.ended or self.more or self.gap is not None

    def ends_after(self, stamp: str) -> bool:
        """Whether there may be rows before that stamp that are not here."""
        if self.gap and self.gap[1] < stamp:
            return True
        return (not self.ended or self.more) and min(
            (row.stamp for row in self.rows.values()), default=""
        ) > stamp

    @property
    def items(self) -> list[Raw]:
        return [row.item for row in self.rows.values() if row.item]

    @property
    def oldest(self) -> float:
        """When the row was read that was read longest ago, at the earliest."""
        return self.ended or self.began

    @classmethod
    def from_plain(cls, rows: dict[str, tuple[Any, ...]], *others: Any) -> "Part":
        return cls({digest: Row(*row) for digest, row in rows.items()}, *others)

    @property
    def plain(self) -> tuple[Any, ...]:
        rows = {digest: tuple(row) for digest, row in self.rows.items()}
        return (
            rows, self.number, self.start, self.began, self.ended, self.more, self.gap, self.resume, self.read_at,
        )  # fmt: skip


@dataclass(frozen=True)
class Source:
    """What is read in turns. `judge`: of an item what is kept, and whether also as a list shows it, which `keep` makes;
    `again`: how many of the newest rows of a partition each turn reads again, since they are listed."""

    table: Binding
    index: Index | None
    judge: Callable[[Raw], tuple[Any, bool]]
    keep: Callable[[Raw], Raw]
    again: Callable[[str], int] = lambda partition: 1
    projection: Sequence[str] = ()
    # Of the rows that are read, and what is part of the name that they are kept under.
    span: Span = ALL_TIME
    kind: str = ""

    def read_on(self, names: Iterable[str], units: float) -> dict[str, Part]:
        """One turn over these partitions ("" is the table itself), and their rows after it; the first one is longer. Not
        by two callers at once, see `shared`. Raises `DynamoError`."""
        key = f"turns:{FORMAT}:{self.table.fingerprint}:{self.index.name if self.index else ''}{self.kind}"
        packed = caches["default"].get(key)
        kept = pickle.loads(zlib.decompress(packed)) if packed else ((FIRST * units, 0.0, 0.0, False), {})  # noqa: S301 (our own)
        (left, *of_late), plain = kept
        parts = {name: Part.from_plain(*plain[name]) if name in plain else Part() for name in names}
        turn = _Turn(self, parts, left, *of_late)
        try:
            turn.take()
        finally:  # also what was read before a call failed: at a slow engine the next turn goes on from there
            # What a turn spent too much, since nobody knows what an item costs before it is read, the next one spends less.
            state = (units + min(turn.units, 0), turn.bytes, turn.items, turn.heads_only)
            made = (state, {name: part.plain for name, part in parts.items()})
            caches["default"].set(key, zlib.compress(pickle.dumps(made), 1), KEPT_SECONDS)
        return parts


@dataclass
class _Turn:
    """`bytes` and `items`: what was read of late, by which the size of the next rows is guessed. `heads_only`: whether the
    last turn spent all on heads, as of large items: then this one goes on first, or no pass would ever end."""

    source: Source
    parts: dict[str, Part]
    units: float
    bytes: float
    items: float
    heads_only: bool

    def take(self) -> None:
        if self.units <= 0:  # the last ones spent these
            return
        self.bytes, self.items, now = self.bytes / 2, self.items / 2, time.time()
        # The heads, that which was read longest ago first, and of those under way for no more than half of it; then on.
        heads = sorted(self.parts, key=lambda name: self.parts[name].read_at)
        if self.heads_only:
            self._go_on(heads)
        rest = self.units / 2 if any(part.start for part in self.parts.values()) else 0.0
        for number, name in enumerate(heads):
            if self.units <= rest:
                break
            part, share = self.parts[name], (self.units - rest) / (len(heads) - number)
            if part.start is not None and self.source.index and part.rows:
                self._read_head(name, part, share)
            elif part.start is None:
                part.number, part.began = part.number + 1, now
                self._read_below(name, part, share)
            part.read_at = now
        self.heads_only = (
            not self.heads_only and self.units <= 0 and any(part.start for part in self.parts.values())
        )
        self._go_on(heads)
        for part in self.parts.values():
            _trim(part)

    def _go_on(self, names: Sequence[str]) -> None:
        """Gaps first; then below where the last turn stopped, by turns."""
        while self.units > 0 and (
            under_way := [name for name in names if self.parts[name].start is not None]
        ):
            under_way = [name for name in under_way if self.parts[name].gap] or under_way
            for number, name in enumerate(under_way):
                if self.units > 0:
                    self._read_below(name, self.parts[name], self.units / (len(under_way) - number))

    def _read_head(self, name: str, part: Part, share: float) -> None:
        """What is newer than the newest row, and those that are read again."""
        again = self.source.again(name)
        stamps = sorted((row.stamp for row in part.rows.values()), reverse=True)[:again]
        answer = self._read(name, share, since=stamps[-1], least=again + 1)
        last = self._put(name, part, answer["Items"])
        if (start := answer.get("LastEvaluatedKey")) and last > stamps[0]:
            # There is more that is new. A gap that is still open begins higher up; what is below it stays as it is.
            lower, resume = (part.gap[1], part.resume) if part.gap else (stamps[0], part.start)
            part.gap, part.start, part.resume = (last, lower), start, resume

    def _read_below(self, name: str, part: Part, share: float) -> None:
        upper, lower = part.gap or ("", "")
        # Of a gap those count that are above it: below it there may be rows of this pass as well.
        counted = sum(
            row.stamp >= upper if part.gap else row.number == part.number for row in part.rows.values()
        )
        room = partitions.COUNT_CAP - counted
        answer = self._read(name, share, start=part.start, since=lower, most=max(room, 1))
        part.start = answer.get("LastEvaluatedKey")
        last = self._put(name, part, answer["Items"])
        if part.gap and part.start is None:
            part.gap, part.start, part.resume = None, part.resume, None
        elif part.start is None or len(answer["Items"]) >= room:
            kept = part.rows.items()
            part.rows = {
                digest: row
                for digest, row in kept
                if (row.stamp >= last if part.gap else row.number == part.number)
            }
            part.ended, part.more = part.began, part.start is not None
            part.gap = part.start = part.resume = None
        elif part.gap:
            part.gap = (last or upper, lower)

    def _read(
        self,
        name: str,
        share: float,
        *,
        start: Raw | None = None,
        since: str = "",
        least: int = 1,
        most: int = 0,
    ) -> dict[str, Any]:
        index, key = self.source.index, []
        size = self.bytes / self.items if self.items else GUESSED_BYTES
        # Half a unit is the least that is billed.
        limit = max(least, int(max(share, 0.5) * UNIT_BYTES / size))
        arguments: dict[str, Any] = {"Limit": min(limit, most or partitions.COUNT_CAP)}
        if index:
            span = Span(since or self.source.span.start, self.source.span.end)
            key = [Clause(index.hash_key, "=", (name,)), *span.clauses(index.range_key)]
            arguments["ScanIndexForward"] = False
        projection = (
            (*self.source.projection, *self.source.table.key_attributes) if self.source.projection else ()
        )
        answer = read(
            self.source.table,
            index.name if index else "",
            key=key,
            projection=projection,
            start=start,
            **arguments,
        )
        spent = float((answer.get("ConsumedCapacity") or {}).get("CapacityUnits") or 0)
        self.units -= spent
        if answer["Items"]:
            self.bytes += max(spent - 0.25, 0.1) * UNIT_BYTES  # it is rounded up to halves
            self.items += len(answer["Items"])
        return answer

    def _put(self, name: str, part: Part, items: Sequence[Raw]) -> str:
        """Keep them; the stamp of the last one, "" of none."""
        index, stamp = self.source.index, ""
        for item in items:
            if self.source.table.key not in item:
                raise key_mismatch(self.source.table)
            digest = self.source.table.key_in(item).digest
            for other in self.parts.values():  # an item that moved is in one partition
                other.rows.pop(digest, None)
            fact, listed = self.source.judge(item)
            stamp = str(item[index.range_key]["S"]) if index else ""
            part.rows[digest] = Row(part.number, stamp, fact, self.source.keep(item) if listed else None)
        return stamp


def _trim(part: Part) -> None:
    """The newest first, and no more of them than are counted and listed."""
    rows = sorted(part.rows.items(), key=lambda pair: pair[1].stamp, reverse=True)
    part.more = part.more or len(rows) > partitions.COUNT_CAP
    part.rows, listed = {}, 0
    for digest, row in rows[: partitions.COUNT_CAP]:
        listed += row.item is not None
        part.rows[digest] = row if listed <= MAX_ITEMS else row._replace(item=None)
