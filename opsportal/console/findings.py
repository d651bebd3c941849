"""A finding: what the console noticed about an item, in addition to what the item says of itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from opsportal.console.clock import absolute, duration
from opsportal.console.polls import MINUTE
from opsportal.console.text import excerpt
from opsportal.console.tones import ATTENTION


@dataclass(frozen=True)
class Finding:
    """`kind` is stable and goes into tests and poll tokens; `tone` is one of `console.tones`."""

    kind: str
    tone: str
    sentence: str


def marked(sentence: str, at: object) -> Finding:
    """That somebody set the status by hand, at a time that may not be readable."""
    when = f" ({absolute(at, ZoneInfo('UTC'))})" if isinstance(at, datetime) else ""
    return Finding("marked", ATTENTION, f"{sentence}{when}.")


def malformed(names: Iterable[str]) -> Finding:
    """That these parts of an item could not be read."""
    listed = ", ".join(excerpt(name, 60) for name in names)
    return Finding("malformed", ATTENTION, f"Could not be read as documented: {listed}.")


# Clocks of two machines may differ by so much.
CLOCK_SKEW = timedelta(seconds=5)


def out_of_order(pairs: Iterable[tuple[str, object, str, object, timedelta]]) -> list[Finding]:
    """Of (name, time, name of what comes before it, its time, tolerance) those whose order can't be; one finding."""
    said = [
        f"{name} is {_length(earlier - later)} before {before}"
        for name, later, before, earlier, tolerance in pairs
        if isinstance(later, datetime) and isinstance(earlier, datetime) and earlier - later > tolerance
    ]
    if not said:
        return []
    return [Finding("time_order", ATTENTION, f"Its times contradict one another: {'; '.join(said)}.")]


def ahead(times: Iterable[tuple[str, object]], now: datetime) -> list[Finding]:
    """Of (name, time recorded) those that lie in the future; one finding."""
    late = now + CLOCK_SKEW
    said = [f"{name} by {_length(at - now)}" for name, at in times if isinstance(at, datetime) and at > late]
    if not said:
        return []
    why = "a writer's clock or zone is wrong, or this server's clock"
    return [
        Finding("future", ATTENTION, f"Recorded times lie in the future: {'; '.join(said)}. Maybe {why}.")
    ]


def ahead_until(times: Iterable[tuple[str, object]], now: datetime) -> list[datetime]:
    """When `ahead` says something else of these, which it does as long as one lies in the future."""
    late = now + CLOCK_SKEW
    found = [at for _, at in times if isinstance(at, datetime) and at > late]
    return [min(at - CLOCK_SKEW, now + MINUTE) for at in found]


def _length(length: timedelta) -> str:
    return duration(Decimal(str(length.total_seconds())))


def spoken_until(since: datetime, now: datetime) -> datetime:
    """When the minutes since then are to be said again: all that a page says within the same minute, so that a list of
    many does not change with each of them."""
    hours = int((now - since).total_seconds() // 3600)
    return now + MINUTE if hours < 48 else since + timedelta(hours=hours + 1)


def spoken_minutes(minutes: int) -> str:
    """47 min, 5 h 12 min, 3 d 4 h."""
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
