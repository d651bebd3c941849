"""The worker's task: open the cases of what fails, and count each failure once.

The status index is in the order of creation, not of failure. So the failed partitions are walked in passes, newest first,
in turns of some units each. A pass counts what failed in (T of the pass before, its own T], where T is a little before it
began. Where it is, and what a page of it counted, are written in one transaction under the lease of the `mark`: no end
of a process, and no number of workers, loses or doubles a failure. `samples` counts what no index holds.

A turn in the middle of a pass also looks at the heads of the partitions, and at what has ended since it was seen unfinished
(`unfinished`), so that a case is there soon while a long pass goes on.
"""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.dynamo.attributes import Raw, read_text, read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.partitions import ALL_TIME, MAX_PARTITIONS
from opsportal.dynamo.reads import Answer, read
from opsportal.dynamo.samples import for_table
from opsportal.dynamo.spans import Span
from opsportal.dynamo.structure import key_mismatch
from opsportal.dynamo.tables import Binding, Index
from opsportal.failures import samples
from opsportal.failures.counting import Occurrence
from opsportal.failures.failure import Source, all_sources
from opsportal.failures.fingerprint import fingerprint
from opsportal.failures.ledger import Ledger
from opsportal.failures.mark import Mark, fitting, lease_of, size_after
from opsportal.failures.unfinished import LEAST_UNITS, Unfinished
from opsportal.operations.switch import wait_for_actions
from opsportal.operations.tasks import Over, Task

# Read units that a turn may cost, of which this for the heads and what `unfinished` says for the ended; and seconds from one
# turn to the next, of a table, whatever the number of workers.
UNITS, HEAD_UNITS, SECONDS = 10.0, 1.0, 10.0
# And of a backfill, which is one turn.
UNBOUNDED = 1e9
# Seconds of a lease: who has lost it does not write any more.
LEASE_SECONDS = 30
# Clocks and indexes may be late by so much; and a status that nobody documents is found so late.
LATE, FOUND_LATE = timedelta(seconds=15), timedelta(minutes=10)
# A failure that lies ahead by more has no time that can be meant.
AHEAD = timedelta(hours=1)
# Items of one read, and cases of one transaction, each of which has two of its hundred operations.
MAX_ITEMS, MAX_CASES = 500, 20
# Transactions that count, of a turn: what a flood of different errors may cost to write.
MAX_TRANSACTIONS = 3
FROM_SAMPLE = "Failures are counted from the minute's sample."


class Walker:
    """A worker's turns on the tables whose items fail. `now` is its clock, in epoch seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.ledgers: dict[str, Ledger] = {}

    def turn(self, table: Binding, over: Over) -> int:
        """Returns how many failures were counted. Raises `NotNow`, `DynamoError`."""
        wait_for_actions()
        return self.take(all_sources()[table.logical], over, UNITS)

    def take(self, source: Source, over: Over, units: float, began: datetime | None = None) -> int:
        """One turn of so many units. `began`: of a walk that begins with it, in place of now."""
        now = self.now()
        lease = lease_of(source.table).claim(LEASE_SECONDS, now, create=True)
        if lease is None:  # another worker is at it, or was a moment ago
            return 0
        moment = datetime.fromtimestamp(now, UTC)
        mark = Mark.from_item(lease.item, source.table.name) or Mark.new(began or moment)
        if source.table.fingerprint not in self.ledgers:
            self.ledgers[source.table.fingerprint] = Ledger(source.table)
        ledger = self.ledgers[source.table.fingerprint].under(lease, moment)
        turn = Turn(source, lease, moment, mark, ledger, units, self.now)
        try:
            turn.take(over)
        except Lost:
            pass  # written or not, the next turn goes on from what is stored
        except DynamoError as error:
            turn.problem = error.sentence
            raise
        finally:
            turn.rest(units)
        return ledger.counted


@dataclass
class Turn:
    """`now`: when it began; `units`: what is left of them."""

    source: Source
    lease: Lease
    now: datetime
    mark: Mark
    ledger: Ledger
    units: float
    clock: Callable[[], float]
    problem: str = ""
    spent: float = field(default=0.0, init=False)
    transactions: int = field(default=0, init=False)

    @property
    def table(self) -> Binding:
        return self.source.table

    def take(self, over: Over) -> None:
        """Raises Lost, `DynamoError`."""
        found = self.source.sampled.found()
        if found.index:
            if self.mark.under_way:
                self._look_at_heads(found.index)
                self._look_at_ended(found.index)
            else:
                self._begin()
            while self.mark.under_way and self._may_write() and not over():
                self._page(found.index)  # one at least, or no pass would end where the heads have large items
                if self.units < LEAST_UNITS:
                    break
        else:
            self.mark = replace(self.mark, note=f"{found.why} {FROM_SAMPLE}")
        if not over():
            self._sample(found.index)

    def _may_write(self) -> bool:
        return self.transactions < MAX_TRANSACTIONS or self.units > UNITS

    def rest(self, units: float) -> None:
        """Let the next turn begin once these units are paid for, whoever takes it. Raises nothing. Where the walk is stays as
        it is stored: it may not be known whether the last transaction was done."""
        seconds = SECONDS * max(self.spent / UNITS, 1) if units == UNITS else 1
        kept = self.mark.attributes(self.table.name)
        changes = {name: kept[name] for name in ("table", "size")} | replace(
            self.mark, turn_at=self.now, problem=self.problem
        ).said()
        with contextlib.suppress(Lost, DynamoError):
            self.lease.renew(math.ceil(seconds) - 1, changes, self.now.timestamp())

    # --- A pass -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Raises `DynamoError`."""
        until = self.now - LATE
        if until <= self.mark.until:
            self._written(self.mark)
            return
        found = self.source.statuses()
        failing = [status for status in found.values if status and self.source.is_failure(status)]
        # One that was walked once stays, so that it is known where a new one begins.
        statuses = tuple(dict.fromkeys((*self.mark.statuses, *failing)))[:MAX_PARTITIONS]
        fresh = tuple(status for status in statuses if status not in self.mark.statuses)
        self.mark = replace(
            self.mark,
            until=until,
            under_way=bool(statuses),
            statuses=statuses,
            fresh=fresh,
            at=0,
            start=None,
            note=found.reason,
        )
        if not statuses:
            self._written(self.mark.ended())

    def _page(self, index: Index) -> None:
        """Raises Lost, `DynamoError`."""
        status = self.mark.statuses[self.mark.at]
        limit = min(fitting(self.units, self.mark.size), MAX_ITEMS)
        created = self._created(self.mark.since)
        if self.mark.start:  # DynamoDB refuses to go on from outside of a window that is shorter by now
            created = replace(created, start=min(created.start, self.mark.start[index.range_key]["S"]))
        answer = self._read(index, status, limit, created, self.mark.start)
        late = FOUND_LATE if status in self.mark.fresh else timedelta(0)
        lower = max(self.mark.began, self.mark.since - late)
        found, coming = list[Occurrence](), list[Occurrence]()
        start = answer.get("LastEvaluatedKey")
        cases: set[str] = set()
        for item in answer["Items"]:
            one = occurrence_of(self.source, item, self.now)
            if one is None or one.at <= lower:
                continue
            if one.at > self.mark.until:
                coming.append(one)
            elif one.print.id in cases or len(cases) < MAX_CASES:
                cases.add(one.print.id)
                found.append(one)
                last = item
            else:  # the rest in a transaction of its own
                start = {name: last[name] for name in self.table.start_names(index)}
                break
        if start:
            after = replace(self.mark, start=start)
        elif self.mark.at + 1 < len(self.mark.statuses):
            after = replace(self.mark, at=self.mark.at + 1, start=None)
        else:
            after = self.mark.ended()
        if found:
            self.transactions += 1
            self.ledger.count(found, after.attributes(self.table.name))
        self._written(after, done=bool(found))
        self.ledger.look(coming)

    def _created(self, since: datetime) -> Span:
        """When what a pass counts was created that begins at `since`, as far as the index orders that."""
        if "digits" in for_table(self.source.sampled).forms:  # they come before all dates
            return Span()
        return Span.between(since - timedelta(hours=settings.FAILURES_WINDOW_HOURS)).wider

    def _written(self, mark: Mark, *, done: bool = False) -> None:
        """Go on from there. `done`: that was written already."""
        if not done:
            self.lease.renew(LEASE_SECONDS, mark.attributes(self.table.name), self.clock())
        self.mark = mark

    def _look_at_heads(self, index: Index) -> None:
        """The newest of the partitions, in turns where they are many. Raises `DynamoError`."""
        statuses, left = self.mark.statuses, HEAD_UNITS
        first = int(self.now.timestamp() // SECONDS) % len(statuses)
        for number, status in enumerate((*statuses[first:], *statuses[:first])):
            before, share = self.spent, left / (len(statuses) - number)
            limit = fitting(max(share, LEAST_UNITS), self.mark.size)
            self._look(self._read(index, status, limit)["Items"])
            left -= self.spent - before
            if left < LEAST_UNITS:
                break

    def _look_at_ended(self, index: Index) -> None:
        """Of what the next pass counts. Raises `DynamoError`."""
        unfinished = Unfinished.at(self.source, index, self.now.timestamp(), self.mark.size)
        try:
            unfinished.take(self._created(self.mark.until), self._look)
        finally:
            self._pay(unfinished.spent)

    def _look(self, items: Sequence[Raw]) -> None:
        """Open the cases of those that failed since the last pass."""
        seen = filter(None, (occurrence_of(self.source, item, self.now) for item in items))
        self.ledger.look(one for one in seen if one.at > self.mark.since)

    def _pay(self, units: float) -> None:
        self.spent += units
        self.units -= units

    def _read(
        self, index: Index, status: str, limit: int, created: Span = ALL_TIME, start: Raw | None = None
    ) -> Answer:
        names = (*self.table.key_attributes, index.hash_key, index.range_key)
        answer = read(
            self.table,
            index.name,
            key=(Clause(index.hash_key, "=", (status,)), *created.clauses(index.range_key)),
            projection=dict.fromkeys((*self.source.projection, *names)) if self.source.projection else (),
            start=start,
            background=True,
            ScanIndexForward=False,
            Limit=limit,
        )
        units = float((answer.get("ConsumedCapacity") or {}).get("CapacityUnits") or 0)
        self._pay(units)
        self.mark = replace(self.mark, size=size_after(self.mark.size, units, len(answer["Items"])))
        return answer

    # --- What is in no index ----------------------------------------------------------------------------------------

    def _sample(self, index: Index | None) -> None:
        """Raises Lost, `DynamoError`."""
        found = samples.due(self.source, self.mark, self.now, index)
        if found is None:
            return
        seen = samples.seen_in(self.ledger.item("sample"))
        rows = samples.failures(found, index)
        ones = [(digest, occurrence_of(self.source, item, self.now)) for digest, item in rows]
        hashes = {
            samples.hash_of(digest, one.at): one for digest, one in ones if one and one.at > self.mark.began
        }
        after = replace(self.mark, sampled_at=found.at)
        if index is None:
            # All there is of the table; of a large one what is older than its last whole reading.
            until = max(self.mark.until, samples.complete_to(found, self.mark.began))
            after = replace(after, since=until, until=until, under_way=False, start=None, statuses=())
        new = [(name, one) for name, one in hashes.items() if name not in seen]
        for first in range(0, len(new), MAX_CASES):
            some = new[first : first + MAX_CASES]
            seen |= {name for name, _ in some}
            last = first + MAX_CASES >= len(new)
            mark = after if last else self.mark
            # Of those that are there no more, none comes again.
            kept = seen & hashes.keys() if last else seen
            extra = self.ledger.put("sample", samples.packed(kept))
            self.ledger.count(
                [one._replace(at=min(one.at, self.now)) for _, one in some],
                mark.attributes(self.table.name),
                extra,
            )
        self._written(after, done=bool(new))


def occurrence_of(source: Source, item: Raw, now: datetime) -> Occurrence | None:
    """The failure of an item; None where it did not fail, or no time says when."""
    failure = source.failure_of(item)
    if failure is None:
        return None
    if source.table.key not in item:
        raise key_mismatch(source.table)
    created = read_time(item.get(source.sampled.created))
    created = created if isinstance(created, datetime) else None
    at = failure.failed_at
    if at is None or at > now + AHEAD:
        at = created
    if at is None:
        return None
    return Occurrence.of(
        fingerprint(source.logical, failure),
        failure,
        key=source.table.key_in(item).text,
        status=str(read_text(item.get(source.sampled.status)) or ""),
        created_at=created,
        at=at,
    )


def backfill(source: Source, since: datetime, now: Callable[[], float] = time.time) -> int:
    """Count what failed since then of a table of which nothing was counted yet, at once and whatever it costs: for the demo.
    Returns how many; 0 where a walk has begun. Raises `DynamoError`."""
    if Mark.from_item(lease_of(source.table).read(), source.table.name):
        return 0
    walker = Walker(now)
    return walker.take(source, lambda: False, UNBOUNDED, since)


def followed() -> Sequence[Binding]:
    """The tables whose failures are followed."""
    return [source.table for source in all_sources().values()] if settings.FAILURES_WINDOW_HOURS else []


def turn_of_worker(table: Binding, over: Over) -> int:
    """Raises `NotNow`, `DynamoError`."""
    return _walker.turn(table, over)


_walker = Walker()
# More often than a table has its turn, which the lease of its mark says.
TASK = Task("failures", turn_of_worker, every=SECONDS / 2, deadline=60.0, tables=followed)
