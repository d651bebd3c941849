"""Reads of the agent registry: it has no index, so lists are bounded scans, and say so."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from opsportal.dynamo.attributes import read_text
from opsportal.dynamo.lists import Position, Walked
from opsportal.dynamo.pages import Page, Raw, scan_page
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.spans import Span
from opsportal.dynamo.turns import Source
from registry.models import HEALTHS, HEALTHY, Agent

# Agents on a page: registries are small, and a page that holds all of them can be sorted.
PAGE_SIZE = 100


@dataclass(frozen=True)
class AgentFilter:
    capability: str = ""
    status: str = ""
    health: str = ""
    text: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "AgentFilter":
        """What the list's own parameters choose."""
        return cls(*(values.get(name, "") for name in ("capability", "status", "health", "q")))

    def keep(self, raw: Raw) -> bool:
        """Whether the agent matches. Not left to a filter expression: it would cost the same read units,
        find a capability within another's name, and miss one that was written as a number."""
        agent = Agent.from_item(raw)
        if self.capability and self.capability not in agent.offers:
            return False
        if self.status and str(agent.declared_status or "").lower() != self.status.lower():
            return False
        if self.health and agent.health != self.health:
            return False
        return not self.text or self.text.lower() in f"{agent.id} {agent.declared_name or ''}".lower()


def page(wanted: AgentFilter, *, purpose: str, cursor: str = "") -> Page:
    """A page of agents, by name within the page. Raises `DynamoError`."""
    found = scan_page(
        Agent.binding(),
        purpose=purpose,
        cursor=cursor,
        limit=PAGE_SIZE,
        keep=wanted.keep if any((wanted.capability, wanted.status, wanted.health, wanted.text)) else None,
    )
    found.items.sort(key=_by_name)
    if found.cursor or cursor:
        found.notes.append("The registry has no index: pages follow DynamoDB's order, sorted within.")
    return found


def walk(values: Mapping[str, str], span: Span, after: Position | None = None) -> Iterator[Walked]:
    """Every agent that the list's parameters choose, by Scans of the table. Raises `DynamoError`."""
    wanted = AgentFilter.of(values)
    for answer in read_all(Agent.binding(), start=after["key"] if after else None, background=True):
        key = answer.get("LastEvaluatedKey")
        yield Walked([raw for raw in answer["Items"] if wanted.keep(raw)], {"key": key} if key else None)


def _by_name(raw: Raw) -> tuple[str, str]:
    """By `Agent.declared_name`, without a model of each."""
    name, key = read_text(raw.get("name")), str(read_text(raw.get(Agent.binding().key)))
    name = read_text(raw.get("agent_name")) if name is None else name
    return str(name or key).lower(), key


def agent(agent_id: str) -> Agent | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return Agent.read(agent_id, consistent=True)


# Read units of one turn over the registry for the overview: a registry of some dozen agents is read whole each time.
TURN_UNITS = 2.0
MAX_ATTENTION = 10
# Of an agent's capabilities, and of each one's characters, for what the overview says of an agent that is down.
MAX_OFFERED, MAX_OFFER = 20, 100


class Judged(NamedTuple):
    """What the overview needs of an agent, plain. `why`: how it contradicts itself, "" where it does not; `id` and `name`
    where it does; `ready`: whether it can be given work."""

    health: str
    why: str
    id: str
    name: str
    ready: bool
    offers: tuple[str, ...]


def tally() -> dict[str, Any]:
    """Plain: how many of at most 500 agents have each health, as it was when they were read, and those that contradict
    themselves or went away. `more`: there are others; `filling`: they were not all read once yet. Raises `DynamoError`."""
    source = Source(Agent.binding(), None, _judged, lambda raw: raw)
    part = source.read_on([""], TURN_UNITS)[""]
    judged = [Judged(*row.fact) for row in part.rows.values()]
    counted = Counter(one.health for one in judged)
    ready = Counter(capability for one in judged if one.ready for capability in one.offers)
    attention = sorted((one for one in judged if one.why), key=lambda one: (one.name, one.id))
    return {
        "by_health": tuple((health, counted.get(health, 0)) for health in reversed(HEALTHS)),
        "attention": tuple(
            {"health": one.health, "contradiction": one.why, "id": one.id, "name": one.name}
            | _cover(one, ready)
            for one in attention[:MAX_ATTENTION]
        ),
        "attention_more": max(len(attention) - MAX_ATTENTION, 0),
        "total": len(part.rows),
        "more": part.partial,
        "filling": not part.ended,
        "oldest": datetime.fromtimestamp(part.oldest, UTC),
    }


def _judged(raw: Raw) -> tuple[tuple[Any, ...], bool]:
    agent = Agent.from_item(raw)
    offers = tuple(text for text in dict.fromkeys(agent.offers) if len(text) <= MAX_OFFER)[:MAX_OFFERED]
    why = agent.contradiction
    named = (agent.id, str(agent.declared_name or agent.id)) if why else ("", "")
    return (agent.health, why, *named, agent.is_ready, offers), False


def _cover(one: Judged, ready: Mapping[str, int]) -> dict[str, Any]:
    """Of an agent that is down the capability that the fewest others are ready for, and how many they are."""
    if one.health == HEALTHY or not one.offers:
        return {}
    capability = min(one.offers, key=lambda name: ready.get(name, 0))
    return {"capability": capability, "others": ready.get(capability, 0)}
