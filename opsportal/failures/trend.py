"""Whether the failures of a case become more or fewer, from its hourly counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

# By the beginning of an hour.
Hours = Mapping[datetime, int]
HOUR = timedelta(hours=1)
# What is typical is looked for in so many hours before the last two, and needs some of them.
PAST, LEAST_PAST = timedelta(days=7), 6
# Fewer runs are chance; and of so many hours before, the highest is the peak that a case falls from.
LEAST_RUNS, PEAK_HOURS = 3, 6
# An hour that has begun is counted in part, so a little more than usual is chance too.
MARGIN = 1.5
RISING, FALLING, STEADY = "rising", "falling", "steady"
RULE = (
    "Compared with the 7 days before, as far as history goes. Typical: what eight of ten hours have. Rising: 3 runs or "
    "more in the last one to two hours, and over one and a half times as many an hour as is typical. Falling: one of the "
    "six hours before was above typical, and it is at most half of that now."
)


@dataclass(frozen=True)
class Trend:
    """`word`: one of the three, "" while history is too short. `runs` since the time `since`; `typical`: runs an hour,
    from and to."""

    word: str
    runs: int
    since: datetime
    typical: tuple[int, int] | None = None

    @property
    def typical_text(self) -> str:
        if self.typical is None:
            return ""
        low, high = self.typical
        return f"{low}" if low == high else f"{low}–{high}"


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def per_hour(hours: Hours, since: datetime, now: datetime) -> list[tuple[datetime, int]]:
    """Each hour from that of `since` to the one that is not over yet, with its count."""
    first, last = hour_of(since), hour_of(now)
    count = int((last - first) / HOUR) + 1
    return [(at := first + HOUR * n, hours.get(at, 0)) for n in range(max(count, 0))]


def trend_of(hours: Hours, began: datetime | None, now: datetime) -> Trend:
    """`began`: when history begins. The rule is in `RULE`."""
    this = hour_of(now)
    latest = hours.get(this, 0) + hours.get(this - HOUR, 0)
    since = max(hour_of(began), this - PAST) if began else this
    before = [count for at, count in per_hour(hours, since, this - 2 * HOUR)]
    if len(before) < LEAST_PAST:
        return Trend("", latest, this - HOUR)
    low, high = _share(before, 0.1), _share(before, 0.9)
    rate = latest / (1 + (now - this) / HOUR)
    peak = max(before[-PEAK_HOURS:])
    if peak >= LEAST_RUNS and peak > high and rate <= peak / 2:
        word = FALLING
    elif latest >= LEAST_RUNS and rate > MARGIN * high:
        word = RISING
    else:
        word = STEADY
    return Trend(word, latest, this - HOUR, (low, high))


def _share(counts: Sequence[int], share: float) -> int:
    """The nearest rank."""
    return sorted(counts)[max(ceil(share * len(counts)) - 1, 0)]
