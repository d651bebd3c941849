"""Messages that were asked for and not delivered: those that are late, and those that are not tried any more."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import read
from opsportal.dynamo.tables import Binding
from opsportal.operations import entries, outbox
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import Actor, Entry, Intent, Target, stamp
from opsportal.operations.items import OutboxItem
from opsportal.operations.outbox import LATE, SHARDS, TRIES, UNDELIVERABLE, UNTIL, WAITING, Message
from opsportal.operations.outcomes import Conflict, Done
from opsportal.operations.tables import jobs_table_for, locations
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act

SHOWN = 50
# The actions whose messages go out with the entry's own time.
SENDING = ("submit", "retry")
UNREADABLE = "This version of the console can't read it."
NO_WORKER = "No worker has taken it up."
MAX_TEXT = 2_048
_PARTITIONS = tuple(f"{state}#{shard}" for state in (WAITING, UNDELIVERABLE) for shard in range(SHARDS))


@dataclass(frozen=True)
class Undelivered:
    """A message at the location of `table`. `key` is its sort key; `message` None where it can't be read."""

    table: Binding
    raw: Raw
    item: OutboxItem
    message: Message | None

    @property
    def key(self) -> str:
        return str(self.raw["sk"]["S"])

    @property
    def given_up(self) -> bool:
        return str(self.raw["pk"]["S"]).startswith(UNDELIVERABLE)

    @property
    def kind(self) -> str:
        return (self.item.message_kind or "unknown")[:80]

    @property
    def action_id(self) -> str:
        """That of its entry; "" where it has none."""
        found = self.item.action_id or ""
        return found if entries.is_action_id(found) else ""

    @property
    def target(self) -> Target | None:
        """The item that it is about; None where the message is of a version that did not say so."""
        if self.item.logical and self.item.target:
            return Target(self.item.logical[:40], self.item.target[:MAX_TEXT])
        return None

    @property
    def tries(self) -> int:
        tries = self.item.tries
        return int(tries) if isinstance(tries, Decimal) and 0 <= tries < 10**9 else 0

    @property
    def since(self) -> datetime | None:
        """When it was due."""
        found = read_time(text(self.item.due or ""))
        return found if isinstance(found, datetime) else None

    @property
    def given_up_at(self) -> datetime | None:
        found = read_time(text(self.item.given_up_at or ""))
        return found if isinstance(found, datetime) else None

    @property
    def why(self) -> str:
        if self.message is None:
            return UNREADABLE
        return (self.item.why or NO_WORKER)[: outbox.MAX_WHY]

    @property
    def seen(self) -> tuple[str, bool, int, str]:
        return self.key, self.given_up, self.tries, self.why


def _undelivered(raw: Raw, table: Binding) -> Undelivered:
    item = OutboxItem.from_raw_data(dict(raw))
    try:
        message = outbox.from_item(dict(raw))
    except ValueError:
        message = None
    return Undelivered(table, raw, item, message)


@dataclass(frozen=True)
class Listed:
    """Those that are longest due first. `more`: after the last of these there may be others."""

    shown: tuple[Undelivered, ...]
    more: str = ""


def listed(
    tables: Iterable[Binding] | None = None,
    *,
    after: str = "",
    limit: int = SHOWN,
    now: datetime | None = None,
) -> Listed:
    """Of these locations (default: all), what is due after the sort key `after`. One call for each partition of each
    location. Raises `DynamoError`."""
    late = stamp((now or datetime.now(UTC)) - LATE)
    found: dict[tuple[str, str], Undelivered] = {}
    floors: list[str] = []
    for table in locations() if tables is None else tables:
        for partition in _PARTITIONS:
            until = late if partition.startswith(WAITING) else "~"
            if after >= until:
                continue
            bounds = (
                Clause("sk", "between", (f"{after}\x00", until)) if after else Clause("sk", "<=", (until,))
            )
            key = (Clause("pk", "=", (partition,)), bounds)
            answer = read(jobs_table_for(table), key=key, background=None, Limit=limit + 1)
            for raw in answer["Items"]:
                # An emulator that knows no regions answers with the same from each.
                found.setdefault((partition, raw["sk"]["S"]), _undelivered(raw, table))
            if last := answer.get("LastEvaluatedKey"):
                floors.append(last["sk"]["S"])
    # What lies past the end of one answer may not be the next.
    floor = min(floors, default="")
    ordered = sorted(found.values(), key=lambda one: (one.key, one.given_up))
    shown = [one for one in ordered if not floor or one.key <= floor][:limit]
    more = len(shown) < len(ordered) or bool(floors)
    return Listed(tuple(shown), shown[-1].key if more and shown else "")


def find(key: str) -> Undelivered | None:
    """The one with this sort key, late or not tried any more, wherever it lies. Raises `DynamoError`."""
    for table in locations():
        if found := _at(table, [(partition, key) for partition in _PARTITIONS]):
            return found
    return None


def of_entry(entry: Entry) -> Undelivered | None:
    """The message that went with the entry, where it is still there. Two calls. Raises `DynamoError`."""
    if entry.action.verb not in SENDING or not isinstance(entry.time, datetime):
        return None
    message = Message("", {}, entry.action_id, entry.time)
    keys = [message.key_in(state) for state in (UNDELIVERABLE, WAITING)]
    return _at(entry.target.table, [(key["pk"]["S"], key["sk"]["S"]) for key in keys])


def _at(table: Binding, keys: list[tuple[str, str]]) -> Undelivered | None:
    jobs = jobs_table_for(table)
    for pk, sk in keys:
        key = (Clause("pk", "=", (pk,)), Clause("sk", "=", (sk,)))
        if items := read(jobs, key=key, background=None, ConsistentRead=True)["Items"]:
            return _undelivered(items[0], table)
    return None


# --- What people do with one -----------------------------------------------------------------------------


def why_not_resend(found: Undelivered) -> str:
    """ "" where it can be sent again."""
    return UNREADABLE if found.message is None else ""


def resend(found: Undelivered, *, by: Actor, reason: str, action_id: str) -> Done:
    """Put it back, with all its tries ahead of it, and try it at once. Raises as `transactions.act`."""
    if why := why_not_resend(found):
        raise Conflict(why)
    done = _act(Action.MESSAGE_RESEND, found, by, reason, action_id)
    if found.message and not done.repeated:
        outbox.send_soon(found.message, found.table)
    return done


def drop(found: Undelivered, *, by: Actor, reason: str, action_id: str) -> Done:
    """Delete it. Raises as `transactions.act`."""
    return _act(Action.MESSAGE_DROP, found, by, reason, action_id)


def _act(action: Action, found: Undelivered, by: Actor, reason: str, action_id: str) -> Done:
    intent = Intent(action, _target(found), by, reason, action_id, {"found": found})
    return act(_plan, intent)


def _target(found: Undelivered) -> Target:
    """The item that it is about, as far as that is known: an entry has a target in the table's location."""
    target = found.target
    if target is None and found.action_id:
        entry = entries.read_entry(found.action_id, found.table)
        target = entry.target if entry else None
    if target is None or not (
        target.logical in settings.DYNAMO_TABLES and target.table.location == found.table.location
    ):
        return Target(found.table.logical, target.id if target else found.action_id or "unknown")
    return target


def _plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """The entry, and what becomes of the message, as long as it is as it was read."""
    found: Undelivered = intent.data["found"]
    jobs = jobs_table_for(found.table)
    key = {"pk": found.raw["pk"], "sk": found.raw["sk"]}
    tries = found.raw.get(TRIES)
    guard: dict[str, Any] = {
        "TableName": jobs.name,
        "ConditionExpression": "attribute_exists(pk) AND "
        + ("#tries = :tries" if tries else "attribute_not_exists(#tries)"),
        "ExpressionAttributeNames": {"#tries": TRIES},
        **({"ExpressionAttributeValues": {":tries": tries}} if tries else {}),
    }
    note = f"Message {found.kind} of action {found.action_id or 'unknown'}, tried {found.tries} times: {found.why}"
    if intent.action is Action.MESSAGE_DROP:
        return Plan(internal=({"Delete": {**guard, "Key": key}},), note=note)
    if found.given_up:
        fresh = {name: value for name, value in found.raw.items() if name not in ("why", "given_up_at")}
        fresh |= {"pk": text(f"{WAITING}#{str(found.raw['pk']['S']).partition('#')[2]}"), TRIES: number(0)}
        put = {"TableName": jobs.name, "Item": fresh, "ConditionExpression": "attribute_not_exists(pk)"}
        return Plan(internal=({"Delete": {**guard, "Key": key}}, {"Put": put}), note=note)
    freed = {
        "UpdateExpression": "REMOVE #until",
        "ExpressionAttributeNames": {"#tries": TRIES, "#until": UNTIL},
    }
    return Plan(internal=({"Update": {**guard, **freed, "Key": key}},), note=note)
