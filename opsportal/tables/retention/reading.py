"""The reads of retention, a page at a time: finished items by status and age, unfinished ones that have a
stamp, and logs in no order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsportal.dynamo.attributes import read_text
from opsportal.dynamo.deployed import Ttl, Unknown, deployed
from opsportal.dynamo.fixes import aws, setting
from opsportal.dynamo.keys import MAX_HASH_BYTES
from opsportal.dynamo.partitions import partitions
from opsportal.dynamo.reads import items_of, read
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw, text
from opsportal.tables.retention.rules import MARK, Rule, bound, is_kept

# Items that one call evaluates. Of finished items each may lead to a write; the others are mostly passed by.
PAGE, PASSED_BY = 25, 200


@dataclass(frozen=True)
class Found:
    """A page, where the next one starts (None at the end), and how many items were read for it."""

    items: list[Raw]
    start: Raw | None
    read: int = 0


def statuses(rule: Rule) -> tuple[list[str], list[str]]:
    """The partitions of finished and of unfinished items: the documented statuses in every spelling seen."""
    seen = partitions(rule.table, rule.by_status, sorted(rule.finished | rule.unfinished)).values
    finished = [status for status in seen if status.strip().lower() in rule.finished]
    unfinished = [status for status in seen if status.strip().lower() in rule.unfinished]
    return finished, unfinished


def finished(rule: Rule, status: str, since: str, now: datetime, days: int, start: Raw | None) -> Found:
    """Items of that status created up to `days` ago, oldest first, from `since` (a creation's text) on."""
    index, until = rule.by_status, bound(now, days)
    if since > until:
        return Found([], None)
    created = "#c BETWEEN :since AND :until" if since else "#c <= :until"
    values = {":status": text(status), ":until": text(until)}
    return _query(
        rule.table,
        index.name,
        start,
        KeyConditionExpression=f"#s = :status AND {created}",
        ExpressionAttributeNames={"#s": index.hash_key, "#c": index.range_key},
        ExpressionAttributeValues=values | ({":since": text(since)} if since else {}),
        Limit=PAGE,
    )


def come_alive(rule: Rule, status: str, start: Raw | None) -> Found:
    """Items of an unfinished status that have a stamp of ours all the same."""
    index = rule.by_status
    return _query(
        rule.table,
        index.name,
        start,
        KeyConditionExpression="#s = :status",
        FilterExpression="attribute_exists(#mark)",
        ExpressionAttributeNames={"#s": index.hash_key, "#mark": MARK},
        ExpressionAttributeValues={":status": text(status)},
        Limit=PASSED_BY,
    )


def _query(table: Binding, index: str, start: Raw | None, **arguments: Any) -> Found:
    answer = read(table, index, start=start, background=True, **arguments)
    return Found(answer["Items"], answer.get("LastEvaluatedKey"), answer.get("ScannedCount", 0))


def old_logs(rule: Rule, now: datetime, days: int, start: Raw | None) -> Found:
    """Logs without an expiry whose timestamp is that old, or is no text; by a Scan."""
    table = rule.logs_table
    answer = read(
        table,
        start=start,
        background=True,
        FilterExpression="attribute_not_exists(#ttl) AND (#at <= :until OR NOT attribute_type(#at, :text))",
        ProjectionExpression="#key, #item, #at",
        ExpressionAttributeNames={
            "#ttl": table.ttl_attribute,
            "#at": rule.by_item.range_key,
            "#key": table.key,
            "#item": rule.by_item.hash_key,
        },
        ExpressionAttributeValues={":until": text(bound(now, days)), ":text": text("S")},
        Limit=PASSED_BY,
    )
    return Found(answer["Items"], answer.get("LastEvaluatedKey"), answer.get("ScannedCount", 0))


def alive(rule: Rule, logs: list[Raw]) -> set[str]:
    """Of the items that the logs name, the ids of those that are there and not finished, of those that are
    kept, and of those that DynamoDB gave no answer about."""
    table, status = rule.table, rule.by_status.hash_key
    names = {read_text(raw.get(rule.by_item.hash_key)) for raw in logs}
    ids = sorted(name for name in names if isinstance(name, str) and 0 < len(name.encode()) <= MAX_HASH_BYTES)
    found, left = items_of(
        table,
        map(table.key_of, ids),
        consistent=True,
        background=True,
        projection=(table.key, status, table.ttl_attribute),
    )
    kept = [raw for raw in found if not rule.is_finished(raw) or is_kept(raw, table.ttl_attribute)]
    return {table.key_in(raw).text for raw in kept} | {key.text for key in left}


def why_not(rule: Rule, table: Binding) -> str:
    """Why stamping `table`, the items' or the logs', would do nothing or can't be done; "" where it can. The
    sentence ends with what fixes it. Raises `DynamoError`."""
    declared = table.ttl_attribute
    if not declared:
        return f"No TTL attribute is set: set {setting(table, 'TTL_ATTRIBUTE')}."
    found = deployed(table)
    enable = aws(
        table, "update-time-to-live", "--time-to-live-specification", f"Enabled=true,AttributeName={declared}"
    )
    if isinstance(found.ttl, Unknown):
        return f"It is not known whether TTL is on for {table.name}: {found.ttl.why}."
    assert isinstance(found.ttl, Ttl)
    if not found.ttl.on:
        return f"TTL is off for {table.name}, so a stamp would delete nothing. To switch it on: {enable}"
    if found.ttl.attribute != declared:
        return (
            f"TTL of {table.name} goes by {found.ttl.attribute!r}, not by {declared!r}, so a stamp would delete "
            f"nothing. Set {setting(table, 'TTL_ATTRIBUTE')}={found.ttl.attribute}"
        )
    index = rule.by_status if table == rule.table else rule.by_item
    for one in found.indexes:
        if one.name == index.name and one.usable:
            if one.projection != "ALL":
                return (
                    f"{index.name} of {table.name} projects {one.projection}; retention reads stamps by it."
                )
            return ""
    return f"{table.name} has no usable index {index.name}, by which retention finds what is old."
