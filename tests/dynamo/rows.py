"""Items for the tests of lists."""

from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding


def put_all(table: Binding, items: list[dict[str, Any]]) -> None:
    """Write typed items, 25 at a time."""
    client = clients.client(*table.location, background=True)
    for at in range(0, len(items), 25):
        client.batch_write_item(
            RequestItems={table.name: [{"PutRequest": {"Item": item}} for item in items[at : at + 25]]}
        )


def request(number: int, status: str = "pending", *, priority: str = "high", **texts: str) -> dict[str, Any]:
    """A request whose creation is `number` seconds after ten o'clock."""
    plain = {
        "request_id": f"r{number:03}",
        "status": status,
        "created_at": f"2026-11-20T10:{number // 60:02}:{number % 60:02}",
        "processing_strategy": "table",
        "priority": priority,
    } | texts
    return {name: {"S": text} for name, text in plain.items()}


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["request_id"]["S"] for item in items]
