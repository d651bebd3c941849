"""The statuses of a request: which are an end, which are open, and which the console does not know."""

from opsportal.console.statuses import Vocabulary, lower

__all__ = [
    "STATUSES", "ended_badly", "is_known", "is_open", "is_terminal", "listed_statuses", "lower", "said", "status_of",
    "terminal_statuses", "unknown_status",
]  # fmt: skip

# As documented: docs/data.md, seed 002.
STATUSES = ("pending", "processing", "executing", "completed", "failed", "cancelled")

_known = Vocabulary("status", STATUSES, extra="REQUEST_EXTRA_STATUSES", terminal="REQUEST_TERMINAL_STATUSES")
listed_statuses, terminal_statuses = _known.listed, _known.terminal_ones
ended_badly, is_known, is_open, is_terminal = (
    _known.ended_badly, _known.is_known, _known.is_open, _known.is_terminal,
)  # fmt: skip
# Of an item as read.
status_of, said, unknown_status = _known.of, _known.said, _known.unknown
