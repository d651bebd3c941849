"""The worker: carries out what actions left to be done. Any number may run at once, on any machine."""

import logging
import threading
from collections.abc import Callable

from opsportal.dynamo.errors import DynamoError
from opsportal.operations import outbox
from opsportal.operations.tables import places

logger = logging.getLogger(__name__)

# Seconds between two looks when there was nothing to do, and after trouble.
PAUSE, PAUSE_AFTER_TROUBLE = 1.0, 10.0


def deliver_outbox() -> int:
    """Carry out the messages that are due, in every place; how many. Raises the first `DynamoError`, once the
    other places were looked at."""
    count, trouble = 0, None
    for table in places():
        try:
            count += outbox.deliver_due(table)
        except DynamoError as error:
            trouble = trouble or error
    if trouble:
        raise trouble
    return count


# What `--only` chooses from.
CHORES: dict[str, Callable[[], int]] = {"outbox": deliver_outbox}


def run(only: tuple[str, ...], stop: threading.Event, *, once: bool = False) -> int:
    """Do the chores until `stop` is set (or once); returns how much was done. Trouble with DynamoDB is
    logged when it begins and when it is over, and the worker goes on."""
    chores = {name: chore for name, chore in CHORES.items() if not only or name in only}
    done = 0
    told: dict[str, str] = {}
    while not stop.is_set():
        count, trouble = 0, False
        for name, chore in chores.items():
            said = ""
            try:
                count += chore()
            except DynamoError as error:
                trouble, said = True, f"{error.sentence} {error.mend}".strip()
            if said != told.get(name, ""):
                logger.warning("%s: %s", name, said or "going on")
            told[name] = said
        done += count
        if once:
            return done
        if trouble:
            stop.wait(PAUSE_AFTER_TROUBLE)
        elif not count:
            stop.wait(PAUSE)
    return done
