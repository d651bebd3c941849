"""Where lists and panels wait for their turn without holding a thread, so that some threads are left for all else.

A thread that waits for a slow engine answers nobody. Of lists and panels only some have one at a time; the others wait
here, in the main loop, for a bounded time. One whose turn does not come is answered that the console is busy.
"""

from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from typing import Any


class Load(StrEnum):
    """What a request may hold a thread for. Lists come before panels."""

    LIST = "list"
    PANEL = "panel"
    DOWNLOAD = "download"


WAIT_SECONDS = 3.0
# Of the request under way: whether its turn came; None: it had not to wait for one here.
turn: ContextVar[bool | None] = ContextVar("turn", default=None)


class Gate:
    """Of one process, for its main loop alone. gunicorn_conf.py sets what a request is, by method and path, and how many
    of a load and those that count with it may be inside."""

    load_of: Callable[[str, str], Load | None] = staticmethod(lambda method, path: None)
    limit: Callable[[Load], int] = staticmethod(lambda load: 1)

    def __init__(self) -> None:
        # Oldest first; until when.
        self.waiting: dict[Any, tuple[Load, float]] = {}
        self.inside: dict[Any, Load] = {}

    def enter(self, conn: Any, now: float) -> bool:
        """Whether it may have a thread at once; else it waits."""
        request = conn.request
        load = None if request is None else self.load_of(request.method, request.path)
        if load and len(self.inside) >= self.limit(load):
            self.waiting[conn] = load, now + WAIT_SECONDS
            return False
        if load:
            self.inside[conn] = load
        return True

    def leave(self, conn: Any) -> list[Any]:
        """It has been answered: those whose turn it is now."""
        if self.inside.pop(conn, None) is None:
            return []
        following = []
        for wanted in (Load.LIST, Load.PANEL):
            for one in [one for one, (load, _) in self.waiting.items() if load == wanted]:
                if len(self.inside) >= self.limit(wanted):
                    break
                del self.waiting[one]
                self.inside[one] = wanted
                following.append(one)
        return following

    def late(self, now: float) -> list[Any]:
        """Those that have waited long enough."""
        found = [one for one, (_, until) in self.waiting.items() if until <= now]
        for one in found:
            del self.waiting[one]
        return found
