"""What the outbox carries out for requests: messages to the workers' queue, and the deletion of the logs of
a purged request."""

import time
import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.aws import QueueTrouble, send_message
from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.lookup import find
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding, Index
from opsportal.operations import feeds, outbox
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Actor, Entry, Intent, Target
from opsportal.operations.outbox import Message
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from requests_app.models import IntelligenceRequest, ProcessingLog
from requests_app.tables import REQUEST_LOGS

# The index of the logs lags behind the table: what the first pass did not see, the second does.
SECOND_PASS = timedelta(seconds=60)
# An AWS limit: BatchWriteItem takes 25 requests.
BATCH = 25
# Of a table without the index: at most 1 MB each, so that a message ends within its claim.
PAGES_PER_MESSAGE = 100
# Seconds before what DynamoDB left unprocessed is sent again.
UNPROCESSED_PAUSE = 0.2


def send_to_queue(message: Message, table: Binding) -> None:
    """Put a request's message into the queue of the `sqs` workers."""
    body = {**message.body, "action_id": message.action_id}
    if not settings.REQUESTS_QUEUE_URL:
        raise QueueTrouble("The setting REQUESTS_QUEUE_URL is missing.")
    send_message(settings.REQUESTS_QUEUE_URL, body)


def purge_logs(message: Message, table: Binding) -> None:
    """Delete the logs of a purged request, unless the purge was undone. Two passes; the second records it. Without the
    index of the logs it is one, over the whole table, in as many messages as that takes."""
    request_id, purge = str(message.body["request_id"]), str(message.body["purge"])
    deleted, start, part, wait = int(message.body.get("deleted", 0)), None, message.part, timedelta(0)
    if not _is_back(request_id, purge):
        index = find(ProcessingLog.binding(), REQUEST_LOGS.index("request-logs-index")).index
        if index:
            deleted += delete_logs(request_id, index)
            part, wait = ("logs2", SECOND_PASS) if part == "logs" else ("", wait)
        else:
            found, start = delete_scanned(request_id, message.body.get("start"))
            deleted += found
            part = message.part if start else ""
    elif not deleted:
        return
    else:
        part = ""
    if part:
        body = {**message.body, "deleted": deleted, "start": start}
        again = Message(message.kind, body, message.action_id, datetime.now(UTC) + wait, part, message.target)
        outbox.put(again, table)
        return
    # A message from before there were ids has none.
    by = Actor(*(str(message.body.get(name, "")) for name in ("by", "role", "by_id")))
    record_purge_of_logs(request_id, by, purge, deleted)


def record_purge_of_logs(request_id: str, by: Actor, purge: str, deleted: int) -> Entry:
    """Write the entry of it, once: its action_id is derived from that of the purge, so that a worker that repeats the
    work finds it there. Raises as `operations.transactions.act`."""
    tag = Action.REQUEST_PURGE_LOGS
    action_id = str(uuid.uuid5(uuid.UUID(purge), tag.value))
    data = {"purge": purge, "deleted": deleted}
    intent = Intent(tag, Target("requests", request_id), by, "", action_id, data)
    return act(plan_purge_logs, intent, background=True).entry


def plan_purge_logs(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """The entry alone: the logs are deleted by then."""
    return Plan(count=intent.data["deleted"], note=f"In the course of {intent.data['purge']}.")


def _is_back(request_id: str, purge: str) -> bool:
    """Whether the purge was undone, or a worker has put the request back from its memory."""
    if IntelligenceRequest.read(request_id, consistent=True) is not None:
        return True
    # Undone, and purged again: that purge has a message of its own.
    return any(entry.undo_of == purge for entry in feeds.of_target(Target("requests", request_id), limit=100))


def delete_logs(request_id: str, index: Index) -> int:
    """Delete the log items of a request that the index knows; how many. Raises `DynamoError`."""
    table = ProcessingLog.binding()
    key = (Clause(index.hash_key, "=", (request_id,)),)
    pages = read_all(table, index.name, key=key, projection=(table.key,), background=True)
    return sum(_delete(table, page["Items"]) for page in pages)


def delete_scanned(request_id: str, start: Raw | None) -> tuple[int, Raw | None]:
    """The same without the index, of the next `PAGES_PER_MESSAGE` MB of the table: how many, and where to go on, None
    at its end. Raises `DynamoError`."""
    table = ProcessingLog.binding()
    of_request = (Clause("request_id", "=", (request_id,)),)
    deleted = 0
    for page in read_all(
        table,
        filters=of_request,
        projection=(table.key,),
        pages=PAGES_PER_MESSAGE,
        background=True,
        start=start,
    ):
        deleted += _delete(table, page["Items"])
        start = page.get("LastEvaluatedKey")
    return deleted, start


def _delete(table: Binding, items: list[Raw]) -> int:
    keys = [table.key_in(item).wire for item in items]
    for at in range(0, len(keys), BATCH):
        requests = [{"DeleteRequest": {"Key": key}} for key in keys[at : at + BATCH]]
        while requests:
            with translated(table):
                answer = clients.client(*table.location, background=True).batch_write_item(
                    RequestItems={table.name: requests}
                )
            requests = answer.get("UnprocessedItems", {}).get(table.name, [])
            if requests:
                time.sleep(UNPROCESSED_PAUSE)  # DynamoDB was throttling
    return len(keys)


def note_of_undo(purge: str, request_id: str) -> str:
    """What an undo can't bring back: the logs, once they were deleted."""
    trail = feeds.of_target(Target("requests", request_id), limit=100)
    if any(entry.action is Action.REQUEST_PURGE_LOGS and purge in entry.note for entry in trail):
        return "Its logs were deleted already, so it comes back without them."
    # Their deletion is recorded when it is over.
    kept = timedelta(minutes=settings.UNDO_LOGS_MINUTES)
    if any(entry.action_id == purge and entry.age >= kept for entry in trail):
        return "Its logs are being deleted by now, so it may come back without them."
    return ""
