"""A finding: what the console noticed about an item, in addition to what the item says of itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from opsportal.console.clock import absolute
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


def spoken_minutes(minutes: int) -> str:
    """47 min, 5 h 12 min, 3 d 4 h."""
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
