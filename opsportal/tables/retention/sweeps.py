"""A sweep: pages read, judged and stamped, one after another; and what it would do, without doing it.

A sweep of items goes through the finished statuses from the watermark of the one before, the oldest first;
once a day it starts over, to find what finished late and what came to life again. A sweep of logs is a slow
Scan.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsportal.dynamo.attributes import raw_text, read_text
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw
from opsportal.tables.retention import reading, stamping
from opsportal.tables.retention.reading import Found
from opsportal.tables.retention.rules import (
    RetentionPolicy,
    Rule,
    Verdict,
    judge,
    judge_log,
    log_time,
    newest,
)
from opsportal.tables.retention.stamping import Allowance

HOUR, DAY = 3_600, 86_400
# Seconds from the end of a sweep to the next, of a look at everything to the next, and of a Scan of the logs.
ITEMS_REST, FULL_LOOK, LOGS_REST = HOUR, DAY, 7 * DAY
# Items that a preview looks at, and those that it names.
MAX_LOOKED, NAMED = 1_000, 20


@dataclass
class Run:
    """What one run stamped so far. `id` is that of its audit entry; `cut`: a worker died in it, so that there
    may be a few more."""

    id: str = ""
    begun: float = 0.0
    items: int = 0
    logs: int = 0
    released: int = 0
    cut: bool = False

    @property
    def effect(self) -> int:
        return self.items + self.logs + self.released

    def count_log(self) -> None:
        self.logs += 1

    def count_released(self) -> None:
        self.released += 1


@dataclass(frozen=True)
class Sweep:
    """A table to be swept by a rule."""

    rule: Rule
    table: Binding
    days: int

    @property
    def of_logs(self) -> bool:
        return self.table == self.rule.logs_table

    @property
    def rest(self) -> int:
        return LOGS_REST if self.of_logs else ITEMS_REST

    def page(self, step: "Step") -> bool:
        """Do one page; whether that was the last."""
        return _logs_page(step) if self.of_logs else _items_page(step)


@dataclass
class Step:
    """What a page is done with. `position` and `run` are brought up to date."""

    sweep: Sweep
    lives: RetentionPolicy
    position: dict[str, Any]
    run: Run
    allowance: Allowance
    now: datetime

    @property
    def expiry(self) -> int:
        return self.lives.expiry(self.now)


def sweeps(rule: Rule, lives: RetentionPolicy) -> list[Sweep]:
    """Those that are switched on."""
    both = ((rule.table, lives.items), (rule.logs_table, lives.logs))
    return [Sweep(rule, table, days) for table, days in both if days]


# --- Items -------------------------------------------------------------------------------------------------


def _items_page(step: Step) -> bool:
    """One page of a status. `position`: ``queue`` (the partitions to come, with whether their items are finished),
    ``start`` (of the next page of the first), ``marks`` (how far each finished one is), ``newest`` (how far the first
    will be), ``full_at``."""
    position, rule = step.position, step.sweep.rule
    if "queue" not in position:
        _begin(step)
    if queue := position["queue"]:
        status, is_finished = queue[0]
        since = position["marks"].get(status, "")
        if is_finished:
            page = reading.finished(rule, status, since, step.now, step.sweep.days, position["start"])
        else:
            page = reading.come_alive(rule, status, position["start"])
        for raw in page.items:
            _act_on(step, raw)
        if page.items:
            position["newest"] = str(read_text(page.items[-1].get(rule.by_status.range_key)) or "")
        position["start"] = page.start
        if page.start is None:
            queue.pop(0)
            newest = position.pop("newest", since)
            if is_finished:
                position["marks"][status] = newest
    if queue:
        return False
    del position["queue"]
    return True


def _begin(step: Step) -> None:
    position = step.position
    finished, unfinished = reading.statuses(step.sweep.rule)
    # "left": an earlier version began this one, and kept its queue in another form.
    interrupted = position.pop("left", None) is not None
    full = interrupted or step.now.timestamp() - float(position.get("full_at", 0)) >= FULL_LOOK
    if full:
        position["full_at"], position["marks"] = step.now.timestamp(), {}
    position["queue"] = [[status, True] for status in finished]
    if full:
        position["queue"] += [[status, False] for status in unfinished]
    position["start"] = None
    position.pop("newest", None)


def _act_on(step: Step, raw: Raw) -> None:
    rule, run = step.sweep.rule, step.run
    guards = (rule.by_status.hash_key, *rule.stamps)
    verdict = judge(rule, raw, step.now, step.sweep.days)
    item = raw[rule.table.key]
    if verdict is Verdict.STAMP:
        step.allowance.check()
        if step.lives.logs:
            # Before the item: a worker that dies in between finds the item unstamped, and comes back.
            stamping.stamp_logs(rule, item, step.expiry, step.allowance, run.count_log)
        run.items += stamping.stamp(rule.table, raw, step.expiry, guards, step.allowance)
    elif verdict is Verdict.RELEASE:
        step.allowance.check()
        stamping.release_logs(rule, item, step.allowance, run.count_released)
        run.released += stamping.release(rule.table, raw, guards, step.allowance)


# --- Logs --------------------------------------------------------------------------------------------------


def _logs_page(step: Step) -> bool:
    """One page of the Scan. `position`: ``start``."""
    rule = step.sweep.rule
    page = reading.old_logs(rule, step.now, step.sweep.days, step.position.get("start"))
    alive = reading.alive(rule, page.items) if page.items else set()
    for raw in page.items:
        if judge_log(rule, raw, step.now, step.sweep.days, alive) is Verdict.STAMP:
            step.allowance.check()
            guards = (rule.by_item.hash_key, rule.by_item.range_key)
            step.run.logs += stamping.stamp(rule.logs_table, raw, step.expiry, guards, step.allowance)
    step.position["start"] = page.start
    return page.start is None


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# --- Preview -----------------------------------------------------------------------------------------------


@dataclass
class Preview:
    """`verdicts`: how many of the items looked at are to be stamped, and why the others are not. `more`: not
    everything was read. `units`: about the write units of the stamps, indexes included."""

    sweep: Sweep
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    first: list[tuple[str, datetime | None]] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None
    units: int = 0
    read: int = 0
    more: bool = False

    @property
    def stamps(self) -> int:
        return self.verdicts[Verdict.STAMP]

    def add(self, raw: Raw, verdict: Verdict, touched: datetime | None, copies: int) -> None:
        self.verdicts[verdict] += 1
        if verdict is not Verdict.STAMP:
            return
        # Once for the table and once for each index that holds the attribute, by started KB.
        self.units += copies * math.ceil(len(raw_text({"M": raw}).encode(errors="replace")) / 1024)
        if len(self.first) < NAMED:
            self.first.append((str(read_text(raw.get(self.sweep.table.key)) or ""), touched))
        if touched:
            self.oldest = min(self.oldest or touched, touched)
            self.newest = max(self.newest or touched, touched)


def preview(sweep: Sweep) -> Preview:
    """Look at up to `MAX_LOOKED` items of what the sweep reads. Raises `DynamoError`."""
    found, now = Preview(sweep), datetime.now(UTC)
    indexes = describe(sweep.table, background=True).indexes
    copies = 1 + sum(index.projection == "ALL" for index in indexes)
    rule = sweep.rule
    for page in _log_pages(sweep, now) if sweep.of_logs else _item_pages(sweep, now):
        if found.read >= MAX_LOOKED:
            found.more = True
            break
        found.read += page.read
        alive = reading.alive(rule, page.items) if sweep.of_logs and page.items else set()
        for raw in page.items:
            if sweep.of_logs:
                verdict, touched = judge_log(rule, raw, now, sweep.days, alive), log_time(rule, raw)
            else:
                verdict, touched = judge(rule, raw, now, sweep.days), newest(raw, rule.stamps)
            found.add(raw, verdict, touched, copies)
    return found


def _item_pages(sweep: Sweep, now: datetime) -> Iterator[Found]:
    for status in reading.statuses(sweep.rule)[0]:
        start: Raw | None = None
        while True:
            page = reading.finished(sweep.rule, status, "", now, sweep.days, start)
            yield page
            if (start := page.start) is None:
                break


def _log_pages(sweep: Sweep, now: datetime) -> Iterator[Found]:
    start: Raw | None = None
    while True:
        page = reading.old_logs(sweep.rule, now, sweep.days, start)
        yield page
        if (start := page.start) is None:
            break
