"""The writes of retention: one conditional UpdateItem each. A finished item has hardly another
writer, and a transaction would hinder those that there are; each write can be repeated without a second effect.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.spending import Spending, account
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import NULL, Change, Raw, number
from opsportal.operations.entries import Actor, Intent, Target, new_action_id
from opsportal.operations.outcomes import Conflict, Done, existing
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from opsportal.tables.retention.rules import MARK, Rule, is_kept, is_ours


class Exhausted(Exception):
    """The units of this minute, or the time of this step, are used up."""


@dataclass
class Allowance:
    """What a step may still use: capacity units by `account` (at least one a write), and `over` for all else."""

    units: float
    over: Callable[[], bool]
    account: Spending
    writes: int = 0
    _reads: float = field(init=False)
    _writes: float = field(init=False)

    def __post_init__(self) -> None:
        self._reads, self._writes = float(self.account.read_units), float(self.account.write_units)

    @property
    def spent(self) -> float:
        written = max(float(self.account.write_units) - self._writes, float(self.writes))
        return float(self.account.read_units) - self._reads + written

    def check(self) -> None:
        """Raises `Exhausted`."""
        if self.spent >= self.units or self.over():
            raise Exhausted


def stamp(table: Binding, raw: Raw, expiry: int, guards: tuple[str, ...], allowance: Allowance) -> bool:
    """Give an item its expiry, provided that it is there, has none, and what `guards` name is as read."""
    change = Change(raw).guard(table.ttl_attribute, *guards)
    change.set(table.ttl_attribute, number(expiry)).set(MARK, number(expiry))
    return _update(table, raw, change, allowance)


def release(table: Binding, raw: Raw, guards: tuple[str, ...], allowance: Allowance) -> bool:
    """Take a stamp away, provided that it is still the one as read."""
    change = Change(raw).guard(table.ttl_attribute, *guards).remove(table.ttl_attribute).remove(MARK)
    return _update(table, raw, change, allowance)


def _update(table: Binding, raw: Raw, change: Change, allowance: Allowance) -> bool:
    """False when the item is not as it was read any more: the next sweep judges it again."""
    client = clients.client(*table.location, background=True)
    request = change.request(table.name, table.key_in(raw).wire)
    # An item of 400 KB is not wanted back.
    request["ReturnValuesOnConditionCheckFailure"] = "NONE"
    allowance.writes += 1
    try:
        with translated(table):
            client.update_item(**request)
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def logs_of(rule: Rule, item: Any, *, stamped: bool) -> Iterator[Raw]:
    """The logs of an item that have a stamp of ours, or that have no expiry at all; keys and those only."""
    table, index = rule.logs_table, rule.by_item
    for page in read_all(
        table,
        index.name,
        background=True,
        KeyConditionExpression="#item = :item",
        FilterExpression="attribute_exists(#mark)" if stamped else "attribute_not_exists(#ttl)",
        ProjectionExpression="#key, #item, #ttl, #mark",
        ExpressionAttributeNames={
            "#item": index.hash_key,
            "#key": table.key,
            "#ttl": table.ttl_attribute,
            "#mark": MARK,
        },
        ExpressionAttributeValues={":item": item},
    ):
        yield from page["Items"]


def stamp_logs(rule: Rule, item: Any, expiry: int, allowance: Allowance, count: Callable[[], None]) -> None:
    """Stamp all logs of an item; raises `Exhausted` in the middle, and is taken up again from there."""
    for raw in logs_of(rule, item, stamped=False):
        allowance.check()
        if stamp(rule.logs_table, raw, expiry, (rule.by_item.hash_key,), allowance):
            count()


def release_logs(rule: Rule, item: Any, allowance: Allowance, count: Callable[[], None]) -> None:
    for raw in logs_of(rule, item, stamped=True):
        if is_ours(raw, rule.logs_table.ttl_attribute):
            allowance.check()
            if release(rule.logs_table, raw, (), allowance):
                count()


def keep(rule: Rule, key: str, *, by: Actor, reason: str = "") -> tuple[Done, int]:
    """Set an item's expiry to null, which TTL passes by, and take the stamps off its logs: the audit entry, and
    how many logs. An expiry that its writer set stays.

    Raises Missing, Conflict, Unknown (`opsportal.operations.outcomes`) and `DynamoError`.
    """
    intent = Intent(
        Action.REQUEST_KEEP, Target(rule.logical, key), by, reason, new_action_id(), {"rule": rule}
    )
    done = act(plan, intent, background=True)
    logs: list[None] = []
    with account() as under_way:
        allowance = Allowance(float("inf"), lambda: False, under_way)
        release_logs(rule, {"S": key}, allowance, lambda: logs.append(None))
    return done, len(logs)


def plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """`intent.data["rule"]`: the rule that would let the item expire."""
    rule: Rule = intent.data["rule"]
    ttl = rule.table.ttl_attribute
    raw = existing(raw, "There is no item with this id.")
    if is_kept(raw, ttl):
        raise Conflict("It is kept already.")
    if ttl in raw and not is_ours(raw, ttl):
        raise Conflict(f"Its {ttl} was not stamped here: its writer has to change it.")
    change = Change(raw).guard(rule.by_status.hash_key, ttl).set(ttl, NULL)
    return Plan(change=change.remove(MARK))
