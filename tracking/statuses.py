"""The statuses of a workflow: which are an end, which are open, and which the console does not know."""

from opsportal.console.statuses import Vocabulary, lower

__all__ = [
    "STATUSES", "VOCABULARY", "ended_badly", "is_known", "is_open", "is_terminal", "listed_statuses", "lower", "said",
    "status_of", "terminal_statuses", "unknown_status",
]  # fmt: skip

# Seeds 000 and 003; `cancelled` is what the console's own cancel writes.
STATUSES = ("initializing", "pending", "processing", "completed", "failed", "cancelled")

VOCABULARY = Vocabulary(
    "overallStatus",
    STATUSES,
    extra="WORKFLOW_EXTRA_STATUSES",
    terminal="WORKFLOW_TERMINAL_STATUSES",
    stuck_minutes="WORKFLOW_STUCK_MINUTES",
)
listed_statuses, terminal_statuses = VOCABULARY.listed, VOCABULARY.terminal_ones
ended_badly, is_known, is_open, is_terminal = (
    VOCABULARY.ended_badly, VOCABULARY.is_known, VOCABULARY.is_open, VOCABULARY.is_terminal,
)  # fmt: skip
# Of an item as read.
status_of, said, unknown_status = VOCABULARY.of, VOCABULARY.said, VOCABULARY.unknown
