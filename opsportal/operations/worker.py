"""The worker: carries out what actions left to be done. Any number may run at once, on any machine."""

import logging
import threading
import time
from collections.abc import Callable

from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import Binding
from opsportal.operations import outbox
from opsportal.operations.tables import places
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

# Seconds between two looks when there was nothing to do, and after trouble.
PAUSE, PAUSE_AFTER_TROUBLE = 1.0, 10.0


# What `--only` chooses from; each is called with one table of each place, and returns how much it did.
Chore = Callable[[Binding, threading.Event], int]
CHORES: dict[str, Chore] = {"outbox": outbox.deliver_due}


class Pulse:
    """When the worker last began something: one that hangs does not begin the next."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        self._at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        return time.monotonic() - self._at


pulse = Pulse()


def run(only: tuple[str, ...], stop: threading.Event, *, once: bool = False) -> int:
    """Do the chores until `stop` is set (or once); returns how much was done. Trouble is logged when it begins
    and when it is over, keeps no other place or chore from its turn, and the worker goes on."""
    chores = {name: chore for name, chore in CHORES.items() if not only or name in only}
    done = 0
    told: dict[tuple[str, ...], str] = {}
    while not stop.is_set():
        count, trouble = 0, False
        for name, chore in chores.items():
            for table in places():
                said, outcome = "", "failed"
                pulse.beat()
                try:
                    count += chore(table, stop)
                    outcome = "ok"
                    figures.LAST_PASS.labels(name, table.region).set_to_current_time()
                except DynamoError as error:
                    trouble, said = True, f"{error.sentence} {error.mend}".strip()
                except Exception:
                    trouble = True
                    logger.exception("%s in %s failed", name, table.region)
                figures.PASSES.labels(name, table.region, outcome).inc()
                # A table that is missing stays so for days: it is not told every few seconds.
                if said != told.get((name, *table.place), ""):
                    logger.warning("%s in %s: %s", name, table.region, said or "going on")
                told[name, *table.place] = said
        done += count
        if once:
            return done
        if trouble:
            stop.wait(PAUSE_AFTER_TROUBLE)
        elif not count:
            stop.wait(PAUSE)
    return done
