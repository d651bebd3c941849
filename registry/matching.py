"""Which step of the workflows an agent works. The data does not say: a setting does, or likeness of names."""

from dataclasses import dataclass

from django.conf import settings

from opsportal.dynamo.attributes import read_text
from registry.models import Agent


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
MOST_NAME = 200


def normal(name: str) -> str:
    """A name without case, separators, a number at its end, and the word "agent" at either end: `pdf-adapter`,
    `pdfAdapter`, `PDF Adapter Agent` and `pdf_adapter_agent_01` are one. "" for what has no letters then."""
    if len(name) > MOST_NAME:
        return ""
    letters = "".join(character for character in name.casefold() if character.isalnum())
    shorter = letters.rstrip("0123456789")
    shorter = shorter.removesuffix("agent").rstrip("0123456789").removeprefix("agent")
    # An agent that is called just that is not every step's.
    return shorter or ("" if letters.startswith("agent") else letters)
