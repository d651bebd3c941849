"""The loop that runs the simulated programs."""

import heapq
import itertools
import time
from collections.abc import Generator

# Yields real seconds to pause.
Task = Generator[float, None, None]


class Loop:
    """Runs tasks in the order in which they are due, in the calling thread."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Task]] = []
        self._numbers = itertools.count()
        self._stopped = False

    def start(self, task: Task, after: float = 0) -> None:
        heapq.heappush(self._due, (time.monotonic() + after, next(self._numbers), task))

    def stop(self) -> None:
        """Let no task run again."""
        self._due.clear()
        self._stopped = True

    def run(self, duration: float | None = None) -> None:
        """Until no task is left, or for ``duration`` seconds. An exception (a signal's, say) ends it early."""
        end = time.monotonic() + duration if duration is not None else float("inf")
        while self._due:
            when, _, task = self._due[0]
            if when > end:
                time.sleep(max(0.0, end - time.monotonic()))
                return
            if (wait := when - time.monotonic()) > 0:
                time.sleep(wait)
            heapq.heappop(self._due)
            try:
                pause = next(task)
            except StopIteration:
                continue
            if not self._stopped:
                self.start(task, pause)
