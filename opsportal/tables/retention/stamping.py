"""The writes of retention: one conditional UpdateItem each. A finished item is nobody's to fight over, and a
transaction would hinder its writers; each write can be repeated without a second effect.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.spending import Spending
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Change, Raw, number
from opsportal.tables.retention.rules import MARK, Rule, is_ours


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
    """False when the item is not as it was read any more: the next look judges it anew."""
    client = clients.client(*table.place, patient=True)
    request = change.request(table.name, {table.key: raw[table.key]})
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
    client = clients.client(*table.place, patient=True)
    start: dict[str, Any] = {}
    while True:
        with translated(table):
            page = client.query(
                TableName=table.name,
                IndexName=index.name,
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
                **start,
            )
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


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
