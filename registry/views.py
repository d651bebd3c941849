"""Pages of agents: the list, one item, the probe of its endpoint, the fleet, and the panel on the overview."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from opsportal.console import panels, polls
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.columns import PageState, table
from opsportal.console.listing import Listing, Region, respond
from opsportal.console.other_attributes import Shown, other_attributes
from opsportal.console.problems import wants_fragment
from opsportal.console.text import spellings
from opsportal.dynamo.partitions import Count
from opsportal.exports import views as exports
from opsportal.operations.item_pages import ItemPage, gone
from opsportal.operations.pages import actor_of
from opsportal.operations.selection import selection
from opsportal.outbound import Refused
from registry import probe, profile, queries
from registry.action_views import ACTIONS, register_button
from registry.columns import COLUMNS
from registry.declared import declared_by, step_of
from registry.exported import EXPORT
from registry.fleet import MAX_ROWS, fleet
from registry.models import HEALTHS, Agent
from registry.substitutes import cover_of

LONGEST_CHOICE, MAX_CHOICES = 100, 200
NOTHING_YET = "Agents appear here as soon as one registers."
FILTERS = {"capability": "Capability", "status": "Status", "health": "Health", "q": "Text"}
LIST = {
    "title": "Agents",
    "tabs_label": "Health",
    "placeholder": "Agent id, or text in id and name",
    "order": "Sorted by health, offline first, then by name.",
}
FLEET = "Capabilities, shared endpoints, stopped heartbeats"


@requires("registry.view_agents")
@admitted(Load.LIST)
def list_(request: HttpRequest) -> HttpResponseBase:
    """The registry, the unhealthy first. A full agent id in the search box opens its item."""
    listing = Listing(request, "agents", FILTERS, ranged=False, columns=COLUMNS)
    if answer := exports.answer(request, listing, EXPORT):
        return answer
    for key in listing.keys_typed:
        if queries.agent(key):
            return redirect("registry:item", key)
    wanted = queries.AgentFilter.of(listing.values)
    page = queries.page(wanted, purpose=listing.purpose, cursor=listing.cursor)
    digest = polls.digest_of(page)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    agents, now = [Agent.from_item(raw) for raw in page.items], datetime.now(UTC)
    agents.sort(key=lambda one: one.urgency)  # and by name, as they came
    region = Region("live", seen=polls.lasting(digest, (one.health_changes_at(now) for one in agents)))
    capabilities = _choices(capability for one in agents for capability in one.offers)
    statuses = _choices(spellings(str(one.declared_status) for one in agents if one.declared_status))
    select = selection(request, listing, ACTIONS.logical)
    context = {
        **LIST,
        **listing.context(page, region),
        **listing.filter_menu(
            (("capability", "Capability", capabilities), ("status", "Declared status", statuses))
        ),
        "table": table(
            COLUMNS, agents, PageState.of(listing, "registry:item"), select.noun if select else ""
        ),
        "empty": listing.empty(page, "agents", NOTHING_YET),
        "tabs": [
            ("All", listing.url(health=None), not listing["health"], ""),
            *((health, listing.url(health=health), listing["health"] == health, "") for health in HEALTHS),
        ],
        "links": [("Fleet", "users", reverse("registry:fleet"), FLEET)],
        "page_button": register_button(request),
        "select": select,
    }
    return respond(request, "console/list.html", context, region)


def _choices(texts: Iterable[str]) -> list[str]:
    """What a filter offers: short texts, each once."""
    return sorted({text for text in texts if len(text) <= LONGEST_CHOICE})[:MAX_CHOICES]


TABS = (("profile", "Profile"), ("audit", "Audit"), ("raw", "Raw"))


@requires("registry.view_agents")
def item(request: HttpRequest, agent_id: str) -> HttpResponse:
    """One agent: what it declares beside what is observed; what was done to it; or its raw item (`tab`)."""
    agent = queries.agent(agent_id)
    if agent is None:
        return gone(request, ACTIONS, agent_id, "registry/item.html")
    # When a registry last wrote is what its heartbeat says.
    stamp = profile.heartbeat_name(agent.raw) or profile.UPDATED
    cover = None if agent.is_ready else cover_of(agent)
    page = ItemPage(request, ACTIONS, agent_id, agent.raw, TABS, stamp, cover.seen if cover else None)
    if page.unchanged:
        return polls.nothing_new()
    context: dict[str, Any] = {
        "agent": agent,
        "buttons": ACTIONS.buttons(request, agent_id, agent.raw),
    }
    if page.tab == "profile":
        context |= {
            "declared": declared_by(agent),
            "step": step_of(agent),
            "cover": cover,
            "others": other_attributes(agent.raw, shown_of(agent)),
            "probe": probe_button(request, agent),
        }
    return page.respond("registry/item.html", context, until=[agent.health_changes_at(datetime.now(UTC))])


# Seconds between two probes of one agent, whoever asks.
PROBE_PAUSE = 5


@dataclass(frozen=True)
class _Probe:
    """What its button shows. It writes nothing, so it is no `ItemAction`."""

    tag: str = "agent:probe"
    id: str = "agent:probe"
    permission: str = "registry.probe_agents"
    label: str = "Probe"
    icon: str = "broadcast"


PROBE = _Probe()


@dataclass(frozen=True)
class ProbeButton:
    """`why_not`: the reason when this endpoint is not asked, else ""."""

    why_not: str
    action: _Probe = PROBE


def probe_button(request: HttpRequest, agent: Agent) -> ProbeButton | None:
    """What the agent's page offers; nothing while probing is off."""
    if not probe.is_on():
        return None
    if not request.user.has_perm(PROBE.permission):
        return ProbeButton("Your role may not do this.")
    return ProbeButton(probe.why_not(agent.endpoint))


@requires(PROBE.permission)
@require_POST
def probe_(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Ask the endpoint that the registry has for this agent now. 200 with what came of it; 404, 409 with why
    it was not asked."""
    agent = queries.agent(agent_id)
    context: dict[str, Any] = {"key": agent_id, "agent": agent}
    status = 200
    if agent is None:
        context["refused"], status = "This agent is not in the registry. It may have been deleted.", 404
    elif not _may_probe(agent):
        context["refused"], status = f"It was asked less than {PROBE_PAUSE} s ago.", 409
    else:
        try:
            context["answer"] = probe.probe(agent.endpoint, by=actor_of(request), agent_id=agent.id)
        except Refused as refused:
            context["refused"], status = str(refused), 409
    if wants_fragment(request):
        # htmx swaps a 409, and no 404.
        return render(request, "registry/probe.html#answer", context, status=409 if status != 200 else 200)
    return render(request, "registry/probe.html", context, status=status)


def _may_probe(agent: Agent) -> bool:
    """Once in a while: a button must not become a way to burden a server of others."""
    digest = hashlib.sha256(f"{agent.binding().fingerprint}\n{agent.id}".encode()).hexdigest()
    return bool(caches["default"].add(f"probe:{digest}", 1, PROBE_PAUSE))


@requires("registry.view_agents")
@admitted(Load.LIST)
def fleet_(request: HttpRequest) -> HttpResponse:
    """Who offers each capability, who shares an endpoint, and whose heartbeats stopped."""
    found = fleet()
    region = Region("live", seen=found.seen)
    context = {"fleet": found, "most": MAX_ROWS}
    return respond(request, "registry/fleet.html", context, region)


def panel_location() -> str:
    return Agent.binding().fingerprint


def panel_figures(before: Any) -> dict[str, Any]:
    """Of the overview: agents by derived health, and those whose state contradicts itself."""
    return queries.tally()


def shown_on_panel(figures: Any, window: str) -> dict[str, Any]:
    counted = [(health, Count(number, figures["more"])) for health, number in figures["by_health"]]
    counts = panels.tiles(counted, lambda health: reverse("registry:list") + f"?health={health}")
    return {**figures, "counts": counts}


# What the page shows of its item, in any of its tabs; its part "Other attributes" has all else.
ALWAYS = (
    "description", "endpoint", "capabilities", "tags", "protocol", "role", "location", "pricing",
    "tieredPricing", "reputationScore", "successRate", "registeredAt", "updatedAt", "verifiedAt", "avg_latency_ms",
    "throughput_per_hour", "error_rate", "active_tasks",
)  # fmt: skip
# Characters that the heading has of the emoji.
EMOJI = 4
TIER = {"slots", "slotsFilled", "responseSLA", "uptime"}


def shown_of(agent: Agent) -> Shown:
    """By the attribute's name. Of two that mean one thing the page shows the first that is there."""
    names = [agent.binding().key, *ALWAYS, *agent.problems]
    names.append("agent_name" if agent.name is None else "name")
    names.append("deployment_status" if agent.status is None else "status")
    names.append("agent_type" if agent.type is None else "type")
    names.append("last_heartbeat" if agent.last_heartbeat is None else "lastHeartbeat")
    if len(str(agent.emoji or "")) <= EMOJI:
        names.append("emoji")
    tiers = agent.service_availability
    # It may be JSON in a text: what has more than the table of tiers shows is here as a whole.
    if isinstance(tiers, dict) and all(
        tier.keys() <= TIER for tier in tiers.values() if isinstance(tier, dict)
    ):
        names.append("serviceAvailability")
    return dict.fromkeys(names)
