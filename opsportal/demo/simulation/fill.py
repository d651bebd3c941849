"""Fill a table with finished items, fast: the load for benchmarks."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings

from opsportal.demo import batches, requests, research
from opsportal.demo.place import Item
from opsportal.demo.workflows import WorkflowBuilder
from opsportal.dynamo.tables import Binding

SAY_EVERY = 10.0  # seconds
SPREAD = timedelta(days=30)
# More than any item takes, so that all of them are finished.
LONGEST = timedelta(minutes=15)
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
        item = requests.submitted(key, ident, created, rng)
        failure = rng.choice(research.FAILURES) if rng.random() < failure_rate else None
        ticks = research.course(item["config"], rng, failure)
        yield requests.worked(key, item, created + timedelta(seconds=2), ticks, rng, created + LONGEST).item


def fill(table: Binding, items: Iterable[Item], say: Say) -> int:
    """Put the items in batches, several at a time; returns how many. Raises DynamoError."""
    began, written = time.monotonic(), 0
    said = began
    for count in batches.put(table, items):
        written += count
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            say(f"{table.name}: {written:,} written")
    seconds = time.monotonic() - began
    say(f"{table.name}: {written:,} items in {seconds:.1f} s ({written / max(seconds, 0.001):,.0f} a second)")
    return written
