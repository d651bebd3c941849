"""Registration by the agents themselves; their heartbeats are in `registry.heartbeats`.

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
from typing import Any

from opsportal.dynamo.attributes import Typed
from opsportal.operations.changes import Change, Raw, same, text
from opsportal.operations.entries import Actor, Entry, Intent
from opsportal.operations.outcomes import Conflict, Done
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from registry import actions, documents, stamps
from registry.dialects import DOCUMENTED, Dialect
from registry.models import is_operational
from registry.profile import (
    FIELDS,
    HEARTBEAT,
    UPDATED,
    attribute_of,
    heartbeat_name,
    settled,
    status_name,
    written,
)

# What a registry finds or decides, and no agent may say of itself.
DECIDED = frozenset(
    {
        "id", "agentId", "agent_id", "status", "deployment_status", "reputationScore", "successRate",
        "verifiedAt", "registeredAt", "updatedAt", "lastHeartbeat", "last_heartbeat", "error_rate",
        "avg_latency_ms", "throughput_per_hour", "active_tasks", "signature",
    }
)  # fmt: skip
MOST_OTHERS, MOST_NAME = 50, 255
# Tries of one registration while others write the same agent.
ATTEMPTS = 8
# Seconds at most before the second try, and twice as many before each that follows, by chance anything below that:
# so many as want to write at once come through, the last alone.
PAUSE = 0.01
# Within a process they take turns, so that only processes meet; after so many seconds one tries anyway, since
# conditions decide what is written.
TURN = 1.0
_turns = tuple(threading.Lock() for _ in range(64))


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
        content = json.dumps([dict(self.texts), documents.spell(dict(self.others))], sort_keys=True)
        return f"Profile {hashlib.sha256(content.encode(errors='replace')).hexdigest()[:16]}."

    def is_of(self, entry: Entry) -> bool:
        return entry.note == self.note


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
        **{name: documents.typed(value) for name, value in announced.others.items()},
        **actions.new_item(announced.agent_id, announced.texts, now, action_id, dialect),
    }
    # What it sent counts before an id that is made new.
    item |= {
        name: documents.typed(announced.others[name]) for name in dialect.made("") if name in announced.others
    }
    heartbeat = heartbeat_name(like) or HEARTBEAT[is_operational(like)]
    item[heartbeat] = stamps.written(now, like.get(heartbeat))
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
        values[name] = documents.typed(value, raw.get(name))
    status = status_name(raw)
    values[status] = text(actions.spelled(actions.ACTIVE, raw.get(status), is_operational(raw)))
    heartbeat = heartbeat_name(raw) or HEARTBEAT[is_operational(raw)]
    values[heartbeat] = stamps.written(now, raw.get(heartbeat) or dialect.raw.get(heartbeat))
    if UPDATED in raw or not is_operational(raw):
        values[UPDATED] = stamps.written(now, raw.get(UPDATED))
    for name, value in values.items():
        if value is None:
            change.remove(name)
        elif not same(raw.get(name), value):
            change.set(name, value)
            watch[name] = value
    # The entry watches these in any case: by the heartbeat a later write of the registry is known.
    watch |= {name: value for name in (status, heartbeat) if (value := values[name]) is not None}
    return Plan(change=change, watch=watch, note=announced.note)
