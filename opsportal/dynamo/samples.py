"""The minute's sample of a table as pages use it: the items in no index, the share of the table that it has read, and
the forms in which times are written. `opsportal.dynamo.sampling` takes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from opsportal.dynamo.attributes import read_text
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Sampling
from opsportal.dynamo.partitions import COUNT_CAP, Recent
from opsportal.dynamo.sampling import (
    FRESH_SECONDS,
    Kept,
    Moment,
    Pass,
    Row,
    Sampled,
    is_outside,
    taken,
    unpacked,
)
from opsportal.dynamo.shared import shared
from opsportal.dynamo.tables import Index
from opsportal.dynamo.timestamp_form import UNORDERED, is_mixed, off_by


@dataclass(frozen=True)
class Sample:
    """Rows and moments, the newest first; none of either where the first Scan failed. `at`: when the last Scan was,
    and what that cost; `failed`: why it could not be repeated."""

    spec: Sampled
    rows: tuple[Row, ...] = ()
    moments: tuple[Moment, ...] = ()
    kept: Kept | None = None
    at: datetime | None = None
    calls: int = 0
    units: Decimal = Decimal(0)
    failed: DynamoError | None = None

    def outside(self, index: Index | None) -> list[Row]:
        """The rows that the index can't hold; without an index all of them."""
        return [row for row in self.rows if index is None or is_outside(row.item, index)]

    @property
    def whole(self) -> bool:
        """Whether the rows are every item of a table that has no index."""
        return bool(
            self.kept
            and not self.kept.index
            and self.kept.last
            and not (self.kept.last.dropped or self.kept.now.dropped)
        )

    @property
    def certain(self) -> bool:
        """Whether every item that is in no index is among the rows, as far as a minute's sample can say."""
        kept = self.kept
        return bool(kept and kept.last and not (kept.last.dropped or kept.now.dropped or self.failed))

    @property
    def best(self) -> Pass | None:
        """The pass that has seen most: the last whole one, else the one under way."""
        return (self.kept.last or self.kept.now) if self.kept else None

    @property
    def covered(self) -> float | None:
        """The share of the table that was seen, 0 to 1; None where its size is not known."""
        if self.kept is None or self.kept.last:
            return 1.0 if self.kept else 0.0
        if not self.kept.size:
            return None
        return min(self.kept.now.items / max(self.kept.size, self.kept.now.items + 1), 0.99)

    @property
    def forms(self) -> tuple[str, ...]:
        """How the times are written by which the index is ordered, as far as was seen."""
        passes = [one for one in (self.kept.last, self.kept.now) if one] if self.kept else []
        return tuple(sorted({form for one in passes for form in one.forms if form != "other"}))

    @property
    def mixed(self) -> bool:
        """Whether the index's order by text is not that of time: its ranges are then read wider."""
        return is_mixed(self.forms)

    @property
    def statuses(self) -> list[str]:
        """Those of the items that it knows, as they are written, each once."""
        of_rows = (read_text(row.item.get(self.spec.status)) for row in self.rows)
        texts = [*(text for text in of_rows if isinstance(text, str)), *(one.status for one in self.moments)]
        return sorted({text for text in texts if text})

    def recent(self, since: datetime) -> dict[str, Recent]:
        """By status: what was created since then, of a table without an index. What has no readable time is in
        every window."""
        seen: dict[str, list[Moment]] = {}
        for one in self.moments:
            seen.setdefault(one.status, []).append(one)
        return {status: self._recent(of_status, since) for status, of_status in seen.items()}

    def _recent(self, seen: list[Moment], since: datetime) -> Recent:
        found = [one for one in seen if one.at is None or one.at >= since.timestamp()]
        covered = bool(self.kept and self.kept.last)
        full = len(found) == len(seen) >= COUNT_CAP
        times = [one.at for one in found if one.at is not None]
        return Recent(
            tuple((datetime.fromtimestamp(one.at, UTC), one.seconds) for one in found if one.at is not None),
            len(found) - len(times),
            more=full or not covered,
            since=datetime.fromtimestamp(min(times), UTC) if covered and full and times else None,
        )

    def sampling(self, index: Index | None) -> Sampling:
        """Used where there is no index, or there are items that it can't hold."""
        used = self.at is not None and (index is None or bool(self.outside(index)))
        return Sampling(self.at, self.units, used, self.failed.statement if self.failed else "")

    def notes(self, index: Index | None) -> list[str]:
        """What a page that merges the rows must say, in sentences."""
        return [*self._trouble(), *self._share(index), *self._dropped(index), *self._forms()]

    def _trouble(self) -> Iterator[str]:
        if self.failed is None:
            return
        why = f"{self.failed.sentence} {self.failed.fix}".strip()
        if self.at is None:
            yield f"Items that are in no index are missing here, since the table could not be scanned: {why}"
        else:
            yield f"The minute's sample could not be renewed and is of {self.at:%H:%M:%S} UTC: {why}"

    def _share(self, index: Index | None) -> Iterator[str]:
        if self.kept is None or self.kept.last:
            return
        best, covered = self.kept.now, self.covered
        seen = f"{best.items:,} items" if covered is None else f"{covered:.0%} of the table"
        said = f"The minute's sample has read {seen} since {best.began:%H:%M:%S} UTC"
        if index is None:
            yield f"{said}, and goes on with 1 MB a minute."
        elif best.outside == 0:
            # Of so many, were it 1 %, some would have been seen: no need to say it for as long as a large table takes.
            if best.items < ENOUGH:
                yield f"{said}, and found none that is in no index; one that it has not read yet is missing here."
        else:
            share = best.outside / best.items
            size = f" (about {share * self.kept.size:,.0f})" if self.kept.size else ""
            names = f"{index.hash_key} or {index.range_key}"
            yield (
                f"About {_percent(share)} of the items{size} have no {names} and are in no index. {said}; "
                "those that it has not read yet are missing here."
            )

    def _dropped(self, index: Index | None) -> Iterator[str]:
        if index and self.best and self.best.dropped:
            yield (
                f"More items are in no index than the minute's sample keeps: of {self.best.outside:,} the newest "
                f"{len(self.rows):,} are here."
            )

    def _forms(self) -> Iterator[str]:
        if not self.mixed:
            return
        forms, off = self.forms, off_by(self.forms)
        many = f"{len(forms)} forms" if len(forms) > 1 else "one form"
        said = (
            f"{self.spec.created} has {many} ({'; '.join(forms)}), which an index orders by text: time ranges are "
            "read 14 hours wider at both ends and filtered by the time itself, and each page is sorted by it."
        )
        if off:
            said += f" From page to page the order may be off by {off}."
        if unordered := [form for form in forms if form in UNORDERED]:
            said += f" Times as {' or '.join(unordered)} are in no range: search all time for them."
        yield said


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1 %"


# Items of which none is in no index before that is taken to be so.
ENOUGH = 300

# The unpacked rows, by table, so that each page need not unpack them.
_read: dict[str, tuple[datetime, tuple[Row, ...], tuple[Moment, ...]]] = {}


def for_table(spec: Sampled) -> Sample:
    """The table's sample, at most a minute old where it can be read. Does not raise: see `Sample.failed`."""
    name = f"sample:{spec.table.fingerprint}"
    try:
        found = shared(name, lambda before: taken(spec, before), fresh=FRESH_SECONDS)
    except DynamoError as problem:
        return Sample(spec, failed=problem)
    known = _read.get(name)
    if known is None or known[0] != found.at:
        rows, moments = unpacked(found.value)
        newest = sorted(rows.values(), key=lambda row: row.stamp, reverse=True)
        known = _read[name] = (found.at, tuple(newest), tuple(moments.values()))
    return Sample(spec, known[1], known[2], found.value, found.at, found.calls, found.units, found.failed)


def outside(sample: Sample, index: Index, since: datetime) -> dict[str, Recent]:
    """By status: what was created since then of the items that the index can't hold."""
    found: dict[str, Recent] = {}
    for row in sample.outside(index):
        status = str(read_text(row.item.get(sample.spec.status)) or "")
        if row.undated:
            one = Recent(undated=1)
        elif row.at >= since:
            one = Recent(((row.at, sample.spec.lasted(row.item)),))
        else:
            continue
        found[status] = found.get(status, Recent()) + one
    return found
