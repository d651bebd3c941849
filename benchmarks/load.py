"""``python -m benchmarks.load ENDPOINT workflows|requests COUNT``: items as the writers leave them, spread over 30 days.

By BatchWriteItem, without botocore, which would take as long as the engine. Most are finished; some are at work, and
of requests some have statuses that no document knows, so that a list of all has 13 partitions.
"""

import http.client
import itertools
import json
import os
import random
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

WORKFLOW_STATUSES = ("completed", "failed", "pending", "initializing", "processing")
# Of seed 002's documents, and of other writers.
REQUEST_STATUSES = (
    "completed", "failed", "pending", "processing", "executing", "cancelled",
    "archived", "expired", "on_hold", "paused", "queued", "rejected", "retrying",
)  # fmt: skip
SEED, FAILURE_RATE, BATCH = 1, 0.05, 25
# Items of each status that is neither completed nor failed.
FEW = 6


def workflow_id(number: int) -> str:
    return f"bulk-{SEED}-{number:07d}"


def workflows(count: int, key: str, now: datetime) -> Iterator[dict[str, Any]]:
    from django.conf import settings

    from opsportal.demo.simulation import fill
    from opsportal.demo.workflows import WorkflowBuilder

    builder = WorkflowBuilder(settings.WORKFLOW_STEPS, now, random.Random(SEED))
    rest = [
        {key: f"rest-{status}-{number}", **builder.workflow(status, now - timedelta(minutes=number))}
        for status in WORKFLOW_STATUSES[2:]
        for number in range(FEW)
    ]
    yield from rest
    yield from fill.finished_workflows(key, count - len(rest), now, SEED, FAILURE_RATE)


def requests(count: int, key: str, now: datetime) -> Iterator[dict[str, Any]]:
    from opsportal.demo import requests as made
    from opsportal.demo.simulation import fill

    rng, rest = random.Random(SEED), []
    for status in REQUEST_STATUSES[2:]:
        for number in range(FEW):
            at = now - timedelta(minutes=number)
            item = made.submitted(key, made.request_id(at, rng), at, rng)
            # "table" or "sqs" would be taken up by a simulator.
            rest.append(item | {"status": status, "processing_strategy": "manual"})
    yield from rest
    yield from fill.finished_requests(key, count - len(rest), now, SEED, FAILURE_RATE)


def put(endpoint: str, table: str, items: Iterable[dict[str, Any]]) -> None:
    """Raises RuntimeError with what the engine said."""
    from opsportal.demo.place import attribute_values

    wire = http.client.HTTPConnection(str(urlsplit(endpoint).netloc), timeout=60)
    credential = "local/20250101/us-east-1/dynamodb/aws4_request"  # the engine looks at no signature
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem",
        "X-Amz-Date": "20250101T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=0",
    }
    remaining = iter(items)
    while some := list(itertools.islice(remaining, BATCH)):
        puts = [{"PutRequest": {"Item": attribute_values(item)}} for item in some]
        wire.request("POST", "/", json.dumps({"RequestItems": {table: puts}}), headers)
        answer = wire.getresponse()
        said = json.loads(answer.read())
        if answer.status != 200 or said.get("UnprocessedItems"):
            raise RuntimeError(f"{answer.status}: {str(said)[:500]}")


def main(endpoint: str, logical: str, count: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    import django

    django.setup()
    from opsportal.dynamo.tables import binding

    table, now = binding(logical), datetime.now(UTC)
    make = {"workflows": workflows, "requests": requests}[logical]
    put(endpoint, table.name, make(int(count), table.key, now))


if __name__ == "__main__":
    main(*sys.argv[1:])
