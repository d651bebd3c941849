"""How many threads of a process may wait for what takes long, so that some are always left for the rest.

A thread that waits for a slow engine answers nobody else. So a list, a panel and a download are admitted while fewer
than their share of the threads are held. The server lets lists and panels wait for that without a thread
(`opsportal.server.gate`); whose turn does not come is answered 503, and a page keeps what it shows and asks again.
Panels yield before lists do. Items, what is done to them and the status document need no admission.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest

from opsportal.dynamo.errors import DynamoError
from opsportal.server.gate import Load, turn
from opsportal.telemetry import figures

__all__ = ["Busy", "Load", "Slot", "admission", "admitted", "is_better_kept", "limit", "queued"]

View = TypeVar("View", bound=Callable[..., Any])


# Threads that each leaves free, of 8 or more; of fewer as many eighths, and at least one.
RESERVED = {Load.LIST: 3, Load.PANEL: 5, Load.DOWNLOAD: 1}


class Busy(DynamoError):
    """Nothing is wrong with a table, but it is answered like that."""

    kind = "busy"
    title = "The console is busy"

    def __init__(self, load: Load) -> None:
        if load == Load.DOWNLOAD:
            super().__init__(
                "The console is at its limit of simultaneous downloads.",
                "Try again when one of them has finished.",
            )
        else:
            super().__init__(
                f"Other {load}s are being read, and no more can be read at once.",
                "Try again in a few seconds.",
            )


class Slot:
    """One thread's admission, from `take` to `leave`."""

    # Of this process: gunicorn_conf.py says how many.
    threads = 8
    held: Counter[Load] = Counter()
    # Whoever has it may be interrupted by `weakref.finalize`.
    _lock = threading.RLock()

    def __init__(self, load: Load) -> None:
        self.load, self.taken = load, False

    def take(self) -> None:
        """Raises Busy."""
        has_turn = None if self.load == Load.DOWNLOAD else turn.get()
        with self._lock:
            if has_turn is False or (has_turn is None and self._counted() >= limit(self.load)):
                figures.SHED.labels(str(self.load)).inc()
                raise Busy(self.load)
            self.held[self.load] += 1
            self.taken = True

    def leave(self) -> None:
        """Any number of times."""
        with self._lock:
            if self.taken:
                self.taken = False
                self.held[self.load] -= 1

    def _counted(self) -> int:
        if self.load == Load.DOWNLOAD:
            return self.held[self.load]
        return self.held[Load.LIST] + self.held[Load.PANEL]


def limit(load: Load) -> int:
    """Threads that may be held by such, lists and panels together. At least one, whatever else goes on."""
    threads, reserved = Slot.threads, RESERVED[load]
    most = threads - max(1, min(reserved, threads * reserved // 8))
    if load == Load.DOWNLOAD:
        return max(1, min(most, settings.STREAMS_AT_ONCE))
    return max(1, min(most, threads - 1 - Slot.held[Load.DOWNLOAD]))


@contextmanager
def admission(load: Load) -> Iterator[None]:
    """While it is read. Raises Busy."""
    slot = Slot(load)
    slot.take()
    try:
        yield
    finally:
        slot.leave()


def is_better_kept(request: HttpRequest, problem: DynamoError) -> bool:
    """Whether the browser shows something already, and a problem says no more than that it can't be read now."""
    return isinstance(problem, Busy) and bool(request.headers.get("X-Seen"))


def queued(load: Load) -> Callable[[View], View]:
    """A view that the server lets wait for its turn, and that asks for `admission` itself where it reads."""

    def decorate(view: View) -> View:
        view.load = load  # type: ignore[attr-defined]
        return view

    return decorate


def admitted(load: Load) -> Callable[[View], View]:
    """A view, or an operation of the API, that is answered while there is room for such a load. Below its access mark,
    since who may not see it takes no room."""

    def decorate(view: View) -> View:
        @wraps(view)
        def limited(*args: Any, **kwargs: Any) -> Any:
            with admission(load):
                return view(*args, **kwargs)

        return queued(load)(limited)  # type: ignore[return-value]

    return decorate
