"""When calls were made, in the order in which they were made."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_MOST = 10_000  # items that are remembered; those that were not heard of for the longest are forgotten


class Moments:
    """Of one item a later call has no earlier moment, however the machine's clock was set in between: from where it
    was set back, an item's time goes on by the monotonic clock until the clock has caught up. Other items have the
    clock's time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: dict[str, tuple[datetime, float]] = {}

    def of(self, item: str, behind: datetime | None = None) -> datetime:
        """Now, in UTC, for a call about that item. ``behind``: the moment of what waits for it on disk."""
        now, monotonic = self._clock().astimezone(UTC), time.monotonic()
        last, at = self._last.pop(item, (now, monotonic))
        if now < last:
            now = last + timedelta(seconds=monotonic - at)
        if behind is not None:
            now = max(now, behind)
        self._last[item] = (now, monotonic)
        if len(self._last) > _MOST:
            for oldest in list(self._last)[: _MOST // 10]:
                self._last.pop(oldest, None)
        return now
