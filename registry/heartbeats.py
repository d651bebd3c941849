"""The heartbeats that agents send every minute.

An entry of the audit trail for each would be a million a day. The first heartbeat of an agent, a sender and a day
(UTC) writes one, in its transaction, which stands for those that follow; so does each that changes what the console
says of the agent's health.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor, Intent, new_action_id
from opsportal.operations.outcomes import Conflict, NotFound, existing
from opsportal.operations.switch import check_actions_are_on
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from registry import actions, dialects
from registry.models import HEALTHY, Agent, is_operational
from registry.profile import HEARTBEAT, heartbeat_name
from registry.registration import ATTEMPTS, pause

# The entry of a day has an id that follows from what it is of, so that no two are written.
_NAMESPACE = uuid.UUID("f0a1c7de-6c6c-5d0b-8f39-3d2a2b6f1c11")
# Seconds that a process remembers that an entry is there; then it asks the table again.
REMEMBERED = 24 * 3600


class _SoAlready(Conflict):
    """The stamp is the one that would be written: another heartbeat came in the same second or millisecond."""


def heartbeat(agent_id: str, *, by: Actor) -> Agent:
    """Renew the heartbeat, and nothing else: an inactive agent stays so. Returns the agent as it was before.

    One conditional UpdateItem, or a transaction with an audit entry, as said above. Raises Missing, Conflict,
    ActionsOff, Unknown, `DynamoError`.
    """
    check_actions_are_on()
    now = datetime.now(UTC)
    entry = _entry_of_day(agent_id, by, now)
    known = caches["process"]
    if not known.get(f"heartbeats:{entry}"):
        try:
            before = _send_with_entry(
                agent_id,
                by,
                entry,
                f"The first of {now:%Y-%m-%d} (UTC) from this sender. It represents those that follow on that day.",
            )
        except _SoAlready as already:
            # Nothing was written, no entry either: the next one is the first.
            return Agent.from_item(already.item or {})
        known.set(f"heartbeats:{entry}", True, REMEMBERED)
        if before is not None:
            return Agent.from_item(before)
    return Agent.from_item(_send_of_healthy(agent_id, now) or _send_of_any(agent_id, by, now))


def _entry_of_day(agent_id: str, by: Actor, now: datetime) -> str:
    content = "\n".join((Agent.binding().fingerprint, by.id, f"{now:%Y-%m-%d}", agent_id))
    return str(uuid.uuid5(_NAMESPACE, content))


def _change(raw: Raw, now: datetime) -> Change:
    name = heartbeat_name(raw)
    like = raw.get(name)
    if not name:  # the first: as those of the others are
        name = HEARTBEAT[is_operational(raw)]
        like = dialects.current().raw.get(name)
    return Change(raw).guard(name).set(name, actions.stamp(now, like))


def plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """A heartbeat with an entry, of which `intent.data` has the `note`. Raises _SoAlready too."""
    change = _change(existing(raw, actions.GONE), now)
    if not change.changed:
        raise _SoAlready("Another heartbeat was sent at the same time.")
    return Plan(change=change, note=intent.data["note"])


def _send_with_entry(agent_id: str, by: Actor, action_id: str, note: str) -> Raw | None:
    """The item as it was before; None where the entry was there already, and nothing was written. Raises
    _SoAlready, which nothing was written for either."""
    intent = Intent(Action.AGENT_HEARTBEAT, actions.target(agent_id), by, "", action_id, {"note": note})
    for attempt in range(ATTEMPTS):
        try:
            return act(plan, intent).before
        except _SoAlready:
            raise
        except Conflict:
            if attempt + 1 == ATTEMPTS:
                raise
            pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def _send_of_healthy(agent_id: str, now: datetime) -> Raw | None:
    """In one call, of an agent that is healthy and has milliseconds under the discovery service's name: of nearly
    all. None where it is not one of them, and nothing was written."""
    table = Agent.binding()
    client = clients.client(*table.location)
    recent = timedelta(seconds=settings.AGENT_DEGRADED_SECONDS)
    try:
        with translated(table):
            answer: dict[str, Any] = client.update_item(
                TableName=table.name,
                Key=table.key_of(agent_id).wire,
                UpdateExpression="SET #heartbeat = :now",
                ConditionExpression="attribute_type(#heartbeat, :number) AND #heartbeat BETWEEN :oldest AND :newest",
                ExpressionAttributeNames={"#heartbeat": HEARTBEAT[0]},
                ExpressionAttributeValues={
                    ":now": actions.MILLISECONDS.written(now),
                    ":number": text("N"),
                    ":oldest": actions.MILLISECONDS.written(now - recent),
                    ":newest": actions.MILLISECONDS.written(now + recent),
                },
                ReturnValues="ALL_OLD",
            )
        return dict(answer["Attributes"])
    except client.exceptions.ConditionalCheckFailedException:
        return None


def _send_of_any(agent_id: str, by: Actor, now: datetime) -> Raw:
    table = Agent.binding()
    client = clients.client(*table.location)
    for attempt in range(ATTEMPTS):
        found = Agent.read(agent_id, consistent=True)
        if found is None:
            raise NotFound(actions.GONE)
        if found.health != HEALTHY:
            try:
                note = f"Its health was {found.health} before."
                return _send_with_entry(agent_id, by, new_action_id(), note) or found.raw
            except _SoAlready as already:
                return already.item or found.raw
        change = _change(found.raw, now)
        if not change.changed:
            return found.raw
        try:
            with translated(table):
                client.update_item(**change.request(table.name, table.key_of(agent_id).wire))
            return found.raw
        except client.exceptions.ConditionalCheckFailedException:
            pause(attempt)
    raise Conflict("Other writes are changing it right now. Send the heartbeat again.")
