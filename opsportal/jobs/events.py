"""What webhooks are notified of: that a job began, halted, was stopped, or is finished.

A change of state puts a message into the outbox, in its own transaction; a worker makes the deliveries of it, once.
"""

from datetime import datetime

from opsportal.alerts import payloads
from opsportal.dynamo.tables import Binding
from opsportal.jobs import answers, control, store
from opsportal.jobs.measures import measure
from opsportal.operations.outbox import Message


def notify(message: Message, table: Binding) -> None:
    """Raises DatabaseError, `DynamoError`, to be tried again."""
    body = message.body
    job = store.find(body["job"], table)
    if job is None:
        return
    found = payloads.JobEvent(
        event=body["event"],
        at=datetime.fromisoformat(body["at"]),
        number=int(body["number"]),
        job=job.id,
        action=control.name_of(job),
        state=body["state"],
        why=body["why"],
        reason=job.reason,
        by=job.actor.name,
        actor_id=job.actor.id,
        counts=answers.counts(measure(job).counts),
    )
    payloads.notify_of_job(found)
