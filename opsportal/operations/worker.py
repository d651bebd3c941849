"""The worker: carries out what actions left to be done. Any number may run at once, on any machine."""

import logging
import threading
from collections.abc import Callable

from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.operations import outbox
from opsportal.operations.tables import places

logger = logging.getLogger(__name__)

# Seconds between two looks when there was nothing to do, and after trouble.
PAUSE, PAUSE_AFTER_TROUBLE = 1.0, 10.0


def deliver_outbox() -> int:
    """Carry out the messages that are due, in every place; how many."""
    return sum(outbox.deliver_due(table) for table in places())


# What `--only` chooses from.
CHORES: dict[str, Callable[[], int]] = {"outbox": deliver_outbox}


def run(only: tuple[str, ...], stop: threading.Event, *, once: bool = False) -> int:
    """Do the chores until `stop` is set (or once); returns how much was done. Trouble with DynamoDB is
    logged, and the worker goes on when it is over."""
    chores = {name: chore for name, chore in CHORES.items() if not only or name in only}
    done = 0
    while not stop.is_set():
        count, trouble = 0, False
        for name, chore in chores.items():
            try:
                count += chore()
            except TableMissing as missing:
                trouble = True
                logger.warning("%s: %s Run: python manage.py dynamo migrate", name, missing.sentence)
            except DynamoError as error:
                trouble = True
                logger.warning("%s: %s %s", name, error.sentence, error.mend)
        done += count
        if once:
            return done
        if trouble:
            stop.wait(PAUSE_AFTER_TROUBLE)
        elif not count:
            stop.wait(PAUSE)
    return done
