"""What the tables of a test hold: items put and read past the console, and all of it for comparison."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.tables import Binding
from opsportal.operations.tables import audit_table_for, jobs_table_for
from tests.dynamo.typed import EVERY_TYPE

Raw = dict[str, Any]

# Every DynamoDB type under names that no model declares, with the largest and the smallest numbers.
FOREIGN: Raw = {
    **{f"foreign {name}": value for name, value in EVERY_TYPE.items()},
    "huge": {"N": "12345678901234567890123456789012345678"},
    "tiny": {"N": "1E-130"},
    "exact": {"NS": ["0.1234567890123456789012345678901234567", "-1"]},
    "empty": {"M": {"map": {"M": {}}, "list": {"L": []}, "text": {"S": ""}, "bytes": {"B": b""}}},
}


def client(table: Binding) -> Any:
    return clients.client(*table.location, background=True)


def put(table: Binding, item: Mapping[str, Any]) -> Raw:
    """The item as DynamoDB gives it back: it spells numbers in its own way."""
    client(table).put_item(TableName=table.name, Item=dict(item))
    key = {name: item[name] for name in (table.key, table.spec.range_key) if name}
    answer: Raw = client(table).get_item(TableName=table.name, Key=key, ConsistentRead=True)
    return dict(answer["Item"])


def get(table: Binding, key: str) -> Raw | None:
    answer: Raw = client(table).get_item(
        TableName=table.name, Key={table.key: {"S": key}}, ConsistentRead=True
    )
    return answer.get("Item")


def scan(table: Binding) -> list[Raw]:
    """Every item, in the order of their text."""
    found: list[Raw] = []
    start: Raw = {}
    while True:
        page = client(table).scan(TableName=table.name, ConsistentRead=True, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return sorted(found, key=raw_text)
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def dump(tables: Mapping[str, Binding]) -> str:
    """All that the four tables and the console's own hold, as text, to tell whether anything was written."""
    every = {table.name: table for table in tables.values()}
    for table in tables.values():
        for own in (audit_table_for(table), jobs_table_for(table)):
            every[f"{own.name} {own.region}"] = own
    return json.dumps({name: [raw_text(item) for item in scan(one)] for name, one in every.items()}, indent=1)


def trail(table: Binding) -> list[Raw]:
    """The audit entries beside a table, oldest first, without the images."""
    entries = [item for item in scan(audit_table_for(table)) if "at" in item]
    return sorted(entries, key=lambda item: str(item["at"]["S"]))


def actor(entry: Raw) -> tuple[str, str]:
    """Name and id of who an audit entry says acted, as it is stored."""
    assert entry["actor_key"] == entry["actor_id"]
    return entry["actor"]["S"], entry["actor_id"]["S"]


def images(table: Binding) -> list[Raw]:
    return [item for item in scan(audit_table_for(table)) if "image" in item]


def outbox(table: Binding) -> list[Raw]:
    return scan(jobs_table_for(table))


def naive(at: datetime) -> str:
    """2024-01-09T15:43:09.250000, as seed 002 of docs/data.md has it."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def request_item(request_id: str = "req-1", status: str | None = "processing", **more: Any) -> Raw:
    """Seed 002's request under way; `more` are typed values, None leaves an attribute out."""
    at = naive(datetime.now(UTC) - timedelta(minutes=5))
    item: Raw = {
        "request_id": {"S": request_id},
        "project_id": {"S": "project-1"},
        "user_id": {"S": "user-1"},
        "request_type": {"S": "market_intelligence"},
        "status": {"S": status} if status else None,
        "status_message": {"S": "Extracting"},
        "priority": {"S": "high"},
        "processing_strategy": {"S": "table"},
        "config": {
            "M": {
                "keywords": {"L": [{"S": "insulin"}]},
                "quality_threshold": {"N": "0.7"},
                "max_retries": {"N": "3"},
            }
        },
        "progress": {
            "M": {
                "current_stage": {"S": "content_extraction"},
                "percentage": {"N": "42.5"},
                "urls_found": {"N": "12"},
                "content_extracted": {"N": "5"},
                "processing_errors": {"N": "1"},
                "last_updated": {"S": at},
            }
        },
        "created_at": {"S": at},
        "updated_at": {"S": at},
        "started_at": {"S": at},
        "completed_at": {"NULL": True},
        "errors": {"L": [{"S": "HTTP 503"}]},
        "processing_metadata": {
            "M": {
                "retry_count": {"N": "0"},
                "status_history": {
                    "L": [{"M": {"old_status": {"S": "pending"}, "new_status": {"S": "processing"}}}]
                },
            }
        },
        **more,
    }
    return {name: value for name, value in item.items() if value is not None}
