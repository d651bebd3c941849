"""Pages of agents: the list, one item, and the panel on the overview."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import panels
from opsportal.console.access import requires
from opsportal.console.listing import Listing, Region, respond, seen_token
from opsportal.console.other_attributes import other_attributes
from opsportal.console.text import spellings
from opsportal.console.windows import Window
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.documents import pretty
from opsportal.dynamo.partitions import Count
from opsportal.operations import actors, feeds
from opsportal.operations.watching import deletion, watch
from registry import action_views, actions, probe_views, profile, queries
from registry.declared import declared_by
from registry.matching import step_of
from registry.models import HEALTHS, Agent
from registry.shown import shown_of

LONGEST_CHOICE, MOST_CHOICES = 100, 200
NOTHING_YET = "Agents appear here as soon as one registers."
FILTERS = {"capability": "Capability", "status": "Status", "health": "Health", "q": "Text"}


@requires("registry.view_agents")
def list_(request: HttpRequest) -> HttpResponse:
    """The registry, by name. A full agent id in the search box opens its item."""
    listing = Listing(request, "agents", FILTERS, ranged=False)
    for key in listing.keys_typed:
        if queries.agent(key):
            return redirect("registry:item", key)
    wanted = queries.AgentFilter(listing["capability"], listing["status"], listing["health"], listing["q"])
    page = queries.page(wanted, purpose=listing.purpose, cursor=listing.cursor)
    agents = [Agent.of(raw) for raw in page.items]
    region = Region("live", seen=seen_token([(raw_text({"M": one.raw}), one.health) for one in agents]))
    context = {
        **listing.context(page, region),
        "agents": agents,
        "empty": listing.empty(page, "agents", NOTHING_YET),
        "tabs": [
            ("All", listing.url(health=None), not listing["health"], ""),
            *((health, listing.url(health=health), listing["health"] == health, "") for health in HEALTHS),
        ],
        "register": action_views.register_button(request),
        "capabilities": _choices(capability for one in agents for capability in one.offers),
        "statuses": _choices(spellings(str(one.declared_status) for one in agents if one.declared_status)),
    }
    return respond(request, "registry/list.html", context, region)


def _choices(texts: Iterable[str]) -> list[str]:
    """What a filter offers: short texts, each once."""
    return sorted({text for text in texts if len(text) <= LONGEST_CHOICE})[:MOST_CHOICES]


TABS = (("profile", "Profile"), ("audit", "Audit"), ("raw", "Raw"))


@requires("registry.view_agents")
def item(request: HttpRequest, agent_id: str) -> HttpResponse:
    """One agent: what it declares beside what is observed; what was done to it; or its raw item (`tab`)."""
    agent = queries.agent(agent_id)
    if agent is None:
        region = Region("live", seen="gone", finished=True)
        gone = {"key": agent_id, "deletion": deletion(actions.target(agent_id), request.user)}
        return respond(request, "registry/item.html", gone, region, status=404)
    tab = request.GET.get("tab", "")
    tab = tab if tab in dict(TABS) else "profile"
    # When a registry last wrote is what its heartbeat says.
    stamp = profile.heartbeat_name(agent.raw) or profile.UPDATED
    watched = watch(actions.target(agent_id), agent.raw, stamp, actions.keeps)
    observed = watched.observation
    region = Region("live", seen=seen_token(raw_text({"M": agent.raw}), agent.health, tab, watched.token))
    context: dict[str, Any] = {
        "key": agent_id,
        "agent": agent,
        "watched": watched,
        "again_url": reverse(f"registry:{observed.entry.action.verb}", args=[agent_id])
        if observed and observed.entry.action.verb in ("edit", "activate", "deactivate", "purge")
        else "",
        "buttons": action_views.buttons(request, agent),
        "tab": tab,
        "tabs": [(label, "?" if key == "profile" else f"?tab={key}", key == tab, "") for key, label in TABS],
    }
    if tab == "raw":
        context["raw"] = pretty(agent.raw)
    elif tab == "audit":
        context["entries"] = actors.named(feeds.of_target(actions.target(agent_id)))
    else:
        context |= {
            "declared": declared_by(agent),
            "step": step_of(agent),
            "others": other_attributes(agent.raw, shown_of(agent)),
            "probe": probe_views.button(request, agent),
        }
    return respond(request, "registry/item.html", context, region)


@requires("registry.view_agents")
def panel(request: HttpRequest) -> HttpResponse:
    """Agents on the overview: by derived health, and those whose state contradicts itself."""
    place = Agent.binding().fingerprint
    return panels.panel(request, "panel-agents", "registry/panel.html", _figures, place=place)


def _figures(window: Window) -> dict[str, Any]:
    tally = queries.tally()
    counted = [(health, Count(number, tally.more)) for health, number in tally.by_health]
    return {
        "counts": panels.tiles(counted, lambda health: reverse("registry:list") + f"?health={health}"),
        "tally": tally,
    }
