"""The statuses of a request: which are an end, which are open, and which the console does not know."""

from opsportal.console.statuses import Vocabulary, lower

__all__ = [
    "STATUSES", "VOCABULARY", "ended_badly", "is_known", "is_open", "is_terminal", "listed_statuses", "lower", "said",
    "status_of", "terminal_statuses", "unknown_status",
]  # fmt: skip

# As documented: docs/data.md, seed 002.
STATUSES = ("pending", "processing", "executing", "completed", "failed", "cancelled")

VOCABULARY = Vocabulary(
    "status",
    STATUSES,
    extra="REQUEST_EXTRA_STATUSES",
    terminal="REQUEST_TERMINAL_STATUSES",
    stuck_minutes="REQUEST_STUCK_MINUTES",
)
listed_statuses, terminal_statuses = VOCABULARY.listed, VOCABULARY.terminal_ones
ended_badly, is_known, is_open, is_terminal = (
    VOCABULARY.ended_badly, VOCABULARY.is_known, VOCABULARY.is_open, VOCABULARY.is_terminal,
)  # fmt: skip
# Of an item as read.
status_of, said, unknown_status = VOCABULARY.of, VOCABULARY.said, VOCABULARY.unknown
