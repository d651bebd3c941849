"""Entries of effects that a worker has in the course of an action (the logs deleted after a purge)."""

import uuid
from datetime import UTC, datetime

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.operations import entries
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.tables import audit_beside
from opsportal.operations.tags import Action


def record(
    action: Action, target: Target, *, by: Actor, reason: str, cause: str, count: int | None = None
) -> Entry:
    """Write the entry of an effect that `cause`, an action_id, led to. Once: its own action_id is derived
    from both, so a worker that repeats the work finds it there. Raises `DynamoError`."""
    action_id = str(uuid.uuid5(uuid.UUID(cause), action.value))
    table = target.table
    if entry := entries.read_entry(action_id, table, patient=True):
        return entry
    entry = Entry(
        action_id=action_id,
        action=action,
        actor=by,
        target=target,
        table=table.name,
        at=entries.stamp(datetime.now(UTC)),
        reason=reason,
        count=count,
        note=f"In the course of {cause}.",
    )
    audit = audit_beside(table)
    client = clients.client(*audit.place, patient=True)
    try:
        with translated(audit):
            client.put_item(
                TableName=audit.name, Item=entry.item(), ConditionExpression="attribute_not_exists(action_id)"
            )
    except client.exceptions.ConditionalCheckFailedException:
        return entries.read_entry(action_id, table, patient=True) or entry
    return entry
