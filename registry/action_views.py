"""The actions on agents, declared: pages, buttons and operations of the API are made of `ACTIONS`."""

from dataclasses import replace

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.dynamo.errors import DynamoError
from opsportal.operations.entries import Actor
from opsportal.operations.forms import ActionForm
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import Done, Refused
from opsportal.operations.pages import Button, ItemActions, action_page, button
from opsportal.operations.tags import Action
from registry import actions, dialects
from registry.forms import EditForm, RegisterForm
from registry.models import Agent
from registry.profile import HEARTBEAT, UPDATED

OVERWRITTEN = "Its registry puts whole items back at each heartbeat and may overwrite this: the page shows whether it did."


REGISTER = ItemAction(
    Action.AGENT_REGISTER,
    "registry.register_agents",
    actions.register,
    label="Register",
    icon="plus",
    title="Register an agent",
    effect="Adds a new active agent to the registry, if its id is free. It counts as healthy once it "
    "sends heartbeats.",
    dialog=False,
    wide=True,
    form_class=RegisterForm,
)
EDIT = ItemAction(
    Action.AGENT_EDIT,
    "registry.edit_agents",
    actions.edit,
    label="Edit",
    icon="settings",
    title="Edit the agent",
    effect=f"Writes what you change and nothing else. {OVERWRITTEN}",
    undone="undone",
    wide=True,
    form_class=EditForm,
)
ACTIVATE = ItemAction(
    Action.AGENT_ACTIVATE,
    "registry.activate_agents",
    actions.activate,
    label="Activate",
    icon="player-play",
    title="Activate the agent",
    effect=f"Sets its declared status to active. {OVERWRITTEN}",
    bulk={},
)
DEACTIVATE = ItemAction(
    Action.AGENT_DEACTIVATE,
    "registry.activate_agents",
    actions.deactivate,
    label="Deactivate",
    icon="player-pause",
    title="Deactivate the agent",
    effect=f"Sets its declared status to inactive; discovery no longer offers it. {OVERWRITTEN}",
    summary="Declare an agent inactive",
    scope="agents:act",
    bulk={},
)
PURGE = ItemAction(
    Action.AGENT_PURGE,
    "registry.purge_agents",
    actions.purge,
    label="Purge",
    icon="trash",
    title="Purge the agent",
    effect="Deletes it at once; a registry that still has it in memory puts it back at its next heartbeat.",
    undone="brought back",
    typed=True,
    danger=True,
    bulk={},
)
ACTIONS = ItemActions(
    namespace="registry",
    model=Agent,
    parameter="agent_id",
    gone=actions.GONE,
    stamps=(UPDATED, *HEARTBEAT),
    statuses=("deployment_status", "status"),
    actions=(EDIT, ACTIVATE, DEACTIVATE, PURGE),
    others=(REGISTER,),
)


def register_button(request: HttpRequest) -> Button:
    """What the list offers."""
    return button(request, REGISTER, reverse("registry:register"))


class _Unread(Refused):
    """Its readers might not see an agent in another layout, so none is registered."""

    status = 503


@requires(REGISTER.permission)
def register(request: HttpRequest) -> HttpResponseBase:
    """Ask for, and carry out, the registration of a new agent, in the layout that the form names; then its page."""
    given = request.POST.get("agent_id", "").strip()
    unread = ""
    try:
        how = dialects.current()
    except DynamoError as problem:
        how = dialects.UNREAD
        unread = f"How this registry's agents are written could not be read: {problem.sentence}"

    def run(by: Actor, form: ActionForm) -> Done:
        if unread:
            raise _Unread(unread)
        data = form.cleaned_data
        return REGISTER.act(
            data["agent_id"],
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            texts=data["texts"],
            others=data["others"],
            dialect=how,
        )

    return action_page(
        request,
        replace(REGISTER, effect=f"{REGISTER.effect} {unread or f'It is {how.sentence}.'}"),
        run,
        what="Agents",
        back_url=reverse("registry:list"),
        done_url=ACTIONS.item_url(given) if given else "",
        form_options={"how": how},
    )
