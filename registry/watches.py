"""What alert rules can watch of agents: those that went silent."""

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from opsportal.alerts.watches import MAX_FACTS, Fact, Measure, Question, Reading, Watch
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.pages import scan_page
from registry import queries
from registry.models import Agent

# Agents that one reading looks at: so many pages of so many.
MAX_PAGES, PAGE_SIZE = 4, 500


def _silent(agent: Agent, question: Question) -> Fact | None:
    """An agent that says it is active and has sent no heartbeat for so long; one that never did is counted from
    when it was registered."""
    last = agent.heartbeat if isinstance(agent.heartbeat, datetime) else agent.registered_at
    if not agent.is_active or not isinstance(last, datetime):
        return None
    filters, limit = question.filters, timedelta(seconds=question.threshold)
    if (wanted := filters.get("capability")) and wanted not in agent.offers:
        return None
    if (wanted := filters.get("type")) and str(agent.declared_type or "").lower() != wanted.lower():
        return None
    if question.now - last < limit:
        return None
    name = agent.declared_name if isinstance(agent.declared_name, str) and agent.declared_name else agent.id
    seconds = int((question.now - last).total_seconds())
    figures: dict[str, int | float | str] = {"seconds_without_heartbeat": seconds, "name": name}
    path = reverse("registry:item", args=[agent.id]) if agent.id else ""
    says = "heartbeats that are unreadable" if isinstance(agent.heartbeat, Malformed) else "no heartbeats"
    return Fact(agent.id, f"Agent {name} sends {says}", last + limit, figures, path)


def stale(question: Question) -> Reading:
    """The silent ones of a bounded scan: a registry has no index."""
    looked, cursor = 0, ""
    facts: list[Fact] = []
    for _ in range(MAX_PAGES):
        page = scan_page(Agent.binding(), purpose="alerts", cursor=cursor, limit=PAGE_SIZE)
        looked, cursor = looked + len(page.items), page.cursor
        facts += [fact for raw in page.items if (fact := _silent(Agent.from_item(raw), question))]
        if not cursor or len(facts) >= MAX_FACTS:
            break
    note = f"The registry is larger: only {looked} of its agents are checked." if cursor else ""
    return Reading(tuple(facts[:MAX_FACTS]), complete=not cursor and len(facts) <= MAX_FACTS, note=note)


def still_stale(question: Question, key: str) -> Fact | None:
    agent = queries.agent(key)
    return _silent(agent, question) if agent else None


WATCHES = (
    Watch(
        name="agent.stale",
        label="An agent is silent",
        explained="Each agent that is declared active and whose heartbeats stopped.",
        kind="agent",
        read=stale,
        still=still_stale,
        over="It sends heartbeats again, or it is no longer active.",
        threshold=Measure(
            "Without a heartbeat (seconds)", lambda: settings.AGENT_OFFLINE_SECONDS, 10, 30 * 86_400
        ),
        filters={"capability": "Capability", "type": "Type"},
    ),
)
