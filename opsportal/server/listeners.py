"""Where the web server listens, so that no worker's end loses a connection.

The master holds a listener for each worker, as nginx does with `reuseport`: the kernel spreads the connections over
them, and what it has queued for a worker outlives that worker. A listener whose worker has gone is served by the
others until its next worker is ready; where a reload replaces all of them, each goes on until its successor is.
(One listener for all loses nothing either, but all kept connections may land on one worker.)
"""

import mmap
import select
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gunicorn.sock import create_sockets
from gunicorn.workers.gthread import ThreadWorker

# How long a worker that was replaced goes on with what it has begun: only a download takes longer than a few seconds.
# Where the server ends, the master's own `graceful_timeout` is shorter.
REPLACED_SECONDS = 600


def bind_each(cfg: Any, log: Any, count: int) -> list[list[Any]]:
    """`count` times the sockets of the configured addresses, side by side."""
    cfg.set("reuse_port", True)
    slots: list[list[Any]] = [create_sockets(cfg, log) for _ in range(count)]
    cfg.set("reuse_port", False)  # or gunicorn gives each worker a socket that ends with it
    for sock in (sock for slot in slots for sock in slot):
        sock.set_inheritable(False)  # by programs; a fork has it all the same
    return slots


class Listeners:
    """`slots`: the sockets of each listener. What master and workers tell one another is in shared memory: by slot, the
    age of the newest worker that was forked for it, and of the newest that accepts; 0: none. (gunicorn's "age" is a
    number that each worker has to itself; it rises.)"""

    def __init__(self, slots: Sequence[Sequence[Any]]) -> None:
        self.slots = slots
        numbers = memoryview(mmap.mmap(-1, 16 * len(slots))).cast("Q")
        self.forked, self.accepting = numbers[: len(slots)], numbers[len(slots) :]

    def give(self, worker: "SlotWorker", others: Sequence["SlotWorker"], count: int) -> None:
        """Before the fork: the slot that the fewest have of the newest `count`, since a reload ends the older ones."""
        staying = sorted(others, key=lambda other: other.age)[max(0, len(others) - count + 1) :]
        taken = Counter(other.slot for other in staying)
        worker.listeners, worker.slot = self, min(range(len(self.slots)), key=lambda slot: taken[slot])
        worker.sockets = list(self.slots[worker.slot])
        self.forked[worker.slot] = worker.age

    def ended(self, worker: "SlotWorker") -> None:
        """It accepts no more."""
        for ages in (self.forked, self.accepting):
            if ages[worker.slot] == worker.age:
                ages[worker.slot] = 0

    def successor_is_coming(self, worker: "SlotWorker") -> bool:
        return bool(self.accepting[worker.slot] <= worker.age < self.forked[worker.slot])

    def sockets_for(self, worker: "SlotWorker") -> list[Any]:
        """Its own, and those of slots where nobody accepts."""
        own = worker.slot
        return [
            sock
            for slot, sockets in enumerate(self.slots)
            if slot == own or not self.accepting[slot]
            for sock in sockets
        ]


class SlotWorker(ThreadWorker):  # type: ignore[misc]
    """A worker with a listener of its own, that the master holds."""

    listeners: Listeners
    slot: int
    sockets: list[Any]
    alive: bool
    # Whether it was asked to end, and goes on until its successor accepts.
    waits_for_successor = False

    def run(self) -> None:
        self.listeners.accepting[self.slot] = self.age
        super().run()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM. A second one ends it in any case."""
        if not self.waits_for_successor and self.listeners.successor_is_coming(self):
            self.waits_for_successor = True
        else:
            super().handle_exit(sig, frame)

    def murder_pending(self) -> None:
        """gunicorn calls it in each turn of the main loop."""
        super().murder_pending()
        if not self.alive:
            return
        if self.waits_for_successor and not self.listeners.successor_is_coming(self):
            self.alive = False
        elif self._accepting and (sockets := self.listeners.sockets_for(self)) != self.sockets:
            self.set_accept_enabled(False)
            self.sockets = sockets
            self.set_accept_enabled(True)

    def _cap_keepalive(self, deadline: float) -> None:
        """gunicorn calls it when it begins to stop. What the kernel has queued is accepted; then whoever connects
        gets another worker or, where the server ends, is refused at once."""
        self.listeners.ended(self)
        for sock in self.sockets:
            for _ in range(self.cfg.backlog):
                if not select.select([sock], [], [], 0)[0]:
                    break
                self.accept(sock)
        for sock in (sock for slot in self.listeners.slots for sock in slot):
            sock.close()
        self.cfg.set("graceful_timeout", REPLACED_SECONDS)
        super()._cap_keepalive(deadline)
