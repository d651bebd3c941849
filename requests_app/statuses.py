"""The statuses of a request: which are an end, which are open, and which the console does not know."""

from opsportal.console.statuses import Vocabulary, lower

__all__ = [
    "STATUSES", "ended_badly", "is_known", "listed_statuses", "lower", "open_statuses", "terminal_statuses",
]  # fmt: skip

# Seed 002.
STATUSES = ("pending", "processing", "executing", "completed", "failed", "cancelled")

_known = Vocabulary(STATUSES, extra="REQUEST_EXTRA_STATUSES", terminal="REQUEST_TERMINAL_STATUSES")
listed_statuses, terminal_statuses, open_statuses = _known.listed, _known.terminal_ones, _known.open_ones
ended_badly, is_known = _known.ended_badly, _known.is_known
