"""The registry as a whole, from one bounded scan: who offers what, who shares an endpoint, who sends no heartbeats."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast
from urllib.parse import urlsplit

from django.core.cache import caches

from opsportal.dynamo import spending
from opsportal.dynamo.pages import scan_page
from opsportal.origins import DEFAULT_PORTS
from registry.models import HEALTHY, UNKNOWN, Agent

# Agents that are looked at, and rows of each table that are shown.
MAX_AGENTS = 1000
MAX_ROWS = 100
# Seconds that a reading is kept, so that many browsers cost little more than one.
FLEET_LIFE = 10


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
    `calls` and `units`: what reading it cost."""

    offered: list[Offered]
    shared: list[Shared]
    stale: list[Agent]
    agents: int
    more: bool
    how: str
    calls: int
    units: Decimal
    at: datetime


def fleet() -> Fleet:
    """At most `FLEET_LIFE` seconds old. Raises `DynamoError`."""
    key = f"fleet:{Agent.binding().fingerprint}"
    return cast("Fleet", caches["process"].get_or_set(key, _read, FLEET_LIFE))


def _read() -> Fleet:
    account = spending.current() or spending.Spending()
    calls, units = account.calls, account.read_units
    page = scan_page(Agent.binding(), purpose="fleet", limit=MAX_AGENTS)
    agents = [Agent.from_item(raw) for raw in page.items]
    return Fleet(
        offered(agents),
        shared(agents),
        stale(agents),
        len(agents),
        bool(page.cursor),
        page.how,
        account.calls - calls,
        account.read_units - units,
        datetime.now(UTC),
    )


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
    ready = [agent for agent in active if agent.health == HEALTHY]
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
            by_endpoint.setdefault(place(agent.endpoint), []).append(agent)
    found = [
        Shared(str(members[0].endpoint).strip(), sorted(members, key=lambda one: one.id))
        for members in by_endpoint.values()
        if len(members) > 1
    ]
    return sorted(found, key=lambda one: (-len(one.agents), one.endpoint))


def place(endpoint: str) -> str:
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
