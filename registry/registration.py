"""Registration by the agents themselves: what one may send, in the bounds of the console's own form, and how it is
written. Their heartbeats are in `registry.heartbeats`.

The item keeps the layout of deployed registries, so that their other readers go on working (docs/data.md#registry-items).
"""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsportal import patterns
from opsportal.api.documents import ATTRIBUTES, MEMBERS
from opsportal.api.problems import Invalid, Wrong
from opsportal.dynamo.attributes import Typed, typed
from opsportal.dynamo.json_values import as_json, storable
from opsportal.operations.changes import Change, Raw, same, text
from opsportal.operations.entries import Actor, Entry, Intent
from opsportal.operations.outcomes import Conflict, Done
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from registry import actions
from registry.dialects import DOCUMENTED, Dialect
from registry.forms import MAX_KEY, wrong_with
from registry.models import is_operational
from registry.profile import (
    FIELDS,
    HEARTBEAT,
    MAX_LINES,
    UPDATED,
    attribute_of,
    heartbeat_name,
    settled,
    status_name,
    written,
)

# Of `profile.FIELDS`, as the items and the agents spell them.
NAMES = {
    "tieredPricing": "tiered_pricing",
    "serviceAvailability": "service_availability",
}
# What a registry finds or decides, and no agent may say of itself.
DECIDED = frozenset(
    {
        "id", "agentId", "agent_id", "status", "deployment_status", "reputationScore", "successRate",
        "verifiedAt", "registeredAt", "updatedAt", "lastHeartbeat", "last_heartbeat", "error_rate",
        "avg_latency_ms", "throughput_per_hour", "active_tasks", "signature",
    }
)  # fmt: skip
MAX_OTHERS, MAX_NAME = 50, 255
# Tries of one registration while others write the same agent.
ATTEMPTS = 8
# Seconds at most before the second try, and twice as many before each that follows, by chance anything below that:
# so many as want to write at once come through, the last alone.
PAUSE = 0.01
# Within a process they take turns, so that only processes meet; after so many seconds one tries anyway, since
# conditions decide what is written.
TURN = 1.0
_turns = tuple(threading.Lock() for _ in range(64))


def _key(value: str) -> str:
    if len(value.encode(errors="replace")) > MAX_KEY:
        raise ValueError(f"At most {MAX_KEY:,} bytes.")
    if any(ord(character) < 32 for character in value):
        raise ValueError("It must not hold control characters.")
    return value


AgentId = Annotated[
    str,
    Field(
        max_length=MAX_KEY,
        json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000-\u001f]*$"},
    ),
    AfterValidator(_key),
]


def _like(pattern: str, otherwise: str = "It must not hold control characters.") -> Any:
    """Text of that pattern; empty text says nothing, and what is needed is looked for elsewhere."""

    def check(value: str) -> str:
        if value.strip() and not patterns.whole(pattern, value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


def _text(name: str, pattern: str = patterns.SIMPLE, **more: Any) -> Any:
    """The default and the description of one of `profile.FIELDS`, in the bounds of the console's own form."""
    return Field(
        "",
        max_length=FIELDS[name].most,
        json_schema_extra={"pattern": pattern, **more.pop("extra", {})},
        **more,
    )


def _document(name: str) -> Any:
    return Field(
        None,
        description=f"At most {FIELDS[name].most:,} characters as JSON.",
        json_schema_extra={**ATTRIBUTES},
    )


Simple = Annotated[str, _like(patterns.SIMPLE)]
Endpoint = Annotated[
    str,
    _like(patterns.OPEN_ADDRESS, "This is not an http or https URL, such as https://agent.example.com/path."),
]
Texts = Annotated[
    list[
        Annotated[
            str,
            Field(max_length=FIELDS["tags"].most, json_schema_extra={"pattern": patterns.SIMPLE}),
            _like(patterns.SIMPLE),
        ]
    ],
    Field(max_length=MAX_LINES),
]
Document = dict[str, Any] | None


class ProfileIn(BaseModel):
    """What an agent says of itself. Further members are kept as attributes, but for those that a registry
    decides (status, reputation, stamps ...), which are ignored."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "required": ["id", "endpoint"],
            "propertyNames": {"minLength": 1, "maxLength": MAX_NAME},
            "additionalProperties": MEMBERS,
        },
    )

    id: AgentId = ""
    endpoint: Endpoint = _text(
        "endpoint",
        patterns.OPEN_ADDRESS,
        description="http or https, without user and password.",
        extra={"minLength": 1},
    )
    # What is null is not sent.
    name: Simple | None = _text("name", description="The id, where it is missing.")
    capabilities: Texts | None = []
    tags: Texts | None = []
    type: Simple | None = _text("type", description="core or dynamic.")
    protocol: Simple | None = _text("protocol")
    role: Simple | None = _text("role")
    location: Simple | None = _text("location")
    emoji: Simple | None = _text("emoji")
    description: Annotated[str, _like(patterns.SIMPLE_LINES)] | None = _text(
        "description", patterns.SIMPLE_LINES
    )
    pricing: Document = _document("pricing")
    tieredPricing: Document = _document("tiered_pricing")  # noqa: N815 (as agents spell it)
    serviceAvailability: Document = _document("service_availability")  # noqa: N815


class RegisterIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    profile: ProfileIn
    signature: str | None = Field(None, description="Accepted for the agents that send it; not verified.")


@dataclass(frozen=True)
class Announcement:
    """`texts`: `profile.FIELDS` by name, as a form has them, of those that were sent; `others`: further
    attributes, as plain data."""

    agent_id: str
    texts: Mapping[str, str]
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What the audit entry notes: by it a repeated registration is known as the same."""
        content = json.dumps([dict(self.texts), as_json(dict(self.others))], sort_keys=True)
        return f"Profile {hashlib.sha256(content.encode(errors='replace')).hexdigest()[:16]}."

    def is_of(self, entry: Entry) -> bool:
        return entry.note == self.note


def announced_by(profile: ProfileIn) -> Announcement:
    """What the profile says, in the bounds of the console's own form. Raises Invalid."""
    needed = [
        Wrong("body", ("profile", name), "This is needed.")
        for name in ("id", "endpoint")
        if not getattr(profile, name).strip()
    ]
    if needed:
        # As agents of the discovery service know it.
        raise Invalid(needed, status=400)
    texts: dict[str, str] = {}
    wrong = []
    sent = profile.model_dump(exclude_unset=True, exclude={"id"})
    others = {
        name: sent[name]
        for name in (profile.model_extra or {})
        if name not in DECIDED and name != actions.target("").table.key
    }
    for name, value in sent.items():
        field = FIELDS.get(NAMES.get(name, name))
        if field is None or name in others or value is None:
            continue
        given = settled(_as_text(value), field)
        if name == "name" and not given:
            continue
        if (given or name == "endpoint") and (sentence := wrong_with(field, given)):
            wrong.append(Wrong("body", ("profile", name), sentence))
        texts[field.name] = given
    wrong += _wrong_others(others)
    if wrong:
        raise Invalid(wrong)
    return Announcement(profile.id, texts, others)


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(value)  # none holds a line break
    return as_json(value) if isinstance(value, dict) else str(value)


def _wrong_others(others: Mapping[str, Any]) -> list[Wrong]:
    if len(others) > MAX_OTHERS:
        return [
            Wrong("body", ("profile",), f"At most {MAX_OTHERS} further members; there are {len(others)}.")
        ]
    wrong = []
    for name, value in others.items():
        if not 0 < len(name) <= MAX_NAME:
            wrong.append(Wrong("body", ("profile", name[:60]), f"Its name needs 1 to {MAX_NAME} characters."))
            continue
        try:
            storable(value)
        except ValueError as error:
            wrong.append(Wrong("body", ("profile", name), str(error)))
    return wrong


def register(
    announced: Announcement, *, by: Actor, reason: str, action_id: str, dialect: Dialect = DOCUMENTED
) -> Done:
    """Put the agent, in the dialect's layout, active and with a heartbeat of now; of one that is there set what was sent, and keep the rest.
    Raises Conflict, OtherIntent, Unknown, `DynamoError`."""
    data = {"announcement": announced, "dialect": dialect}
    target = actions.target(announced.agent_id)
    intent = Intent(Action.AGENT_REGISTER, target, by, reason, action_id, data)
    for attempt in range(ATTEMPTS):
        try:
            with _turn(announced.agent_id):
                return act(plan, intent)
        except Conflict:
            # A heartbeat or a registration of the same agent was quicker; neither forbids this one.
            if attempt + 1 == ATTEMPTS:
                raise
            pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Of an `announcement`, in its `dialect` (`intent.data`)."""
    announced, dialect = intent.data["announcement"], intent.data["dialect"]
    if raw is None:
        return _new(announced, now, intent.action_id, dialect)
    return _again(announced, raw, now, dialect)


@contextmanager
def _turn(agent_id: str) -> Iterator[None]:
    lock = _turns[hash(agent_id) % len(_turns)]
    mine = lock.acquire(timeout=TURN)
    try:
        yield
    finally:
        if mine:
            lock.release()


def pause(attempt: int) -> None:
    """Before a write is tried again, after the `attempt`-th that others came before."""
    time.sleep(PAUSE * 2**attempt * secrets.randbelow(1000) / 1000)


def _new(announced: Announcement, now: datetime, action_id: str, dialect: Dialect) -> Plan:
    like = dialect.raw
    item: Raw = {
        **{name: typed(value) for name, value in announced.others.items()},
        **actions.new_item(announced.agent_id, announced.texts, now, action_id, dialect),
    }
    # What it sent counts before an id that is made new.
    item |= {
        one.name: typed(announced.others[one.name]) for one in dialect.made if one.name in announced.others
    }
    heartbeat = heartbeat_name(like) or HEARTBEAT[is_operational(like)]
    item[heartbeat] = actions.stamp(now, like.get(heartbeat))
    item.setdefault(attribute_of(like, FIELDS["type"]), text("dynamic"))
    item.setdefault(attribute_of(like, FIELDS["name"]), text(announced.agent_id))
    watch = {name: value for name, value in item.items() if name not in dialect.registered}
    return Plan(put=item, watch=watch, note=announced.note)


def _again(announced: Announcement, raw: Raw, now: datetime, dialect: Dialect) -> Plan:
    change = Change(raw).guard(status_name(raw), UPDATED)
    watch: Raw = {}
    values: dict[str, Typed | None] = {}
    for name, given in announced.texts.items():
        field_ = FIELDS[name]
        empty = not settled(given, field_)
        values[attribute_of(raw, field_)] = None if empty else written(raw, field_, given)
    for name, value in announced.others.items():
        values[name] = typed(value, raw.get(name))
    status = status_name(raw)
    values[status] = text(actions.spelled(actions.ACTIVE, raw.get(status), is_operational(raw)))
    heartbeat = heartbeat_name(raw) or HEARTBEAT[is_operational(raw)]
    values[heartbeat] = actions.stamp(now, raw.get(heartbeat) or dialect.raw.get(heartbeat))
    if UPDATED in raw or not is_operational(raw):
        values[UPDATED] = actions.stamp(now, raw.get(UPDATED))
    for name, value in values.items():
        if value is None:
            change.remove(name)
        elif not same(raw.get(name), value):
            change.set(name, value)
            watch[name] = value
    # The entry watches these in any case: by the heartbeat a later write of the registry is known.
    watch |= {name: value for name in (status, heartbeat) if (value := values[name]) is not None}
    return Plan(change=change, watch=watch, note=announced.note)
