"""Fill a table with finished items, fast: the load for benchmarks."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from opsportal.demo import requests
from opsportal.demo.place import Item, attribute_values
from opsportal.demo.workflows import WorkflowBuilder
from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding

BATCH = 25  # BatchWriteItem's limit
WRITERS = 4
SAY_EVERY = 10.0  # seconds
SPREAD = timedelta(days=30)
Say = Callable[[str], object]


def finished_workflows(key: str, count: int, now: datetime, seed: int, failure_rate: float) -> Iterator[Item]:
    """``bulk-<seed>-<number>``: created over the last 30 days, completed, or failed at some step."""
    rng = random.Random(seed)
    builder, steps = WorkflowBuilder(settings.WORKFLOW_STEPS, now, rng), len(settings.WORKFLOW_STEPS)
    for number in range(count):
        created = now - SPREAD * rng.random()
        if rng.random() < failure_rate:
            item = builder.workflow("failed", created, rng.randrange(steps), "error")
        else:
            item = builder.workflow("completed", created, steps)
        yield {key: f"bulk-{seed}-{number:07d}", **item}


def finished_requests(key: str, count: int, now: datetime, seed: int, failure_rate: float) -> Iterator[Item]:
    """Completed and failed requests, without logs, created over the last 30 days."""
    rng = random.Random(seed)
    for number in range(count):
        created = now - SPREAD * rng.random()
        # The number keeps ids apart that fall on one millisecond.
        ident = f"req_{int(created.timestamp() * 1000)}_{(seed << 24 | number) & 0xFFFFFFFF:08x}"
        priority, strategy = rng.choice(("high", "medium", "low")), rng.choice(("table", "table", "sqs"))
        item = requests.submitted(key, ident, created, rng, priority=priority, strategy=strategy)
        status, stage = (
            ("failed", "aggregation") if rng.random() < failure_rate else ("completed", "completed")
        )
        yield requests.advanced(item, ident, status, stage, created, rng)


def fill(table: Binding, items: Iterable[Item], say: Say) -> int:
    """Put the items in batches, several at a time; returns how many. Raises DynamoError."""
    client = clients.client(table.region, table.endpoint, patient=True)
    began, written, remaining = time.monotonic(), 0, iter(items)
    said, stopped = began, threading.Event()
    pool = ThreadPoolExecutor(WRITERS)
    waiting: set[Future[int]] = set()
    try:
        while True:
            while len(waiting) < 2 * WRITERS and (some := list(itertools.islice(remaining, BATCH))):
                waiting.add(pool.submit(_write, client, table, some, stopped))
            if not waiting:
                break
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            written += sum(future.result() for future in done)
            if time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                say(f"{table.name}: {written:,} written")
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
    seconds = time.monotonic() - began
    say(f"{table.name}: {written:,} items in {seconds:.1f} s ({written / max(seconds, 0.001):,.0f} a second)")
    return written


def _write(client: Any, table: Binding, items: list[Item], stopped: threading.Event) -> int:
    """One batch, and again what DynamoDB left unprocessed, at growing intervals."""
    asked = {table.name: [{"PutRequest": {"Item": attribute_values(item)}} for item in items]}
    for attempt in itertools.count():
        with translated(table):
            asked = client.batch_write_item(RequestItems=asked).get("UnprocessedItems", {})
        if not asked:
            break
        if stopped.wait(random.uniform(0, min(5.0, 0.05 * 2**attempt))):
            break
    return len(items) - len(asked.get(table.name, []))
