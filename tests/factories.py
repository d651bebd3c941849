"""Items as deployed writers put them, in DynamoDB's own types; anything may be left out or replaced."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from opsportal.demo.place import attribute_value
from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding

Raw = dict[str, Any]
MISSING = object()
_numbers = itertools.count(1)


class Typed(dict[str, Any]):
    """A value that is in DynamoDB's form already: ``Typed(NS=["1"])``."""


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def zulu(at: datetime) -> str:
    """2025-12-24T10:00:00.000Z, as seed 000 of docs/data.md has it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def naive(at: datetime) -> str:
    """2024-01-09T15:43:09.250000, as seed 002 has it."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def raw(values: dict[str, Any]) -> Raw:
    """The item of plain values; those that are MISSING are left out."""
    return {name: typed(value) for name, value in values.items() if value is not MISSING}


def typed(value: Any) -> Raw:
    """A plain value in DynamoDB's form; what is in that form already stays, at any depth."""
    if isinstance(value, Typed):
        return dict(value)
    if isinstance(value, dict):
        return {"M": raw(value)}
    if isinstance(value, list):
        return {"L": [typed(member) for member in value]}
    return attribute_value(value)


def step(status: str = "success", **values: Any) -> dict[str, Any]:
    """Seed 000's agent status object."""
    whole = {
        "status": status,
        "activity": "Text extraction complete",
        "startedAt": zulu(ago(minutes=5)),
        "completedAt": zulu(ago(minutes=5) + timedelta(seconds=17.095)),
        "duration": Typed(N="17.095"),
        "tokenUsage": {"inputTokens": 11689, "outputTokens": 2480, "totalTokens": 14169},
        **values,
    }
    return Typed(M=raw(whole))


def workflow(session_id: str | None = None, *, key: str = "sessionId", **values: Any) -> Raw:
    """Seed 000's item with one finished step."""
    at = ago(minutes=5)
    return raw(
        {
            key: session_id or f"session-{next(_numbers):06}",
            "correlationId": "corr-1",
            "documentId": "documents/trade.pdf",
            "sourceType": "BANK",
            "overallStatus": "processing",
            "pdfAdapter": step(),
            "totalTokenUsage": {"inputTokens": 11689, "outputTokens": 2480, "totalTokens": 14169},
            "totalDuration": Typed(N="17.095"),
            "createdAt": zulu(at),
            "lastUpdated": zulu(ago(minutes=1)),
            "expiresAt": int(ago(days=-90).timestamp()),
            **values,
        }
    )


def request(request_id: str | None = None, **values: Any) -> Raw:
    """Seed 002's item, smaller."""
    at = ago(minutes=5)
    return raw(
        {
            "request_id": request_id or f"req_{next(_numbers):013}_a08ac7ad",
            "project_id": "test-project-001",
            "user_id": "test-user-123",
            "request_type": "semaglutide_intelligence",
            "status": "processing",
            "status_message": None,
            "priority": "high",
            "processing_strategy": "table",
            "config": {
                "keywords": ["semaglutide", "tirzepatide"],
                "sources": [
                    {"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"},
                    {"name": "Other", "type": "web", "url": "https://example.com/other"},
                ],
                "quality_threshold": Typed(N="0.7"),
                "batch_size": 5,
            },
            "created_at": naive(at),
            "updated_at": naive(ago(minutes=1)),
            "started_at": naive(at),
            "completed_at": None,
            "progress": {
                "current_stage": "content_extraction",
                "percentage": Typed(N="65.5"),
                "urls_found": 15,
                "content_extracted": 12,
                "processing_errors": 1,
                "estimated_completion": naive(ago(minutes=-2)),
                "last_updated": naive(ago(minutes=1)),
            },
            "errors": [],
            "warnings": [],
            "processing_metadata": {
                "test_run": True,
                "status_history": [
                    {
                        "timestamp": naive(at),
                        "old_status": "pending",
                        "new_status": "processing",
                        "message": "Started processing",
                    }
                ],
            },
            **values,
        }
    )


def log(request_id: str, at: datetime | None = None, **values: Any) -> Raw:
    """Seed 002's log line."""
    return raw(
        {
            "log_id": f"log_{next(_numbers):013}_001",
            "request_id": request_id,
            "timestamp": naive(at or ago(minutes=4)),
            "log_level": "INFO",
            "message": "Request processing started",
            "stage": "initialization",
            "metadata": {"worker_id": "table_processor_001"},
            **values,
        }
    )


def agent(agent_id: str | None = None, **values: Any) -> Raw:
    """An agent of the discovery service."""
    number = next(_numbers)
    return raw(
        {
            "agentId": agent_id or f"agent-{number:06}",
            "name": f"Agent {number}",
            "endpoint": "https://agent.example.com",
            "capabilities": {"fitness_analysis", "nutrition_planning"},
            "status": "active",
            "type": "core",
            "protocol": "a2a",
            "reputationScore": 87,
            "successRate": Typed(N="0.942"),
            "lastHeartbeat": int(ago(seconds=5).timestamp() * 1000),
            "registeredAt": int(ago(days=5).timestamp() * 1000),
            "pricing": '{"baseFee": "0.05", "asset": "USDC"}',
            **values,
        }
    )


def put(table: Binding, *items: Raw) -> None:
    """Put the items as they are, each replacing what had its key."""
    client = clients.client(*table.location, background=True)
    # A batch takes 25 items and 16 MB; more than 4 MB at once needs no test here.
    for batch in _batches(items):
        requests = [{"PutRequest": {"Item": item}} for item in batch]
        answer = client.batch_write_item(RequestItems={table.name: requests})
        assert not answer["UnprocessedItems"]


def delete(table: Binding, *keys: str) -> None:
    client = clients.client(*table.location, background=True)
    for key in keys:
        client.delete_item(TableName=table.name, Key={table.key: {"S": key}})


def _batches(items: Iterable[Raw]) -> Iterable[list[Raw]]:
    rest = list(items)
    return [rest[start : start + 25] for start in range(0, len(rest), 25)]
