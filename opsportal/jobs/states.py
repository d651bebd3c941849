"""Changes of a job as a whole: by people and by its worker, each in one transaction with its entry."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import translated
from opsportal.jobs import store
from opsportal.jobs.job import OPEN, Job, State
from opsportal.jobs.updates import sure, update
from opsportal.operations import entries
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import ConditionFailed
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.outbox import Message
from opsportal.operations.outcomes import Conflict, IdempotencyMismatch, OutcomeUnknown
from opsportal.operations.tables import audit_table_for, jobs_table_for
from opsportal.operations.tags import Action


@dataclass(frozen=True)
class Event:
    """An entry of the audit trail about the job as a whole. `action_id`: the entry's, "" for a new one."""

    action: Action
    actor: Actor
    reason: str = ""
    note: str = ""
    count: int | None = None
    action_id: str = ""


def change(
    job: Job, values: Mapping[str, Typed | None], *, event: Event | None = None, fence: int | None = None
) -> Job:
    """Write `values` (None removes), provided the job is still in the state that it was read in, and that no person has
    changed it since (`epoch`). With its entry, in one transaction. `fence`: that of the freezing worker.

    Raises Conflict with the state that it is in by now, OutcomeUnknown, `DynamoError`.
    """
    table = jobs_table_for(job.table)
    expected = {"state": text(job.state), "epoch": number(job.epoch)}
    if fence is not None:
        expected["fence"] = number(fence)
    operations = [update(table, job.key, {**values, "epoch": number(job.epoch + 1)}, expected)]
    if event:
        entry = _entry(job, event)
        operations.append({"Put": entry})
        if name := _notified(job, event):
            message = _message(job, name, entry["Item"], values)
            operations.append({"Put": {"TableName": table.name, "Item": message.item()}})
    state = values.get("state")
    if state and State(state["S"]) not in OPEN:
        operations.append(
            {"Update": {
                "TableName": table.name, "Key": store.OPEN_SET, "UpdateExpression": "DELETE ids :id",
                "ExpressionAttributeValues": {":id": {"SS": [job.id]}},
            }}
        )  # fmt: skip
    try:
        sure(table, operations)
    except ConditionFailed as failed:
        if event and all(one.index == 1 for one in failed.failures):
            raise IdempotencyMismatch("This id belongs to another action already.") from None
        now = store.find(job.id, job.table)
        raise Conflict(
            "The job is gone." if now is None
            else f"The job is now {now.state}, so nothing was done." if now.state != job.state
            else "Somebody else has just changed the job, so nothing was done. Check the job, then do it again."
        ) from None  # fmt: skip
    found = store.find(job.id, job.table)
    if found is None:
        raise OutcomeUnknown
    return found


def note(job: Job, values: Mapping[str, Typed | None]) -> dict[str, Any]:
    """The operation by which a worker writes `values` into `meta`, provided that the job was not changed since. It
    is no change of the job itself."""
    expected = {"state": text(job.state), "epoch": number(job.epoch)}
    return update(jobs_table_for(job.table), job.key, values, expected)


def note_problem(job: Job, sentence: str) -> None:
    """Show on the job what its worker met, or that this is over (""). It changes nothing else. Raises `DynamoError`."""
    if sentence == job.problem:
        return
    table = jobs_table_for(job.table)
    client = clients.client(*table.location, background=True)
    given = {"ExpressionAttributeValues": {":problem": text(sentence)}} if sentence else {}
    with translated(table), contextlib.suppress(client.exceptions.ConditionalCheckFailedException):
        client.update_item(
            TableName=table.name,
            Key=job.key,
            UpdateExpression="SET problem = :problem" if sentence else "REMOVE problem",
            ConditionExpression="attribute_exists(pk)",
            **given,
        )


def over(state: State) -> dict[str, Typed | None]:
    """The values of a job that is over."""
    return {
        "state": text(state),
        "ended_at": text(entries.stamp()),
        "ttl": number(int(time.time()) + store.LIFE_DAYS * 86_400),
    }


def _entry(job: Job, event: Event) -> dict[str, Any]:
    target = Target(job.logical, job.id)
    entry = Entry(
        action_id=event.action_id or entries.new_action_id(),
        action=event.action,
        actor=event.actor,
        target=target,
        table=job.table.name,
        at=entries.stamp(),
        reason=event.reason,
        note=event.note,
        count=event.count,
    )
    return {
        "TableName": audit_table_for(job.table).name,
        "Item": entry.item(),
        "ConditionExpression": "attribute_not_exists(action_id)",
    }


# What webhooks are notified of.
MESSAGE = "jobs.event"
BEGAN, HALTED, FINISHED, STOPPED = "job.began", "job.halted", "job.finished", "job.stopped"
_NOTIFIED = {
    Action.JOB_START: BEGAN, Action.JOB_HALT: HALTED, Action.JOB_FINISH: FINISHED, Action.JOB_STOP: STOPPED,
}  # fmt: skip


def _notified(job: Job, event: Event) -> str:
    """The event of webhooks; "" for none: a preview has none."""
    if event.action is Action.JOB_STOP and job.started_at is None:
        return ""
    return _NOTIFIED.get(event.action, "")


def _message(job: Job, event: str, entry: Raw, values: Mapping[str, Typed | None]) -> Message:
    """For `events.notify`, in the transaction of the change."""
    state, why = values.get("state"), values.get("why")
    body = {
        "job": job.id,
        "event": event,
        "number": job.epoch + 1,
        "state": state["S"] if state else job.state.value,
        "why": why["S"] if why else "",
        "at": entry["at"]["S"],
    }
    return Message(MESSAGE, body, entry["action_id"]["S"])
