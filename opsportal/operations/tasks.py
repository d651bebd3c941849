"""What the worker does again and again: each task in a thread of its own for each table that it works on, so that none
holds up another. Any number of workers may run at once, on any machine.

A problem is logged when it begins and when it is over, not at each turn that it lasts.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db import close_old_connections, connections

from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from opsportal.operations.tables import locations
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

# Seconds from a turn that failed to the next, at least.
PAUSE_AFTER_PROBLEM = 10.0
# Seconds that the turns under way have left when the worker is to stop.
STOP_SECONDS = 25.0

Over = Callable[[], bool]


class NotNow(Exception):
    """A task can't do its work at present. The text is a sentence that says why, with the remedy."""


@dataclass(frozen=True)
class Task:
    """`run(table, over)` takes one turn and returns how much it did. Once `over()` it begins nothing more. It may
    raise `NotNow` and `DynamoError`."""

    name: str
    run: Callable[[Binding, Over], int]
    # Seconds from the end of a turn to the next.
    every: float = 1.0
    # Seconds of a turn. After half of them it is over, at their end its calls to AWS are refused, and where it goes
    # on all the same, the worker is not healthy.
    deadline: float = 300.0
    # What it works on, where that is not one table of each location, or of any one.
    tables: Callable[[], Sequence[Binding]] | None = None
    per_location: bool = True

    def works_on(self) -> Sequence[Binding]:
        if self.tables:
            return self.tables()
        return locations() if self.per_location else locations()[:1]


_tasks: dict[str, Task] = {}


def register(task: Task) -> None:
    _tasks[task.name] = task


def registered() -> dict[str, Task]:
    return dict(_tasks)


class Turns:
    """A task's turns on one table. `problem`: what the last one met; `began`: the one under way, monotonic."""

    def __init__(self, task: Task, table: Binding) -> None:
        self.task, self.table = task, table
        which = f" of {table.logical}" if task.tables else ""
        self.label = f"{task.name}{which} in {table.region}"
        self.done, self.problem = 0, ""
        self.began: float | None = None

    def go_on(self, stop: threading.Event) -> None:
        """Turn after turn until `stop` is set."""
        try:
            while not stop.is_set():
                close_old_connections()
                self.take(stop)
                stop.wait(max(self.task.every, PAUSE_AFTER_PROBLEM) if self.problem else self.task.every)
        finally:
            connections.close_all()

    def take(self, stop: threading.Event) -> None:
        """One turn. Raises nothing."""
        self.began = began = time.monotonic()
        half = began + self.task.deadline / 2
        problem, unforeseen = "", None
        try:
            with request_budget(self.task.deadline):
                self.done += self.task.run(self.table, lambda: stop.is_set() or time.monotonic() >= half)
        except DynamoError as error:
            problem = f"{error.sentence} {error.fix}".strip()
        except NotNow as error:
            problem = str(error)
        except Exception as error:
            problem, unforeseen = f"{type(error).__name__}: {error}", error
        figures.PASSES.labels(self.task.name, self.table.region, "failed" if problem else "ok").inc()
        if not problem:
            figures.LAST_PASS.labels(self.task.name, self.table.region).set_to_current_time()
        if problem != self.problem:
            logger.warning("%s: %s", self.label, problem or "works again", exc_info=unforeseen)
        self.problem, self.began = problem, None

    @property
    def is_overdue(self) -> bool:
        began = self.began
        return began is not None and time.monotonic() - began > self.task.deadline


def leave_modules_to_themselves() -> None:
    """Walk no more through what a process has loaded, at each full collection of garbage: of a job's work that is a
    fifth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Worker:
    """Takes the turns of some tasks."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.turns = [Turns(task, table) for task in tasks for table in task.works_on()]

    @property
    def done(self) -> int:
        return sum(turns.done for turns in self.turns)

    def once(self, stop: threading.Event) -> int:
        """One turn each, one after another; returns how much was done."""
        for turns in self.turns:
            if not stop.is_set():
                turns.take(stop)
        return self.done

    def run(self, stop: threading.Event) -> int:
        """Side by side until `stop` is set, and to the end of the turns under way; returns how much was done."""
        threads = [
            threading.Thread(target=turns.go_on, args=(stop,), name=turns.label, daemon=True)
            for turns in self.turns
        ]
        for thread in threads:
            thread.start()
        stop.wait()
        until = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if cut := [thread.name for thread in threads if thread.is_alive()]:
            logger.warning("Stopped in the middle of %s.", ", ".join(cut))
        return self.done

    def overdue(self) -> list[str]:
        """The labels of turns that are past their deadline."""
        return [turns.label for turns in self.turns if turns.is_overdue]
