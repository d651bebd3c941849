"""What is in a table, read without the code under test."""

from typing import Any

from opsportal.dynamo.clients import client


def items_of(table: Any) -> dict[str, dict[str, Any]]:
    """Every item, by key."""
    pages = client(table.region, table.endpoint, background=True).get_paginator("scan")
    found = pages.paginate(TableName=table.name, ConsistentRead=True)
    return {item[table.key]["S"]: item for page in found for item in page["Items"]}


def item_of(table: Any, key: str) -> dict[str, Any]:
    answer = client(table.region, table.endpoint, background=True).get_item(
        TableName=table.name, Key={table.key: {"S": key}}, ConsistentRead=True
    )
    return answer.get("Item", {})
