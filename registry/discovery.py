"""Which agents offer something: answered from memory until something was written.

Every process keeps the registry as it last read it, rendered. A version in the shared cache (`registry.versions`)
says whether something was written through the console since, by any process: then the agents that were written are
read again, consistently, before the answer, or all of them where it is unknown which. What other programs write is
read again, all of it, once the reading is half of `AGENTS_CACHE_SECONDS` old; until then the old one answers, since
reading a thousand agents takes longer than an answer may. A reading that is `OLDEST` times as old, because no request
came for so long, answers no more.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.console.admission import Load, admission
from opsportal.dynamo.attributes import plain
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.json_values import as_json
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.reads import items_of, read_all
from registry import versions
from registry.models import DEFAULT_SCORE, Agent

logger = logging.getLogger(__name__)

# Times AGENTS_CACHE_SECONDS.
OLDEST = versions.TIMES

# Attributes that hold JSON text (docs/data.md#registry-items): a caller gets the document.
DOCUMENTS = {
    "pricing": "pricing",
    "tieredPricing": "tiered_pricing",
    "serviceAvailability": "service_availability",
}


def document(agent: Agent) -> dict[str, Any]:
    """The agent as it is answered: its id, every attribute of its item as plain JSON, and the default reputation where
    it has none."""
    found: dict[str, Any] = {"id": agent.id}
    left_out = ("id", agent.binding().key)
    for name, value in agent.raw.items():
        if name in left_out:
            continue
        if name in DOCUMENTS:
            read = getattr(agent, DOCUMENTS[name])
            found[name] = read if isinstance(read, dict | list) else plain(value)
        else:
            found[name] = plain(value)
    if agent.reputation_score is None:
        found["reputationScore"] = DEFAULT_SCORE
    return found


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None is no bound. `max_response_ms` is compared with what a tier declares."""

    capability: str = ""
    min_reputation: Decimal | None = None
    tier: str = ""
    max_response_ms: Decimal | None = None


@dataclass(frozen=True)
class Offer:
    """One agent, as far as discovery compares it, and the item that it was made of. `responses`: milliseconds by
    tier, "" for none in particular; `open`: the tiers with a free slot."""

    id: str
    raw: Raw
    rendered: bytes
    active: bool
    offers: frozenset[str]
    reputation: Decimal
    responses: dict[str, Decimal] = field(default_factory=dict)
    open: frozenset[str] = frozenset()

    def fits(self, wanted: Wanted) -> bool:
        if wanted.capability and not (self.active and wanted.capability in self.offers):
            return False
        if wanted.min_reputation is not None and self.reputation < wanted.min_reputation:
            return False
        if wanted.tier and wanted.tier not in self.open:
            return False
        if wanted.max_response_ms is None:
            return True
        if wanted.tier:
            declared = [self.responses[wanted.tier]] if wanted.tier in self.responses else []
        else:
            declared = list(self.responses.values())
        return bool(declared) and min(declared) <= wanted.max_response_ms


def offer(raw: Raw) -> Offer:
    """The agent of an item, whatever it holds."""
    agent = Agent.from_item(raw)
    score = agent.reputation
    tiers = [tier for tier in agent.tiers if tier.odd is None]
    responses = {tier.name: value for tier in tiers if (value := _figure(tier.response_ms)) is not None}
    if not responses and isinstance(agent.avg_latency_ms, Decimal):
        responses[""] = agent.avg_latency_ms
    declared = agent.service_availability if isinstance(agent.service_availability, dict) else {}
    return Offer(
        agent.id,
        raw,
        as_json(document(agent)).encode(errors="replace"),
        agent.is_active,
        frozenset(agent.offers),
        score if isinstance(score, Decimal) else Decimal(0),
        responses,
        frozenset(
            tier.name for tier in tiers if tier.name in declared and _is_open(tier.slots, tier.slots_filled)
        ),
    )


def _figure(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def _is_open(slots: Any, filled: Any) -> bool:
    """A tier that does not say how many slots it has is open."""
    most, taken = _figure(slots), _figure(filled)
    return most is None or taken is None or taken < most


@dataclass(frozen=True)
class Snapshot:
    """The registry, best reputation first, as read whole at `taken` (monotonic seconds). `version`: the last that
    it was found to be; `passed`: the marks of the writes that it has."""

    version: str
    passed: tuple[str, ...]
    taken: float
    agents: tuple[Offer, ...]


@dataclass(frozen=True)
class Found:
    """The agents that fit, rendered, and how old the reading is, in seconds."""

    rendered: list[bytes]
    age: float


_held: dict[str, Snapshot] = {}
_reading = threading.Lock()


def discover(wanted: Wanted) -> Found:
    """Raises `DynamoError`."""
    snapshot = _current()
    chosen = [one.rendered for one in snapshot.agents if one.fits(wanted)]
    return Found(chosen, max(0.0, time.monotonic() - snapshot.taken))


def _current() -> Snapshot:
    location, now_version = Agent.binding().fingerprint, versions.current()
    found = _fresh(location, now_version)
    if found is None:
        with admission(Load.LIST), _reading:
            # Asked for before reading, so that what is written meanwhile makes this reading old.
            now_version = versions.current()
            # Perhaps it was read by the thread that was before this one.
            return _fresh(location, now_version) or _read(location, now_version)
    if time.monotonic() - found.taken > settings.AGENTS_CACHE_SECONDS / 2 and _reading.acquire(
        blocking=False
    ):
        # In time, so that the next request need not wait for it.
        try:
            threading.Thread(target=_read_ahead, args=(location, now_version), daemon=True).start()
        except RuntimeError as error:  # the machine gives no more threads
            _reading.release()
            logger.warning("the registry could not be read ahead: %s", error)
    return found


def _fresh(location: str, now_version: str) -> Snapshot | None:
    found = _held.get(location)
    if found is None or time.monotonic() - found.taken >= OLDEST * settings.AGENTS_CACHE_SECONDS:
        return None
    return found if found.version == now_version else _renewed(location, found, now_version)


def _renewed(location: str, found: Snapshot, now_version: str) -> Snapshot | None:
    """With the agents that were written since; None where it is unknown which, or they can't be read alone.
    Takes no lock: threads that do the same come to the same."""
    written = versions.since(found.passed, now_version)
    if written is None:
        return None
    ids, passed = written
    agents = [one for one in found.agents if one.id not in ids]
    try:
        agents += map(offer, _those(ids))
    except AccessDenied:
        return None
    renewed = Snapshot(now_version, passed, found.taken, _in_order(agents))
    if _held.get(location) is found:  # else it was read whole meanwhile
        _held[location] = renewed
    return renewed


def _in_order(agents: Iterable[Offer]) -> tuple[Offer, ...]:
    """Best reputation first; equals by their ids, so that they do not change places from answer to answer."""
    return tuple(sorted(agents, key=lambda one: (-one.reputation, one.id)))


def _read(location: str, now_version: str) -> Snapshot:
    taken = time.monotonic()
    held = _held.get(location)
    before = {one.id: one for one in held.agents} if held else {}
    key = Agent.binding().key
    # Of a thousand agents a few have changed, and comparing takes less than making every offer again.
    agents = [
        old if (old := before.get(raw[key].get("S", ""))) and old.raw == raw else offer(raw) for raw in _all()
    ]
    snapshot = Snapshot(now_version, (now_version,), taken, _in_order(agents))
    _held[location] = snapshot
    return snapshot


def _read_ahead(location: str, now_version: str) -> None:
    """In a thread of its own, with the lock. It asks the relational database nothing."""
    try:
        _read(location, now_version)
    except Exception as error:
        # The request that finds the reading too old reads itself, and says what is wrong.
        logger.warning("the registry could not be read ahead: %s", error)
    finally:
        _reading.release()


def _those(ids: list[str]) -> Iterable[Raw]:
    """The items of those agents that are there, consistently."""
    if len(ids) > 1:
        table = Agent.binding()
        found, left = items_of(table, map(table.key_of, ids), consistent=True)
        yield from found
        ids = [key.text for key in left]
    yield from (agent.raw for one in ids if (agent := Agent.read(one, consistent=True)))


def _all() -> Iterable[Raw]:
    """Every item, consistently: what was just registered is among them."""
    for answer in read_all(Agent.binding(), ConsistentRead=True):
        yield from answer["Items"]
