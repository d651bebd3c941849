"""When work arrives: a company that works in the day of its weekdays, and whose schedules run at night too."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

WEEK = timedelta(days=7)
# At the busiest, in the past and from the simulator: else what it adds would stand out in every chart.
WORKFLOWS_PER_HOUR, REQUESTS_PER_HOUR = 20.0, 10.0
FAILURE_RATE = 0.04
DAY_HOURS = range(7, 18)  # UTC
NIGHT = WEEKEND = 0.6


def weight(moment: datetime) -> float:
    """How busy it is then, in shares of the busiest hour."""
    at = moment.astimezone(UTC)
    if at.weekday() >= 5:
        return WEEKEND
    return 1.0 if at.hour in DAY_HOURS else NIGHT


def arrivals(now: datetime, per_hour: float, rng: random.Random) -> Iterator[datetime]:
    """The moments of the week before `now`, the oldest first, of ``per_hour`` at the busiest. Evenly spread with
    chance in each gap, so that every hour has some."""
    moment = now - WEEK
    while True:
        moment += timedelta(hours=1) / (per_hour * weight(moment)) * rng.uniform(0.2, 1.8)
        if moment >= now:
            return
        # To the millisecond, which is what an id holds.
        yield moment.replace(microsecond=moment.microsecond // 1000 * 1000)
