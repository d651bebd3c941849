"""The registry as a whole, from one bounded scan: who offers what, who shares an endpoint, who sends no heartbeats."""

import pickle
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import caches

from opsportal.console.listing import seen_token
from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import scan_page
from opsportal.dynamo.shared import Shared as SharedValue
from opsportal.dynamo.shared import shared as shared_value
from opsportal.origins import DEFAULT_PORTS
from registry.declared import step_of
from registry.models import HEALTHY, UNKNOWN, Agent

# Agents that are looked at, and rows of each table that are shown.
MAX_AGENTS = 1000
MAX_ROWS = 100
# Seconds that a reading is fresh, for the whole deployment, and of a large registry as many more that it costs no more
# than so many read units in ten of them.
FLEET_FRESH, UNITS = 10, 20
# What the page shows of an agent is made of these: 1,000 whole agents are much for the shared cache.
KEPT = (
    "name", "agent_name", "endpoint", "capabilities", "tools", "status", "deployment_status", "type", "agent_type", "role",
    "reputationScore", "lastHeartbeat", "last_heartbeat",
)  # fmt: skip


@dataclass(frozen=True)
class Offered:
    """A capability and who offers it. `ready`: active and healthy. `best`: of the ready ones, the one with the
    best reputation that is a number."""

    capability: str
    agents: int
    active: int
    ready: int
    best: Agent | None


@dataclass(frozen=True)
class Shared:
    """An endpoint of several agents, as the first of them spells it."""

    endpoint: str
    agents: list[Agent]


@dataclass(frozen=True)
class Fleet:
    """What a scan of at most `MAX_AGENTS` shows, each list whole. `more`: the registry holds others;
    `calls` and `units`: what reading it cost; `seen`: a digest of what it is made of; `members`: all that were looked at."""

    offered: list[Offered]
    shared: list[Shared]
    stale: list[Agent]
    agents: int
    more: bool
    how: str
    calls: int
    units: Decimal
    at: datetime
    seen: str
    members: list[Agent]

    @cached_property
    def by_work(self) -> dict[str, list[Agent]]:
        """By a capability, or the key of a step, who offers or works it."""
        found: dict[str, list[Agent]] = {}
        for agent in self.members:
            for name in filter(None, dict.fromkeys((*agent.offers, step_of(agent).key))):
                found.setdefault(name, []).append(agent)
        return found


# The one of this process, so that each page need not derive it, by its name.
_derived: dict[str, Fleet] = {}


def fleet() -> Fleet:
    """As it was some seconds ago, where it can be read. Raises `DynamoError`."""
    name = f"fleet:{Agent.binding().fingerprint}"
    found = shared_value(name, _read, fresh=_fresh, remember=False)
    known = _derived.get(name)
    if known is None or known.at != found.at:
        agents, kept = [], pickle.loads(zlib.decompress(found.value["agents"]))  # noqa: S301 (our own)
        for raw, health in kept:
            agents.append(agent := Agent.from_item(raw))
            # As it was when it was read, or heartbeats would stop between two readings.
            agent.__dict__["health"] = health
        known = _derived[name] = Fleet(
            offered(agents),
            shared(agents),
            stale(agents),
            len(agents),
            found.value["more"],
            found.value["how"],
            found.calls,
            found.units,
            found.at,
            seen_token(kept, found.value["more"]),
            agents,
        )
    return known


# Agents that a sentence names; seconds that a registry which can't be read is not asked again.
MAX_NAMED, AWAY_SECONDS = 3, 60


def not_ready(work: str) -> str:
    """Who offers that capability, or works that step, and why they don't: "b is offline and c is inactive". "" where one
    of them is active and healthy, where nobody is known, and where that can't be read."""
    away = f"fleet:away:{Agent.binding().fingerprint}"
    if caches["process"].get(away):
        return ""
    try:
        found = fleet()
    except DynamoError:
        # The pages that ask are of other tables: a registry that is slow to fail must not hold up each of their polls.
        caches["process"].set(away, True, AWAY_SECONDS)
        return ""
    agents = found.by_work.get(work, [])
    if not agents or found.more or any(agent.is_active and agent.health == HEALTHY for agent in agents):
        return ""
    if len(agents) > MAX_NAMED:
        return f"{len(agents)} agents are offline, late or inactive"
    return " and ".join(f"{excerpt(agent.id, 60)} {_why(agent)}" for agent in agents)


def _why(agent: Agent) -> str:
    if not agent.is_active:
        return "is not active"
    return "sends no heartbeats" if agent.health == UNKNOWN else f"is {agent.health}"


def _fresh(found: SharedValue[Any]) -> float:
    return FLEET_FRESH * max(1.0, float(found.units) / UNITS)


def _read(before: Any) -> dict[str, Any]:
    page = scan_page(Agent.binding(), purpose="fleet", limit=MAX_AGENTS)
    kept = [(as_kept(raw), Agent.from_item(raw).health) for raw in page.items]
    return {"agents": zlib.compress(pickle.dumps(kept), 1), "more": bool(page.cursor), "how": page.how}


def as_kept(raw: Raw) -> Raw:
    """The item with what the page needs, and its key."""
    return {name: raw[name] for name in (*Agent.binding().key_attributes, *KEPT) if name in raw}


def offered(agents: Iterable[Agent]) -> list[Offered]:
    """Every capability: first those without a ready agent, then by name. Compared as discovery does, letter
    by letter."""
    by_capability: dict[str, list[Agent]] = {}
    for agent in agents:
        for capability in dict.fromkeys(agent.offers):
            by_capability.setdefault(capability, []).append(agent)
    found = [_offered(capability, members) for capability, members in by_capability.items()]
    return sorted(found, key=lambda one: (one.ready > 0, one.capability.lower(), one.capability))


def _offered(capability: str, agents: list[Agent]) -> Offered:
    active = [agent for agent in agents if agent.is_active]
    ready = [agent for agent in active if agent.is_ready]
    rated = [(agent.reputation, agent.id, agent) for agent in ready]
    best = max(
        ((score, key, agent) for score, key, agent in rated if isinstance(score, Decimal)),
        key=lambda one: one[:2],
        default=None,
    )
    return Offered(capability, len(agents), len(active), len(ready), best[2] if best else None)


def shared(agents: Iterable[Agent]) -> list[Shared]:
    """Endpoints of more than one agent, most agents first."""
    by_endpoint: dict[str, list[Agent]] = {}
    for agent in agents:
        if isinstance(agent.endpoint, str) and agent.endpoint.strip():
            by_endpoint.setdefault(normalized(agent.endpoint), []).append(agent)
    found = [
        Shared(str(members[0].endpoint).strip(), sorted(members, key=lambda one: one.id))
        for members in by_endpoint.values()
        if len(members) > 1
    ]
    return sorted(found, key=lambda one: (-len(one.agents), one.endpoint))


def normalized(endpoint: str) -> str:
    """One text for all spellings of an endpoint: scheme and host without case, no port that is the scheme's
    own, no slash at the end. What is no URL stands for itself."""
    text = endpoint.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return text
    if not parts.hostname:
        return text
    scheme = parts.scheme.lower()
    shown = "" if port in (None, DEFAULT_PORTS.get(scheme)) else f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{parts.hostname.rstrip('.')}{shown}{parts.path.rstrip('/')}{query}"


def stale(agents: Iterable[Agent]) -> list[Agent]:
    """Those without a fresh heartbeat: the declared active first, and of these the latest heartbeat first."""
    return sorted(
        (agent for agent in agents if agent.health != HEALTHY),
        key=lambda one: (not one.is_active, -_seconds(one), one.id),
    )


def _seconds(agent: Agent) -> float:
    """Of the last heartbeat; before all others where there is none, or none that can be true."""
    last = agent.heartbeat
    return last.timestamp() if isinstance(last, datetime) and agent.health != UNKNOWN else float("-inf")
