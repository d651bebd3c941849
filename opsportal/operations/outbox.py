"""Messages to the outside, put in the transaction of the change that they tell of, and carried out after:
at least once. The `action_id` in each lets its receiver tell a repetition.

An outbox item is in the jobs table of the changed table's location: ``pk`` outbox#<shard>, ``sk`` <due>#<id>. A
worker claims it for a while, carries it out and deletes it; one that dies leaves it to the next.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from opsportal.descriptors import descriptors
from opsportal.dynamo import clients
from opsportal.dynamo.errors import DynamoError, translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.json_values import as_json, parse_foreign
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import stamp
from opsportal.operations.items import OutboxItem
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import Over, Task
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

SHARDS = 4
# Seconds that a worker has for one message before another may take it.
CLAIM = 60
# Seconds until one that failed is tried again: the first time, doubled with each further one, at most.
PAUSE, MAX_PAUSE = 10, 3600
# What a count of what is due reads of each shard at most, of 1 MB each.
MAX_PAGES = 3


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
            "body": text(as_json(self.body)),
            "action_id": text(self.action_id),
            "due": text(stamp(self.due)),
            "part": text(self.part or "0"),
            "tries": number(0),
        }


def from_item(raw: Raw) -> Message:
    """The message of an item. Raises ValueError where it is none."""
    return _message(OutboxItem.from_raw_data(raw))


def _message(item: OutboxItem) -> Message:
    body = parse_foreign(item.body or "")
    if not (isinstance(body, dict) and item.message_kind and item.action_id and item.part):
        raise ValueError("a part of it is missing")
    due = datetime.strptime(item.due or "", "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    part = "" if item.part == "0" else item.part
    return Message(item.message_kind, body, item.action_id, due, part)


# Carries out a message; raises to be tried again. The table is the changed one.
Handler = Callable[[Message, Binding], None]


@cache
def handlers() -> dict[str, Handler]:
    """By kind of message, as the apps' descriptors say."""
    return {kind: handler for descriptor in descriptors() for kind, handler in descriptor.messages.items()}


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
    lease = _lease(message, table).claim(CLAIM, now.timestamp())
    if lease is None:
        return False
    try:
        handlers()[message.kind](message, table)
    except Exception:
        figures.MESSAGES.labels(message.kind, "failed").inc()
        pause = min(PAUSE * 2 ** min(lease.number - 1, 20), MAX_PAUSE)
        try:
            lease.renew(pause, now=now.timestamp())
        except (DynamoError, Lost):
            # Its claim ends by itself.
            logger.warning("message %s of action %s could not be put off", message.kind, message.action_id)
        raise
    jobs = lease.table
    with translated(jobs):
        clients.client(*jobs.location, background=True).delete_item(TableName=jobs.name, Key=message.key)
    figures.MESSAGES.labels(message.kind, "delivered").inc()
    return True


def _lease(message: Message, table: Binding) -> Lease:
    """Of one try: the fence counts them."""
    return Lease(jobs_table_for(table), message.key, until="claimed_until", fence="tries")


def put(message: Message, table: Binding) -> None:
    """Put a message outside of a transaction (a handler's next pass)."""
    jobs = jobs_table_for(table)
    with translated(jobs):
        clients.client(*jobs.location, background=True).put_item(TableName=jobs.name, Item=message.item())


def due(table: Binding, now: datetime | None = None) -> Iterator[Message]:
    """The messages of the location of `table` that are due and not claimed, oldest first within a shard."""
    jobs = jobs_table_for(table)
    now = now or datetime.now(UTC)
    until = stamp(now + timedelta(milliseconds=1))
    item = OutboxItem.bound_to(jobs, background=True)
    unclaimed = OutboxItem.claimed_until.does_not_exist() | (OutboxItem.claimed_until < int(now.timestamp()))
    for shard in range(SHARDS):
        with translated(jobs):
            for found in item.query(f"outbox#{shard}", OutboxItem.sk < until, unclaimed):
                try:
                    message = _message(found)
                except ValueError:
                    logger.error("an item of the outbox can't be read: %s %s", jobs.name, found.sk)
                else:
                    yield message


def deliver_due(table: Binding, over: Over = lambda: False, *, now: datetime | None = None) -> int:
    """Carry out every message that is due, until it is `over`; returns how many. One that fails is put off, and
    does not stop the others."""
    count = 0
    for message in due(table, now):
        if over():
            break
        try:
            count += deliver(message, table, now)
        except DynamoError as error:
            logger.warning("message %s of action %s: %s", message.kind, message.action_id, error)
        except Exception:
            logger.exception("message %s of action %s failed", message.kind, message.action_id)
    return count


DELIVERY = Task("outbox", deliver_due)


# --- How much is due, for the figures --------------------------------------------------------------------


@dataclass(frozen=True)
class Backlog:
    """Messages that are due, claimed ones included, and since when (seconds)."""

    count: int
    oldest: float


def backlog(table: Binding, now: datetime | None = None) -> Backlog:
    """What is due in the outbox of the location of `table`; of a huge one, what `MAX_PAGES` of each shard hold.

    Raises `DynamoError`.
    """
    now = now or datetime.now(UTC)
    keys = [key for shard in range(SHARDS) for key in _due_keys(table, shard, stamp(now))]
    return Backlog(len(keys), _age(min(keys, default="").partition("#")[0], now))


def _due_keys(table: Binding, shard: int, until: str) -> Iterator[str]:
    key = (Clause("pk", "=", (f"outbox#{shard}",)), Clause("sk", "<", (until,)))
    for answer in read_all(
        jobs_table_for(table), key=key, projection=("sk",), pages=MAX_PAGES, background=True
    ):
        for item in answer["Items"]:
            yield item["sk"]["S"]


def _age(due: str, now: datetime) -> float:
    try:
        moment = datetime.strptime(due, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:  # nothing is due, or what no console wrote
        return 0.0
    return max((now - moment).total_seconds(), 0.0)


def measure(table: Binding, over: Over) -> int:
    """Set the figures of a location."""
    found = backlog(table)
    figures.DUE.labels(table.region).set(found.count)
    figures.OLDEST.labels(table.region).set(found.oldest)
    return 0


# For a worker that somebody asks for figures.
BACKLOG = Task("backlog", measure, every=30.0)
