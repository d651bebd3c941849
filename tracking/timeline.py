"""The steps of one workflow on a common time axis, in percent, ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from opsportal.console.findings import CLOCK_SKEW
from opsportal.dynamo.attributes import Malformed
from tracking.models import Workflow
from tracking.steps import LONG_BEFORE, Step, shifted

# A bar is at least that wide, so that a step of milliseconds is seen.
LEAST_WIDTH = 0.6
TICKS = 5
# A retried workflow that was idle for that long, in seconds, and for longer than it had worked, waited for its retry.
LEAST_IDLE = 60
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
    """`x` and `width` in percent of the axis; `kind`: recorded, derived, running or waiting."""

    x: float
    width: float
    kind: str


@dataclass(frozen=True)
class Row:
    """`earlier`: the step is of a run before the newest retry, and not on the axis."""

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


@dataclass(frozen=True)
class Timeline:
    rows: list[Row]
    ticks: list[tuple[float, str]]


def timeline(workflow: Workflow, now: datetime | None = None) -> Timeline:
    """One row per step. The axis runs from the first start to the last end, or to now while it runs. Of a workflow
    that was retried from a later step it begins with the newest retry."""
    now = now or datetime.now(UTC)
    # A time that can't be would make the axis of years; where none can be, they are on it all the same.
    likely = [step for step in workflow.steps if _is_likely(step, workflow, now)]
    dated = any(step.began_at or isinstance(step.completed_at, datetime) for step in likely)
    steps = likely if dated else list(workflow.steps)
    earlier = _before_retry(steps) if workflow.retry_count else frozenset()
    steps = [step for step in steps if step.key not in earlier]
    drawn = {step.key for step in steps}
    starts = [step.began_at for step in steps if step.began_at]
    ends = [step.completed_at for step in steps if isinstance(step.completed_at, datetime)]
    stopped = workflow.cancelled_at if workflow.cancelled_from_here else None
    if starts and isinstance(stopped, datetime) and min(starts) <= stopped <= now:
        ends.append(stopped)  # until then its stopped steps ran
    running = any(step.running for step in steps) and not workflow.is_terminal
    begin = min([*starts, *ends], default=None)
    end = max([*starts, *ends, *([now] if running and starts else [])], default=None)
    if begin is None or end is None:
        return Timeline([Row(step, None) for step in workflow.steps], [])
    span = max((end - begin).total_seconds(), 0.001)

    def at(moment: datetime) -> float:
        return max(0.0, min(100.0, (moment - begin).total_seconds() / span * 100))

    until = now if running else end
    rows = [
        Row(step, _bar(step, at, until) if step.key in drawn else None, earlier=step.key in earlier)
        for step in workflow.steps
    ]
    return Timeline(rows, _ticks(span))


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


def _before_retry(steps: Sequence[Step]) -> frozenset[str]:
    """Keys of the steps that an earlier run left: those before the newest gap that is longer than all work until then.

    The item does not say when it was retried, and a retry from a step on keeps what the steps before it recorded.
    """
    started = sorted(((step.began_at, step) for step in steps if step.began_at), key=lambda pair: pair[0])
    earlier, seen, worked, last = frozenset[str](), list[str](), 0.0, None
    for began, step in started:
        idle = (began - last).total_seconds() if last else 0.0
        if idle >= LEAST_IDLE and idle > worked:
            earlier = frozenset(seen)
        end = step.completed_at if isinstance(step.completed_at, datetime) else began
        seen.append(step.key)
        worked += max((end - began).total_seconds(), 0.0)
        last = max(last or end, end)
    return earlier


def _bar(step: Step, at: Any, until: datetime) -> Bar | None:
    began = step.began_at
    if isinstance(step.completed_at, datetime):
        # Without start and duration only the end is known: a mark there, drawn as derived.
        known = began or step.completed_at
        kind = "recorded" if isinstance(step.started_at, datetime) else "derived"
        first, last = at(min(known, step.completed_at)), at(step.completed_at)
    elif began is not None:
        seconds = step.seconds
        stop = shifted(began, seconds) if seconds and not step.running else None
        kind = "running" if step.running else "recorded"
        first, last = at(began), at(max(stop or until, began))
    else:
        return None
    width = max(last - first, LEAST_WIDTH)
    return Bar(round(min(first, 100 - width), 3), round(width, 3), kind)


def _ticks(span: float) -> list[tuple[float, str]]:
    """(percent, label) at round distances, at most one more than `TICKS`, from 0 on."""
    step = next((step for step in TICK_STEPS if span / step <= TICKS), 0.0)
    if not step:
        days = -(-span // (TICKS * DAY))
        step = max(days, 1) * DAY
    return [(100 * number * step / span, _tick(number * step)) for number in range(int(span / step) + 1)]


def _tick(seconds: float) -> str:
    """`0`, `500 ms`, `30 s`, `1 m 30 s`, `2 h`: what is zero is left out."""
    parts, rest = [], round(seconds * 1000)
    for unit, size in (("d", DAY * 1000), ("h", HOUR * 1000), ("m", MINUTE * 1000), ("s", 1000), ("ms", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts) or "0"
