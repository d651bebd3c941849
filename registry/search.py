"""What the search finds of agents."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.urls import reverse

from opsportal.dynamo.pages import Raw, scan_page
from opsportal.dynamo.searching import Step, step
from opsportal.dynamo.spans import Span
from opsportal.search.sources import Hit, Keyed, Searched, key_of
from registry.fleet import fleet
from registry.models import Agent


def keys(text: str) -> Sequence[Keyed]:
    return key_of(Agent.binding(), text)


def hit(item: Raw) -> Hit:
    agent = Agent.from_item(item)
    url = reverse("registry:item", args=[agent.id])
    return Hit("agents", "Agent", agent.id, url, agent.health, agent.declared_name, agent.heartbeat)


def known() -> Sequence[Raw]:
    """Those of the fleet's figures, at most a thousand. Raises `DynamoError`."""
    return [agent.raw for agent in fleet().members]


def search(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str = "") -> Step:
    """One step over a registry of more agents than the fleet's figures hold; of any time and without regard to case, as
    its list. Raises `DynamoError`."""
    if not fleet().more:
        return Step([], "", "", 0, Decimal(0))

    def keep(item: Raw) -> bool:
        return bool(SEARCHED.match(item, values["q"]))

    return step(lambda: scan_page(Agent.binding(), purpose=purpose, cursor=cursor, keep=keep), str)


SEARCHED = Searched(
    "agents",
    "Agent",
    "agents",
    "registry.view_agents",
    Agent.binding,
    keys,
    hit,
    attributes=(
        ("name", "name"),
        ("agent_name", "name"),
        ("capabilities", "capability"),
        ("tools", "capability"),
        ("endpoint", "endpoint"),
    ),
    known=known,
    read=search,
    list_view="registry:list",
)
