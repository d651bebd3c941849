"""One step of a sweep: a few pages read, judged and stamped, and written down after each how far it came.

A sweep of items goes through the finished statuses from the watermark of the one before, the oldest first;
once a day it begins anew, to find what finished late and what came to life again. A sweep of logs is a slow
Scan. Both are cut into steps of seconds, so that the worker's other chores have their turn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsportal.dynamo.attributes import read_text
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw
from opsportal.tables.retention import reading, stamping
from opsportal.tables.retention.progress import Progress
from opsportal.tables.retention.rules import Lives, Rule, Verdict, judge, judge_log
from opsportal.tables.retention.stamping import Allowance

HOUR, DAY = 3_600, 86_400
# Seconds from the end of a sweep to the next, of a look at everything to the next, and of a Scan of the logs.
ITEMS_REST, FULL_LOOK, LOGS_REST = HOUR, DAY, 7 * DAY


@dataclass(frozen=True)
class Sweep:
    """A table to be swept by a rule. `step` does one page and says whether that was the last."""

    rule: Rule
    table: Binding
    days: int
    rest: int
    step: Callable[["Step"], bool]

    @property
    def name(self) -> str:
        return f"{self.table.logical}:{self.table.fingerprint}:{self.table.ttl_attribute}"


@dataclass
class Step:
    """What a page is done with. `save` writes the progress down."""

    sweep: Sweep
    lives: Lives
    progress: Progress
    allowance: Allowance
    now: datetime
    save: Callable[[], None]

    @property
    def position(self) -> dict[str, Any]:
        return self.progress.position

    @property
    def expiry(self) -> int:
        return self.lives.expiry(self.now)

    def count_log(self) -> None:
        self.progress.run.logs += 1

    def count_released(self) -> None:
        self.progress.run.released += 1


def sweeps(rule: Rule, lives: Lives) -> list[Sweep]:
    """Those that are switched on."""
    found = []
    if lives.items:
        found.append(Sweep(rule, rule.table, lives.items, ITEMS_REST, items_page))
    if lives.logs:
        found.append(Sweep(rule, rule.logs_table, lives.logs, LOGS_REST, logs_page))
    return found


# --- Items -------------------------------------------------------------------------------------------------


def items_page(step: Step) -> bool:
    """One page of a status. `position`: ``left`` (partitions to come, the first under way), ``alive`` (those of
    unfinished statuses), ``start``, ``marks`` (how far each finished one is), ``full_at``."""
    position, rule = step.position, step.sweep.rule
    if "left" not in position:
        _begin(step)
    if position["left"]:
        status = position["left"][0]
        since = position["marks"].get(status, "")
        page = reading.finished(rule, status, since, step.now, step.sweep.days, position.get("start"))
        for raw in page.items:
            _act_on(step, raw)
        if page.items:
            position["newest"] = str(read_text(page.items[-1].get(rule.by_status.range_key)) or "")
        if page.start is None:
            position["left"].pop(0)
            position["marks"][status] = position.pop("newest", since)
    elif position["alive"]:
        page = reading.come_alive(rule, position["alive"][0], position.get("start"))
        for raw in page.items:
            _act_on(step, raw)
        if page.start is None:
            position["alive"].pop(0)
    else:
        page = reading.Found([], None)
    position["start"] = page.start
    if position["left"] or position["alive"]:
        return False
    del position["left"]
    return True


def _begin(step: Step) -> None:
    position = step.position
    finished, unfinished = reading.statuses(step.sweep.rule)
    full = step.now.timestamp() - float(position.get("full_at", 0)) >= FULL_LOOK
    if full:
        position["full_at"], position["marks"] = step.now.timestamp(), {}
    position["left"], position["alive"] = finished, unfinished if full else []
    position["start"] = None
    position.pop("newest", None)


def _act_on(step: Step, raw: Raw) -> None:
    rule, run = step.sweep.rule, step.progress.run
    guards = (rule.by_status.hash_key, *rule.stamps)
    verdict = judge(rule, raw, step.now, step.sweep.days)
    item = raw[rule.table.key]
    if verdict is Verdict.STAMP:
        step.allowance.check()
        if step.lives.logs:
            # Before the item: a worker that dies in between finds the item unstamped, and comes back.
            stamping.stamp_logs(rule, item, step.expiry, step.allowance, step.count_log)
        run.items += stamping.stamp(rule.table, raw, step.expiry, guards, step.allowance)
    elif verdict is Verdict.RELEASE:
        step.allowance.check()
        stamping.release_logs(rule, item, step.allowance, step.count_released)
        run.released += stamping.release(rule.table, raw, guards, step.allowance)


# --- Logs --------------------------------------------------------------------------------------------------


def logs_page(step: Step) -> bool:
    """One page of the Scan. `position`: ``start``."""
    rule = step.sweep.rule
    page = reading.old_logs(rule, step.now, step.sweep.days, step.position.get("start"))
    alive = reading.alive(rule, page.items) if page.items else set()
    for raw in page.items:
        if judge_log(rule, raw, step.now, step.sweep.days, alive) is Verdict.STAMP:
            step.allowance.check()
            guards = (rule.by_item.hash_key, rule.by_item.range_key)
            step.progress.run.logs += stamping.stamp(
                rule.logs_table, raw, step.expiry, guards, step.allowance
            )
    step.position["start"] = page.start
    return page.start is None


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
