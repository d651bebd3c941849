"""What a status writer remembers of the workflows that it has read, for the calls that cannot read them."""

from typing import TypeVar

from . import values
from .values import Item
from .workflow_plans import retries_of

T = TypeVar("T")

MOST = 10_000  # not every workflow is finalized


class Sessions:
    """Bounded; the oldest are forgotten. ``correlations`` is for log lines, ``retries`` tells runs apart."""

    def __init__(self) -> None:
        self.correlations: dict[str, str] = {}
        self.retries: dict[str, int] = {}

    def correlate(self, session_id: str, correlation_id: str) -> None:
        if correlation_id:
            remember(self.correlations, session_id, correlation_id)

    def seen(self, session_id: str, item: Item) -> None:
        """What was read."""
        self.correlate(session_id, values.text(item.get("correlationId")))
        if item:
            remember(self.retries, session_id, retries_of(item))

    def log_ids(self, session_id: str) -> dict[str, str]:
        return {"session_id": session_id, "correlation_id": self.correlations.get(session_id, "")}


def remember(known: dict[str, T], item: str, value: T) -> None:
    """Keep what is known of an item, and of no more than `MOST` items."""
    known[item] = value
    if len(known) > MOST:
        for oldest in list(known)[: MOST // 10]:
            known.pop(oldest, None)
