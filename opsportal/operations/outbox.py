"""Messages to the outside, put in the transaction of the change that they tell of, and carried out after:
at least once. The `action_id` in each lets its receiver tell a repetition.

An outbox item is in the jobs table of the changed table's location: ``pk`` outbox#<shard>, ``sk`` <due>#<id>. A
worker claims it for a while, carries it out and deletes it; one that dies leaves it to the next. One that will never
be taken, or was tried `MAX_TRIES` times, is moved to ``pk`` undeliverable#<shard>, where people see it (`undelivered`).
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.core.cache import caches

from opsportal.aws import MessageRefused, message_limit, message_text
from opsportal.descriptors import descriptors
from opsportal.dynamo import clients
from opsportal.dynamo.errors import DynamoError, translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.json_values import parse_foreign
from opsportal.dynamo.leases import OWNER, Lease, Lost
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import Cancelled, NoAnswer, commit
from opsportal.operations.entries import Target, stamp
from opsportal.operations.items import OutboxItem
from opsportal.operations.outcomes import Conflict
from opsportal.operations.switch import wait_for_actions
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import Over, Task
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)

SHARDS = 4
# Seconds that a worker has for one message before another may take it.
CLAIM = 60
# Seconds until one that failed is tried again: the first time, doubled with each further one, at most.
PAUSE, MAX_PAUSE = 10, 3600
# Then it is given up: after about three days.
MAX_TRIES = 80
# A message that is due for longer is late: a worker looks every second.
LATE = timedelta(minutes=5)
# What a count of what is due reads of each shard at most, of 1 MB each.
MAX_PAGES = 3
WAITING, UNDELIVERABLE = "outbox", "undeliverable"
UNTIL, TRIES = "claimed_until", "tries"
# Bytes: an item has 400 KB (an AWS limit), and what else is in it has its part.
MAX_BODY_BYTES = 392 * 1024
# Characters of why a message was not taken.
MAX_WHY = 500


@dataclass(frozen=True)
class Message:
    """Something to be carried out once, by the handler of its `kind`. `body` is JSON data, with Decimal for numbers;
    `due`: not before; `target`: the item that it is about; `queue`: the URL of the queue that it goes to, if any. `joins`:
    those of many items of a job travel as one, whose body is ``{"each": [...]}``."""

    kind: str
    body: dict[str, Any]
    action_id: str
    due: datetime = field(default_factory=lambda: datetime.now(UTC))
    part: str = ""
    target: Target | None = field(default=None, compare=False)
    queue: str = field(default="", compare=False)
    joins: bool = field(default=False, compare=False)

    @property
    def key(self) -> Raw:
        return self.key_in(WAITING)

    def key_in(self, state: str) -> Raw:
        digest = int(hashlib.sha256(self.action_id.encode()).hexdigest(), 16)
        suffix = f"#{self.part}" if self.part else ""
        return {
            "pk": text(f"{state}#{digest % SHARDS}"),
            "sk": text(f"{stamp(self.due)}#{self.action_id}{suffix}"),
        }

    def item(self) -> Raw:
        # No `kind` attribute: that is the key of the index of jobs.
        return {
            **self.key,
            "message_kind": text(self.kind),
            "body": text(message_text(self.body)),
            "action_id": text(self.action_id),
            "due": text(stamp(self.due)),
            "part": text(self.part or "0"),
            TRIES: number(0),
            **({"logical": text(self.target.logical), "target": text(self.target.id)} if self.target else {}),
        }

    def check(self) -> None:
        """Raises Conflict where it is too long to be kept, or for its queue."""
        if len(message_text(self.body).encode()) > MAX_BODY_BYTES:
            raise Conflict(
                "The message that goes with it would be larger than the 400 KB that DynamoDB stores, so nothing was done."
            )
        if not self.queue:
            return
        size = len(message_text({**self.body, "action_id": self.action_id}).encode())
        if size > (limit := message_limit(self.queue)):
            raise Conflict(
                f"The message that goes with it would have {size:,} bytes, and its queue takes at most {limit:,}, so "
                "nothing was done."
            )


def from_item(raw: Raw) -> Message:
    """The message of an item. Raises ValueError where it is none."""
    return _message(OutboxItem.from_raw_data(raw))


def _message(item: OutboxItem) -> Message:
    body = parse_foreign(item.body or "")
    if not (isinstance(body, dict) and item.message_kind and item.action_id and item.part):
        raise ValueError("a part of it is missing")
    due = datetime.strptime(item.due or "", "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    part = "" if item.part == "0" else item.part
    target = Target(item.logical, item.target) if item.logical and item.target else None
    return Message(item.message_kind, body, item.action_id, due, part, target)


# Carries out a message; raises to be tried again. The table is the changed one.
Handler = Callable[[Message, Binding], None]


@cache
def handlers() -> dict[str, Handler]:
    """By kind of message, as the apps' descriptors say."""
    return {kind: handler for descriptor in descriptors() for kind, handler in descriptor.messages.items()}


def handler_of(kind: str) -> Handler:
    """Raises LookupError, in a sentence, where no app of this version has one."""
    if handler := handlers().get(kind):
        return handler
    raise LookupError(f"This version of the console knows no message of the kind {kind}.")


def send_soon(message: Message, table: Binding) -> None:
    """Carry out a message that is due right after its commit. What goes wrong is left to the worker."""
    if message.due > datetime.now(UTC):
        return
    try:
        deliver(message, table)
    except MessageRefused:
        pass  # it is logged, and people see it
    except Exception:
        logger.exception("message %s of action %s is left to the worker", message.kind, message.action_id)


def deliver(message: Message, table: Binding, now: datetime | None = None) -> bool:
    """Claim, carry out and delete one message; False when another has claimed it. Raises what its handler or its
    deletion raises, once it is put off, or given up."""
    now = now or datetime.now(UTC)
    lease = _lease(message, table).claim(CLAIM, now.timestamp())
    if lease is None:
        return False
    jobs = lease.table
    try:
        handler_of(message.kind)(message, table)
        with translated(jobs):
            clients.client(*jobs.location, background=True).delete_item(TableName=jobs.name, Key=message.key)
    except Exception as error:
        figures.MESSAGES.labels(message.kind, "failed").inc()
        try:
            _put_off(lease, message, error, now)
        except (DynamoError, Lost, Cancelled, NoAnswer):
            # Its claim ends by itself.
            logger.warning("message %s of action %s could not be put off", message.kind, message.action_id)
        raise
    figures.MESSAGES.labels(message.kind, "delivered").inc()
    return True


def _put_off(lease: Lease, message: Message, error: Exception, now: datetime) -> None:
    """Until its next try; or for good, where none would help."""
    why = text(str(error)[:MAX_WHY] or type(error).__name__)
    if lease.number < MAX_TRIES and not isinstance(error, MessageRefused):
        pause = min(PAUSE * 2 ** min(lease.number - 1, 20), MAX_PAUSE)
        lease.renew(pause, {"why": why}, now=now.timestamp())
        return
    kept = {name: value for name, value in lease.item.items() if name not in (UNTIL, OWNER)}
    given_up = {**kept, **message.key_in(UNDELIVERABLE), "why": why, "given_up_at": text(stamp(now))}
    jobs = lease.table
    held = {
        "TableName": jobs.name, "Key": message.key, "ConditionExpression": "#tries = :tries",
        "ExpressionAttributeNames": {"#tries": TRIES},
        "ExpressionAttributeValues": {":tries": number(lease.number)},
    }  # fmt: skip
    try:
        commit(jobs, [{"Delete": held}, {"Put": {"TableName": jobs.name, "Item": given_up}}], background=True)
    except DynamoError:
        lease.renew(
            MAX_PAUSE, {"why": why}, now=now.timestamp()
        )  # late, as people see, and tried no more often
        raise
    figures.MESSAGES.labels(message.kind, "given_up").inc()
    logger.error(
        "message %s of action %s is given up after %d tries: %s",
        message.kind, message.action_id, lease.number, error,
    )  # fmt: skip


def _lease(message: Message, table: Binding) -> Lease:
    """Of one try: the fence counts them."""
    return Lease(jobs_table_for(table), message.key, until=UNTIL, fence=TRIES)


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
            for found in item.query(f"{WAITING}#{shard}", OutboxItem.sk < until, unclaimed):
                try:
                    message = _message(found)
                except ValueError:
                    # Where it stays people see it (`undelivered`); the log has it once an hour, not at each look.
                    if caches["process"].add(f"unreadable:{jobs.name}:{found.sk}"[:200], True, 3_600):
                        logger.error("an item of the outbox can't be read: %s %s", jobs.name, found.sk)
                else:
                    yield message


def deliver_due(table: Binding, over: Over = lambda: False, *, now: datetime | None = None) -> int:
    """Carry out every message that is due, until it is `over`; returns how many. One that fails is put off, and
    does not stop the others. Raises NotNow while actions are off, since what is carried out changes items."""
    wait_for_actions()
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
    given_up: int = 0


def backlog(table: Binding, now: datetime | None = None) -> Backlog:
    """What is due in the outbox of the location of `table`; of a huge one, what `MAX_PAGES` of each shard hold.

    Raises `DynamoError`.
    """
    now = now or datetime.now(UTC)
    keys = [key for shard in range(SHARDS) for key in _keys(table, f"{WAITING}#{shard}", stamp(now))]
    given_up = sum(1 for shard in range(SHARDS) for _ in _keys(table, f"{UNDELIVERABLE}#{shard}"))
    return Backlog(len(keys), _age(min(keys, default="").partition("#")[0], now), given_up)


def _keys(table: Binding, partition: str, until: str = "") -> Iterator[str]:
    key = [Clause("pk", "=", (partition,)), *([Clause("sk", "<", (until,))] if until else [])]
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
    figures.GIVEN_UP.labels(table.region).set(found.given_up)
    return 0


# For a worker that somebody asks for figures.
BACKLOG = Task("backlog", measure, every=30.0)
