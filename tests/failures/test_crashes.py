"""Workers that are killed at any moment, and others that go on: each failure counts once."""

import random
from typing import Any

import pytest

from opsportal.failures import store
from opsportal.failures.mark import Mark, lease_of
from tests.factories import ago, step, workflow, zulu
from tests.jobs.test_crashes import Begin, begin
from tests.operations.places import put
from tests.processes import eventually

pytestmark = [pytest.mark.no_moto, pytest.mark.long]
__all__ = ["begin"]

# A worker whose turns are short and soon, so that the test has many of them.
WORKER = """
from dataclasses import replace
from datetime import timedelta
from opsportal.failures import walking
from opsportal.operations import tasks
walking.UNITS, walking.HEAD_UNITS, walking.SECONDS = 2.0, 0.5, 1.0
walking.LATE, walking.LEASE_SECONDS = timedelta(seconds=1), 2
tasks.register(replace(tasks.registered()["failures"], every=0.1))
call_command("worker", "--only", "failures")
"""
ITEMS, WORKERS, KILLS = 150, 3, 12


def total() -> int:
    return sum(case.count for case in store.active())


def test_workers_that_are_killed_lose_and_double_no_failure(tables: dict[str, Any], begin: Begin) -> None:
    table = tables["workflows"]
    lease = lease_of(table).claim(1, create=True)
    assert lease
    lease.release(Mark.new(ago(hours=1)).attributes(table.name))
    for number in range(ITEMS):
        at = zulu(ago(seconds=60 + 20 * number))
        failed = step("error", error=f"Kind{'abc'[number % 3]}: bad", completedAt=None)
        put(
            table,
            workflow(
                f"item {number}", overallStatus="failed", createdAt=at, lastUpdated=at, pdfAdapter=failed
            ),
        )
    workers = [begin(WORKER) for _ in range(WORKERS)]
    points = sorted(random.sample(range(1, ITEMS * 9 // 10), KILLS))
    for number, point in enumerate(points):
        assert eventually(lambda point=point: total() >= point, 240)  # type: ignore[misc]
        victim = workers[number % WORKERS]
        victim.kill()
        victim.communicate()
        workers[number % WORKERS] = begin(WORKER)
    assert eventually(lambda: total() >= ITEMS, 240)

    def read_to() -> Any:
        mark = store.mark_of("workflows")
        return mark and mark.complete_to

    counted = ago()
    assert eventually(lambda: read_to() > counted, 240)  # and one more pass
    assert total() == ITEMS
    assert sorted(case.count for case in store.active()) == [50, 50, 50]
