"""Jobs with a pace, and what becomes of the items of those whose outcomes are observed.

One worker at a time holds the lease of a job's `pace` item: it carries out as many items as its pace allows, looks at what
became of them, and halts the job when that is not good. Whoever takes over after it goes on from the chunks, from what was
seen (`seen#<n>`) and from the `pace` item.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import DynamoError, Throttled
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks, running, states, store
from opsportal.jobs.job import Job, State, numbers, part_key
from opsportal.jobs.observing import Seen, Watch
from opsportal.jobs.paces import Decision, SoFar, decide
from opsportal.jobs.updates import update
from opsportal.jobs.work import ActionGone
from opsportal.operations.actors import WORKER_ACTOR
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import ConditionFailed, NoAnswer, TransactionContention, commit
from opsportal.operations.outcomes import Conflict
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tags import Action
from opsportal.operations.tasks import NotNow, Over, Task
from opsportal.telemetry import figures

# Seconds until the first look at what was done, and from one to the next, where an outcome counts after 300.
FIRST_LOOK, EVERY_LOOK = 5.0, 15.0
# Chunks whose outcomes go into one transaction.
MAX_PARTS = 90


def scaled(seconds: float) -> float:
    return seconds * settings.JOBS_OBSERVE_SECONDS / 300


class Held:
    """A job whose pace this worker holds."""

    def __init__(self, job: Job, lease: Lease, now: float) -> None:
        """Raises ActionGone, `DynamoError`."""
        self.job, self.lease = job, lease
        self.watch = Watch(job)
        self.so_far = SoFar.from_item(lease.item)
        self.done = chunks.counts(job, chunks.progress(job)).done
        self.why = job.why
        # What a pass of this worker found, since the job was changed.
        self.seen: Seen | None = None
        self._held_until = 0.0
        self._held()
        self._changed(now)

    @property
    def paced(self) -> bool:
        return self.job.state is State.RUNNING and self.job.pace is not None

    def turn(self, job: Job, now: float, over: Over) -> int:
        """Do what is due; returns how many items were done. Raises Lost, `DynamoError`."""
        before, self.job = self.job.epoch, job
        if job.epoch > before:
            self._changed(now)
        if self.paced and job.epoch > self.so_far.epoch:
            self._begin()
        self._renew()
        if now >= self.next_look and (self.paced or now < self.looks_until):
            self._look(now)
        if self.paced and not settings.ACTIONS_OFF:
            return self._go_on(now, over)
        self._write(now)
        return 0

    def is_over(self, now: float) -> bool:
        """Whether nothing is left to be done for a job that has ended."""
        ended = self.job.ended_at
        if self.job.is_open:
            return False
        if not self.watch.is_observed or ended is None or (self.seen and self.watch.is_over):
            return True
        return now >= ended.timestamp() + 2 * settings.JOBS_OBSERVE_SECONDS

    def _changed(self, now: float) -> None:
        """It is in another state than before, or another worker had it."""
        self.seen, self.next_look = None, now + scaled(FIRST_LOOK)
        # Of one that does not go on: what is not settled by then stays as it is.
        self.looks_until = now + 2 * settings.JOBS_OBSERVE_SECONDS
        self._written: Any = None

    # --- The pace -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """A person has started, resumed or changed it: the count begins at zero. Raises Lost, `DynamoError`."""
        found = chunks.progress(self.job)
        self.done = sum(one.done for one in found)
        self.so_far = SoFar(self.job.epoch, tuple(one.at for one in found), self.done)
        self.lease.renew(settings.JOBS_LEASE_SECONDS, self.so_far.stored())
        self._held()

    def _go_on(self, now: float, over: Over) -> int:
        decision = self._decision(now)
        self.so_far = decision.so_far
        if decision.halt:
            self._write(now)
            self._halt(decision.halt)
            return 0
        self.why = decision.why
        self._write(now)
        if not decision.run:
            return 0
        self._renew(always=True)
        done = running.run(self.job, lambda: over() or self._is_late(), most=decision.run)
        self.done += done
        return done

    def _decision(self, now: float) -> Decision:
        pace = self.job.pace
        assert pace is not None
        return decide(
            pace,
            self.so_far,
            done=self.done - self.so_far.done_before,
            seen=self.seen,
            now=now,
            seconds=settings.JOBS_OBSERVE_SECONDS if self.watch.is_observed else None,
        )

    def _halt(self, sentence: str) -> None:
        job = self.job
        event = states.Event(Action.JOB_HALT, WORKER_ACTOR, note=sentence, count=self.done)
        with contextlib.suppress(Conflict):  # a person was quicker
            states.change(job, {"state": text(State.HALTED), "why": text(sentence)}, event=event)
            figures.JOBS.labels(job.action.subject, job.action.verb, "halted").inc()

    # --- Outcomes -------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Raises `DynamoError`."""
        self.next_look = now + scaled(EVERY_LOOK)
        if not self.watch.is_observed:
            return
        try:
            self.watch.refresh()
            changes = self.watch.look(now)
        except Throttled:
            return  # the next time
        self.done = self.watch.done
        self.so_far = self.so_far.after(changes, now)
        self.seen = self.watch.seen(self.so_far.base)

    # --- What is kept ---------------------------------------------------------------------------------------------

    def _write(self, now: float) -> None:
        """Write what has changed, in one transaction under the lease. Where somebody changes the job meanwhile, it is
        written the next time. Raises Lost, `DynamoError`."""
        parts = self.watch.parts()
        outcomes = self.watch.outcomes
        closes = self.is_over(now)
        why = self.why if self.paced else self.job.why
        new = (self.so_far, outcomes, why)
        if new == self._written and not parts and not closes:
            return
        values: dict[str, Typed | None] = {"outcomes": numbers(outcomes), "why": text(why) if why else None}
        if closes:
            values["kind"] = text(store.KIND_OVER)
        table = jobs_table_for(self.job.table)
        expected = {self.lease.fence: number(self.lease.number)}
        for first in range(0, len(parts) or 1, MAX_PARTS):
            some = parts[first : first + MAX_PARTS]
            operations = [
                update(table, dict(self.lease.key), self._kept(), expected),
                states.note(self.job, values),
                *({"Put": {"TableName": table.name, "Item": item}} for _, item in some),
            ]
            try:
                commit(table, operations, background=True)
            except ConditionFailed as failed:
                if any(one.index == 0 for one in failed.failures):
                    raise Lost from failed
                return
            except (TransactionContention, NoAnswer):
                return
            self._held()
            self.watch.changed -= {n for n, _ in some}
        self._written = new

    def _kept(self) -> Raw:
        until = number(int(time.time()) + settings.JOBS_LEASE_SECONDS)
        return {**self.so_far.stored(), self.lease.until: until, "ttl": chunks.part_ttl()}

    def _held(self) -> None:
        self._held_until = time.monotonic() + settings.JOBS_LEASE_SECONDS

    def _is_late(self) -> bool:
        """Whether another may have the lease by now."""
        return time.monotonic() >= self._held_until

    def _renew(self, *, always: bool = False) -> None:
        """Raises Lost, `DynamoError`."""
        if always or self._held_until - time.monotonic() < settings.JOBS_LEASE_SECONDS / 2:
            self.lease.renew(settings.JOBS_LEASE_SECONDS)
            self._held()


class Pacer:
    """A worker's turns on the jobs of each location. `now` is its clock, in epoch seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.held: dict[str, Held] = {}

    def turn(self, location: Binding, over: Over) -> int:
        """Returns how many items were done. Raises `DynamoError`, once each job has had its turn."""
        count = 0
        problem: Exception | None = None
        jobs = [job for job in store.live(location) if self._is_due(job)]
        for job in jobs:
            if over():
                break
            try:
                count += self._job(job, over)
            except Exception as error:
                problem = problem or error
                self._drop(job.id)  # what it holds may not be as it should
        wanted = {job.id for job in jobs}
        for job_id, held in list(self.held.items()):
            if held.lease.table == jobs_table_for(location) and (over() or job_id not in wanted):
                self._drop(job_id)
        if problem:
            raise problem
        return count

    def _is_due(self, job: Job) -> bool:
        if job.is_open:
            return job.pace is not None and job.state in (State.RUNNING, State.PAUSED, State.HALTED)
        return True

    def _job(self, job: Job, over: Over) -> int:
        now = self.now()
        try:
            held = self.held.get(job.id) or self._claimed(job, now)
        except ActionGone as gone:
            if job.is_open:
                raise NotNow(str(gone)) from None
            return 0
        if held is None:
            return 0
        try:
            done = held.turn(job, now, over)
        except Lost:
            self._drop(job.id)
            return 0
        if held.is_over(now):
            self._drop(job.id)
        return done

    def _claimed(self, job: Job, now: float) -> Held | None:
        """None where another worker has it. Raises ActionGone, `DynamoError`."""
        key = part_key(job.id, "pace")
        lease = Lease(jobs_table_for(job.table), key).claim(settings.JOBS_LEASE_SECONDS, create=True)
        if lease is None:
            return None
        try:
            self.held[job.id] = held = Held(job, lease, now)
        except BaseException:
            with contextlib.suppress(Lost, DynamoError):
                lease.release()
            raise
        return held

    def _drop(self, job_id: str) -> None:
        with contextlib.suppress(Lost, DynamoError):  # it ends by itself
            if held := self.held.pop(job_id, None):
                held.lease.release()


TASK = Task("jobs-pace", Pacer().turn)
