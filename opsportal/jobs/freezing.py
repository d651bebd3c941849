"""The preview of a job: a worker walks what was asked for and freezes it, chunk by chunk. Where it dies, another goes on
after the last chunk."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings

from opsportal.dynamo import spending
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import DynamoError, Throttled
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.lists import Position
from opsportal.dynamo.reads import BATCH_KEYS
from opsportal.dynamo.spans import Span
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks, states, store
from opsportal.jobs.chunks import CHUNK_BYTES, CHUNK_KEYS, Keys, Record
from opsportal.jobs.frozen import Frozen
from opsportal.jobs.job import Job, Outcome, State, at_text, whole
from opsportal.jobs.members import members
from opsportal.jobs.problems import Problems
from opsportal.jobs.updates import update
from opsportal.jobs.work import ActionGone, read_items, work_of
from opsportal.operations.bulk import all_bulk
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import ConditionFailed, NoAnswer, TransactionContention, commit
from opsportal.operations.outcomes import Conflict
from opsportal.operations.switch import wait_for_actions
from opsportal.operations.tables import image_life, jobs_table_for
from opsportal.operations.tags import Action
from opsportal.operations.tasks import NotNow, Over, Task
from writers import sizes

# Seconds before a read that was throttled is made again: the first time, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
# Write units of an entry: about 2 KB in a transaction, and 1 KB in each of three indexes.
ENTRY_UNITS = 7


class _Over(Exception):
    """This turn is over."""


class TooMany(Exception):
    """More match than a job may hold."""


def freeze_due(location: Binding, over: Over) -> int:
    """Freeze the jobs of a location that wait for it, and close those that were not started in time. Returns how many
    items were frozen. Raises NotNow, `DynamoError`."""
    wait_for_actions()
    count, problems = 0, Problems()
    under_way: set[str] = set()
    for job in store.live(location):
        if over():
            break
        if job.state is State.PREVIEWING and job.logical in under_way:
            continue  # what the older one takes is not known yet
        with problems.of(job):
            frozen = _cared_for(job, over)
            count += frozen or 0
            if frozen is None:
                under_way.add(job.logical)
    problems.raise_first()
    return count


def _cared_for(job: Job, over: Over) -> int | None:
    """As `_frozen`."""
    if job.state is State.PREVIEWING:
        return _frozen(job, over)
    if job.state is State.READY and job.expires_at and job.expires_at <= datetime.now(UTC):
        _close(job, State.EXPIRED, "It was not started in time.")
    elif job.is_open and datetime.now(UTC) - job.created_at > timedelta(days=store.LONGEST_DAYS):
        _close(job, State.STOPPED, f"It was open for {store.LONGEST_DAYS} days.")
    return 0


TASK = Task("jobs-freeze", freeze_due)


def _close(job: Job, state: State, why: str) -> None:
    with contextlib.suppress(Conflict):  # somebody was quicker
        states.change(job, {**states.over(state), "kind": text(store.KIND_OVER), "why": text(why)})


def freeze(job: Job, over: Over = lambda: False) -> int:
    """Freeze the set of a job, as far as it goes before it is `over`; how many items. Another worker may have it: 0.
    Raises NotNow, `DynamoError`."""
    return _frozen(job, over) or 0


def _frozen(job: Job, over: Over) -> int | None:
    """As `freeze`; None where another worker has it, or a later turn goes on with it."""
    table = jobs_table_for(job.table)
    lease = Lease(table, job.key).claim(settings.JOBS_LEASE_SECONDS)
    if lease is None:
        return None
    try:
        if lease.item["state"]["S"] != State.PREVIEWING or whole(lease.item, "epoch") != job.epoch:
            return 0  # read from the index, which lags
        return _Freezing(job, lease, over).run()
    except Lost:
        return None
    except ActionGone as gone:
        raise NotNow(str(gone)) from None
    except (NoAnswer, TransactionContention):
        return None  # the next turn goes on after what was written
    finally:
        with contextlib.suppress(Lost, DynamoError):  # it ends by itself
            lease.release()


class _Freezing:
    """One worker's turn on one job."""

    def __init__(self, job: Job, lease: Lease, over: Over) -> None:
        self.job, self.lease, self.over = job, lease, over
        self.work = work_of(job)
        self.frozen = Frozen.from_meta(lease.item)
        self.before = self.frozen.matched
        self.keys = Keys([], [])
        self.bytes = 0
        self.renewed = time.monotonic()
        self.seen = {key for n in range(self.frozen.chunks) for key in chunks.keys_of(job, n).texts}
        self.taken = _taken(job)
        self.read = self.frozen.read_units

    def run(self) -> int:
        with spending.account() as spent:
            began = spent.read_units
            try:
                for keys, after in self._found():
                    for batch in _batches(keys):
                        self._add(batch)
                        self.frozen.read_units = self.read + spent.read_units - began
                        if self.over():
                            raise _Over
                        if len(self.seen) > settings.JOBS_MAX_ITEMS:
                            raise TooMany
                    # Where the walk goes on once all before it is written. After a crash what follows is read again, and
                    # what was frozen of that is left out.
                    self.frozen.after = after or self.frozen.after
                    self._renew()
                self._flush()
            except _Over:
                self._flush()
                return self.frozen.matched - self.before
            except TooMany:
                most = f"{settings.JOBS_MAX_ITEMS:,}"
                _close(self._now(), State.STOPPED, f"More than {most} items match, as many as JOBS_MAX_ITEMS allows. "
                       "Choose fewer by a filter.")  # fmt: skip
                return 0
        self._ready()
        return self.frozen.matched - self.before

    def _now(self) -> Job:
        """Raises Lost where somebody has stopped it."""
        now = store.find(self.job.id, self.job.table)
        if now is None or now.state is not State.PREVIEWING:
            raise Lost
        return now

    def _found(self) -> Iterator[tuple[list[str], Position | None]]:
        """Keys, and where the walk goes on after them."""
        source, table = self.job.source, self.job.table
        if source.filter is not None:
            span = Span.between(source.since, source.until)
            for walked in all_bulk()[self.job.logical].walk(source.filter, span, self.frozen.after):
                yield [table.key_in(item).text for item in walked.items], walked.position
        elif source.job:
            earlier = store.find(source.job, table)
            wanted = [Outcome(name) for name in source.outcomes]
            if earlier:
                if not earlier.is_open:  # nothing of it must be done after it was read here
                    chunks.withdraw(earlier)
                yield from (([one.key for one in page], None) for page in members(earlier, wanted))
        else:
            yield from ((keys, None) for keys in chunks.given_keys(self.job))

    def _add(self, keys: list[str]) -> None:
        new = list(dict.fromkeys(key for key in keys if key not in self.seen))
        if not new:
            return
        items = self._read(new)
        now = datetime.now(UTC)
        for key in new:
            self.seen.add(key)
            raw = items.get(key)
            one = self.work.record(key, raw, now)
            if not one.reason and (elsewhere := self.taken.get(key)):
                one = Record(key, one.status, reason=f"It is in job {elsewhere}.")
            self.frozen.add(one, self._units(raw))
            (self.keys.skipped if one.reason else self.keys.eligible).append(one)
            self.bytes += len(key.encode("utf-8", "surrogatepass")) + 80
            if len(self.keys.eligible) + len(self.keys.skipped) >= CHUNK_KEYS or self.bytes >= CHUNK_BYTES:
                self._flush()

    def _read(self, keys: list[str]) -> dict[str, Raw]:
        """The items that are there. Raises Lost, `DynamoError`."""
        found: dict[str, Raw] = {}
        left, pause = keys, FIRST_PAUSE
        while left:
            try:
                items, unanswered = read_items(self.job.table, left)
                found |= items
                left = sorted(unanswered)
                if len(left) < len(keys):
                    continue  # of items of over 16 MB together, or throttled in part
            except Throttled:
                pass
            if left:
                if self.over():
                    raise _Over
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                self._renew()
        return found

    def _units(self, raw: Raw | None) -> int:
        """Write units that it is expected to consume: twice as many in a transaction, its copy for an undo included."""
        kilobytes = ceil(sizes.of_item(raw or {}) / 1024) or 1
        copy = ceil(kilobytes / 2) if self.work.action.undone and not self.job.undoes else 0
        # In the table twice as many as outside of a transaction, and in each of its indexes as many as outside.
        return kilobytes * (2 + len(self.job.table.spec.indexes)) + 2 * copy + ENTRY_UNITS

    def _renew(self) -> None:
        """Hold the job for longer, where it is time to."""
        if time.monotonic() - self.renewed > settings.JOBS_LEASE_SECONDS / 3:
            self._flush()

    def _flush(self) -> None:
        """Write what is held, and how far the walk is. Raises Lost, NoAnswer, TransactionContention, `DynamoError`."""
        job, table = self.job, jobs_table_for(self.job.table)
        operations: list[dict[str, Any]] = []
        if self.keys.eligible or self.keys.skipped:
            n = self.frozen.chunks
            made = (chunks.keys_item(job, n, self.keys), chunks.chunk_item(job, n, self.keys))
            operations += [{"Put": {"TableName": table.name, "Item": item}} for item in made]
            self.frozen.chunks += 1
        values = {
            **self.frozen.stored(),
            "lease_until": number(int(time.time()) + settings.JOBS_LEASE_SECONDS),
        }
        expected = {"fence": number(self.lease.number), "state": text(State.PREVIEWING)}
        operations.insert(0, update(table, job.key, values, expected))
        try:
            commit(table, operations, background=True)
        except ConditionFailed as error:
            raise Lost from error
        self.renewed = time.monotonic()
        self.keys, self.bytes = Keys([], []), 0

    def _ready(self) -> None:
        job = self._now()
        moment = store.now()
        if self.frozen.eligible and job.starts_itself and not job.needs_second_person:
            values = begun(job, moment)
        elif job.starts_itself and not self.frozen.eligible:
            values = {**states.over(State.FINISHED), "kind": text(store.KIND_OVER)}
        else:
            ends = moment + timedelta(seconds=settings.JOBS_READY_SECONDS)
            values = {"state": text(State.READY), "expires_at": at_text(ends)}
        values |= {"frozen_at": at_text(moment), "position": None, "lease_until": None, "owner": None}
        event = None
        if values["state"] == text(State.RUNNING):
            event = states.Event(Action.JOB_START, job.actor, job.reason, phrase(job), self.frozen.eligible)
        try:
            states.change(job, values, event=event, fence=self.lease.number)
        except Conflict as error:
            raise Lost from error


def begun(job: Job, moment: datetime) -> dict[str, Typed | None]:
    """The values of a job that runs from now on."""
    return {
        "state": text(State.RUNNING),
        "started_at": at_text(moment),
        "running_since": at_text(moment),
        "attempted_before": number(0),
        "images_until": at_text(moment + timedelta(seconds=image_life())),
    }


def phrase(job: Job) -> str:
    """What it does, for its entries."""
    return f"undo of {job.action.value} by job {job.undoes}" if job.undoes else job.action.value


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(keys), BATCH_KEYS):
        yield keys[first : first + BATCH_KEYS]


def _taken(job: Job) -> dict[str, str]:
    """Of the table's other open jobs: by key, the job that has yet to act on it."""
    taken: dict[str, str] = {}
    for other in store.live(job.table):
        if other.id == job.id or other.table != job.table or not other.is_open:
            continue
        for one in chunks.progress(other):
            if one.is_open:
                with contextlib.suppress(LookupError):  # it can act on none of them
                    left = chunks.keys_of(other, one.n).eligible[one.at :]
                    taken |= dict.fromkeys((record.key for record in left), other.id)
    return taken
