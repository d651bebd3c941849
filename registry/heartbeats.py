"""What agents say every minute: that they are still there.

Each heartbeat is in the audit trail, but not each has an entry, of which a fleet would write a million a day. An
entry is written, in the transaction of the heartbeat, by the first of an agent, a sender and a day (UTC), and stands
for those that follow; and by each that changes what the console says of the agent's health.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Missing, Plan, act
from registry import actions, dialects, stamps
from registry.announcements import ATTEMPTS, pause
from registry.models import HEALTHY, Agent, is_operational
from registry.profile import HEARTBEAT, heartbeat_name

# The entry of a day has an id that follows from what it is of, so that no two are written.
_NAMESPACE = uuid.UUID("f0a1c7de-6c6c-5d0b-8f39-3d2a2b6f1c11")
# Seconds that a process remembers that an entry is there. Who forgets it asks the table again.
REMEMBERED = 24 * 3600


class _SoAlready(Conflict):
    """The stamp is the one that would be written: another heartbeat came in the same second or millisecond."""


def heartbeat(agent_id: str, *, by: Actor) -> Agent:
    """Renew the heartbeat, and nothing else: who was deactivated stays so. The agent as it was before.

    One conditional UpdateItem, or a transaction with an audit entry, as said above. Raises Missing, Conflict,
    Unknown, `DynamoError`.
    """
    now = datetime.now(UTC)
    entry = _entry_of_day(agent_id, by, now)
    known = caches["process"]
    if not known.get(f"heartbeats:{entry}"):
        try:
            before = _beat_with_entry(
                agent_id,
                by,
                entry,
                f"The first of {now:%Y-%m-%d} (UTC) from this sender. It stands for those that follow on that day.",
            )
        except _SoAlready as already:
            # Nothing was written, no entry either: the next one is the first.
            return Agent.of(already.item or {})
        known.set(f"heartbeats:{entry}", True, REMEMBERED)
        if before is not None:
            return Agent.of(before)
    return Agent.of(_beat_of_healthy(agent_id, now) or _beat_of_any(agent_id, by, now))


def _entry_of_day(agent_id: str, by: Actor, now: datetime) -> str:
    told = "\n".join((Agent.binding().fingerprint, by.id, f"{now:%Y-%m-%d}", agent_id))
    return str(uuid.uuid5(_NAMESPACE, told))


def _change(raw: Raw, now: datetime) -> Change:
    name = heartbeat_name(raw)
    like = raw.get(name)
    if not name:  # the first: as those of the others are
        name = HEARTBEAT[is_operational(raw)]
        like = dialects.current().raw.get(name)
    return Change(raw).guard(name).set(name, stamps.written(now, like))


def _beat_with_entry(agent_id: str, by: Actor, action_id: str, note: str) -> Raw | None:
    """The item as it was before; None where the entry was there already, and nothing was written. Raises
    _SoAlready, which nothing was written for either."""
    seen: list[Raw] = []

    def decide(raw: Raw | None, now: datetime) -> Plan:
        if raw is None:
            raise Missing(actions.GONE)
        seen.append(raw)
        change = _change(raw, now)
        if not change.changed:
            raise _SoAlready("It was heard of at this very moment.")
        return Plan(change=change, note=note)

    for attempt in range(ATTEMPTS):
        try:
            done = act(
                Action.AGENT_HEARTBEAT,
                actions.target(agent_id),
                decide,
                by=by,
                reason="",
                action_id=action_id,
            )
            return None if done.repeated else seen[-1]
        except _SoAlready:
            raise
        except Conflict:
            if attempt + 1 == ATTEMPTS:
                raise
            pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def _beat_of_healthy(agent_id: str, now: datetime) -> Raw | None:
    """In one call, of an agent that is healthy and has milliseconds under the discovery service's name: of nearly
    all. None where it is not one of them, and nothing was written."""
    table = Agent.binding()
    client = clients.client(*table.place)
    recent = timedelta(seconds=settings.AGENT_DEGRADED_SECONDS)
    try:
        with translated(table):
            answer: dict[str, Any] = client.update_item(
                TableName=table.name,
                Key={table.key: text(agent_id)},
                UpdateExpression="SET #beat = :now",
                ConditionExpression="attribute_type(#beat, :number) AND #beat BETWEEN :oldest AND :newest",
                ExpressionAttributeNames={"#beat": HEARTBEAT[0]},
                ExpressionAttributeValues={
                    ":now": stamps.milliseconds(now),
                    ":number": text("N"),
                    ":oldest": stamps.milliseconds(now - recent),
                    ":newest": stamps.milliseconds(now + recent),
                },
                ReturnValues="ALL_OLD",
            )
        return dict(answer["Attributes"])
    except client.exceptions.ConditionalCheckFailedException:
        return None


def _beat_of_any(agent_id: str, by: Actor, now: datetime) -> Raw:
    table = Agent.binding()
    client = clients.client(*table.place)
    for attempt in range(ATTEMPTS):
        found = Agent.read(agent_id, consistent=True)
        if found is None:
            raise Missing(actions.GONE)
        if found.health != HEALTHY:
            try:
                note = f"Its health was {found.health} before."
                return _beat_with_entry(agent_id, by, new_action_id(), note) or found.raw
            except _SoAlready as already:
                return already.item or found.raw
        change = _change(found.raw, now)
        if not change.changed:
            return found.raw
        try:
            with translated(table):
                client.update_item(**change.request(table.name, {table.key: text(agent_id)}))
            return found.raw
        except client.exceptions.ConditionalCheckFailedException:
            pause(attempt)
    raise Conflict("Others are writing it at this very moment. Send the heartbeat again.")
