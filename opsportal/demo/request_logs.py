"""Demo logs: seed 002's entry and its like, some lines for each request, and one log of 2,000 lines."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from opsportal.demo.place import Item
from opsportal.demo.requests import SAMPLE_ID, STAGES
from opsportal.demo.stamps import naive

LONG_LOG = 2_000
MESSAGES = {
    "initialization": ("Request processing started", "Configuration checked"),
    "serp_discovery": ("Searching with {n} keywords", "{n} URLs found", "Skipped {n} duplicates"),
    "content_extraction": ("Extracted {n} documents", "Page {n} of the batch read", "Batch {n} done"),
    "aggregation": ("Merged {n} findings", "Confidence computed for {n} items"),
    "completed": ("Report written", "Request completed"),
}


def entry(
    key: str, ident: str, request: str, moment: datetime, level: str, stage: str, message: str, worker: str
) -> Item:
    """One line of a request's log (seed 002)."""
    return {
        key: ident,
        "request_id": request,
        "timestamp": naive(moment),
        "log_level": level,
        "message": message,
        "stage": stage,
        "metadata": {"worker_id": worker, "processing_node": "node-1"},
    }


def sample(key: str) -> list[Item]:
    """Seed 002's entry, value for value, and the rest of the sample request's log."""
    start = datetime(2024, 1, 9, 15, 43, 9, 250_000, UTC)
    lines = (
        (0, "INFO", "initialization", "Request processing started"),
        (0.4, "DEBUG", "initialization", "Configuration: 8 keywords, 3 sources, batches of 5"),
        (0.75, "WARNING", "serp_discovery", "Low confidence score for source ABC"),
        (1.9, "INFO", "serp_discovery", "15 URLs found"),
        (2.75, "ERROR", "content_extraction", "Failed to extract content from URL xyz"),
        (5.75, "INFO", "content_extraction", "12 of 15 documents extracted"),
    )
    return [
        entry(
            key,
            f"log_1757412789250_{number:03d}",
            SAMPLE_ID,
            start + timedelta(seconds=after),
            level,
            stage,
            message,
            "table_processor_001",
        )
        for number, (after, level, stage, message) in enumerate(lines, 1)
    ]


def build(key: str, request_key: str, requests: Sequence[Item]) -> list[Item]:
    """Logs of the demo's requests; the first that is executing has the long one."""
    rng = random.Random(7)
    items = sample(key)
    long = next(item[request_key] for item in requests if item["status"] == "executing")
    for item in requests:
        request = item[request_key]
        if request == SAMPLE_ID or item["status"] == "pending":
            continue
        reached = list(STAGES)[: list(STAGES).index(item["progress"]["current_stage"]) + 1]
        count = LONG_LOG if request == long else rng.randint(6, 18)
        started = datetime.fromisoformat(item["started_at"]).replace(tzinfo=UTC)
        took = datetime.fromisoformat(item["updated_at"]).replace(tzinfo=UTC) - started
        for number in range(count):
            stage = reached[number * len(reached) // count]
            level = rng.choices(("INFO", "DEBUG", "WARNING", "ERROR"), (70, 18, 9, 3))[0]
            message = rng.choice(MESSAGES[stage]).format(n=rng.randint(1, 40))
            moment = started + took * number / count
            ident = f"log_{request.split('_')[1]}_{number + 1:03d}"
            items.append(entry(key, ident, request, moment, level, stage, message, "table_processor_001"))
        if item["status"] == "failed":
            items.append(
                entry(
                    key,
                    f"log_{request.split('_')[1]}_{count + 1:03d}",
                    request,
                    started + took,
                    "ERROR",
                    reached[-1],
                    item["errors"][-1],
                    "table_processor_001",
                )
            )
    return items
