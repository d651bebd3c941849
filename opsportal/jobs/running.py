"""Carrying jobs out: a worker claims the chunks of a job one after another, as many workers do side by side."""

import contextlib
import logging
import random
import time
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from decimal import Decimal
from typing import Self

from django.conf import settings

from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks, states, store
from opsportal.jobs.chunk_work import ChunkWork, Stop
from opsportal.jobs.chunks import Progress
from opsportal.jobs.job import Job, State, part_key, whole
from opsportal.jobs.problems import Problems
from opsportal.jobs.work import ActionGone, Work, work_of
from opsportal.operations.actors import WORKER_ACTOR
from opsportal.operations.changes import number, text
from opsportal.operations.outcomes import Conflict, OutcomeUnknown
from opsportal.operations.switch import wait_for_actions
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tags import Action
from opsportal.operations.tasks import NotNow, Over, Task
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

# Seconds before the next transaction after throttling: the first time, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
# Between two looks at what people have done to the job. At most two transactions more are written after each.
LOOK_SECONDS = 0.2


def run_due(location: Binding, over: Over) -> int:
    """Carry out the running jobs of a location that have no pace, a chunk of each in turn, as far as it goes before it is
    `over`; returns how many items were done. Raises NotNow, `DynamoError`."""
    wait_for_actions()
    jobs = [job for job in store.live(location) if job.state is State.RUNNING and not job.pace]
    problems, turns = Problems(), []
    with contextlib.ExitStack() as stack:
        for job in jobs:
            with problems.of(job):
                turns.append(stack.enter_context(Runner(job, over)))
        left = [*turns]
        while left and not over():
            for turn in [*left]:
                goes_on = False
                with problems.of(turn.job):
                    goes_on = turn.some_chunk()
                if not goes_on:
                    left.remove(turn)
    problems.raise_first()
    return sum(turn.done for turn in turns)


TASK = Task("jobs", run_due)


def run(job: Job, over: Over = lambda: False, most: int | None = None) -> int:
    """Work on the chunks that nobody works on, and finish the job when all are done; at most `most` items are changed, and
    those that are skipped don't count. Returns how many were done. Raises NotNow, `DynamoError`."""
    try:
        turn = Runner(job, over, most)
    except ActionGone as gone:
        raise NotNow(str(gone)) from None
    with turn:
        while turn.some_chunk():
            pass
    return turn.done


class Runner:
    """One worker's turn on one job; a context, which ends its thread."""

    def __init__(self, job: Job, over: Over, most: int | None = None) -> None:
        self.job, self.over = job, over
        self.left = most
        self.work: Work = work_of(job)
        self.table = jobs_table_for(job.table)
        self.done = 0
        self.pause = 0.0
        self.owed = Decimal(0)
        self.ahead: Executor = ThreadPoolExecutor(1, "jobs-ahead")
        self.changed = False
        self._known: list[Progress] = []
        self._looked_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ahead.shutdown(cancel_futures=True)

    def some_chunk(self) -> bool:
        """Work on one chunk; False where there is none that nobody works on, or this turn is over. Raises `DynamoError`."""
        try:
            lease = self._claimed() or self._claimed(again=True)
            if lease is None:
                return False
            ChunkWork(self, lease).run()
        except Stop:
            return False
        except Lost:
            figures.JOB_CONFLICTS.inc()
            logger.warning("job %s: a chunk was taken over by another worker", self.job.id)
        return True

    def _claimed(self, *, again: bool = False) -> Lease | None:
        """The next chunk that nobody works on. All of a job are many: they are read once a round, not for each. `again`:
        read them; finish the job when all are done."""
        if again:
            found = chunks.progress(self.job)
            self._known = [one for one in found if one.is_open]
            if not self._known:
                finish(self.job, found, self.owed)
            # Another worker begins elsewhere, so that the two seldom want the same.
            first = random.randrange(len(self._known) or 1)  # noqa: S311 - no secret
            self._known = [*self._known[first:], *self._known[:first]]
        while self._known:
            self.check()
            one = self._known.pop(0)
            if one.lease_until >= time.time():
                continue
            key = part_key(self.job.id, f"chunk#{one.n:05}")
            lease = Lease(self.table, key).claim(settings.JOBS_LEASE_SECONDS)
            if lease and lease.item["state"]["S"] == "open":
                # What was seen of the job before may be older than a stop, which knew nothing of this claim.
                self._looked_at = float("-inf")
                return lease
            if lease:
                lease.release()  # it was done by another meanwhile
            else:
                figures.JOB_CONFLICTS.inc()
        return None

    def check(self) -> None:
        """Raises Stop once this turn is over, or a person has changed the job."""
        if self.changed or self.over() or self.left == 0 or settings.ACTIONS_OFF:
            raise Stop

    def look(self) -> None:
        """Read whether a person has changed the job, if it is time to. Raises `DynamoError`."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        now = store.meta(self.job.id, self.job.table)
        as_begun = (State.RUNNING, self.job.epoch)
        self.changed = now is None or (now["state"]["S"], whole(now, "epoch")) != as_begun

    def throttled(self) -> None:
        """Wait, longer each time. DynamoDB slows a job down, and never ends it."""
        self.pause = min(max(self.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        time.sleep(self.pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    def went_well(self) -> None:
        self.pause = self.pause * 0.7 if self.pause > FIRST_PAUSE / 4 else 0.0
        if self.pause:
            time.sleep(self.pause)


def finish(job: Job, found: Iterable[Progress], owed: Decimal = Decimal(0)) -> None:
    """All is done: say so, once. Raises `DynamoError`."""
    totals = chunks.counts(job, found)
    values = {
        **states.over(State.FINISHED),
        "why": None,
        "totals": {"M": {
            "done": number(totals.done), "skipped": number(totals.skipped), "failed": number(totals.failed),
            "units": number(totals.units + owed),
        }},
        **({} if work_of(job).action.observed and not job.undoes and totals.done else {"kind": text(store.KIND_OVER)}),
    }  # fmt: skip
    note = f"{totals.skipped} skipped, {totals.failed} failed"
    event = states.Event(Action.JOB_FINISH, WORKER_ACTOR, note=note, count=totals.done)
    try:
        states.change(job, values, event=event)
    except (Conflict, OutcomeUnknown):
        return  # another worker has, or a person was quicker; else the next turn does
    figures.JOBS.labels(job.action.subject, job.action.verb, "finished").inc()
