"""Asking an agent's endpoint whether it answers: the button, and the answer as data."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from opsportal.console.access import requires
from opsportal.console.problems import wants_fragment
from opsportal.operations.pages import actor_of
from registry import probe, queries
from registry.models import Agent

PERMISSION = "registry.probe_agents"
# Seconds between two probes of one agent, whoever asks.
PAUSE = 5


@dataclass(frozen=True)
class Button:
    """`why_not`: the reason when this endpoint is not asked, else "". The rest is for the template."""

    why_not: str
    action: str = "agent:probe"
    label: str = "Probe"
    icon: str = "broadcast"


def button(request: HttpRequest, agent: Agent) -> Button | None:
    """What the agent's page offers; nothing while probing is off."""
    if not probe.is_on():
        return None
    if not request.user.has_perm(PERMISSION):
        return Button("Your role may not do this.")
    return Button(probe.why_not(agent.endpoint))


@requires(PERMISSION)
@require_POST
def probe_(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Ask the endpoint that the registry has for this agent now. 200 with what came of it; 404, 409 with why
    it was not asked."""
    agent = queries.agent(agent_id)
    context: dict[str, Any] = {"key": agent_id, "agent": agent}
    status = 200
    if agent is None:
        context["refused"], status = "This agent is not in the registry (any more).", 404
    elif not _may_go(agent):
        context["refused"], status = f"It was asked less than {PAUSE} s ago.", 409
    else:
        try:
            context["answer"] = probe.probe(agent.endpoint, by=actor_of(request), agent_id=agent.id)
        except probe.Refused as refused:
            context["refused"], status = refused.sentence, 409
    if wants_fragment(request):
        # htmx swaps a 409, and no 404.
        return render(request, "registry/probe.html#answer", context, status=409 if status != 200 else 200)
    return render(request, "registry/probe.html", context, status=status)


def _may_go(agent: Agent) -> bool:
    """Once in a while: a button must not become a way to press on somebody's server."""
    digest = hashlib.sha256(f"{agent.binding().fingerprint}\n{agent.id}".encode()).hexdigest()
    return bool(caches["default"].add(f"probe:{digest}", 1, PAUSE))
