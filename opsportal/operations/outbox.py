"""Messages to the outside, put in the transaction of the change that they tell of, and carried out after:
at least once. The `action_id` in each lets its receiver tell a repetition.

An outbox item lies in the jobs table beside the changed table: ``pk`` outbox#<shard>, ``sk`` <due>#<id>. A
worker claims it for a while, carries it out and deletes it; one that dies leaves it to the next.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.errors import DynamoError, translated
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import stamp
from opsportal.operations.tables import jobs_beside
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

SHARDS = 4
# Seconds that a worker has for one message before another may take it.
CLAIM = 60
# Seconds until one that failed is tried again: the first time, doubled with each further one, at most.
PAUSE, LONGEST_PAUSE = 10, 3600


@dataclass(frozen=True)
class Message:
    """Something to be carried out once, by the handler of its `kind`. `body` is JSON data; `due`: not before."""

    kind: str
    body: dict[str, Any]
    action_id: str
    due: datetime = field(default_factory=lambda: datetime.now(UTC))
    part: str = ""

    @property
    def key(self) -> Raw:
        digest = int(hashlib.sha256(self.action_id.encode()).hexdigest(), 16)
        suffix = f"#{self.part}" if self.part else ""
        return {
            "pk": text(f"outbox#{digest % SHARDS}"),
            "sk": text(f"{stamp(self.due)}#{self.action_id}{suffix}"),
        }

    def item(self) -> Raw:
        # No `kind` attribute: that is the key of the index of jobs.
        return {
            **self.key,
            "message_kind": text(self.kind),
            "body": text(json.dumps(self.body, ensure_ascii=False, default=str)),
            "action_id": text(self.action_id),
            "due": text(stamp(self.due)),
            "part": text(self.part or "0"),
            "tries": number(0),
        }


def of(raw: Raw) -> Message:
    due = datetime.strptime(raw["due"]["S"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    part = raw["part"]["S"]
    return Message(
        raw["message_kind"]["S"],
        json.loads(raw["body"]["S"]),
        raw["action_id"]["S"],
        due,
        "" if part == "0" else part,
    )


# What carries out a message; raises to be tried again. Given the table that the message lies beside.
Handler = Callable[[Message, Binding], None]
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register the handler of a kind of message."""

    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


def send_soon(message: Message, table: Binding) -> None:
    """Carry out a message that is due right after its commit. What goes wrong is left to the worker."""
    if message.due > datetime.now(UTC):
        return
    try:
        deliver(message, table)
    except Exception:
        logger.exception("message %s of action %s is left to the worker", message.kind, message.action_id)


def deliver(message: Message, table: Binding, now: datetime | None = None) -> bool:
    """Claim, carry out and delete one message; False when another has claimed it. Raises what its handler
    raises, once it is put off."""
    now = now or datetime.now(UTC)
    tries = _claim(message, table, now)
    if not tries:
        return False
    try:
        _handlers[message.kind](message, table)
    except Exception:
        figures.MESSAGES.labels(message.kind, "failed").inc()
        _put_off(message, table, now, min(PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE))
        raise
    jobs = jobs_beside(table)
    with translated(jobs):
        clients.client(*jobs.place, patient=True).delete_item(TableName=jobs.name, Key=message.key)
    figures.MESSAGES.labels(message.kind, "delivered").inc()
    return True


def _claim(message: Message, table: Binding, now: datetime) -> int:
    """How often it was tried, this time included; 0 when another has it."""
    jobs = jobs_beside(table)
    client = clients.client(*jobs.place, patient=True)
    at = int(now.timestamp())
    try:
        with translated(jobs):
            answer = client.update_item(
                TableName=jobs.name,
                Key=message.key,
                UpdateExpression="SET claimed_until = :until, tries = if_not_exists(tries, :zero) + :one",
                ConditionExpression="attribute_exists(pk) AND "
                "(attribute_not_exists(claimed_until) OR claimed_until < :now)",
                ExpressionAttributeValues={
                    ":until": number(at + CLAIM),
                    ":now": number(at),
                    ":zero": number(0),
                    ":one": number(1),
                },
                ReturnValues="UPDATED_NEW",
            )
    except client.exceptions.ConditionalCheckFailedException:
        return 0
    return int(answer["Attributes"]["tries"]["N"])


def _put_off(message: Message, table: Binding, now: datetime, seconds: int) -> None:
    jobs = jobs_beside(table)
    client = clients.client(*jobs.place, patient=True)
    try:
        with translated(jobs):
            client.update_item(
                TableName=jobs.name,
                Key=message.key,
                UpdateExpression="SET claimed_until = :until",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":until": number(int(now.timestamp()) + seconds)},
            )
    except (DynamoError, client.exceptions.ConditionalCheckFailedException):
        # Its claim ends by itself.
        logger.warning("message %s of action %s could not be put off", message.kind, message.action_id)


def put(message: Message, table: Binding) -> None:
    """Put a message outside of a transaction (a handler's next pass)."""
    jobs = jobs_beside(table)
    with translated(jobs):
        clients.client(*jobs.place, patient=True).put_item(TableName=jobs.name, Item=message.item())


def due(table: Binding, now: datetime | None = None) -> Iterator[Message]:
    """The messages beside `table` that are due and that nobody has claimed, oldest first within a shard."""
    jobs = jobs_beside(table)
    now = now or datetime.now(UTC)
    until = stamp(now + timedelta(milliseconds=1))
    for shard in range(SHARDS):
        start: dict[str, Any] = {}
        while True:
            with translated(jobs):
                answer = clients.client(*jobs.place, patient=True).query(
                    TableName=jobs.name,
                    KeyConditionExpression="pk = :pk AND sk < :until",
                    FilterExpression="attribute_not_exists(claimed_until) OR claimed_until < :now",
                    ExpressionAttributeValues={
                        ":pk": text(f"outbox#{shard}"),
                        ":until": text(until),
                        ":now": number(int(now.timestamp())),
                    },
                    **start,
                )
            for item in answer["Items"]:
                try:
                    message = of(item)
                except (KeyError, ValueError):
                    logger.error("an item of the outbox can't be read: %s %s", jobs.name, item.get("sk"))
                else:
                    yield message
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def deliver_due(table: Binding, stop: threading.Event | None = None, *, now: datetime | None = None) -> int:
    """Carry out every message that is due, until `stop`; returns how many. One that fails is put off, and
    does not stop the others."""
    count = 0
    for message in due(table, now):
        if stop is not None and stop.is_set():
            break
        try:
            count += deliver(message, table, now)
        except DynamoError as error:
            logger.warning("message %s of action %s: %s", message.kind, message.action_id, error)
        except Exception:
            logger.exception("message %s of action %s failed", message.kind, message.action_id)
    return count
