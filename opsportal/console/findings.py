"""A finding: what the console noticed about an item, beside what the item says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`kind` is stable and goes into tests and poll tokens; `tone` is one of `console.tones`."""

    kind: str
    tone: str
    sentence: str


def spoken_minutes(minutes: int) -> str:
    """47 min, 5 h 12 min, 3 d 4 h."""
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
