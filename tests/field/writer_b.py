"""Stand-in of writer B (market intelligence): its migrations, its API, its worker and its strict model.

It behaves as the real one was seen to: both tables have the primary key only and no prefix, the worker takes the
first pending item of one page of a Scan and stops at one that its model can't parse, and every write puts the
whole item from memory.
"""

import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import BaseModel, ConfigDict, ValidationError

from opsportal.dynamo import clients

REQUESTS, LOGS = "market_intelligence_requests", "request_processing_logs"
Item = dict[str, Any]
_load, _dump = TypeDeserializer().deserialize, TypeSerializer().serialize


class _Model(BaseModel):
    model_config = ConfigDict(strict=True)


class Source(_Model):
    name: str
    type: str
    url: str


class Config(_Model):
    keywords: list[str]
    sources: list[Source]
    extraction_mode: str = "summary"
    quality_threshold: Decimal = Decimal("0.7")
    batch_size: Decimal = Decimal(5)
    max_retries: Decimal = Decimal(2)
    search_query: str | None = None
    date_range: dict[str, Any] | None = None
    custom_params: dict[str, Any] = {}


class Progress(_Model):
    current_stage: str = "initialization"
    percentage: Decimal = Decimal(0)
    urls_found: Decimal = Decimal(0)
    content_extracted: Decimal = Decimal(0)
    processing_errors: Decimal = Decimal(0)
    estimated_completion: str | None = None
    last_updated: str | None = None


class Request(_Model):
    """What the worker can read. What it does not declare is lost with its next write."""

    request_id: str
    project_id: str
    project_request_id: str
    user_id: str
    request_type: str
    status: str
    status_message: str | None = None
    priority: str
    processing_strategy: str
    config: Config
    created_at: str
    updated_at: str
    started_at: str | None = None
    completed_at: str | None = None
    progress: Progress
    results: dict[str, Any] | None = None
    errors: list[str] = []
    warnings: list[str] = []
    processing_metadata: dict[str, Any] = {}


def migrate(client: Any, requests: str = REQUESTS, logs: str = LOGS) -> None:
    """Both tables with the primary key only."""
    for name, key in ((requests, "request_id"), (logs, "log_id")):
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )


def stamp() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


class WriterB:
    """`seen`: why the worker could not parse the item at which it stopped, "" where it did not."""

    def __init__(self, client: Any, requests: str = REQUESTS, logs: str = LOGS) -> None:
        self.client, self.requests, self.logs = client, requests, logs
        self.seen = ""

    # --- Its API ------------------------------------------------------------------------------------------

    def submit(self, request_id: str = "", **changes: Any) -> str:
        """Put a new request, pending; any attribute may be replaced. Returns its id."""
        now = stamp()
        request_id = request_id or f"req_{time.time_ns() // 1_000_000}_{secrets.token_hex(4)}"
        item: Item = {
            "request_id": request_id,
            "project_id": "obesity-pipeline",
            "project_request_id": str(uuid.uuid4()),
            "user_id": "analyst-7",
            "request_type": "market_intelligence",
            "status": "pending",
            "status_message": None,
            "priority": "high",
            "processing_strategy": "table",
            "config": {
                "keywords": ["semaglutide", "wegovy"],
                "sources": [{"name": "FDA", "type": "government", "url": "https://www.fda.gov"}],
                "extraction_mode": "summary",
                "quality_threshold": Decimal("0.7"),
                "batch_size": 5,
                "max_retries": 2,
                "search_query": "semaglutide AND obesity",
                "date_range": {"start": "2026-01-01", "end": "2026-06-30"},
                "custom_params": {},
            },
            "created_at": now,
            "updated_at": now,
            "started_at": None,
            "completed_at": None,
            "progress": {**Progress().model_dump(), "last_updated": now},
            "results": None,
            "errors": [],
            "warnings": [],
            "processing_metadata": {},
            **changes,
        }
        self.put(item)
        return request_id

    def retry(self, request_id: str) -> bool:
        """False where it has not failed or was not cancelled, or can't be parsed."""
        request = self.get(request_id)
        if request is None or request.status.lower() not in ("failed", "cancelled"):
            return False
        request.status, request.status_message, request.progress = "pending", None, Progress()
        request.started_at = request.completed_at = None
        return self._save(request)

    def cancel(self, request_id: str) -> bool:
        request = self.get(request_id)
        if request is None or request.status not in ("pending", "processing", "executing"):
            return False
        request.status, request.completed_at = "cancelled", stamp()
        return self._save(request)

    # --- Its worker ---------------------------------------------------------------------------------------

    def take(self) -> Request | None:
        """The first pending item of one page of a Scan, processing then; None where there is none, or where it
        can't be parsed: that one is met again by every later call, and those behind it are never taken."""
        self.seen = ""
        page = self.client.scan(
            TableName=self.requests,
            FilterExpression="#s = :pending",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":pending": {"S": "pending"}},
        )["Items"]
        for raw in page[:1]:
            try:
                request = parsed(raw)
            except ValidationError as error:
                self.seen = str(error)
                return None
            request.status, request.started_at = "processing", stamp()
            self._save(request)
            self.log(request, "Request processing started")
            return request
        return None

    def progress(self, request: Request, stage: str, percentage: int, **counts: int) -> None:
        request.status = "executing"
        for name, value in {"percentage": percentage, **counts}.items():
            setattr(request.progress, name, Decimal(value))
        request.progress.current_stage, request.progress.last_updated = stage, stamp()
        self._save(request)
        self.log(request, f"{stage} at {percentage} %")

    def complete(self, request: Request, **results: Any) -> None:
        request.status, request.completed_at = "completed", stamp()
        request.results = results or {"summary": {"executive_summary": "done"}}
        request.progress.current_stage, request.progress.percentage = "completed", Decimal(100)
        self._save(request)

    def fail(self, request: Request, message: str) -> None:
        """As the real one: the message is the status message, `errors` stays empty."""
        request.status, request.status_message, request.completed_at = "FAILED", message, stamp()
        self._save(request)

    def run(self, most: int = 10) -> list[str]:
        """Take and complete until nothing can be taken. Returns the ids that were completed."""
        done: list[str] = []
        while len(done) < most and (request := self.take()):
            self.progress(request, "serp_discovery", 20, urls_found=4)
            self.complete(request)
            done.append(request.request_id)
        return done

    def log(self, request: Request, message: str, level: str = "INFO") -> None:
        line = {
            "log_id": f"log_{time.time_ns() // 1_000_000}_{secrets.randbelow(1000):03}",
            "request_id": request.request_id,
            "timestamp": stamp(),
            "log_level": level,
            "message": message,
            "stage": request.progress.current_stage,
            "metadata": {"worker_id": "table_processor_001"},
        }
        self.client.put_item(TableName=self.logs, Item={name: _dump(value) for name, value in line.items()})

    # --- Its table ----------------------------------------------------------------------------------------

    def put(self, item: Item) -> None:
        self.client.put_item(
            TableName=self.requests, Item={name: _dump(value) for name, value in item.items()}
        )

    def raw(self, request_id: str) -> Item | None:
        """The item in DynamoDB's types."""
        key = {"request_id": {"S": request_id}}
        found: Item | None = self.client.get_item(TableName=self.requests, Key=key, ConsistentRead=True).get(
            "Item"
        )
        return found

    def get(self, request_id: str) -> Request | None:
        """None where it is not there. Raises pydantic's ValidationError."""
        raw = self.raw(request_id)
        return parsed(raw) if raw else None

    def _save(self, request: Request) -> bool:
        """The whole item from memory, without a condition."""
        request.updated_at = stamp()
        self.put(request.model_dump())
        return True


def parsed(raw: Item) -> Request:
    return Request.model_validate({name: _load(value) for name, value in raw.items()})


@pytest.fixture
def writer_b(tables: dict[str, Any], settings: Any) -> Iterator[WriterB]:
    """Writer B with its two tables as its own migrations make them, which the settings name; the others are those
    of `tables`. Import the fixture to use it."""
    names = {"requests": REQUESTS, "request_logs": LOGS}
    settings.DYNAMO_TABLES = {
        logical: {**table, "name": names.get(logical, table["name"])}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    client = clients.client(*tables["requests"].location, background=True)
    migrate(client)
    try:
        yield WriterB(client)
    finally:
        for name in (REQUESTS, LOGS):
            client.delete_table(TableName=name)
