"""Which statuses of a request are an end, which are open, and which the console does not know."""

from django.conf import settings

from opsportal.console.tones import ATTENTION, FAILED, tone_of

# Seed 002.
STATUSES = ("pending", "processing", "executing", "completed", "failed", "cancelled")
_ENDS = frozenset({"completed", "failed", "cancelled"})


def lower(status: object) -> str:
    """As statuses are compared: spellings are one to a person. "" for what is no text."""
    return status.strip().lower() if isinstance(status, str) else ""


def terminal_statuses() -> frozenset[str]:
    """The statuses that nothing follows, in lower case."""
    return _ENDS | set(map(lower, settings.REQUEST_TERMINAL_STATUSES))


def open_statuses() -> frozenset[str]:
    """The statuses that should move on, in lower case. One that nobody names may be an end, and is none of them."""
    return frozenset(map(lower, (*STATUSES, *settings.REQUEST_EXTRA_STATUSES))) - terminal_statuses()


def ended_badly(status: str) -> bool:
    """Failed in any word (`error`), cancelled, or what settings name as an end and is no success."""
    tone = tone_of(status)
    return tone == FAILED or (tone == ATTENTION and lower(status) in terminal_statuses())


def is_known(status: str) -> bool:
    """Whether a document or a setting names it."""
    return lower(status) in set(map(lower, listed_statuses()))


def listed_statuses() -> tuple[str, ...]:
    """The documented and the configured ones, as they are written."""
    return (*STATUSES, *settings.REQUEST_EXTRA_STATUSES, *settings.REQUEST_TERMINAL_STATUSES)
