"""The requests that workers took and those that wait, as far as the newest and the oldest go: who is ahead of one that
waits, when workers took the last, and how many they took that came after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsportal.dynamo.attributes import Typed, read_text, read_time
from opsportal.dynamo.dialects import MAX_BYTES, NEWEST, newest_by_index, newest_of_page
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.partitions import Count
from opsportal.dynamo.reads import read
from opsportal.dynamo.shared import Shared, shared
from opsportal.dynamo.tables import Index
from requests_app import queries
from requests_app.models import PRIORITIES, IntelligenceRequest
from requests_app.statuses import is_open, lower

# Seconds that a reading of the queue is known, by the whole deployment; and how many of the oldest that wait it has.
FRESH, OLDEST = 60, 50
_TAKEN = frozenset({"processing", "executing", "completed", "failed"})


@dataclass(frozen=True)
class Member:
    """A request of the queue. `rank`: of its priority, 0 for the highest; `waits`: since when it has been as it is, if it
    waits; `began`: when a worker took it, None where it does not say."""

    key: str
    created: datetime
    strategy: str
    rank: int
    waits: datetime
    began: datetime | None = None

    @property
    def order(self) -> tuple[int, datetime]:
        """Workers take the highest priority first, then the oldest."""
        return self.rank, self.created


@dataclass(frozen=True)
class Queue:
    """`taken`: the newest that a worker took; `since`: from then on all are known that were created, None for all of the
    table. `busy`: further ones that are worked on. `waiting`: the oldest that wait, None where that is not known;
    `more`: others wait too."""

    taken: tuple[Member, ...] = ()
    since: datetime | None = None
    busy: tuple[Member, ...] = ()
    waiting: tuple[Member, ...] | None = None
    more: bool = False

    def overtakers(self, request: IntelligenceRequest) -> Count:
        """Of the same strategy and of no higher priority, created after this one, and taken."""
        me = _member(request.raw)
        if me is None or not is_pending(request):
            return Count(0)
        number = sum(
            one.created > me.created and one.strategy == me.strategy and one.rank >= me.rank
            for one in self.taken
        )
        return Count(number, more=bool(number and self.since and me.created < self.since))

    def ahead(self, request: IntelligenceRequest) -> Count | None:
        """Those of the same strategy that a worker takes before this one; None where that is not known."""
        me = _member(request.raw)
        if me is None or self.waiting is None:
            return None
        number = sum(
            one.key != me.key and one.strategy == me.strategy and one.order < me.order for one in self.waiting
        )
        return Count(number, more=self.more) if number or not self.more else None

    def idle_since(self, request: IntelligenceRequest) -> datetime | None:
        """Since when no worker took one of the same strategy though one waited, as far as these go; None where none is
        known to be taken."""
        me = _member(request.raw)
        if me is None:
            return None
        members = (*self.taken, *self.busy)
        began = [one.began for one in members if one.began and one.strategy == me.strategy]
        waits = min(one.waits for one in (me, *(self.waiting or ())) if one.strategy == me.strategy)
        return max(*began, waits) if began else None


def is_pending(request: IntelligenceRequest) -> bool:
    return lower(request.status) == "pending"


def known() -> Shared[Queue] | None:
    """As it was within the last minute; None where it can't be read: the page has enough to show."""
    try:
        return shared(f"queue:{queries.table().fingerprint}", lambda _: _read(), fresh=FRESH)
    except DynamoError:
        return None


def _read() -> Queue:
    """By the index, else of one page of a Scan; of at most 1 MB, and one page of the index. Raises `DynamoError`."""
    table, index = queries.table(), queries.found().index
    if index is None:
        found, busy, waiting, more = newest_of_page(table, ("created_at",), _was_taken), [], None, False
    else:
        statuses = queries.statuses().values
        waits = [one for one in statuses if lower(one) == "pending"]
        others = [one for one in statuses if one not in waits]
        found = newest_by_index(table, index, others, _was_taken, MAX_BYTES // 2)
        open_ones = [one for one in others if is_open(one)]
        busy = newest_by_index(table, index, open_ones, _was_taken, MAX_BYTES // 2)
        waiting, more = _oldest(index, waits)
    taken = _members(found)
    return Queue(
        taken,
        min((one.created for one in taken), default=None) if len(found) == NEWEST else None,
        _members(busy),
        None if waiting is None else _members(waiting),
        more,
    )


def _oldest(index: Index, statuses: Sequence[str]) -> tuple[list[Raw], bool]:
    """The oldest that wait, and whether there are others. One call for each spelling of the status."""
    found, more = list[Raw](), False
    names = (*queries.table().key_attributes, "created_at", "updated_at", "priority", "processing_strategy")
    for status in statuses:
        answer = read(
            queries.table(),
            index.name,
            key=(Clause(index.hash_key, "=", (status,)),),
            projection=tuple(dict.fromkeys(names)),
            Limit=OLDEST,
        )
        found += answer["Items"]
        more = more or "LastEvaluatedKey" in answer
    return found, more


def _members(items: Sequence[Raw]) -> tuple[Member, ...]:
    return tuple(filter(None, map(_member, items)))


def _member(raw: dict[str, Typed]) -> Member | None:
    """None where it is not known since when it waits."""
    created, began = read_time(raw.get("created_at")), read_time(raw.get("started_at"))
    updated = read_time(raw.get("updated_at"))
    if not isinstance(created, datetime):
        return None
    priority = str(read_text(raw.get("priority")) or "").strip().lower()
    return Member(
        queries.table().key_in(raw).digest,
        created,
        str(read_text(raw.get("processing_strategy")) or ""),
        PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES),
        max(created, updated) if isinstance(updated, datetime) else created,
        began if isinstance(began, datetime) else None,
    )


def _was_taken(raw: Raw) -> bool:
    return lower(read_text(raw.get("status"))) in _TAKEN or isinstance(
        read_time(raw.get("started_at")), datetime
    )
