"""Which failures fire no alerts: those of a case that somebody muted."""

import logging
from collections.abc import Callable
from datetime import datetime

from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import DynamoError
from opsportal.failures import store
from opsportal.failures.matching import fingerprint_of

logger = logging.getLogger(__name__)


def muted(logical: str, now: datetime) -> Callable[[Raw], bool]:
    """Whether an item of that table failed as a muted case says. One read of the active cases; where they can't be read,
    nothing is left out: an alert too many is better than none."""
    try:
        found = {case.id for case in store.active() if case.logical == logical and case.is_muted(now)}
    except DynamoError as error:
        logger.warning("Muted cases can't be read, so their failures fire alerts: %s", error.sentence)
        found = set()

    def is_muted(raw: Raw) -> bool:
        mine = fingerprint_of(logical, raw) if found else None
        return mine is not None and mine.id in found

    return is_muted
