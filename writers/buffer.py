"""Progress that has not been written yet: of each place no more than one record is written per interval."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from . import forks
from .spool import Record

Merge = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
Place = tuple[str, str]  # item, and what of it
_MAX_REMEMBERED = 10_000


@dataclass
class _Waiting:
    record: Record
    due: float


class Buffer:
    """May be shared between threads. Times are those of the monotonic clock; ``interval`` is seconds.
    ``merge`` makes one record's arguments of two."""

    def __init__(self, interval: float, merge: Merge) -> None:
        self._interval, self._merge = interval, merge
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Place, _Waiting] = {}
        self._sent: dict[Place, float] = {}

    def hold(self, record: Record, slot: str) -> bool:
        """Whether the record waits now; else it is for the caller to send."""
        place, now = (record.item, slot), time.monotonic()
        with self._lock:
            waiting = self._waiting.get(place)
            if waiting:
                merged = self._merge(waiting.record.args, record.args)
                waiting.record = replace(record, args=merged)
                return True
            due = self._sent.get(place, now - self._interval) + self._interval
            if due > now:
                self._waiting[place] = _Waiting(record, due)
            return due > now

    def sent(self, item: str, slot: str) -> None:
        """The next record of that place waits for the interval to pass."""
        with self._lock:
            if len(self._sent) > _MAX_REMEMBERED:  # not every step is ended
                self._sent.clear()
            self._sent[item, slot] = time.monotonic()

    def forget(self, item: str, slot: str) -> None:
        """The next record of that place is sent at once."""
        with self._lock:
            self._sent.pop((item, slot), None)

    def take(self, item: str, slot: str) -> Record | None:
        """What waits there, which is the caller's now."""
        with self._lock:
            waiting = self._waiting.pop((item, slot), None)
        return waiting.record if waiting else None

    def peek(self, item: str, slot: str) -> Record | None:
        with self._lock:
            waiting = self._waiting.get((item, slot))
        return waiting.record if waiting else None

    def places(self, due_by: float = float("inf")) -> list[Place]:
        """Where something waits that is due by then."""
        with self._lock:
            return [place for place, waiting in self._waiting.items() if waiting.due <= due_by]

    def next_due(self) -> float | None:
        """When the first of what waits is due; None when nothing does."""
        with self._lock:
            return min((waiting.due for waiting in self._waiting.values()), default=None)
