"""What is read alike of the tables whose items come to an end: their statuses, and the figures of the overview."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from opsportal.dynamo import samples
from opsportal.dynamo.attributes import Raw, read_text, read_time
from opsportal.dynamo.lists import List
from opsportal.dynamo.pages import Page, Sampling
from opsportal.dynamo.partitions import Dated, Partitions, Recent, partitions, recent_of
from opsportal.dynamo.sampling import Sampled, as_row
from opsportal.dynamo.spans import Span
from opsportal.dynamo.timestamp_form import lateness
from opsportal.dynamo.turns import Part, Source

# Read units that a turn over the statuses of a table may cost. With one turn in ten seconds for each of two tables the
# overview stays below 20 units, however many items there are.
TURN_UNITS = 5.0
# And where an open status has more new items than are read, for the older ones, which may be stuck.
OLDER_UNITS = 1.0
# What was created longer ago is past an operator's care.
CARE = timedelta(days=30)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Figures:
    """What one turn knows: by status, what was created of late; and the items of the index that the overview lists.

    `oldest`: when the row was read that was read longest ago; `whole`: whether each status was read once, to its end or
    to as many as are counted; `behind`: whether there was more that is new than a turn reads."""

    spec: Sampled
    listed: Sequence[str]
    parts: dict[str, Part]
    sample: samples.Sample
    indexed: list[Raw]

    @property
    def whole(self) -> bool:
        return all(part.ended for part in self.parts.values())

    @property
    def behind(self) -> bool:
        return any(part.gap for part in self.parts.values())

    @property
    def oldest(self) -> datetime:
        return datetime.fromtimestamp(min((part.oldest for part in self.parts.values()), default=0), UTC)

    @property
    def sampling(self) -> Sampling:
        return self.sample.sampling(self.spec.found().index)

    @property
    def notes(self) -> list[str]:
        """What must be said of the sample behind the figures, in sentences."""
        found = self.spec.found()
        return [*([found.why] if found.why else []), *self.sample.notes(found.index)]

    def recent(self, since: datetime) -> list[tuple[str, Recent]]:
        """By status, capped: by the index and, outside it, by the sample."""
        index = self.spec.found().index
        others = self.sample.recent(since) if index is None else samples.outside(self.sample, index, since)
        missing = Recent(more=index is None and not (self.sample.kept and self.sample.kept.last))
        span, late = Span.between(since), lateness(self.sample.forms) if self.sample.mixed else timedelta(0)
        found = []
        for status in dict.fromkeys((*self.parts, *self.listed, *others)):
            one = others.get(status, missing)
            if part := self.parts.get(status):
                rows = [_dated(row.stamp, *row.fact) for row in part.rows.values()]
                one += recent_of(rows, more=not part.ended or part.more, span=span, lateness=late)
                # The charts stay as they are while what is missing in between is read.
                one = replace(one, more=True, since=one.since or since) if part.gap else one
            found.append((status, one))
        return found

    def items(self, wanted: Callable[[str], bool]) -> list[Raw]:
        """Of such statuses those that are worth a list, as rows, the newest first."""
        outside = (row.item for row in self.sample.outside(self.spec.found().index))
        found = [
            item
            for item in (*self.indexed, *outside)
            if wanted(str(read_text(item.get(self.spec.status)) or ""))
        ]
        return sorted(found, key=lambda item: self.spec.moment(item) or NEVER, reverse=True)


def _dated(stamp: str, at: int | None, took: float | None) -> Dated:
    """`at`: microseconds since the epoch. Seconds as a float would round the last moment of 9999 into no year."""
    moment = None if at is None else EPOCH + timedelta(microseconds=at)
    return stamp, moment, None if took is None else Decimal(str(took))


# Of an overview: the newest failures, and of what is stuck the newest.
MAX_FAILURES, MAX_STUCK = 5, 20


@dataclass(frozen=True)
class StatusReads:
    """`listed`: the documented and the configured statuses; `is_failure`: of a status; `is_stuck`: of an item at a time;
    `stuck_before`: when what is stuck at a time was created at the latest. `projection`: what all of these read of an
    item, () for everything. Each read raises `DynamoError`."""

    spec: Sampled
    listed: Callable[[], Sequence[str]]
    is_failure: Callable[[str], bool]
    is_stuck: Callable[[Raw, datetime], bool]
    stuck_before: Callable[[datetime], datetime]
    projection: tuple[str, ...] = ()

    def statuses(self) -> Partitions:
        """The listed and the seen statuses; without the index those that the minute's sample has."""
        at = self.spec.found()
        if at.index is None:
            seen = tuple(dict.fromkeys((*self.listed(), *samples.for_table(self.spec).statuses)))
            return Partitions(seen, complete=False, reason=at.why)
        return partitions(self.spec.table, at.index, self.listed())

    def all_statuses(self) -> Partitions:
        """Also those that only items outside the index have."""
        found, outside = self.statuses(), samples.for_table(self.spec).statuses
        return replace(
            found,
            values=tuple(dict.fromkeys((*found.values, *outside))),
            seen=tuple(dict.fromkeys((*found.seen, *outside))),
        )

    def sampled(self) -> list[Raw]:
        """The items of the minute's sample: those in no index; without an index all that it holds."""
        return [row.item for row in samples.for_table(self.spec).rows]

    def outside_index(self, *, purpose: str, cursor: str = "") -> Page:
        """Items that the index can't hold, because one of its keys is no text, as far as they are known."""
        return List(self.spec, self.spec.found(), ()).outside(purpose=purpose, cursor=cursor)

    def figures(self) -> Figures:
        """After one turn more over the statuses. Not by two callers at once, see `shared`."""
        sample, index = samples.for_table(self.spec), self.spec.found().index
        if index is None:
            if sample.failed and not sample.at:
                raise sample.failed
            return Figures(self.spec, self.listed(), {}, sample, [])
        source = Source(self.spec.table, index, self._judge, self._kept, self._again, self.projection)
        found = self.statuses()
        # What the index does not hold is not asked for, but for a first failure.
        names = [
            one for one in found.values if not found.complete or one in found.seen or self.is_failure(one)
        ]
        parts = source.read_on(names, TURN_UNITS)
        now = datetime.now(UTC)
        before = Span.between(now - CARE, self.stuck_before(now))
        beyond = [
            name for name, part in parts.items() if self.spec.is_open(name) and part.ends_after(before.end)
        ]
        older = replace(source, span=before, kind=":older").read_on(beyond, OLDER_UNITS) if beyond else {}
        items = [item for part in (*parts.values(), *older.values()) for item in part.items]
        return Figures(self.spec, self.listed(), parts, sample, items)

    def _judge(self, item: Raw) -> tuple[Any, bool]:
        at, took = read_time(item.get(self.spec.created)), self.spec.lasted(item)
        since = (at - EPOCH) // timedelta(microseconds=1) if isinstance(at, datetime) else None
        fact = (since, None if took is None else float(took))
        return fact, self._is_worth(item)

    def _again(self, status: str) -> int:
        """How many of the newest of a status each turn reads again, to list them."""
        return MAX_FAILURES if self.is_failure(status) else 1

    def _status(self, item: Raw) -> str:
        return str(read_text(item.get(self.spec.status)) or "")

    def _is_worth(self, item: Raw) -> bool:
        """Whether the overview may list it."""
        return self.is_failure(self._status(item)) or self._is_stuck_of_late(item, datetime.now(UTC))

    def _is_stuck_of_late(self, item: Raw, now: datetime) -> bool:
        created = read_time(item.get(self.spec.created))
        if isinstance(created, datetime) and created < now - CARE:
            return False
        return self.spec.is_open(self._status(item)) and self.is_stuck(item, now)

    def newest_failures(self, figures: Figures) -> list[Raw]:
        """The newest items whose status says failed, whatever its spelling."""
        return figures.items(self.is_failure)[:MAX_FAILURES]

    def stuck(self, figures: Figures, now: datetime | None = None) -> list[Raw]:
        """The newest of those that should move and have not, at most `MAX_STUCK`."""
        now = now or datetime.now(UTC)
        found = figures.items(self.spec.is_open)
        return [item for item in found if self._is_stuck_of_late(item, now)][:MAX_STUCK]

    def _kept(self, item: Raw) -> Raw:
        return as_row(self.spec, item)


def spelled(status: str, among: Sequence[str]) -> list[str]:
    """The spellings of `status` among the partitions: `PENDING` is pending to a person."""
    return [value for value in among if value.lower() == status.lower()] or [status]
