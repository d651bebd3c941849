"""The worker's chore: sweep what is switched on, a step at a time, within the units of each minute."""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches

from opsportal.accounts.actors import WORKER
from opsportal.dynamo import clients
from opsportal.dynamo.errors import DynamoError, translated
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from opsportal.operations import entries
from opsportal.operations.entries import Actor, Entry, Target, new_action_id
from opsportal.operations.tables import audit_beside
from opsportal.operations.tags import Action
from opsportal.tables.retention import progress as places
from opsportal.tables.retention import reading
from opsportal.tables.retention.progress import LEASE, Lost, Progress, Run, minute_of
from opsportal.tables.retention.rules import Lives, rules
from opsportal.tables.retention.stamping import Allowance, Exhausted
from opsportal.tables.retention.sweeps import Step, Sweep, moment, sweeps

logger = logging.getLogger(__name__)

ACTOR = Actor("retention", "worker", WORKER)
# Seconds that one step may take, since messages wait meanwhile; and until its effects are told in the trail,
# if the sweep is not over before.
STEP, RUN = 2.0, 600.0
# Seconds until a sweep that can't be done is looked at again, and the longest sleep of one that is over.
CANT, LOOK = 300.0, 60.0

# By this process: when each sweep is next looked at, and what was last said of it.
_next: dict[str, float] = {}
_said: dict[str, str] = {}
_owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def chore(beside: Binding, stop: threading.Event) -> int:
    """Sweep the tables in the place of `beside`; how many stamps were set or taken. Raises `DynamoError`."""
    lives = Lives.configured()
    done = 0
    for sweep in (sweep for rule in rules() for sweep in sweeps(rule, lives)):
        if sweep.table.place != beside.place or stop.is_set():
            continue
        if time.monotonic() < _next.get(sweep.name, 0.0):
            continue
        # What raises is tried again, but not at once.
        _next[sweep.name] = time.monotonic() + LOOK
        why = _why_not(sweep)
        if why != _said.get(sweep.name, ""):
            logger.warning("retention of %s: %s", sweep.table.logical, why or "going on")
        _said[sweep.name] = why
        if why:
            _next[sweep.name] = time.monotonic() + CANT
            continue
        worked = work(sweep, lives, over=_until(time.monotonic() + STEP, stop))
        done += worked.count
        _next[sweep.name] = time.monotonic() + worked.wait
    return done


def _until(deadline: float, stop: threading.Event) -> Callable[[], bool]:
    return lambda: stop.is_set() or time.monotonic() >= deadline


def _why_not(sweep: Sweep) -> str:
    cache, key = caches["process"], f"retention:{sweep.name}"
    why: str | None = cache.get(key)
    if why is None:
        why = obstacle(sweep, Lives.configured())
        cache.set(key, why, CANT)
    return why


def obstacle(sweep: Sweep, lives: Lives) -> str:
    """Why a sweep would be in vain, for one of the tables that it stamps; "" where it would not. Raises
    `DynamoError`."""
    why = reading.why_not(sweep.rule, sweep.table)
    if not why and sweep.table == sweep.rule.table and lives.logs:
        why = reading.why_not(sweep.rule, sweep.rule.logs_table)
    return why


@dataclass(frozen=True)
class Worked:
    """`count`: stamps set or taken; `wait`: seconds until there is more to do; `ended`: the sweep is over;
    `elsewhere`: another worker is at it."""

    count: int = 0
    wait: float = 0.0
    ended: bool = False
    elsewhere: bool = False


def work(sweep: Sweep, lives: Lives, *, over: Callable[[], bool], forced: bool = False) -> Worked:
    """One step of a sweep. `forced`: one that rests begins anew.

    Raises `DynamoError`; what was done until then is written down.
    """
    now = places.now()
    progress = places.read(sweep.table)
    if progress.next_at > now:
        if not forced:
            return Worked(wait=min(progress.next_at - now, LOOK))
        progress.position, progress.next_at = {}, 0.0
    if progress.minute != minute_of(now):
        progress.minute, progress.spent = minute_of(now), 0.0
    units = settings.RETENTION_UNITS_PER_MINUTE - progress.spent
    if units <= 0:
        return Worked(wait=60 - now % 60)
    if not progress.take(f"{_owner}:{threading.get_ident()}", now):
        return Worked(wait=LEASE, elsewhere=True)
    with request_budget(None) as account:
        allowance = Allowance(units, over, account)
        try:
            return _held(sweep, lives, progress, allowance)
        except Lost:
            return Worked(wait=LEASE, elsewhere=True)


def _held(sweep: Sweep, lives: Lives, progress: Progress, allowance: Allowance) -> Worked:
    now = places.now()
    run = progress.run
    if progress.found_dead:
        run.cut = True
    if run.begun and (run.cut or now - run.begun >= RUN):
        _tell(sweep, progress)
    if not progress.run.begun:
        progress.run = Run(new_action_id(), now)
    before, spent = progress.run.effect, progress.spent

    def save(*, release: bool = False) -> None:
        progress.spent = spent + allowance.spent
        progress.save(places.now(), release=release)

    step = Step(sweep, lives, progress, allowance, moment(now), save)
    wait = 0.0
    try:
        while not (ended := sweep.step(step)):
            save()
            allowance.check()
    except Exhausted:
        ended = False
        left = settings.RETENTION_UNITS_PER_MINUTE - spent - allowance.spent
        wait = 60 - places.now() % 60 if left <= 0 else 0.0
    except Lost:
        raise
    except BaseException:
        with contextlib.suppress(Lost, DynamoError):  # the lease ends by itself
            save(release=True)
        raise
    count = progress.run.effect - before
    if ended:
        progress.next_at = places.now() + sweep.rest
        _tell(sweep, progress)
        wait = LOOK
    save(release=True)
    return Worked(count, wait, ended)


def _tell(sweep: Sweep, progress: Progress) -> None:
    """Write the entry of a run that had an effect, once: its key is the run's id, kept with its counts."""
    run = progress.run
    progress.run = Run()
    if not run.effect:
        return
    table, audit = sweep.table, audit_beside(sweep.table)
    parts = (
        (run.items, f"{sweep.rule.logical} stamped"),
        (run.logs, f"{sweep.rule.logs} stamped"),
        (run.released, "stamps taken away from what came to life again"),
    )
    note = "; ".join(f"{number} {what}" for number, what in parts if number)
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
    client = clients.client(*audit.place, patient=True)
    try:
        with translated(audit):
            client.put_item(
                TableName=audit.name, Item=entry.item(), ConditionExpression="attribute_not_exists(action_id)"
            )
    except client.exceptions.ConditionalCheckFailedException:
        logger.info("the run %s of %s was told already", run.id, sweep.name)


def forget() -> None:
    """Look at every sweep at once, as a new process would."""
    _next.clear()
    _said.clear()
