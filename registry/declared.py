"""What an agent declares of its own work, and which step of the workflows it works: what is compared with what is
observed."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from opsportal.console import clock
from opsportal.console.numbers import as_number, plain
from opsportal.dynamo.attributes import read_text
from registry.models import Agent


@dataclass(frozen=True)
class Declared:
    """`success`, `errors`: 0 to 1. Milliseconds: `average_ms`, and the fastest and slowest response that a
    tier promises. `uptimes`: percent, of the tiers, sorted. None where there is no such number."""

    success: Decimal | None
    errors: Decimal | None
    average_ms: Decimal | None
    fastest_ms: Decimal | None
    slowest_ms: Decimal | None
    uptimes: tuple[Decimal, ...]

    @property
    def query(self) -> str:
        """As the parameters of a page that compares them."""
        names = ("success", "errors", "average_ms", "fastest_ms", "slowest_ms")
        given = {name: getattr(self, name) for name in names}
        return urlencode({name: plain(value) for name, value in given.items() if value is not None})

    @property
    def uptime(self) -> str:
        """`99 to 99.9 %`, "" for none."""
        if not self.uptimes:
            return ""
        return (
            " to ".join(dict.fromkeys(plain(value) for value in (self.uptimes[0], self.uptimes[-1]))) + " %"
        )

    @property
    def unobserved(self) -> list[tuple[str, str]]:
        """What is declared of the work, name and text, for an agent whose work can't be found."""
        shares = (("Success", self.success), ("Errors", self.errors))
        found = [(name, f"{share * 100:.1f} %") for name, share in shares if share is not None]
        if self.average_ms is not None:
            found.append(("Average", clock.duration(self.average_ms / 1000)))
        responses = [
            clock.duration(value / 1000) for value in (self.fastest_ms, self.slowest_ms) if value is not None
        ]
        if responses:
            found.append(("Response", " to ".join(dict.fromkeys(responses))))
        return found


def declared_by(agent: Agent) -> Declared:
    """From `successRate` or `error_rate` (one gives the other), `avg_latency_ms`, and the tiers' `responseSLA`
    and `uptime`."""
    success = _share(agent.success_rate) if agent.declares_success else None
    errors = _share(agent.error_rate)
    if success is None and errors is not None:
        success = 1 - errors
    elif errors is None and success is not None:
        errors = 1 - success
    responses = sorted(value for tier in agent.tiers if (value := _at_least_0(tier.response_ms)) is not None)
    uptimes = [_at_least_0(tier.uptime) for tier in agent.tiers]
    return Declared(
        success,
        errors,
        _at_least_0(agent.avg_latency_ms),
        responses[0] if responses else None,
        responses[-1] if responses else None,
        tuple(sorted(value for value in uptimes if value is not None and value <= 100)),
    )


def _share(value: Any) -> Decimal | None:
    number = _at_least_0(value)
    return number if number is not None and number <= 1 else None


def _at_least_0(value: Any) -> Decimal | None:
    number = as_number(value)
    return number if number is not None and number >= 0 else None


# --- The step that it works: the data does not say; a setting does, or likeness of names -------------------


@dataclass(frozen=True)
class Match:
    """A step's key and label, and how it was found, to go on "matched by". `key` "": no step is known."""

    key: str = ""
    label: str = ""
    how: str = ""


# What of an agent names its step, in this order: how that is called, and the attributes.
NAMES = (
    ("its id", ()),
    ("its name", ("name", "agent_name")),
    ("its type", ("type", "agent_type")),
    ("its role", ("role",)),
)


def step_of(agent: Agent) -> Match:
    """By `AGENT_STEPS`, where "" says that there is none; else the step of the catalogue whose key or label
    is the agent's id, name, type or role, as `normal` compares them."""
    labels = {str(step["key"]): str(step["label"]) for step in settings.WORKFLOW_STEPS}
    if agent.id in settings.AGENT_STEPS:
        key = settings.AGENT_STEPS[agent.id]
        return Match(key, labels.get(key, key), "the setting AGENT_STEPS")
    steps: dict[str, str] = {}
    for key, label in labels.items():
        for name in filter(None, map(normal, (key, label))):
            steps.setdefault(name, key)
    for how, attributes in NAMES:
        texts = [read_text(agent.raw.get(name)) for name in attributes] if attributes else [agent.id]
        for text in texts:
            if isinstance(text, str) and (key := steps.get(normal(text), "")):
                return Match(key, labels[key], how)
    return Match()


# Longer texts name no step.
MAX_NAME = 200


def normal(name: str) -> str:
    """A name without case, separators, a number at its end, and the word "agent" at either end: `pdf-adapter`,
    `pdfAdapter`, `PDF Adapter Agent` and `pdf_adapter_agent_01` are one. "" for what has no letters then."""
    if len(name) > MAX_NAME:
        return ""
    letters = "".join(character for character in name.casefold() if character.isalnum())
    shorter = letters.rstrip("0123456789")
    shorter = shorter.removesuffix("agent").rstrip("0123456789").removeprefix("agent")
    # An agent that is called just that is not every step's.
    return shorter or ("" if letters.startswith("agent") else letters)
