"""Of an agent that is not ready: who else offers what it offers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from opsportal.console.admission import Load, admission
from opsportal.console.listing import seen_token
from opsportal.dynamo.errors import DynamoError
from registry.fleet import fleet
from registry.models import Agent

# Of an agent's capabilities, of those who offer each, and of a capability's characters in an address.
MAX_CAPABILITIES, MAX_OTHERS, MAX_LENGTH = 20, 5, 100


@dataclass(frozen=True)
class Substitutes:
    """A capability and the others that offer it, the best first. `ready`: those that work now; `unready`: the rest."""

    capability: str
    ready: list[Agent]
    unready: list[Agent]

    @property
    def shown(self) -> list[Agent]:
        return (self.ready or self.unready)[:MAX_OTHERS]

    @property
    def more(self) -> int:
        """Others like those that are shown."""
        return len(self.ready or self.unready) - len(self.shown)

    @property
    def sentence(self) -> str:
        """As "2 others are ready" and "No other agent"."""
        if self.ready:
            return f"{_others(len(self.ready))} ready"
        return f"{_others(len(self.unready))} not ready" if self.unready else "No other agent"


def _others(number: int) -> str:
    return "1 other is" if number == 1 else f"{number} others are"


def _best_first(agent: Agent) -> tuple[Decimal, str]:
    return -agent.reputation if isinstance(agent.reputation, Decimal) else Decimal(0), agent.id


def substitutes(agent: Agent, registered: Iterable[Agent]) -> list[Substitutes]:
    """For each of the agent's first capabilities, those that nobody else is ready for first."""
    others = [other for other in registered if other.id != agent.id]
    found = []
    for capability in list(dict.fromkeys(agent.offers))[:MAX_CAPABILITIES]:
        offering = sorted((one for one in others if capability in one.offers), key=_best_first)
        ready = [one for one in offering if one.is_ready]
        found.append(Substitutes(capability, ready, [one for one in offering if not one.is_ready]))
    return sorted(found, key=lambda one: (bool(one.ready), bool(one.shown), one.capability))


@dataclass(frozen=True)
class Cover:
    """Who else offers what an agent offers that is not ready, as the fleet was read last. `more`: the registry holds
    agents that were not looked at; `problem`: why none were."""

    substitutes: list[Substitutes]
    left_out: int = 0
    more: bool = False
    at: datetime | None = None
    problem: str = ""

    @property
    def seen(self) -> str:
        """A digest of what the page shows of it."""
        shown = [
            (one.capability, one.sentence, *(a.id for a in one.ready + one.unready))
            for one in self.substitutes
        ]
        return seen_token(shown, self.more, self.problem)

    @property
    def query(self) -> str:
        """The capabilities as parameters of a page that looks for what waits for them."""
        return urlencode([("offers", one.capability[:MAX_LENGTH]) for one in self.substitutes])


def cover_of(agent: Agent) -> Cover:
    """Reads what the page of the fleet reads, which is kept for all readers. Never raises `DynamoError`: the agent's
    page works without."""
    capabilities = len(set(agent.offers))
    try:
        with admission(Load.PANEL):
            found = fleet()
    except DynamoError as problem:
        return Cover([], problem=problem.sentence)
    return Cover(
        substitutes(agent, found.members), max(capabilities - MAX_CAPABILITIES, 0), found.more, found.at
    )
