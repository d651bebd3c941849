"""The columns of the list of agents. A row is an agent."""

from html import escape
from typing import Any

from django.template.defaultfilters import floatformat

from opsportal.console import cells
from opsportal.console.columns import Column, PageState
from opsportal.console.text import exact
from opsportal.console.tones import ATTENTION
from opsportal.dynamo.attributes import Malformed
from registry.models import Agent


def _name(agent: Agent, page: PageState) -> str:
    key = agent.id
    emoji = f'<span aria-hidden="true">{cells.excerpt(agent.emoji, 4)}</span> ' if agent.emoji else ""
    url = page.item_url(key)
    link = cells.row_link(url, emoji + cells.ident(agent.declared_name or key, 40))
    # By keys one link of a row is enough.
    by_id = f'<a href="{escape(url)}" tabindex="-1">{cells.ident(key, 40)}</a>'
    return f'{link}<span class="cell-id">{by_id}{cells.copy(key, "Copy the agent id")}</span>'


def _attention(agent: Agent, page: PageState) -> str:
    """Empty where there is nothing: a narrow screen leaves an empty cell out."""
    if contradiction := agent.contradiction:
        return cells.toned(ATTENTION, escape(contradiction))
    if not (problems := agent.problems):
        return ""
    names = ", ".join(cells.excerpt(name, 30) for name in problems)
    return cells.toned(ATTENTION, f"Could not be read as documented: {names}")


def _attention_value(agent: Agent) -> Any:
    return agent.contradiction or list(agent.problems) or None


def _capabilities(agent: Agent, page: PageState) -> str:
    offers = agent.offers
    if not offers:
        return cells.shown(agent.capabilities)
    url = escape(page.listing.filter_url("capability", offers[0]))
    first = f'<a class="tagged" href="{url}" title="Who offers this">{cells.ident(offers[0], 28)}</a>'
    if len(offers) == 1:
        return first
    title = escape(", ".join(exact(one, MAX_NAME) for one in offers[:MAX_NAMES]))
    return f'{first} <span class="muted" title="{title}">+{len(offers) - 1}</span>'


# Of the capabilities on hover: an agent may have thousands, and each may be long.
MAX_NAMES, MAX_NAME = 50, 100


def _reputation(agent: Agent, page: PageState) -> str:
    score = cells.shown(agent.reputation)
    return f"<span>{score} (default)</span>" if agent.reputation_is_default else score


def _success(agent: Agent, page: PageState) -> str:
    percent = agent.success_percent
    if isinstance(percent, Malformed):
        return cells.shown(percent)
    if percent is None:
        return '<span class="none">not declared</span>'
    return f"{escape(floatformat(percent, 1))} %"


COLUMNS: tuple[Column[Agent], ...] = (
    Column(
        "health",
        "Health",
        lambda agent: agent.health,
        lambda agent, page: cells.status(agent.health),
        css="is-tight",
        stacked=False,
    ),
    Column("agent_id", "Agent", lambda agent: agent.id, _name, css="is-name", stacked=False),
    Column(
        "declared",
        "Declared",
        lambda agent: agent.declared_status,
        lambda agent, page: cells.status(agent.declared_status),
        css="is-tight",
    ),
    Column(
        "heartbeat",
        "Heartbeat",
        lambda agent: agent.heartbeat,
        lambda agent, page: page.when(agent.heartbeat),
        css="is-tight",
    ),
    Column("attention", "Attention", _attention_value, _attention, css="is-wide is-lines", stacked=False),
    Column(
        "capabilities",
        "Capabilities",
        lambda agent: agent.offers or agent.capabilities,
        _capabilities,
        css="is-tags",
        priority=2,
    ),
    Column(
        "type",
        "Type",
        lambda agent: agent.declared_type,
        lambda agent, page: cells.truncated(cells.shown(agent.declared_type)),
        priority=3,
    ),
    Column(
        "reputation",
        "Reputation",
        lambda agent: agent.reputation,
        _reputation,
        css="is-num",
        head_css="is-num",
        priority=2,
    ),
    Column(
        "success",
        "Success",
        lambda agent: agent.success_percent,
        _success,
        css="is-num",
        head_css="is-num",
        priority=2,
    ),
)
