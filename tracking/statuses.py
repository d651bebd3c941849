"""The statuses of a workflow: which are an end, which are open, and which the console does not know."""

from opsportal.console.statuses import Vocabulary, lower

__all__ = [
    "STATUSES", "ended_badly", "is_known", "listed_statuses", "lower", "open_statuses", "terminal_statuses",
]  # fmt: skip

# Seeds 000 and 003; `cancelled` is what the console's own cancel writes.
STATUSES = ("initializing", "pending", "processing", "completed", "failed", "cancelled")

_known = Vocabulary(STATUSES, extra="WORKFLOW_EXTRA_STATUSES", terminal="WORKFLOW_TERMINAL_STATUSES")
listed_statuses, terminal_statuses, open_statuses = _known.listed, _known.terminal_ones, _known.open_ones
ended_badly, is_known = _known.ended_badly, _known.is_known
