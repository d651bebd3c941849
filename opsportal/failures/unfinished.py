"""What was unfinished a moment ago and has ended since: so a failure has its case soon, however many items have failed.

The status index is in the order of creation. Among thousands of failed items a pass finds one that was created hours ago
hours later. But it was unfinished just before, and unfinished items are few. So their partitions are read in rounds, each
partition at its own pace and some units a turn, and the keys are remembered. What was seen in a range of creation times
and is not there any more has left it: it is read by its key.

What is known is in the shared cache: whichever worker has the next turn goes on from there. Nothing is counted here, and
what is missed, as with a cache that was emptied, has its case with the count.
"""

import math
import pickle
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from django.core.cache import caches
from django.db import DatabaseError

from opsportal.console.tones import RUNNING, WAITING, tone_of
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import AccessDenied, Throttled
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import items_of, read
from opsportal.dynamo.spans import Span
from opsportal.dynamo.spending import account
from opsportal.dynamo.structure import key_mismatch
from opsportal.dynamo.tables import Index
from opsportal.failures.failure import Source
from opsportal.failures.mark import fitting, size_after

# Read units of a turn, and of these what the rounds may cost: some 110 items of 2 KB in 50 s.
UNITS, ROUND_UNITS = 7.0, 6.0
# Seconds that a round takes, where its units suffice: what leaves is missed in the next round, a turn later at most.
ROUND_SECONDS = 40.0
# Units that a Query costs at least, and bytes that as much reads by a key.
LEAST_UNITS, KEY_BYTES = 0.5, 4_096
# Items of a status that are followed, the newest; and of those that left, which wait to be read.
MAX_KEYS = 500
# Seconds that it is kept without a turn, and the number of its form: two versions of the console may share a cache.
KEPT_SECONDS, FORMAT = 600, 1


@dataclass
class Part:
    """The unfinished items of one status. `known`: by the text of a key, when the item was created, as the index has it,
    and the number of the round that saw it. The round under way (`number`) goes on after `start`, an item that was created
    at `upper`, and has read so many `items` for so many `units`. `need`: units of the last whole round, 0 for none;
    `read_at`: when it was read last, in epoch seconds."""

    known: dict[str, tuple[str, int]] = field(default_factory=dict)
    number: int = 1
    start: Raw | None = None
    upper: str = ""
    items: int = 0
    units: float = 0.0
    need: float = 0.0
    read_at: float = 0.0

    def wanted(self, now: float) -> float:
        """Units now, in halves, for a round in time; infinite where it is not known what a round needs."""
        if self.units >= self.need:
            return math.inf
        units = self.need * (now - self.read_at) / ROUND_SECONDS
        return math.ceil(units * 2) / 2 if units >= LEAST_UNITS else 0.0

    def missed(self, upper: str, since: str) -> dict[str, str]:
        """What this round should have seen between `upper` ("" at the head) and where it is now, and has not, with when it was
        created. What was created before `since` is not followed any more. They are forgotten."""
        lower = max(self.upper, since)
        found = {
            key: stamp
            for key, (stamp, number) in self.known.items()
            if number != self.number and lower < stamp and (not upper or stamp <= upper)
        }
        self.known = {key: one for key, one in self.known.items() if key not in found}
        return found

    def end(self) -> None:
        """The round. What it did not come to is followed no more."""
        self.known = {key: one for key, one in self.known.items() if one[1] == self.number}
        self.number, self.start, self.upper = self.number + 1, None, ""
        self.need, self.units, self.items = self.units, 0.0, 0


@dataclass
class Unfinished:
    """One turn. `now`: epoch seconds; `left`: those that are to be read by their keys, with when they were created; `size`:
    bytes of an item. `spent`: units of this turn."""

    source: Source
    index: Index
    now: float
    size: float
    parts: dict[str, Part] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    spent: float = 0.0

    @classmethod
    def at(cls, source: Source, index: Index, now: float, size: float) -> Self:
        """As the last turn left it. `size`: a guess for the first one."""
        turn = cls(source, index, now, size)
        with suppress(DatabaseError):
            if packed := caches["default"].get(turn._name):
                parts, turn.left, turn.size = pickle.loads(zlib.decompress(packed))  # noqa: S301 (our own)
                turn.parts = {status: Part(**values) for status, values in parts.items()}
        return turn

    @property
    def _name(self) -> str:
        return f"unfinished:{FORMAT}:{self.source.table.fingerprint}:{self.index.name}"

    def take(self, span: Span, look: Callable[[Sequence[Raw]], None]) -> None:
        """Read on, of what was created in the span, and have those `look`ed at that ended. Raises `DynamoError`."""
        try:
            self._follow(self._statuses())
            self._read_on(span)
            self._read_left(look)
        finally:  # also what was read before a call failed
            oldest = sorted(self.left.items(), key=lambda pair: pair[1])[:MAX_KEYS]
            parts = {status: vars(part) for status, part in self.parts.items()}
            packed = zlib.compress(pickle.dumps((parts, dict(oldest), self.size)), 1)
            caches["default"].set(self._name, packed, KEPT_SECONDS)

    def _statuses(self) -> Iterator[str]:
        """The unfinished ones, in any spelling; documented ones without any item too, since it is a minute until those that are
        there are looked for again. One that nobody knows may be an end with a million items."""
        return filter(self._is_unfinished, self.source.statuses().values)

    def _is_unfinished(self, status: str) -> bool:
        return self.source.sampled.is_open(status) or tone_of(status) in (RUNNING, WAITING)

    def _follow(self, statuses: Iterator[str]) -> None:
        parts = {status: self.parts.pop(status, Part()) for status in statuses}
        for part in self.parts.values():  # of a status that no item has any more
            self.left |= {key: stamp for key, (stamp, _) in part.known.items()}
        self.parts = parts

    def _read_on(self, span: Span) -> None:
        """Those that need least first, so that one with many items does not slow down the others."""
        left = ROUND_UNITS
        parts = sorted(self.parts.items(), key=lambda pair: (pair[1].wanted(self.now), pair[1].read_at))
        for number, (status, part) in enumerate(parts):
            units = min(part.wanted(self.now), left / (len(parts) - number))
            if units >= LEAST_UNITS:
                left -= self._read(status, part, units, span)

    def _read(self, status: str, part: Part, units: float, span: Span) -> float:
        """Returns what it cost."""
        if part.start and part.upper < span.start:  # DynamoDB refuses to go on from before the span
            part.end()
        table, created = self.source.table, self.index.range_key
        answer = read(
            table,
            self.index.name,
            key=(Clause(self.index.hash_key, "=", (status,)), *span.clauses(created)),
            projection=(*table.key_attributes, created),
            start=part.start,
            background=True,
            ScanIndexForward=False,
            Limit=min(fitting(units, self.size), MAX_KEYS - part.items),
        )
        spent = float((answer.get("ConsumedCapacity") or {}).get("CapacityUnits") or 0)
        self.spent += spent
        self.size = size_after(self.size, spent, len(answer["Items"]))
        upper, part.start = part.upper, answer.get("LastEvaluatedKey")
        for item in answer["Items"]:
            if table.key not in item:
                raise key_mismatch(table)
            self._saw(status, table.key_in(item).text, item[created]["S"])
        part.upper = answer["Items"][-1][created]["S"] if part.start and answer["Items"] else ""
        part.items, part.units, part.read_at = part.items + len(answer["Items"]), part.units + spent, self.now
        self.left |= part.missed(upper, span.start)
        if part.start is None or part.items >= MAX_KEYS:
            part.end()
        return spent

    def _saw(self, status: str, key: str, stamp: str) -> None:
        """An item is in one partition, and may have moved while a round went on."""
        self.left.pop(key, None)
        for part in self.parts.values():
            part.known.pop(key, None)
        part = self.parts.setdefault(status, Part())
        part.known[key] = (stamp, part.number)

    def _read_left(self, look: Callable[[Sequence[Raw]], None]) -> None:
        """By their keys, as many as the units that are left allow: first those that were created first, since the others are
        at the heads of the failed partitions."""
        table = self.source.table
        number = int((UNITS - self.spent) / (math.ceil(self.size / KEY_BYTES) * LEAST_UNITS))
        keys = sorted(self.left, key=lambda key: self.left[key])[: max(number, 1)]
        if not keys:
            return
        names = (*table.key_attributes, self.index.hash_key, self.index.range_key)
        projection = tuple(dict.fromkeys((*self.source.projection, *names))) if self.source.projection else ()
        wanted = map(table.key_of, keys)
        try:
            with account() as spending:
                before = spending.read_units
                found, unanswered = items_of(table, wanted, background=True, projection=projection)
                self.spent += float(spending.read_units - before)
        except (AccessDenied, Throttled):  # then they have their cases with the count
            return
        look(found)
        for key in {*keys} - {one.text for one in unanswered}:
            del self.left[key]
        for item in found:
            # What has another type is in no index.
            status, stamp = (
                item.get(name, {}).get("S") for name in (self.index.hash_key, self.index.range_key)
            )
            if status and stamp and self._is_unfinished(status):
                self._saw(status, table.key_in(item).text, stamp)
