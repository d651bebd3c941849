"""What the outbox carries out for requests: messages to the workers' queue, and the deletion of the logs of
a purged request."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.conf import settings

from opsportal.aws import QueueTrouble, send_message
from opsportal.dynamo import clients
from opsportal.dynamo.errors import Throttled, translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.lookup import find
from opsportal.dynamo.reads import items_of, read_all
from opsportal.dynamo.tables import Binding, Index
from opsportal.operations import feeds, outbox
from opsportal.operations.action_log import log_many
from opsportal.operations.changes import Raw
from opsportal.operations.commits import ConditionFailed, commit
from opsportal.operations.entries import Actor, Intent, Target
from opsportal.operations.outbox import Message
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, operations_for
from requests_app.models import IntelligenceRequest, ProcessingLog
from requests_app.tables import REQUEST_LOGS

# The index of the logs lags behind the table: what the first pass did not see, the second does.
SECOND_PASS = timedelta(seconds=60)
# An AWS limit: BatchWriteItem takes 25 requests.
BATCH = 25
# Of a table without the index: at most 1 MB each, so that a message ends within its claim.
PAGES_PER_MESSAGE = 100
# Seconds that the deletions of a message may take; a worker has it for `outbox.CLAIM`.
MESSAGE_SECONDS = 20.0
# Seconds before what DynamoDB left unprocessed is sent again.
UNPROCESSED_PAUSE = 0.2


def send_to_queue(message: Message, table: Binding) -> None:
    """Put a request's message into the queue of the `sqs` workers."""
    body = {**message.body, "action_id": message.action_id}
    if not settings.REQUESTS_QUEUE_URL:
        raise QueueTrouble("The setting REQUESTS_QUEUE_URL is missing.")
    send_message(settings.REQUESTS_QUEUE_URL, body)


@dataclass
class _Purged:
    """A purged request whose logs are to go. `deleted`: those that went so far; `back`: it is there again, or its purge
    was undone, so that they stay."""

    body: dict[str, Any]
    deleted: int = 0
    back: bool = False

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        return cls(body, int(body.get("deleted", 0)))

    @property
    def id(self) -> str:
        return str(self.body["request_id"])

    @property
    def purge(self) -> str:
        return str(self.body["purge"])

    @property
    def intent(self) -> Intent:
        """To record that they are gone. A message from before there were ids has none."""
        by = Actor(*(str(self.body.get(name, "")) for name in ("by", "role", "by_id")))
        return _intent(self.id, by, self.purge, self.deleted, str(self.body.get("job", "")))

    def stored(self) -> dict[str, Any]:
        return {**self.body, "deleted": self.deleted}


def purge_logs(message: Message, table: Binding) -> None:
    """Delete the logs of purged requests (of one, or of those of one transaction of a job), unless the purge was undone.
    Two passes; the second records it. Without the index of the logs it is one, over the whole table, in as many messages
    as that takes."""
    purged = [_Purged.from_body(body) for body in message.body.get("each") or [message.body]]
    present = _present(purged)
    for one in purged:
        one.back = one.id in present
    index = find(ProcessingLog.binding(), REQUEST_LOGS.index("request-logs-index")).index
    start, left, last = None, [], True
    if index:
        last = message.part != "logs"
        left = _delete_by_index(purged, index, last=last)
    else:
        start = _delete_by_scan(purged, message.body.get("start"))
        last = start is None
    looked_at = [one for one in purged if one not in left]
    again = [one for one in looked_at if not one.back and not last]
    _record([one for one in looked_at if one not in again and (one.deleted or not one.back)])
    now = datetime.now(UTC)
    if left:
        _put_again(message, left, message.part, now, None, table)
    if again:
        part, due = ("logs2", now + SECOND_PASS) if index else (message.part, now)
        _put_again(message, again, part, due, start, table)


def _present(purged: list[_Purged]) -> set[str]:
    """The ids of those that are there. Raises `DynamoError`."""
    table = IntelligenceRequest.binding()
    keys = [table.key_of(one.id) for one in purged]
    there, unanswered = items_of(table, keys, consistent=True, background=True, projection=(table.key,))
    if unanswered:
        raise Throttled("DynamoDB has not said whether the requests are there again.")
    return {table.key_in(item).text for item in there}


def _put_again(
    message: Message, purged: list[_Purged], part: str, due: datetime, start: Raw | None, table: Binding
) -> None:
    bodies = [one.stored() for one in purged]
    body = {"each": bodies} if "each" in message.body else bodies[0]
    outbox.put(
        Message(message.kind, {**body, "start": start}, message.action_id, due, part, message.target), table
    )


def _delete_by_index(purged: list[_Purged], index: Index, *, last: bool) -> list[_Purged]:
    """Returns those that there was no time for: a message has to end within its claim."""
    until = time.monotonic() + MESSAGE_SECONDS
    gone: list[Raw] = []
    left: list[_Purged] = []
    begun = False  # each message gets at least something done
    for one in purged:
        if one.back:
            continue
        if begun and time.monotonic() > until:
            left.append(one)
            continue
        looked = False
        for keys in _log_keys(one.id, index):
            # Undone and purged again, that purge has a message of its own.
            if keys and not looked:
                looked, one.back = True, _was_undone(one)
            if one.back:
                break
            if begun and time.monotonic() > until:
                left.append(one)
                break
            begun = True
            one.deleted += len(keys)
            gone += keys
            if len(gone) >= BATCH:
                whole = len(gone) - len(gone) % BATCH
                _delete(ProcessingLog.binding(), gone[:whole])
                gone = gone[whole:]
        if last and not (looked or one.deleted):
            one.back = _was_undone(one)
    _delete(ProcessingLog.binding(), gone)
    return left


def _delete_by_scan(purged: list[_Purged], start: Raw | None) -> Raw | None:
    """The same without the index, of the next `PAGES_PER_MESSAGE` MB of the table. Returns where to go on, None at its
    end."""
    for one in purged:
        one.back = one.back or _was_undone(one)
    wanted = {one.id: one for one in purged if not one.back}
    if not wanted:
        return None
    table = ProcessingLog.binding()
    of_requests = (Clause("request_id", "in", tuple(wanted)),)
    for page in read_all(
        table,
        filters=of_requests,
        projection=(table.key, "request_id"),
        pages=PAGES_PER_MESSAGE,
        background=True,
        start=start,
    ):
        for item in page["Items"]:
            wanted[item["request_id"]["S"]].deleted += 1
        _delete(table, [table.key_in(item).wire for item in page["Items"]])
        start = page.get("LastEvaluatedKey")
    return start


def _record(purged: list[_Purged]) -> None:
    """Write the entries, each once: its action_id is derived from that of the purge, so that a worker that repeats the
    work finds it there. Raises as `commit`."""
    now = datetime.now(UTC)
    made = [
        (one.intent, operations_for(plan_purge_logs(None, now, one.intent), one.intent, None, now)[1])
        for one in purged
    ]
    while made:
        table = made[0][0].target.table
        try:
            commit(table, [operation for _, operations in made for operation in operations], background=True)
        except ConditionFailed as failed:  # there already: a worker repeats this
            there = {failure.index for failure in failed.failures}
            made = [one for at, one in enumerate(made) if at not in there]
        else:
            log_many([intent for intent, _ in made])
            return


def _intent(request_id: str, by: Actor, purge: str, deleted: int, job: str = "") -> Intent:
    tag = Action.REQUEST_PURGE_LOGS
    action_id = str(uuid.uuid5(uuid.UUID(purge), tag.value))
    data = {"purge": purge, "deleted": deleted}
    return Intent(tag, Target("requests", request_id), by, "", action_id, data, job)


def plan_purge_logs(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """The entry alone: the logs are deleted by then."""
    return Plan(count=intent.data["deleted"], note=f"In the course of {intent.data['purge']}.")


def _was_undone(one: _Purged) -> bool:
    return any(entry.undo_of == one.purge for entry in feeds.of_target(Target("requests", one.id), limit=100))


def _log_keys(request_id: str, index: Index) -> Iterator[list[Raw]]:
    """The keys of the log items of a request that the index knows, page by page. Raises `DynamoError`."""
    table = ProcessingLog.binding()
    key = (Clause(index.hash_key, "=", (request_id,)),)
    for page in read_all(table, index.name, key=key, projection=(table.key,), background=True):
        yield [table.key_in(item).wire for item in page["Items"]]


def _delete(table: Binding, keys: list[Raw]) -> None:
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
