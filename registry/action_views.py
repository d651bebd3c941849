"""Pages of the actions on agents, each with its own permission. What is decided is in `actions`."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.dynamo.errors import DynamoError
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Actor
from opsportal.operations.item_actions import ItemAction, ItemPages
from opsportal.operations.outcomes import Done, Refused
from opsportal.operations.pages import Button, Offer, action_page, button
from opsportal.operations.tags import Action
from registry import actions, dialects, queries
from registry.forms import EditForm, RegisterForm
from registry.models import Agent

OVERWRITTEN = "Its registry puts whole items back at each heartbeat and may overwrite this: the page shows whether it did."


def _read(agent_id: str) -> Raw | None:
    found = queries.agent(agent_id)
    return found.raw if found else None


PAGES = ItemPages("registry", _read, actions.GONE)
EDIT = ItemAction(
    Action.AGENT_EDIT,
    "registry.edit_agents",
    label="Edit",
    icon="settings",
    title="Edit the agent",
    effect=f"Writes what you change and nothing else. {OVERWRITTEN}",
    done="Edit requested.",
    run=actions.edit,
    more=lambda data: {"texts": data["texts"], "drawn": data["drawn"]},
    undone="undone",
    wide=True,
    form_class=EditForm,
    options=lambda raw: {"raw": raw or {}},
)
ACTIVATE = ItemAction(
    Action.AGENT_ACTIVATE,
    "registry.activate_agents",
    label="Activate",
    icon="player-play",
    title="Activate the agent",
    effect=f"Sets its declared status to active. {OVERWRITTEN}",
    done="Activation requested.",
    run=actions.activate,
    may=actions.may_activate,
)
DEACTIVATE = ItemAction(
    Action.AGENT_DEACTIVATE,
    "registry.activate_agents",
    label="Deactivate",
    icon="player-pause",
    title="Deactivate the agent",
    effect=f"Sets its declared status to inactive; discovery no longer offers it. {OVERWRITTEN}",
    done="Deactivation requested.",
    run=actions.deactivate,
    may=actions.may_deactivate,
)
PURGE = ItemAction(
    Action.AGENT_PURGE,
    "registry.purge_agents",
    label="Purge",
    icon="trash",
    title="Purge the agent",
    effect="Deletes it at once; a registry that still has it in memory puts it back at its next heartbeat.",
    done="Purged.",
    run=actions.purge,
    may=actions.may_purge,
    undone="brought back",
    typed=True,
    danger=True,
)


def buttons(request: HttpRequest, agent: Agent) -> list[Button]:
    """What the item's page offers."""
    return [PAGES.button(request, agent.id, agent.raw, one) for one in (EDIT, ACTIVATE, DEACTIVATE, PURGE)]


def register_button(request: HttpRequest) -> Button:
    """What the list offers."""
    return button(
        request,
        Action.AGENT_REGISTER,
        "Register",
        reverse("registry:register"),
        "plus",
        permission="registry.register_agents",
    )


@requires("registry.register_agents")
def register(request: HttpRequest) -> HttpResponseBase:
    """Ask for, and carry out, the registration of a new agent, in the layout that the form names; then its page."""
    given = request.POST.get("agent_id", "").strip()
    unread = ""
    try:
        how = dialects.current()
    except DynamoError as problem:
        how, unread = (
            dialects.UNREAD,
            f"How this registry's agents are written could not be read: {problem.sentence}",
        )
    offer = Offer(
        Action.AGENT_REGISTER,
        "Register an agent",
        "Puts a new agent into the registry, active, provided that its id is free. It counts as healthy once it "
        f"sends heartbeats. {unread or f'It is {how.sentence}.'}",
        reverse("registry:list"),
        "Agents",
        "Registration requested.",
        done_url=PAGES.item_url(given) if given else "",
        wide=True,
    )

    def run(by: Actor, data: Mapping[str, Any]) -> Done:
        if unread:
            raise _Unread(unread)
        return actions.register(
            data["agent_id"],
            data["texts"],
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            dialect=how,
            others=data["others"],
        )

    return action_page(request, offer, run, form_class=RegisterForm, form_options={"how": how})


class _Unread(Refused):
    """Its readers might not see an agent in another layout, so none is registered."""

    status = 503


@requires(EDIT.permission)
def edit(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, an edit of what an agent declares."""
    return PAGES.page(request, agent_id, EDIT)


@requires(ACTIVATE.permission)
def activate(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, an activation."""
    return PAGES.page(request, agent_id, ACTIVATE)


@requires(DEACTIVATE.permission)
def deactivate(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a deactivation."""
    return PAGES.page(request, agent_id, DEACTIVATE)


@requires(PURGE.permission)
def purge(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    return PAGES.page(request, agent_id, PURGE)
