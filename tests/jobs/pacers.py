"""What tests of a job's pace share: a worker with a clock that can be put forward, and programs that take up items."""

import random
import time
import types
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from opsportal.demo.simulation import workers
from opsportal.demo.simulation.world import Pace, World
from opsportal.dynamo.tables import Binding
from opsportal.jobs import control, freezing, store
from opsportal.jobs.job import Job, part_key
from opsportal.jobs.pacing import Pacer
from opsportal.operations.entries import Actor
from opsportal.operations.tables import jobs_table_for
from tests import factories
from tests.operations.places import client, get, scan

OLGA = Actor("olga", "operator", "user:1001")


class Worker:
    """One worker's turns on the paced jobs of a table's location. Its clock moves by what each turn says alone."""

    def __init__(self, table: Binding, at: float | None = None) -> None:
        self.table, self.at = table, at or float(int(time.time()))
        self.pacer = Pacer(lambda: self.at)

    def turn(self, later: float = 0) -> int:
        """A turn so many seconds later; how many items were done."""
        self.at += later
        return self.pacer.turn(self.table, lambda: False)


def started(name: str, **asked: Any) -> Job:
    job = control.make(name, by=OLGA, reason="because", **asked)
    freezing.freeze(job)
    return control.start(now(job), OLGA)


def now(job: Job) -> Job:
    found = store.find(job.id, job.table)
    assert found
    return found


def failed(table: Binding, count: int, **values: Any) -> None:
    factories.put(
        table, *[factories.request(f"req-{at:05}", **{"status": "failed", **values}) for at in range(count)]
    )


def pending(table: Binding) -> list[str]:
    return sorted(one["request_id"]["S"] for one in scan(table) if one["status"]["S"] == "pending")


def takes(table: Binding, keys: Sequence[str], status: str = "processing", **more: Any) -> None:
    """A program that takes up these requests: it writes the status, and keeps the rest."""
    at = factories.naive(factories.ago())
    for key in keys:
        item = get(table, key)
        assert item
        changed = {**item, **factories.raw({"status": status, "updated_at": at, **more})}
        client(table).put_item(TableName=table.name, Item=changed)


def pace_item(job: Job) -> dict[str, Any]:
    table = jobs_table_for(job.table)
    found = client(table).get_item(TableName=table.name, Key=part_key(job.id, "pace"), ConsistentRead=True)
    item: dict[str, Any] = found.get("Item", {})
    return item


def dies(job: Job) -> None:
    """The worker that has the job's pace is gone, and its lease is over."""
    table = jobs_table_for(job.table)
    client(table).update_item(
        TableName=table.name,
        Key=part_key(job.id, "pace"),
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


@types.coroutine
def _at_once(seconds: float) -> Iterator[float]:
    yield seconds


class Simulator:
    """The demo's request workers without their pauses."""

    def __init__(self) -> None:
        self.world = World(Pace(2_000, failure_rate=0), random.Random(5), sleep=_at_once)

    def works(self, keys: Sequence[str], *, fails: bool = False) -> None:
        """They take up these requests, and carry them to their end."""
        self.world.pace = replace(self.world.pace, failure_rate=float(fails))
        for key in keys:
            job = workers.Job(self.world, key, "table_processor_001")
            for task in (job.claim(), job.process()):
                for _ in task.__await__():
                    pass
