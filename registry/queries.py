"""Reads of the agent registry: it has no index, so lists are bounded scans, and say so."""

from collections import Counter
from dataclasses import dataclass

from opsportal.dynamo.pages import Page, Raw, scan_page
from registry.models import HEALTHS, Agent

# Agents on a page: registries are small, and a page that holds all of them can be sorted.
PAGE_SIZE = 100


@dataclass(frozen=True)
class AgentFilter:
    capability: str = ""
    status: str = ""
    health: str = ""
    text: str = ""

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
        found.notes.append("The registry has no index: pages follow DynamoDB's order, sorted by name within.")
    return found


def _by_name(raw: Raw) -> tuple[str, str]:
    agent = Agent.from_item(raw)
    return str(agent.declared_name or agent.id).lower(), agent.id


def agent(agent_id: str) -> Agent | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return Agent.read(agent_id, consistent=True)


@dataclass(frozen=True)
class Tally:
    """Agents by health, as far as a bounded scan went (`more`: there are others)."""

    by_health: list[tuple[str, int]]
    attention: list[Agent]
    total: int
    more: bool


def tally() -> Tally:
    """Counts of the first 500 agents, and those that contradict themselves or went away."""
    found = scan_page(Agent.binding(), purpose="tally", limit=500)
    agents = [Agent.from_item(raw) for raw in found.items]
    counted = Counter(one.health for one in agents)
    attention = sorted(
        (one for one in agents if one.contradiction), key=lambda one: str(one.declared_name or one.id)
    )
    return Tally(
        [(health, counted.get(health, 0)) for health in reversed(HEALTHS)],
        attention[:10],
        len(agents),
        bool(found.cursor),
    )
