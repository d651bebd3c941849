"""The worker's task: sweep what is switched on, within the units of each minute.

How far a sweep is stands in the jobs table, in an item for each swept table (``pk`` retention, ``sk``
<logical>#<table's name>). A worker leases it while it sweeps: one does at a time, and any goes on where another stopped.
"""

import contextlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.cache import caches

from opsportal.accounts.actors import WORKER
from opsportal.dynamo import clients, spending
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import translated
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.tables import Binding
from opsportal.operations import entries
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import Actor, Entry, Target, new_action_id
from opsportal.operations.switch import wait_for_actions
from opsportal.operations.tables import audit_table_for, jobs_table_for
from opsportal.operations.tags import Action
from opsportal.operations.tasks import NotNow, Over, Task
from opsportal.tables.retention import reading
from opsportal.tables.retention.rules import RetentionPolicy, rules
from opsportal.tables.retention.stamping import Allowance, Exhausted
from opsportal.tables.retention.sweeps import Run, Step, Sweep, moment, sweeps

logger = logging.getLogger(__name__)

ACTOR = Actor("retention", "worker", WORKER)
# Seconds of a lease, longer than a turn; and until the effects of a run are in the trail, if the sweep is not over
# before.
LEASE, RUN = 60, 600.0
# Seconds for which it is known whether a sweep can be done.
RECHECK = 300


def _sweeps() -> list[Sweep]:
    lives = RetentionPolicy.configured()
    return [sweep for rule in rules() for sweep in sweeps(rule, lives)]


def sweep_table(table: Binding, over: Over) -> int:
    """One turn; how many stamps were set or taken. Raises `NotNow`, `DynamoError`."""
    wait_for_actions()
    lives = RetentionPolicy.configured()
    sweep = next(one for one in _sweeps() if one.table == table)
    why = caches["process"].get_or_set(
        f"retention:{table.fingerprint}:{table.ttl_attribute}", lambda: obstacle(sweep, lives), RECHECK
    )
    if why:
        raise NotNow(why)
    return work(sweep, lives, over=over).count


def _swept() -> list[Binding]:
    return [sweep.table for sweep in _sweeps()]


TASK = Task("retention", sweep_table, every=10.0, deadline=60.0, tables=_swept)


def obstacle(sweep: Sweep, lives: RetentionPolicy) -> str:
    """Why a sweep would be in vain, for one of the tables that it stamps; "" where it would not. Raises
    `DynamoError`."""
    why = reading.why_not(sweep.rule, sweep.table)
    if not why and not sweep.of_logs and lives.logs:
        why = reading.why_not(sweep.rule, sweep.rule.logs_table)
    return why


@dataclass
class Progress:
    """A sweep's place: `position` is the sweep's own; `next_at` when it begins again (epoch seconds); `spent` units
    in `minute`, which counts from the epoch."""

    position: dict[str, Any] = field(default_factory=dict)
    next_at: float = 0.0
    minute: int = 0
    spent: float = 0.0
    run: Run = field(default_factory=Run)

    @classmethod
    def from_item(cls, raw: Mapping[str, Typed]) -> "Progress":
        if "position" not in raw:
            return cls()
        return cls(
            json.loads(raw["position"]["S"]),
            float(raw["next_at"]["N"]),
            int(raw["budget_minute"]["N"]),
            float(raw["budget_spent"]["N"]),
            Run(**json.loads(raw["run"]["S"])),
        )

    def attributes(self) -> Raw:
        return {
            "position": text(json.dumps(self.position)),
            "next_at": number(self.next_at),
            "budget_minute": number(self.minute),
            "budget_spent": number(self.spent),
            "run": text(json.dumps(vars(self.run))),
        }

    def units_left(self, now: float) -> float:
        """Of this minute."""
        if self.minute != int(now // 60):
            self.minute, self.spent = int(now // 60), 0.0
        return float(settings.RETENTION_UNITS_PER_MINUTE - self.spent)


@dataclass(frozen=True)
class Worked:
    """`count`: stamps set or taken; `wait`: seconds until there is more to do; `ended`: the sweep is over;
    `elsewhere`: another worker is at it."""

    count: int = 0
    wait: float = 0.0
    ended: bool = False
    elsewhere: bool = False


def lease_of(table: Binding) -> Lease:
    """The lease, and with it the progress, of a swept table."""
    return Lease(
        jobs_table_for(table), {"pk": text("retention"), "sk": text(f"{table.logical}#{table.name}")}
    )


def work(sweep: Sweep, lives: RetentionPolicy, *, over: Over, forced: bool = False) -> Worked:
    """Sweep on until it is `over`. `forced`: one that rests begins at once, from the beginning.

    Raises `DynamoError`; what was done until then is written down.
    """
    now, lease = time.time(), lease_of(sweep.table)
    before = lease.read()
    progress = Progress.from_item(before)
    if progress.next_at > now and not forced:
        return Worked(wait=progress.next_at - now)
    if progress.units_left(now) <= 0:
        return Worked(wait=60 - now % 60)
    held = lease.claim(LEASE, now, create=True)
    if held is None:
        return Worked(elsewhere=True)
    progress = Progress.from_item(held.item)
    if forced and progress.next_at > now:
        progress.position, progress.next_at = {}, 0.0
    # A lease that ended by itself: its holder died with it. A released one has no end, or 0 by an earlier version.
    progress.run.cut |= 0 < float(before.get(lease.until, {"N": "0"})["N"]) <= now
    with spending.account() as account:
        try:
            return _sweep_on(
                sweep, lives, progress, held, Allowance(progress.units_left(now), over, account), now
            )
        except Lost:
            return Worked(elsewhere=True)


def _sweep_on(
    sweep: Sweep, lives: RetentionPolicy, progress: Progress, lease: Lease, allowance: Allowance, now: float
) -> Worked:
    ended, spent = False, progress.spent
    try:
        run = progress.run
        if run.begun and (run.cut or now - run.begun >= RUN):
            _record(sweep, progress)
        if not progress.run.begun:
            progress.run = Run(new_action_id(), now)
        run = progress.run
        before = run.effect
        step = Step(sweep, lives, progress.position, run, allowance, moment(now))
        with contextlib.suppress(Exhausted):
            while not (ended := sweep.page(step)):
                progress.spent = spent + allowance.spent
                lease.renew(LEASE, progress.attributes())
                allowance.check()
        if ended:
            progress.next_at = time.time() + sweep.rest
            _record(sweep, progress)
    finally:
        progress.spent = spent + allowance.spent
        lease.release(progress.attributes())
    used_up = not ended and progress.units_left(now) <= 0
    return Worked(run.effect - before, 60 - time.time() % 60 if used_up else 0.0, ended)


def _record(sweep: Sweep, progress: Progress) -> None:
    """Write the entry of a run that had an effect, once: its key is the run's id, kept with its counts."""
    run, table, audit = progress.run, sweep.table, audit_table_for(sweep.table)
    if run.effect:
        parts = (
            (run.items, f"{sweep.rule.logical} stamped"),
            (run.logs, f"{sweep.rule.logs} stamped"),
            (run.released, "stamps taken away from what came to life again"),
        )
        note = "; ".join(f"{count} {what}" for count, what in parts if count)
        if run.cut:
            note += "; at least, since a worker ended in the middle"
        entry = Entry(
            action_id=run.id,
            action=Action.REQUEST_EXPIRE,
            actor=ACTOR,
            target=Target(table.logical, ""),
            table=table.name,
            at=entries.stamp(),
            reason=f"Older than {sweep.days} days; stamped since {moment(run.begun):%Y-%m-%d %H:%M} UTC.",
            condition="finished, and without an expiry",
            count=run.effect,
            note=note,
        )
        client = clients.client(*audit.location, background=True)
        try:
            with translated(audit):
                client.put_item(
                    TableName=audit.name,
                    Item=entry.item(),
                    ConditionExpression="attribute_not_exists(action_id)",
                )
        except client.exceptions.ConditionalCheckFailedException:
            logger.info("the run %s of %s was recorded already", run.id, table.logical)
    progress.run = Run()
