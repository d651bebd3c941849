"""How a new agent is written, so that the other readers of the registry see it (docs/dialects.md).

The setting AGENT_DIALECT: `auto` takes the layout that at least 80 % of the agents have which the console did not
register, of one page of the registry, and its names from the newest 20 of these; read once a minute for the whole deployment and only when an agent is registered or its form is opened;
`documented` is the discovery service's; a path names a TOML file.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings
from pydantic import Field

from opsportal.dynamo import dialect_files, dialects
from opsportal.dynamo.attributes import Typed, read_text
from opsportal.dynamo.dialect_files import form_of
from opsportal.dynamo.dialects import agreed, agrees
from opsportal.dynamo.errors import AccessDenied, DynamoError
from opsportal.dynamo.shared import shared
from opsportal.dynamo.timestamp_form import TimestampForm
from opsportal.operations import feeds
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Target
from opsportal.operations.tags import Action
from registry.models import Agent, is_operational
from registry.profile import (
    FIELDS,
    HEARTBEAT,
    STATUS,
    UPDATED,
    attribute_of,
    heartbeat_name,
    status_name,
)

# Seconds that what was learned is taken for true.
FRESH = 60
# Agents of a mixed registry whose trail is looked at for who registered them.
MAX_ASKED = 40
STAMPS = ("registeredAt", "registered_at", "created_at", "lastHeartbeat", "last_heartbeat")
REGISTERED = ("registeredAt", "registered_at", "created_at", "createdAt")
RENEWED = (UPDATED, "updated_at")
# What the documents name, in either layout.
KNOWN = frozenset(
    {
        "agentId", "agent_id", "id", "reputationScore", "successRate", "verifiedAt", "avg_latency_ms",
        "throughput_per_hour", "error_rate", "active_tasks", *STATUS, *HEARTBEAT, *REGISTERED, *RENEWED,
        *(name for field in FIELDS.values() for name in field.attributes),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Dialect(dialects.Dialect):
    """`origin` is also "mixed" (agents that do not agree on a layout) or "unread" (the registry may not be read).
    `like`: an item in the registry's layout, of the console's own
    making, that a new one is written like; empty for the documented layout. `registered`, `renewed`: the
    stamps of a new item, by name, in the form of `like`; `score`: whether it gets a reputation."""

    like: tuple[tuple[str, Typed], ...] = ()
    registered: tuple[str, ...] = ("registeredAt",)
    renewed: tuple[str, ...] = (UPDATED,)
    score: bool = True

    @property
    def raw(self) -> Raw:
        return dict(self.like)

    @property
    def sentence(self) -> str:
        """What the form says of it."""
        number_ = f"the {self.items} newest agents" if self.items > 1 else "the one other agent"
        how = {
            "learned": f"written like {number_} of this registry",
            "mixed": "written as documented, since this registry's agents do not agree on a layout",
            "empty": "written as documented, since this registry has no other agent to learn from",
            "unread": "written as documented, since the console may not read the registry",
            "documented": "written as documented (setting AGENT_DIALECT)",
            "file": "written as the file of AGENT_DIALECT says",
        }[self.origin]
        return f"{how}: {', '.join(self.names)}"

    @property
    def names(self) -> list[str]:
        """The names by which one layout differs from another, and the ids that are made new."""
        like = self.raw
        fields = (attribute_of(like, FIELDS[name]) for name in ("name", "type", "capabilities"))
        heartbeat = heartbeat_name(like) or HEARTBEAT[is_operational(like)]
        made = (one.name for one in self.made)
        key = Agent.binding().key
        return [key, status_name(like), *fields, heartbeat, *self.registered, *self.renewed, *made]


DOCUMENTED, EMPTY, MIXED, UNREAD = Dialect(), Dialect("empty"), Dialect("mixed"), Dialect("unread")


def current() -> Dialect:
    """How a new agent is written now. Raises `DynamoError`; where the registry may not be read, the documented way."""
    setting = settings.AGENT_DIALECT
    if setting == "documented":
        return DOCUMENTED
    if setting != "auto":
        return from_file(setting)
    try:
        name = f"agents-dialect:{Agent.binding().fingerprint}"
        return shared(name, lambda _: learned(newest()), fresh=FRESH).value
    except AccessDenied:
        return UNREAD


def newest() -> list[Raw]:
    """The agents that the console did not register, the newest first, of one page of a Scan. Raises `DynamoError`."""
    found = dialects.newest_of_page(Agent.binding(), STAMPS, lambda _: True, None)
    documented = [raw for raw in found if _layout(raw) == "documented"]
    # Whose they are matters in a mixed registry alone, and not where most are not documented anyhow.
    if len(documented) < len(found) and not agrees(len(found) - len(documented), len(found)):
        ours = [raw for raw in documented[:MAX_ASKED] if _registered_here(raw)]
        found = [raw for raw in found if raw not in ours]
    return found


def _registered_here(raw: Raw) -> bool:
    target = Target("agents", Agent.binding().key_in(raw).text)
    try:
        entries = feeds.of_target(target, limit=100)
    except DynamoError:
        return False
    return any(entry.action is Action.AGENT_REGISTER for entry in entries)


def _layout(raw: Raw) -> str:
    if is_operational(raw):
        return "operational"
    ours = ("status", "type", HEARTBEAT[0])
    theirs = ("deployment_status", "agent_type", HEARTBEAT[1])
    mixed = not any(name in raw for name in ours) or any(name in raw for name in theirs)
    return "mixed" if mixed else "documented"


def learned(items: list[Raw]) -> Dialect:
    """What these agents, the newest first, have in common; the documented form wherever they have nothing."""
    layout = agreed([_layout(raw) for raw in items])
    if layout not in ("operational", "documented"):
        return MIXED if items else EMPTY
    items = [raw for raw in items if _layout(raw) == layout][: dialects.NEWEST]
    known = KNOWN | {Agent.binding().key}
    like: Raw = {}
    for names in (STATUS, HEARTBEAT, REGISTERED, RENEWED, *(field.attributes for field in FIELDS.values())):
        for name in names:
            values = [raw[name] for raw in items if name in raw]
            if agrees(len(values), len(items)) and (value := _placeholder(name, values)):
                like[name] = value
    documented = layout == "documented"
    if not documented:
        like.setdefault(STATUS[1], {"S": "ACTIVE"})
        like.setdefault(HEARTBEAT[1], _ZULU.written(_ANY_TIME))
    return Dialect(
        "learned",
        len(items),
        dialects.extras(items, known),
        tuple(sorted(like.items())),
        tuple(name for name in REGISTERED if name in like) or DOCUMENTED.registered * documented,
        tuple(name for name in RENEWED if name in like) or DOCUMENTED.renewed * documented,
        documented or agrees(sum("reputationScore" in raw for raw in items), len(items)),
    )


_ZULU = TimestampForm(digits=3, zone="Z")
_ANY_TIME = datetime.fromisoformat("2026-01-09T15:43:09.250+00:00")


def _placeholder(name: str, values: list[Typed]) -> Typed | None:
    """A value of the console's own in the form that most of these have."""
    if name in (*HEARTBEAT, *REGISTERED, *RENEWED):
        form = agreed([TimestampForm.from_value(value) for value in values])
        return form.written(_ANY_TIME) if form else None
    if name in STATUS:
        upper = agrees(sum(str(read_text(value) or "").isupper() for value in values), len(values))
        return {"S": "ACTIVE" if upper else "active"}
    tag = agreed([next(iter(value), "") for value in values])
    placeholders: Raw = {"S": {"S": "-"}, "L": {"L": []}, "SS": {"SS": ["-"]}, "M": {"M": {}}}
    return placeholders.get(tag or "")


# --- The file ---------------------------------------------------------------------------------------------


class Facts(dialect_files.Facts):
    """The names of an agent's attributes; "" for those that are not written."""

    status: Literal["status", "deployment_status"] = "deployment_status"
    active: Literal["active", "ACTIVE"] = "ACTIVE"
    heartbeat: Literal["lastHeartbeat", "last_heartbeat"] = "last_heartbeat"
    type: Literal["type", "agent_type"] = "agent_type"
    name: Literal["name", "agent_name"] = "name"
    capabilities: Literal["capabilities", "tools"] = "capabilities"
    capabilities_as: Literal["list", "set"] = "list"
    timestamps: str = Field("2026-01-09T15:43:09.250Z", min_length=1)
    registered: Literal["", "registeredAt", "registered_at", "created_at", "createdAt"] = ""
    updated: Literal["", "updatedAt", "updated_at"] = ""
    reputation: bool = False


def check() -> None:
    """Raises ImproperlyConfigured, at start, for a setting that can't be followed."""
    if settings.AGENT_DIALECT not in ("auto", "documented"):
        from_file(settings.AGENT_DIALECT)


def from_file(path: str) -> Dialect:
    """Raises ImproperlyConfigured."""
    facts = dialect_files.read("AGENT_DIALECT", path, Facts)
    stamp = (form_of(facts.timestamps) or _ZULU).written(_ANY_TIME)
    like: Raw = {
        facts.status: {"S": facts.active},
        facts.heartbeat: stamp,
        facts.type: {"S": "-"},
        facts.name: {"S": "-"},
        facts.capabilities: {"L": []} if facts.capabilities_as == "list" else {"SS": ["-"]},
    }
    registered = (facts.registered,) if facts.registered else ()
    renewed = (facts.updated,) if facts.updated else ()
    like |= dict.fromkeys((*registered, *renewed), stamp)
    written = tuple(sorted(like.items()))
    return Dialect("file", 0, facts.extras, written, registered, renewed, facts.reputation)
