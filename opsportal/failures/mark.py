"""How far the walk over the failures of a table is: the item ``cases#<logical>`` / ``mark``, under a lease."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.leases import Lease
from opsportal.dynamo.tables import Binding
from opsportal.dynamo.turns import UNIT_BYTES
from opsportal.failures.case import time_in
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import stamp
from opsportal.operations.tables import jobs_table_for

# What has not been counted for so long is said to be behind.
BEHIND = timedelta(minutes=5)
# Bytes of an item, before one was read: rather too many than too few.
GUESSED_BYTES = 8_000


@dataclass(frozen=True)
class Progress:
    """For a page. `mark`: when the last turn was, None before the first; `complete_to`: all failures up to then are counted;
    `behind`: that is long ago; `problem`: what the last turn met, in a sentence, "" for nothing."""

    mark: datetime | None = None
    complete_to: datetime | None = None
    behind: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Mark:
    """`began`: failures after it are counted. `since`, `until`: those that the pass under way counts, of (since, until];
    without a pass (`under_way` False) both are the end of the last one. `statuses`: the partitions that it walks, in this
    order, of which it is at number `at`, after the item with the key `start`; of those in `fresh`, which no pass walked
    before, it counts what is a little older too. `size`: bytes of an item, lately. `turn_at`: of the last turn;
    `sampled_at`: of the sample that was counted last. `note`: what must be said of
    the pass, and `problem`: what the last turn met, in sentences."""

    began: datetime
    since: datetime
    until: datetime
    under_way: bool = False
    statuses: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    at: int = 0
    start: Raw | None = None
    size: float = GUESSED_BYTES
    turn_at: datetime | None = None
    sampled_at: datetime | None = None
    note: str = ""
    problem: str = ""

    @classmethod
    def new(cls, began: datetime) -> Self:
        return cls(began, began, began)

    @classmethod
    def from_item(cls, raw: Mapping[str, Typed], table_name: str) -> Self | None:
        """None for one that has not begun, is another table's, or that no version of the console wrote."""
        times = [time_in(raw, name) for name in ("began", "since", "until")]
        if raw.get("table", {}).get("S") != table_name or None in times:
            return None
        began, since, until = (one for one in times if one)
        start = raw.get("start", {}).get("M")
        return cls(
            began,
            since,
            until,
            under_way=bool(raw.get("under_way", {}).get("BOOL")),
            statuses=_strings(raw, "statuses"),
            fresh=_strings(raw, "fresh"),
            at=int(raw.get("at", {}).get("N", "0")),
            start=start or None,
            size=float(raw.get("size", {}).get("N", GUESSED_BYTES)),
            turn_at=time_in(raw, "turn_at"),
            sampled_at=time_in(raw, "sampled_at"),
            note=raw.get("note", {}).get("S", ""),
            problem=raw.get("problem", {}).get("S", ""),
        )

    def attributes(self, table_name: str) -> Raw:
        """As it is stored."""
        return {
            "table": text(table_name),
            "began": text(stamp(self.began)),
            "since": text(stamp(self.since)),
            "until": text(stamp(self.until)),
            "under_way": {"BOOL": self.under_way},
            "statuses": {"L": list(map(text, self.statuses))},
            "fresh": {"L": list(map(text, self.fresh))},
            "at": number(self.at),
            "start": {"M": self.start or {}},
            "size": number(round(self.size)),
            "note": text(self.note),
            **({"sampled_at": text(stamp(self.sampled_at))} if self.sampled_at else {}),
        }

    def said(self) -> Raw:
        """What a turn says of itself, whatever became of its walk."""
        return {
            "problem": text(self.problem),
            **({"turn_at": text(stamp(self.turn_at))} if self.turn_at else {}),
        }

    @property
    def complete_to(self) -> datetime:
        return self.since if self.under_way else self.until

    def ended(self) -> "Mark":
        """After the pass."""
        return replace(self, under_way=False, since=self.until, at=0, start=None, fresh=())

    def progress(self, now: datetime) -> Progress:
        return Progress(
            self.turn_at, self.complete_to, now - self.complete_to > BEHIND, self.problem or self.note
        )


def fitting(units: float, size: float) -> int:
    """How many items of that size these units read, which are billed by halves; one at least."""
    return max(int(int(units * 2) / 2 * UNIT_BYTES / size), 1)


def size_after(size: float, units: float, items: int) -> float:
    """Bytes of an item, of late, after so many were read for these units. Since those are billed by halves, they say of few
    items only between what these bytes lie; it is rather too many, so that a turn keeps to its units."""
    if not items:
        return size
    least, most = ((max(one, 0.1) * UNIT_BYTES / items) for one in (units - 0.5, units))
    if size > most:
        return (size + most) / 2
    return size if size > least else most


def mark_key(logical: str) -> Raw:
    return {"pk": text(f"cases#{logical}"), "sk": text("mark")}


def lease_of(table: Binding) -> Lease:
    """Of the walk over that table's failures."""
    return Lease(jobs_table_for(table), mark_key(table.logical))


def _strings(raw: Mapping[str, Typed], name: str) -> tuple[str, ...]:
    return tuple(one["S"] for one in raw.get(name, {}).get("L", []))
