"""How often a caller may call: counted in the process, and settled with the other processes by count.

At a caller's first request of a minute, and at every twentieth part of the rate after it, a process adds what it has
counted to the database, and learns there what all have. So at most `API_RATE_LIMIT` and, of each process of the
deployment, a twentieth of it more pass in a window, and one process alone is exact. Counting each request in the
database took a third of the CPU of a status document.
"""

import threading
import time
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError

from opsportal.accounts import throttle
from opsportal.accounts.throttle import SKEW, Limit

WINDOW = 60
# Windows that are over are let go past so many callers.
MAX_CALLERS = 1_000


@dataclass
class _Window:
    """`until`: seconds since 1970. `settled`: requests that the database has, as far as known here; `mine`: those that it
    has not."""

    until: float
    settled: int
    mine: int = 0


_windows: dict[str, _Window] = {}
_lock = threading.Lock()


def seconds_to_wait(key: str) -> int:
    """Count one request of `key`; 0 when it may pass, else whole seconds until the next may."""
    rate, now = settings.API_RATE_LIMIT, time.time()
    if rate <= 0:
        return 0
    with _lock:
        window = _windows.get(key)
        # One that ends later is of a clock that was set back since.
        if window and not now < window.until <= now + WINDOW + SKEW:
            window = None
        unsettled = 1
        if window:
            if window.settled + window.mine >= rate:
                return throttle.whole_seconds(window.until - now)
            window.mine += 1
            if window.mine < rate / 20:
                return 0
            unsettled, window.mine = window.mine, 0
            window.settled += unsettled
    try:
        total, until = throttle.count(Limit("API requests", rate, WINDOW, key), now, unsettled)
    except DatabaseError:  # nothing can be written, and who is known reads on
        return 0
    with _lock:
        _note(key, total, until, now)
    return 0 if total <= rate else throttle.whole_seconds(until - now)


def _note(key: str, total: int, until: float, now: float) -> None:
    window = _windows.get(key)
    if window and window.until == until:  # another thread may have settled in between
        window.settled = max(window.settled, total)
        return
    if len(_windows) >= MAX_CALLERS:
        for over in [one for one, kept in _windows.items() if kept.until <= now]:
            del _windows[over]
    _windows[key] = _Window(until, total)


def forget() -> None:
    """Begin from zero, as a process does."""
    _windows.clear()
