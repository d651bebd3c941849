"""Requests and logs of an age, and what retention left of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from opsportal.dynamo.tables import Binding
from opsportal.tables.retention.rules import MARK
from tests.operations.places import client, get, naive, request_item, scan

Raw = dict[str, Any]


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def old_request(key: str, days: float = 100, status: str = "completed", **more: Any) -> Raw:
    """A request that was last touched so many days ago."""
    stamp = {"S": naive(ago(days))}
    stamps = dict.fromkeys(("created_at", "updated_at", "started_at", "completed_at"), stamp)
    return request_item(key, status, **{**stamps, **more})


def old_log(key: str, request_id: str | None, days: float = 100, **more: Any) -> Raw:
    item: Raw = {
        "log_id": {"S": key},
        "request_id": {"S": request_id} if request_id else None,
        "timestamp": {"S": naive(ago(days))},
        "message": {"S": "a line"},
        **more,
    }
    return {name: value for name, value in item.items() if value is not None}


def put_all(table: Binding, *items: Raw) -> None:
    for item in items:
        client(table).put_item(TableName=table.name, Item=item)


def enable_ttl(*tables: Binding) -> None:
    for table in tables:
        client(table).update_time_to_live(
            TableName=table.name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl_attribute},
        )


def disable_ttl(*tables: Binding) -> None:
    for table in tables:
        client(table).update_time_to_live(
            TableName=table.name,
            TimeToLiveSpecification={"Enabled": False, "AttributeName": table.ttl_attribute},
        )


def stamped(table: Binding) -> set[str]:
    """The keys of the items that have a stamp of ours."""
    return {item[table.key]["S"] for item in scan(table) if MARK in item and item.get("ttl") == item[MARK]}


def expiry_in_days(table: Binding, key: str) -> float:
    item = get(table, key)
    assert item is not None
    return (float(item["ttl"]["N"]) - datetime.now(UTC).timestamp()) / 86_400
