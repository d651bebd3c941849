"""The steps of one workflow on a common time axis, in percent, ready to be drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from opsportal.console.cells import UTC_ZONE
from opsportal.console.clock import duration, in_zone
from opsportal.console.findings import CLOCK_SKEW
from opsportal.console.tones import FAILED, SUCCESS
from opsportal.dynamo.attributes import Malformed
from tracking.models import Workflow
from tracking.steps import LONG_BEFORE, Step, shifted

# A bar is at least that wide, so that a step of milliseconds is seen.
LEAST_WIDTH = 0.6
TICKS = 5
# Idle time is cut out of the axis where it is that long, in seconds, and longer than all work; the longest few alone.
LEAST_IDLE, MAX_CUTS = 60, 3
# Percent of the axis: of a cut, of a run before one at least, and of the newest run at least.
CUT, EARLIER, NEWEST = 7.0, 12.0, 43.0
# Percent before a cut in which no tick has a label, since the cut has its own.
CLEAR = 6.0
MINUTE, HOUR, DAY = 60, 3600, 86400
# Distances between two ticks that people count in, in seconds.
TICK_STEPS = (
    *(0.001 * size * 10**power for power in range(3) for size in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(MINUTE * size for size in (1, 2, 5, 10, 15, 30)),
    *(HOUR * size for size in (1, 2, 3, 6, 12)),
)


@dataclass(frozen=True)
class Bar:
    """`x` and `width` in percent of the axis; `kind`: recorded, derived or running."""

    x: float
    width: float
    kind: str


@dataclass(frozen=True)
class Row:
    """`earlier`: the step is of a run before the newest retry, and has not run again."""

    step: Step
    bar: Bar | None
    earlier: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.step, name)

    @property
    def status(self) -> Any:
        if self.step.malformed is not None:
            return self.step.malformed
        return self.step.status if isinstance(self.step.status, Malformed) else self.step.status_text

    @property
    def started(self) -> Any:
        return self.step.began_at or self.step.started_at

    @property
    def completed(self) -> Any:
        return self.step.completed_at

    @property
    def derived(self) -> bool:
        return self.step.derived_start is not None

    @property
    def duration(self) -> Decimal | None:
        return self.step.seconds

    @property
    def tokens(self) -> Any:
        return self.step.tokens.total


class Tick(NamedTuple):
    """`label`: the time since its run began; "" where a line alone is drawn. `anchor`: a class of the text."""

    x: float
    label: str
    anchor: str = ""


@dataclass(frozen=True)
class Run:
    """A part of the axis without a cut. `x`, `width`: in percent; `label`: when it began, in the reader's zone."""

    begin: datetime
    end: datetime
    x: float
    width: float
    label: str

    @property
    def seconds(self) -> float:
        return max((self.end - self.begin).total_seconds(), 0.001)

    def at(self, moment: datetime) -> float:
        share = (moment - self.begin).total_seconds() / self.seconds
        return self.x + max(0.0, min(1.0, share)) * self.width


@dataclass(frozen=True)
class Cut:
    """Idle time that is not drawn to scale. `label`: how long it was."""

    x: float
    width: float
    label: str

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Timeline:
    """`runs`: empty where nothing is cut out."""

    rows: list[Row]
    ticks: list[Tick]
    runs: Sequence[Run] = ()
    cuts: Sequence[Cut] = ()

    @property
    def kinds(self) -> set[str]:
        """The kinds of its bars: what its legend explains."""
        return {row.bar.kind for row in self.rows if row.bar}

    @property
    def retried(self) -> bool:
        """Whether a step of a run before the newest retry is on the axis."""
        return any(row.earlier for row in self.rows)


class Busy(NamedTuple):
    """When a step worked."""

    begin: datetime
    end: datetime


def timeline(workflow: Workflow, now: datetime | None = None, zone: ZoneInfo = UTC_ZONE) -> Timeline:
    """One row per step. The axis runs from the first start to the last end, or to now while it runs; what is idle for
    longer than all work, as before a retry, is cut out of it."""
    now = now or datetime.now(UTC)
    # A time that can't be would make the axis of years; where none can be, they are on it all the same.
    likely = [step for step in workflow.steps if _is_likely(step, workflow, now)]
    dated = any(step.began_at or isinstance(step.completed_at, datetime) for step in likely)
    steps = likely if dated else list(workflow.steps)
    starts = [step.began_at for step in steps if step.began_at]
    ends = [step.completed_at for step in steps if isinstance(step.completed_at, datetime)]
    stopped = workflow.cancelled_at if workflow.cancelled_from_here else None
    if starts and isinstance(stopped, datetime) and min(starts) <= stopped <= now:
        ends.append(stopped)  # until then its stopped steps ran
    running = any(step.running for step in steps) and not workflow.is_terminal
    until = now if running and starts else max([*starts, *ends], default=None)
    busy = {step.key: found for step in steps if until and (found := _busy(step, until))}
    if not busy:
        return Timeline([Row(step, None) for step in workflow.steps], [])
    runs, cuts = _axis(busy.values(), zone)
    newest = runs[-1].begin if workflow.retry_count and cuts else None
    rows = []
    for step in workflow.steps:
        found = busy.get(step.key)
        bar = _bar(step, found, runs) if found else None
        rows.append(Row(step, bar, earlier=bool(found and newest and found.end < newest)))
    ticks = [tick for run in runs for tick in _ticks(run, is_cut=bool(cuts), ends=run is runs[-1])]
    return Timeline(rows, ticks, runs if cuts else (), cuts)


def _is_likely(step: Step, workflow: Workflow, now: datetime) -> bool:
    """Whether its times can be: see `findings`."""
    began, completed, created = step.began_at, step.completed_at, workflow.created_at
    times = [at for at in (began, completed) if isinstance(at, datetime)]
    if not times:
        return True
    if len(times) == 2 and times[1] < times[0] and not step.running:
        return False
    if isinstance(created, datetime) and created - min(times) > LONG_BEFORE:
        return False
    return max(times) - now <= CLOCK_SKEW


def _busy(step: Step, until: datetime) -> Busy | None:
    began = step.began_at
    if isinstance(step.completed_at, datetime):
        # Without start and duration only the end is known: a mark there, drawn as derived.
        known = began or step.completed_at
        return Busy(min(known, step.completed_at), step.completed_at)
    if began is None:
        return None
    seconds, stop = step.seconds, None
    if seconds and not step.running:
        stop = shifted(began, seconds)
    elif step.tone in (SUCCESS, FAILED) and isinstance(step.last_updated, datetime):
        stop = step.last_updated  # its writer left the end out
    return Busy(began, max(stop or until, began))


# --- The axis --------------------------------------------------------------------------------------------


def _axis(busy: Iterable[Busy], zone: ZoneInfo) -> tuple[list[Run], list[Cut]]:
    """The runs between the cuts, of which there is one less. The scale of two runs may differ: each has its ticks."""
    merged = _merged(busy)
    worked = sum(((one.end - one.begin for one in merged)), timedelta())
    idle = [(after.begin - before.end, number) for number, (before, after) in enumerate(pairwise(merged))]
    longest = sorted(
        (one for one in idle if one[0] > max(worked, timedelta(seconds=LEAST_IDLE))), reverse=True
    )
    at = sorted(number for _, number in longest[:MAX_CUTS])
    first = [0, *(number + 1 for number in at)]
    spans = [
        Busy(merged[begin].begin, merged[end].end)
        for begin, end in zip(first, [*at, len(merged) - 1], strict=True)
    ]
    one_day = len({in_zone(span.begin, zone).date() for span in spans}) == 1
    runs, cuts, x = list[Run](), list[Cut](), 0.0
    for span, width in zip(spans, _widths(spans), strict=True):
        if runs:
            length = duration(Decimal(str((span.begin - runs[-1].end).total_seconds())))
            cuts.append(Cut(x, CUT, f"{length} idle"))
            x += CUT
        local = in_zone(span.begin, zone)
        label = f"{local:%H:%M:%S}" if one_day else f"{local.day} {local:%b %H:%M}"
        runs.append(Run(span.begin, span.end, x, width, label))
        x += width
    return runs, cuts


def _merged(busy: Iterable[Busy]) -> list[Busy]:
    """In order, with those that overlap or touch as one."""
    merged: list[Busy] = []
    for one in sorted(busy):
        if merged and one.begin <= merged[-1].end:
            merged[-1] = Busy(merged[-1].begin, max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged


def _widths(spans: Sequence[Busy]) -> list[float]:
    """In percent: in proportion to the length, but the newest run can be read and the others are seen."""
    room = 100 - CUT * (len(spans) - 1)
    lengths = [max((span.end - span.begin).total_seconds(), 0.001) for span in spans]
    wide = [max(room * length / sum(lengths), EARLIER) for length in lengths[:-1]]
    newest = NEWEST if lengths[-1] >= 1 else EARLIER
    too_wide = sum(wide) - (room - newest)
    spare = sum(width - EARLIER for width in wide)
    if too_wide > 0 and spare:
        wide = [width - (width - EARLIER) * too_wide / spare for width in wide]
    return [*wide, room - sum(wide)]


def _bar(step: Step, busy: Busy, runs: Sequence[Run]) -> Bar:
    run = next((run for run in reversed(runs) if run.begin <= busy.begin), runs[0])
    if step.running and not isinstance(step.completed_at, datetime):
        kind = "running"
    else:
        recorded = isinstance(step.started_at, datetime) or not isinstance(step.completed_at, datetime)
        kind = "recorded" if recorded else "derived"
    first, last = run.at(busy.begin), run.at(busy.end)
    width = max(last - first, LEAST_WIDTH)
    return Bar(round(min(first, 100 - width), 3), round(width, 3), kind)


def _ticks(run: Run, *, is_cut: bool, ends: bool) -> list[Tick]:
    """At round distances from the run's begin, at most one more than `TICKS` on the whole axis. Where it is cut a run's
    begin has a label of its own, and so has the cut at its end."""
    if run.begin == run.end:
        return [Tick(run.x, "" if is_cut else "0", "is-first")]
    most = max(round(TICKS * run.width / 100), 1)
    step = next((step for step in TICK_STEPS if run.seconds / step <= most), 0.0)
    if not step:
        step = max(-(-run.seconds // (most * DAY)), 1) * DAY
    ticks = []
    for number in range(int(run.seconds / step) + 1):
        x = run.x + run.width * number * step / run.seconds
        crowded = is_cut and (not number or (not ends and x > run.x + run.width - CLEAR))
        anchor = "is-first" if not number else "is-last" if x > 92 else ""
        ticks.append(Tick(x, "" if crowded else _tick(number * step), anchor))
    return ticks


def _tick(seconds: float) -> str:
    """`0`, `500 ms`, `30 s`, `1 m 30 s`, `2 h`: what is zero is left out."""
    parts, rest = [], round(seconds * 1000)
    for unit, size in (("d", DAY * 1000), ("h", HOUR * 1000), ("m", MINUTE * 1000), ("s", 1000), ("ms", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts) or "0"
