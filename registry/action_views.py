"""Pages of the actions on agents, each with its own permission. What is decided is in `actions`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.operations import images
from opsportal.operations.changes import Raw
from opsportal.operations.pages import Button, Offer, action_page, button
from opsportal.operations.tags import Action
from registry import actions, queries
from registry.forms import EditForm, RegisterForm
from registry.models import Agent

OVERWRITTEN = "Its registry puts whole items back at each heartbeat and may overwrite this: the page shows whether it did."


def buttons(request: HttpRequest, agent: Agent) -> list[Button]:
    """What the item's page offers, disabled with the reason where it can't be done."""

    def url(verb: str) -> str:
        return reverse(f"registry:{verb}", args=[agent.id])

    return [
        button(
            request,
            Action.AGENT_EDIT,
            "Edit",
            url("edit"),
            "settings",
            permission="registry.edit_agents",
        ),
        button(
            request,
            Action.AGENT_ACTIVATE,
            "Activate",
            url("activate"),
            "player-play",
            permission="registry.activate_agents",
            why_not=actions.may_activate(agent.raw),
        ),
        button(
            request,
            Action.AGENT_DEACTIVATE,
            "Deactivate",
            url("deactivate"),
            "player-pause",
            permission="registry.activate_agents",
            why_not=actions.may_deactivate(agent.raw),
        ),
        button(
            request,
            Action.AGENT_PURGE,
            "Purge",
            url("purge"),
            "trash",
            permission="registry.purge_agents",
            why_not=actions.may_purge(agent.raw),
            danger=True,
        ),
    ]


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
    """Ask for, and carry out, the registration of a new agent; then its page."""
    given = request.POST.get("agent_id", "").strip()
    offer = Offer(
        Action.AGENT_REGISTER,
        "Register an agent",
        "Puts a new agent into the registry, active, provided that its id is free. It counts as healthy once it "
        "sends heartbeats.",
        reverse("registry:list"),
        "Agents",
        "Registration requested.",
        done_url=_item_url(given) if given else "",
        wide=True,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.register(
            data["agent_id"], data["texts"], by=by, reason=data["reason"], action_id=data["action_id"]
        ),
        form_class=RegisterForm,
    )


@requires("registry.edit_agents")
def edit(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, an edit of what an agent declares."""
    raw = _raw(agent_id)
    too_large = raw is not None and not images.fits(raw)
    offer = Offer(
        Action.AGENT_EDIT,
        "Edit the agent",
        f"Writes what you change and nothing else. {OVERWRITTEN} "
        + (
            "It is too large to keep a copy, so this can't be undone."
            if too_large
            else f"It can be undone from the audit trail for {settings.AUDIT_IMAGE_DAYS} days."
        ),
        _item_url(agent_id),
        agent_id,
        "Edit requested.",
        why_not="" if raw is not None else actions.GONE,
        too_large=too_large,
        wide=True,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.edit(
            agent_id,
            data["texts"],
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            drawn=data["drawn"],
            without_image=bool(data.get("without_image")),
        ),
        form_class=EditForm,
        form_options={"raw": raw or {}},
    )


@requires("registry.activate_agents")
def activate(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, an activation."""
    return _declare(
        request,
        agent_id,
        Offer(
            Action.AGENT_ACTIVATE,
            "Activate the agent",
            f"Sets its declared status to active. {OVERWRITTEN}",
            _item_url(agent_id),
            agent_id,
            "Activation requested.",
        ),
        actions.may_activate,
        actions.activate,
    )


@requires("registry.activate_agents")
def deactivate(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a deactivation."""
    return _declare(
        request,
        agent_id,
        Offer(
            Action.AGENT_DEACTIVATE,
            "Deactivate the agent",
            f"Sets its declared status to inactive; discovery no longer offers it. {OVERWRITTEN}",
            _item_url(agent_id),
            agent_id,
            "Deactivation requested.",
        ),
        actions.may_deactivate,
        actions.deactivate,
    )


def _declare(
    request: HttpRequest, agent_id: str, offer: Offer, may: Callable[[Raw], str], run: Callable[..., Any]
) -> HttpResponseBase:
    raw = _raw(agent_id)
    return action_page(
        request,
        replace(offer, why_not=may(raw) if raw is not None else actions.GONE),
        lambda by, data: run(agent_id, by=by, reason=data["reason"], action_id=data["action_id"]),
    )


@requires("registry.purge_agents")
def purge(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Ask for, and carry out, a purge."""
    raw = _raw(agent_id)
    too_large = raw is not None and not images.fits(raw)
    offer = Offer(
        Action.AGENT_PURGE,
        "Purge the agent",
        "Deletes it at once; a registry that still has it in memory puts it back at its next heartbeat. "
        + (
            "It is too large to keep a copy, so this can't be undone."
            if too_large
            else f"It can be brought back from the audit trail for {settings.AUDIT_IMAGE_DAYS} days."
        ),
        _item_url(agent_id),
        agent_id,
        "Purged.",
        why_not=actions.may_purge(raw) if raw is not None else actions.GONE,
        key=agent_id,
        too_large=too_large,
        danger=True,
    )
    return action_page(
        request,
        offer,
        lambda by, data: actions.purge(
            agent_id,
            by=by,
            reason=data["reason"],
            action_id=data["action_id"],
            without_image=bool(data.get("without_image")),
        ),
    )


def _raw(agent_id: str) -> Raw | None:
    found = queries.agent(agent_id)
    return found.raw if found else None


def _item_url(agent_id: str) -> str:
    return reverse("registry:item", args=[agent_id])
