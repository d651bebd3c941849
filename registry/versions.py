"""Which agents were written through the console lately, as every process reads it in the shared cache.

The writes are a chain. Each has a mark and stands under the mark before it: what comes after a mark is claimed by
`add`, which no two writers can do. The *version* is the mark of the last write. It is set after the claim, and two
writers may set it in the wrong order; so a reader follows the chain to its end, and concludes nothing where the
version is not among the marks that it passed: then a part of the chain was thrown out of the cache.
"""

import logging
import uuid
from contextlib import suppress

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError

from registry.models import Agent

logger = logging.getLogger(__name__)

# More changes than this, and the registry is as well read whole.
MAX_CHANGES = 100
# Writers of the same instant that claim their places one after the other.
MAX_CLAIMS = 20
# Times AGENTS_CACHE_SECONDS: how old a reading can be that still follows the chain. It is kept longer than that.
TIMES = 12


def current() -> str:
    """The mark of the last write through any of the console's processes."""
    cache, key = caches["default"], _key()
    found = cache.get(key)
    if found is None:  # the first, or thrown out
        with suppress(DatabaseError):  # each reading is of a version of its own, where nothing can be written
            cache.add(key, _random(), None)
        found = cache.get(key)
    return _random() if found is None else str(found)


def written(agent_id: str = "") -> None:
    """Let every process know that this agent has changed; without an id, that any may have. Call it after the write."""
    try:
        caches["default"].set(_key(), _claimed(agent_id), None)
    except DatabaseError:
        # The write is done, and is no less so for this. What is found is old for AGENTS_CACHE_SECONDS.
        logger.exception("the other processes do not know of a change in the registry")


def _claimed(agent_id: str) -> str:
    """The mark of the write: the next in the chain, or the first of a new one, which every process reads whole."""
    mark, before = _random(), current()
    for _ in range(MAX_CLAIMS if agent_id else 0):
        if caches["default"].add(_after(before), f"{mark}:{agent_id}", _kept()):
            break
        if taken := caches["default"].get(_after(before)):
            before, _, _ = str(taken).partition(":")
    return mark


def since(passed: tuple[str, ...], now: str) -> tuple[list[str], tuple[str, ...]] | None:
    """The ids of the agents that were written after the last of the marks `passed`, and the marks with theirs. None
    where that is unknown, or they are too many."""
    ids: list[str] = []
    while found := caches["default"].get(_after(passed[-1])):
        mark, _, agent_id = str(found).partition(":")
        ids.append(agent_id)
        passed = (*passed, mark)
        if len(ids) > MAX_CHANGES:
            return None
    return (list(dict.fromkeys(ids)), passed) if now in passed else None


def _random() -> str:
    return uuid.uuid4().hex[:16]


def _kept() -> float:
    cached: float = settings.AGENTS_CACHE_SECONDS
    return max(60, 2 * TIMES * cached)


# When the database's cache is full it throws out those keys that come first in the alphabet. These come last, since
# a chain that is broken while two write at once would be followed in part, until the registry is read again.
def _key() -> str:
    return f"zz-agents-version:{Agent.binding().fingerprint}"


def _after(mark: str) -> str:
    return f"zz-agents-written:{mark}"
