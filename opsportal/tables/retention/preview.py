"""What a sweep would do, without doing it: counted up to a cap, with the first of them."""

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from opsportal.dynamo.attributes import raw_text, read_text
from opsportal.dynamo.descriptions import describe
from opsportal.operations.changes import Raw
from opsportal.tables.retention import reading
from opsportal.tables.retention.rules import Verdict, judge, judge_log, log_time, newest
from opsportal.tables.retention.sweeps import Sweep

# Items that a preview looks at, and those that it names.
MOST_LOOKED, NAMED = 1_000, 20


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
    """Look at up to `MOST_LOOKED` items of what the sweep reads. Raises `DynamoError`."""
    found = Preview(sweep)
    indexes = describe(sweep.table, patient=True).indexes
    copies = 1 + sum(index.projection == "ALL" for index in indexes)
    now = datetime.now(UTC)
    if sweep.table == sweep.rule.table:
        _items(found, now, copies)
    else:
        _logs(found, now, copies)
    return found


def _items(found: Preview, now: datetime, copies: int) -> None:
    sweep, rule = found.sweep, found.sweep.rule
    for status in reading.statuses(rule)[0]:
        start: Raw | None = None
        while True:
            page = reading.finished(rule, status, "", now, sweep.days, start)
            for raw in page.items:
                found.add(raw, judge(rule, raw, now, sweep.days), newest(raw, rule.stamps), copies)
            found.read += page.read
            start = page.start
            if start is None:
                break
            if found.read >= MOST_LOOKED:
                found.more = True
                return


def _logs(found: Preview, now: datetime, copies: int) -> None:
    sweep, rule = found.sweep, found.sweep.rule
    start: Raw | None = None
    for _ in range(MOST_LOOKED // reading.PASSED_BY):
        page = reading.old_logs(rule, now, sweep.days, start)
        alive = reading.alive(rule, page.items) if page.items else set()
        for raw in page.items:
            verdict = judge_log(rule, raw, now, sweep.days, alive)
            found.add(raw, verdict, log_time(rule, raw), copies)
        found.read += page.read
        start = page.start
        if start is None:
            return
    found.more = True
