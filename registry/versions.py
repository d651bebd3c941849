"""Which agents were written through the console lately, as every process reads it in the shared cache.

The *version* names the last write. Beside it each write has a slot of its own, numbered, with the agent's id: a
process that knows an earlier version reads just the agents of the slots in between. A slot is claimed by `add`,
which no two writers can do, and before the version is set; two versions may be set in the wrong order. So slots are
looked for past the version's, and where one is missing, or is not the version's, nothing is concluded from them.
"""

import logging
import uuid
from dataclasses import dataclass, field

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError

from registry.models import Agent

logger = logging.getLogger(__name__)

# More changes than this, and the registry is as well read whole.
MOST_CHANGES = 100
# Writers of the same instant that claim slots one after the other.
MOST_CLAIMS = 20
# Times AGENTS_CACHE_SECONDS: how old a reading can be that still asks for slots. They are kept longer than that.
TIMES = 12


@dataclass(frozen=True)
class Version:
    """The `number`-th write of its epoch. `mark` differs from that of another write that claimed the same number."""

    epoch: str
    number: int
    mark: str

    def __str__(self) -> str:
        return f"{self.epoch}:{self.number}:{self.mark}"

    @classmethod
    def of(cls, text: object) -> "Version | None":
        epoch, _, rest = str(text).partition(":")
        number, _, mark = rest.partition(":")
        return cls(epoch, int(number), mark) if mark and number.isdecimal() else None

    @classmethod
    def first(cls) -> "Version":
        return cls(_random(), 0, _random())


@dataclass(frozen=True)
class Known:
    """What a reading takes into account: all writes up to a version, and `marks`, by number, of those after it."""

    version: Version
    marks: dict[int, str] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.marks, default=self.version.number)

    def mark(self, number: int) -> str:
        return self.version.mark if number == self.version.number else self.marks.get(number, "")


def current() -> Version:
    """The version as of the last write through any of the console's processes."""
    cache, key = caches["default"], _key()
    found = Version.of(cache.get(key))
    if found is None:  # the first, or thrown out
        cache.add(key, str(Version.first()), None)
        found = Version.of(cache.get(key))
    return found or Version.first()


def written(agent_id: str = "") -> None:
    """Let every process know that this agent has changed; without an id, that any may have. Call it after the write."""
    try:
        caches["default"].set(_key(), str(_claimed(agent_id)), None)
    except DatabaseError:
        # The write is done, and is no less so for this. What is found is old for AGENTS_CACHE_SECONDS.
        logger.exception("the other processes do not know of a change in the registry")


def _claimed(agent_id: str) -> Version:
    before = current()
    if agent_id:
        mark = _random()
        for number in range(before.number + 1, before.number + 1 + MOST_CLAIMS):
            if caches["default"].add(_slot(before.epoch, number), f"{mark}:{agent_id}", _kept()):
                return Version(before.epoch, number, mark)
    return Version.first()


def since(known: Known, now: Version) -> tuple[list[str], Known] | None:
    """The ids of the agents that were written between, and what is known with them; None where that is
    unknown."""
    if now.epoch != known.version.epoch or now.number - known.last > MOST_CHANGES:
        return None
    # Past the version's, see above.
    numbers = range(known.last + 1, max(now.number, known.last) + 1 + MOST_CLAIMS)
    slots = caches["default"].get_many([_slot(now.epoch, number) for number in numbers])
    ids, marks = [], dict(known.marks)
    for number in numbers:
        slot = slots.get(_slot(now.epoch, number))
        if slot is None:
            break
        marks[number], _, agent_id = str(slot).partition(":")
        ids.append(agent_id)
    then = Known(known.version, marks)
    return (list(dict.fromkeys(ids)), then) if then.mark(now.number) == now.mark else None


def _random() -> str:
    return uuid.uuid4().hex[:16]


def _kept() -> float:
    cached: float = settings.AGENTS_CACHE_SECONDS
    return max(60, 2 * TIMES * cached)


# When the database's cache is full it throws out those keys that come first in the alphabet. These come last, since
# a slot that is thrown out while two write at once would be missed, until the registry is read again.
def _key() -> str:
    return f"zz-agents-version:{Agent.binding().fingerprint}"


def _slot(epoch: str, number: int) -> str:
    return f"zz-agents-written:{epoch}:{number}"
