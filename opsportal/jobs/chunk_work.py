"""The work on one claimed chunk: one transaction after another, and what becomes of what was in the way."""

import contextlib
import contextvars
import logging
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from django.conf import settings

from opsportal.dynamo import spending
from opsportal.dynamo.errors import DynamoError, Rejected, Throttled
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks
from opsportal.jobs.chunks import Progress
from opsportal.jobs.job import Job
from opsportal.jobs.planning import Planner
from opsportal.jobs.steps import Prepared, Step, after, mark
from opsportal.jobs.work import GONE, Work
from opsportal.operations.action_log import log_many
from opsportal.operations.changes import Raw
from opsportal.operations.commits import (
    THROTTLED,
    Cancelled,
    ConditionFailed,
    Failure,
    NoAnswer,
    TooLarge,
    TransactionContention,
    commit,
)
from opsportal.operations.transactions import TOO_LARGE, written
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

# Of one item that others' writes are in the way of, before it is left out.
MAX_TRIES = 6
# DynamoDB's words for why an operation was in the way.
CONDITION, CONFLICT = "ConditionalCheckFailed", "TransactionConflict"
OTHER_WRITES = "Other writes kept changing it at the same moment."
DONE_BEFORE = "This job has already acted on it."


class Stop(Exception):
    """The job is not to go on: a person has changed it, or this turn is over."""


class Turn(Protocol):
    """The worker's turn on the job, as its chunks see it. `left`: how many items it may still change, None for all."""

    job: Job
    work: Work
    table: Binding
    ahead: Executor
    left: int | None
    done: int
    # Write units of the last transaction, which the next one writes down.
    owed: Decimal

    def check(self) -> None:
        """Raises Stop once this turn is over."""

    def look(self) -> None:
        """Read whether a person has changed the job, if it is time to: `check` then raises Stop. Raises `DynamoError`."""

    def throttled(self) -> None:
        """Wait, longer each time."""

    def went_well(self) -> None:
        """Wait less the next time."""


class ChunkWork:
    """A claimed chunk. What it holds of the chunk's item is the truth while its lease lasts."""

    def __init__(self, turn: Turn, lease: Lease) -> None:
        self.turn, self.lease = turn, lease
        self.now = Progress.from_item({**lease.item})
        self.held_until = time.monotonic() + settings.JOBS_LEASE_SECONDS
        self.tries: dict[int, int] = {}
        self.planner: Planner

    def run(self) -> None:
        """To its end, or as far as it goes. Raises Lost, Stop, `DynamoError`."""
        try:
            with spending.account() as spent:
                records = chunks.keys_of(self.turn.job, self.now.n).eligible
                self.planner = Planner(self.turn.work, records)
                self._run(spent)
        except Lost:
            raise
        except BaseException:
            with contextlib.suppress(Lost, DynamoError):  # it ends by itself
                self.lease.release()
            raise

    def _run(self, spent: spending.Spending) -> None:
        turn = self.turn
        coming: Future[Step] | None = None
        while self.now.at < self.now.size:
            if coming is None:
                turn.look()
            turn.check()
            coming = coming or self._planning(self.now.at, turn.left)
            try:
                step = coming.result()
            except Throttled:
                step = Step(self.now.at, self.now.at)
            coming = None
            if step.start != self.now.at:  # the one before it was cut
                continue
            if step.upto == step.start:
                self._wait()
                continue
            coming = self._begin_next(step)
            before = spent.write_units
            self._commit(step)
            turn.owed = spent.write_units - before
            turn.went_well()

    def _begin_next(self, step: Step) -> "Future[Step] | None":
        """Plan what follows while this step is written. What it reads may be old by the time that it is written itself:
        its conditions see to that."""
        left = self.turn.left
        if left is not None:
            left -= len(step.prepared)
        if step.upto >= self.now.size or left == 0:
            return None
        planned = self._planning(step.upto, left)
        self.turn.ahead.submit(contextvars.copy_context().run, self._look_ahead, left is None)
        return planned

    def _planning(self, at: int, most: int | None) -> "Future[Step]":
        """In the one thread that plans, whose calls are of this turn's account."""
        return self.turn.ahead.submit(contextvars.copy_context().run, self.planner.step, at, most)

    def _look_ahead(self, more: bool) -> None:
        """What needs DynamoDB comes last: an engine that writes one at a time answers after the step under way, which
        planning need not wait for."""
        with contextlib.suppress(DynamoError):
            self.turn.look()
        if more:
            self.planner.read_ahead()

    def _wait(self) -> None:
        """Until DynamoDB takes more, and hold the chunk meanwhile. Raises Stop, Lost, `DynamoError`."""
        self.turn.throttled()
        self.turn.look()
        self.turn.check()
        seconds = settings.JOBS_LEASE_SECONDS
        if self.held_until - time.monotonic() < seconds / 2:
            self.lease.renew(seconds)
            self.held_until = time.monotonic() + seconds

    # --- One transaction --------------------------------------------------------------------------------------

    def _commit(self, step: Step) -> None:
        """Write the step, or what is left of it. Raises Lost, Stop, `DynamoError`."""
        turn = self.turn
        while True:
            then = replace(after(self.now, step), units=self.now.units + turn.owed)
            messages = step.messages(turn.job.id, self.now.n)
            operations = [
                mark(turn.table, turn.job.id, self.lease, self.now, then),
                *({"Put": {"TableName": turn.table.name, "Item": one.item()}} for one in messages),
                *(operation for one in step.prepared for operation in one.operations),
            ]
            try:
                commit(turn.job.table, operations, background=True, trusted=True)
            except Cancelled as failed:
                if isinstance(failed, ConditionFailed) and any(one.index == 0 for one in failed.failures):
                    moved = self._moved()
                    if moved is None:
                        raise Lost from failed
                    then = moved
                    break
                self._hindered(step, failed, 1 + len(messages))
            except Rejected as refused:
                self._rejected(step, refused)
            except NoAnswer:
                moved = self._moved()
                if moved:
                    then = moved
                    break
                self._wait()
            except Throttled:
                self._wait()
            else:
                break
        self._took(step, then)

    def _took(self, step: Step, then: Progress) -> None:
        """What follows a commit."""
        turn, was, self.now = self.turn, self.now, then
        self.held_until = time.monotonic() + settings.JOBS_LEASE_SECONDS
        self.tries = {}
        turn.done += then.done - was.done
        if turn.left is not None:
            turn.left -= then.done - was.done
        for one in step.prepared:
            written(one.intent.target)
        if step.prepared:
            log_many([one.intent for one in step.prepared])
        action = turn.job.action
        for outcome, count in (
            ("done", then.done - was.done),
            ("skipped", then.skipped - was.skipped),
            ("failed", then.failed - was.failed),
        ):
            figures.JOB_ITEMS.labels(action.subject, action.verb, outcome).inc(count)

    # --- What went wrong --------------------------------------------------------------------------------------

    def _moved(self) -> Progress | None:
        """What the chunk is after an answer of mine was lost, if that step was written. Raises Lost, `DynamoError`."""
        item = self.lease.read()
        if item.get(self.lease.fence, {}).get("N") != str(self.lease.number):
            raise Lost
        found = Progress.from_item(item)
        return found if found.at != self.now.at else None

    def _hindered(self, step: Step, failed: Cancelled, first: int) -> None:
        """Nothing was written: leave out what can't be, and make ready the rest. Raises as `_wait`."""
        found = step.hindered(failed, first)
        if isinstance(failed, TooLarge):
            self._too_large(step, found)
        elif isinstance(failed, TransactionContention):
            if failed.by == "others":
                figures.JOB_CONFLICTS.inc()
            for one, failure, _ in found:
                if failure.code == CONFLICT and self._is_hopeless(one):
                    step.leave_out(one, OTHER_WRITES, failed=True)
            self._wait()
        else:
            for one, failure, own in found:
                self._refused(step, one, failure, own)
            if not found:  # of no item: a message's key, which nobody else writes
                raise Rejected(f"DynamoDB refused the change: {failed}") from failed

    def _refused(self, step: Step, one: Prepared, failure: Failure, own: bool) -> None:
        """An operation of the item was refused: it is planned again as the item is now, or left out."""
        if failure.code in (CONFLICT, *THROTTLED):
            if failure.code == CONFLICT and self._is_hopeless(one):
                step.leave_out(one, OTHER_WRITES, failed=True)
        elif not own:
            step.leave_out(one, DONE_BEFORE)
        elif failure.code == CONDITION and failure.item is None and one.raw is not None:
            step.leave_out(one, GONE)
        elif self._is_hopeless(one):
            step.leave_out(one, OTHER_WRITES, failed=True)
        else:
            place = step.prepared.index(one)
            raw = failure.item if failure.code == CONDITION else self._as_it_is(one)
            moment = datetime.now(UTC)
            again = self.planner.prepared(step, one.at, one.record, raw, moment, one.intent)
            step.prepared[place : place + 1] = [again] if again else []

    def _as_it_is(self, one: Prepared) -> Raw | None:
        """Read it again: where a path leads nowhere any more, DynamoDB does not send the item."""
        return self.turn.work.load([one.record]).items.get(one.record.key)

    def _is_hopeless(self, one: Prepared) -> bool:
        self.tries[one.at] = self.tries.get(one.at, 0) + 1
        return self.tries[one.at] > MAX_TRIES

    def _rejected(self, step: Step, refused: Rejected) -> None:
        """DynamoDB does not say by which item: halve it until one is left."""
        if len(step.prepared) > 1:
            step.halve()
        elif step.prepared:
            said = (
                f"{refused.sentence} {refused.detail}"
                if refused.detail != refused.sentence
                else refused.sentence
            )
            step.leave_out(step.prepared[0], said, failed=True)
        else:
            raise refused

    def _too_large(self, step: Step, found: list[tuple[Prepared, Failure, bool]]) -> None:
        for one, _, _ in found:
            step.leave_out(one, TOO_LARGE, failed=True)
        if found:
            return
        if len(step.prepared) > 1:
            step.halve()
        elif step.prepared:
            step.leave_out(step.prepared[0], TOO_LARGE, failed=True)
