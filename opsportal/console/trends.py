"""How many began, how many failed and how long they took, over the time that the overview looks at.

Made of what its counts read: the newest items of each status, at most so many of one. Where a status has more,
the charts begin at the oldest of them, since before that a part is not known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from opsportal.console import cells, clock, figures
from opsportal.console.numbers import MIN_VALUES, nearest_rank
from opsportal.console.text import escape
from opsportal.console.tones import ATTENTION, FAILED, RUNNING, SUCCESS, UNKNOWN, WAITING, tone_of
from opsportal.dynamo import partitions
from opsportal.dynamo.partitions import Recent

# Seconds that a bar may stand for: the smallest that makes at most `MAX_BARS`.
LENGTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
MAX_BARS = 30
# From the base line upwards, and what its items are called.
WORDS = {
    FAILED: "failed",
    ATTENTION: "cancelled or halted",
    UNKNOWN: "of an unknown status",
    RUNNING: "running",
    WAITING: "waiting",
    SUCCESS: "completed",
}


@dataclass(frozen=True)
class Bar:
    """What was created from `start` on, until the next bar: how many of each tone, and the seconds, sorted,
    that those took that completed."""

    start: datetime
    tones: dict[str, int]
    seconds: tuple[Decimal, ...] = ()

    @cached_property
    def created(self) -> int:
        return sum(self.tones.values())

    @property
    def ended(self) -> int:
        """Well or badly."""
        return self.tones[SUCCESS] + self.tones[FAILED]

    @cached_property
    def failure_rate(self) -> Decimal | None:
        """Percent of what ended well or badly; None where nothing did."""
        return Decimal(self.tones[FAILED]) * 100 / self.ended if self.ended else None

    @property
    def others(self) -> int:
        """Neither ended well or badly nor under way."""
        return self.tones[ATTENTION] + self.tones[UNKNOWN]

    @property
    def open(self) -> int:
        return self.tones[RUNNING] + self.tones[WAITING]

    @cached_property
    def p50(self) -> Decimal | None:
        """None of fewer than `MIN_VALUES`."""
        return nearest_rank(self.seconds, 50) if len(self.seconds) >= MIN_VALUES else None

    @cached_property
    def p95(self) -> Decimal | None:
        return nearest_rank(self.seconds, 95) if len(self.seconds) >= MIN_VALUES else None


@dataclass(frozen=True)
class Chart:
    """`figure` and `unit` sum it up; `note` says its scale; `svg` shows the bars."""

    title: str
    figure: str
    unit: str
    note: str
    tone: str
    svg: SafeString


@dataclass(frozen=True)
class Trends:
    """Bars of `length` each, the oldest first and the last one not over yet. `whole`: they are the window;
    else they go as far back as what was read of each status."""

    bars: tuple[Bar, ...]
    length: timedelta
    now: datetime
    whole: bool

    @property
    def since(self) -> datetime:
        return self.bars[0].start

    @property
    def most(self) -> int:
        """Items of a status that are read."""
        return partitions.COUNT_CAP

    @property
    def plain(self) -> tuple[Any, ...]:
        """For a cache: what `from_plain` takes."""
        bars = tuple(
            (bar.start, tuple(bar.tones.values()), tuple(map(float, bar.seconds))) for bar in self.bars
        )
        return self.length.total_seconds(), self.now, self.whole, bars

    @classmethod
    def from_plain(cls, length: float, now: datetime, whole: bool, bars: Iterable[Any]) -> "Trends":
        made = (
            Bar(start, dict(zip(WORDS, tones, strict=True)), tuple(Decimal(str(one)) for one in seconds))
            for start, tones, seconds in bars
        )
        return cls(tuple(made), timedelta(seconds=length), now, whole)

    @cached_property
    def total(self) -> Bar:
        """All bars as one."""
        tones = {tone: sum(bar.tones[tone] for bar in self.bars) for tone in WORDS}
        return Bar(self.since, tones, tuple(sorted(value for bar in self.bars for value in bar.seconds)))

    @property
    def length_text(self) -> str:
        """`1 h`, `30 min`, `10 s`."""
        seconds = int(self.length.total_seconds())
        return next(
            f"{seconds // size} {unit}"
            for size, unit in ((3600, "h"), (60, "min"), (1, "s"))
            if not seconds % size
        )

    @property
    def newest_first(self) -> list[tuple[Bar, str]]:
        """Bars with what was created in them, and the query of a list of just these: a bound holds its whole second."""
        last = self.length - timedelta(seconds=1)
        return [
            (bar, urlencode({"from": clock.utc_text(bar.start), "to": clock.utc_text(bar.start + last)}))
            for bar in reversed(self.bars)
            if bar.created
        ]

    def rows(self, zone: ZoneInfo, list_url: str) -> SafeString:
        """The charts as the rows of a table, each led by a link to its items. As the columns of lists in Python: by a
        template they were half of an overview whose figures are new."""
        return SafeString("".join(_row(bar, f"{list_url}?{query}", zone) for bar, query in self.newest_first))

    def charts(self, zone: ZoneInfo) -> list[Chart]:
        """Throughput, failure rate, duration, with times in that zone. None where nothing was created."""
        if not self.total.created:
            return []
        starts = [self._start(bar, zone) for bar in self.bars]
        return [self._throughput(starts), self._failures(starts), self._durations(starts)]

    def _throughput(self, starts: Sequence[str]) -> Chart:
        figure, unit = _rate(self.total.created, self.now - self.since)
        note = f"peak {max(bar.created for bar in self.bars)} in {self.length_text}"
        bars = [
            (
                f"{start}: {bar.created} created" + _listed(bar.tones),
                [(tone, bar.tones[tone]) for tone in WORDS],
            )
            for bar, start in zip(self.bars, starts, strict=True)
        ]
        return Chart("Throughput", figure, unit, note, RUNNING, self._drawn("Throughput", note, bars))

    def _failures(self, starts: Sequence[str]) -> Chart:
        total, rates = self.total, [bar.failure_rate for bar in self.bars]
        highest = max((rate for rate in rates if rate is not None), default=Decimal(0))
        figure = "—" if total.failure_rate is None else f"{total.failure_rate:.1f} %"
        unit = f"{total.tones[FAILED]} of {total.ended} ended"
        note = f"peak {highest:.0f} % in {self.length_text}" if total.ended else "nothing ended"
        bars = [
            (
                f"{start}: {bar.tones[FAILED]} of {bar.ended} that ended failed",
                [(FAILED, float(rate or 0))],
            )
            for bar, start, rate in zip(self.bars, starts, rates, strict=True)
        ]
        tone = FAILED if total.tones[FAILED] else SUCCESS
        return Chart("Failure rate", figure, unit, note, tone, self._drawn("Failure rate", note, bars))

    def _durations(self, starts: Sequence[str]) -> Chart:
        """The median below, and on it what p95 has more. Of few, what the slowest took, in another tone."""
        total = self.total
        if total.p50 is None or total.p95 is None:
            figure, unit = "—", f"{len(total.seconds) or 'none'} measured, fewer than {MIN_VALUES}"
        else:
            figure, unit = clock.duration(total.p50), f"p95 {clock.duration(total.p95)}"
        slowest = max((bar.seconds[-1] for bar in self.bars if bar.seconds), default=None)
        note = "" if slowest is None else f"slowest {clock.duration(slowest)}, of {len(total.seconds)}"
        bars = []
        for bar, start in zip(self.bars, starts, strict=True):
            measured = len(bar.seconds)
            if bar.p50 is not None and bar.p95 is not None:
                said = f"median {clock.duration(bar.p50)}, p95 {clock.duration(bar.p95)} of {measured}"
                parts = [(RUNNING, float(bar.p50)), (WAITING, float(bar.p95 - bar.p50))]
            elif measured:
                said = f"slowest {clock.duration(bar.seconds[-1])} of {measured}"
                parts = [(WAITING, float(bar.seconds[-1]))]
            else:
                said, parts = "none measured", []
            bars.append((f"{start}: {said}", parts))
        return Chart("Median duration", figure, unit, note, RUNNING, self._drawn("Duration", note, bars))

    def _start(self, bar: Bar, zone: ZoneInfo) -> str:
        form = "%H:%M:%S" if self.length < timedelta(minutes=1) else "%H:%M"
        if self.length > timedelta(hours=1):
            form = f"%-d %b {form}"
        local = clock.in_zone(bar.start, zone)
        return f"{local:{form}} {clock.zone_name(local)}"

    def _drawn(
        self, title: str, note: str, bars: Sequence[tuple[str, Sequence[tuple[str, float]]]]
    ) -> SafeString:
        label = f"{title} in {len(bars)} bars of {self.length_text}, the last one now" + (
            f": {note}" if note else ""
        )
        return figures.stacked(bars, label=label)


def _row(bar: Bar, url: str, zone: ZoneInfo) -> str:
    rate = cells.NOTHING if bar.failure_rate is None else f"{bar.failure_rate:.1f} %"
    numbers = (
        bar.created, bar.tones[SUCCESS], bar.tones[FAILED], bar.open, bar.others,
        rate, cells.duration(bar.p50), cells.duration(bar.p95),
    )  # fmt: skip
    return (
        f'<tr><th scope="row"><a href="{escape(url)}">{cells.clock(bar.start, zone)}</a></th>'
        + "".join(f'<td class="is-num">{number}</td>' for number in numbers)
        + "</tr>"
    )


def _listed(tones: dict[str, int]) -> str:
    said = [f"{number} {WORDS[tone]}" for tone, number in tones.items() if number]
    return ": " + ", ".join(said) if said else ""


def _rate(number: int, time: timedelta) -> tuple[str, str]:
    """So many a minute, an hour or a day: the first of which there is at least one."""
    seconds = max(time.total_seconds(), 1)
    for size, unit in ((60, "minute"), (3600, "hour"), (86_400, "day")):
        rate = number * size / seconds
        if rate >= 1 or unit == "day":
            break
    article = "an" if unit == "hour" else "a"
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}", f"created {article} {unit}"


def of(found: Iterable[tuple[str, Recent]], since: datetime, now: datetime) -> Trends | None:
    """From what was created with each status from `since` on, as read at `now`.

    None where what was read of a status is of one moment. An item whose time can't be read is in no bar.
    """
    found = list(found)
    known = max((recent.since or now for _, recent in found if recent.more), default=since)
    begin = max(since, known)
    if (now - begin).total_seconds() < 2 * LENGTHS[0]:
        return None
    length = next((one for one in LENGTHS if (now - begin).total_seconds() <= MAX_BARS * one), LENGTHS[-1])
    # Bars stand on round times, so that they do not shift with each look; the first is a whole one.
    first = -(-begin.timestamp() // length) * length
    number = max(int((now.timestamp() - first) // length) + 1, 1)
    tones = [dict.fromkeys(WORDS, 0) for _ in range(number)]
    seconds: list[list[Decimal]] = [[] for _ in range(number)]
    for status, recent in found:
        tone = tone_of(status)
        for at, took in recent.moments:
            if at.timestamp() < first:
                continue
            # A writer's clock may be ahead of ours.
            location = min(int((at.timestamp() - first) // length), number - 1)
            tones[location][tone] += 1
            if tone == SUCCESS and took is not None:
                seconds[location].append(took)
    bars = tuple(
        Bar(
            datetime.fromtimestamp(first + location * length, UTC),
            tones[location],
            tuple(sorted(seconds[location])),
        )
        for location in range(number)
    )
    return Trends(bars, timedelta(seconds=length), now, whole=known <= since)


def between(began: Any, ended: Any) -> Decimal | None:
    """Seconds from one time as read to another; None where one is not there, or the end came first."""
    if not (isinstance(began, datetime) and isinstance(ended, datetime)) or ended < began:
        return None
    return Decimal(str((ended - began).total_seconds()))
