"""In a table with many failed items, one that was created long ago has its case within a minute of its failure."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches

from opsportal.dynamo import calls
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.partitions import Partitions
from opsportal.dynamo.reads import read
from opsportal.dynamo.spans import Span
from opsportal.failures import unfinished, walking
from opsportal.failures.failure import all_sources
from opsportal.failures.unfinished import Unfinished
from opsportal.failures.walking import Walker
from tests.factories import delete, put, step, workflow, zulu
from tests.failures.conftest import Walk

pytestmark = pytest.mark.no_moto  # which counts no units

# Of the table's reads, those of a turn. What finds the statuses and the minute's sample are others'.
READS = ("Query", "BatchGetItem")
PAYLOAD = "x" * 1_500  # with the rest, some 2 KB


@pytest.fixture
def busy(walk: Walk) -> Walk:
    """A pass over it takes an hour."""
    put(
        walk.table,
        *(
            workflow(
                f"failed {number:04}", overallStatus="failed", createdAt=zulu(walk.ago(minutes=2 * number + 5)),
                lastUpdated=zulu(walk.ago(minutes=2 * number + 4)), pdfAdapter=step("error", error="OldError: bad"),
                payload=PAYLOAD,
            )
            for number in range(2_000)
        ),
    )  # fmt: skip
    return walk


def created(walk: Walk, number: int) -> str:
    """One in two minutes, however the clock of the test moves."""
    return zulu(walk.began - timedelta(minutes=2 * number + 3))


def unfinished_items(walk: Walk, count: int, status: str = "processing") -> None:
    put(
        walk.table,
        *(
            workflow(
                f"{status} {number:03}", overallStatus=status, createdAt=created(walk, number),
                lastUpdated=zulu(walk.now), payload=PAYLOAD,
            )
            for number in range(count)
        ),
    )  # fmt: skip


def fail(walk: Walk, number: int, error: str, status: str = "processing", **values: Any) -> None:
    given = {"createdAt": created(walk, number), "payload": PAYLOAD, **values}
    walk.fail(f"{status} {number:03}", error, **given)


class Units:
    """What turns consume of the workflow table."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.turns = walk, list[float]()

    def see(self, call: calls.Call) -> None:
        if call.operation in READS:
            self.turns[-1] += float(call.units.get(self.walk.table.name, 0))

    def turn(self, walker: Walker | None = None, seconds: float = 10.5) -> None:
        self.turns.append(0.0)
        self.walk.later(seconds, walker)


@pytest.fixture
def units(walk: Walk) -> Iterator[Units]:
    made = Units(walk)
    calls.watch(made.see)
    yield made
    calls.unwatch(made.see)


def seconds_to(
    walk: Walk, units: Units, error: str, next_worker: Callable[[], Walker | None] = lambda: None
) -> float:
    """Until it has its case."""
    began = walk.at
    while not any(case.type == error for case in walk.cases):
        assert walk.at < began + 600
        units.turn(next_worker())
    return walk.at - began


@pytest.mark.parametrize("count", [10, 60, 100])
def test_an_item_created_hours_ago_has_its_case_within_a_minute_for_ten_units_a_turn(
    count: int, busy: Walk, units: Units
) -> None:
    unfinished_items(busy, count)
    for _ in range(14):
        units.turn()
    for number, error in ((count - 1, "AError"), (count // 2, "BError"), (0, "CError")):
        fail(busy, number, f"{error}: bad")
        assert seconds_to(busy, units, error) <= 60, units.turns
        assert busy.mark.under_way
    assert max(units.turns) <= walking.UNITS
    assert sum(units.turns) > 8 * len(units.turns)


def test_several_workers_share_what_they_know(busy: Walk, units: Units) -> None:
    """Each has one turn, and is gone."""
    unfinished_items(busy, 60)
    for _ in range(12):
        units.turn(Walker(lambda: busy.at))
    fail(busy, 59, "SomeError: bad")
    assert seconds_to(busy, units, "SomeError", lambda: Walker(lambda: busy.at)) <= 60
    assert max(units.turns) <= walking.UNITS


def test_a_worker_that_knows_nothing_knows_all_after_a_round(busy: Walk, units: Units) -> None:
    unfinished_items(busy, 60)
    for _ in range(10):
        units.turn()
    caches["default"].clear()
    for _ in range(8):
        units.turn()
    fail(busy, 40, "SomeError: bad")
    assert seconds_to(busy, units, "SomeError") <= 60


def test_one_that_moves_between_unfinished_statuses_is_still_followed(busy: Walk, units: Units) -> None:
    unfinished_items(busy, 30)
    unfinished_items(busy, 30, "PENDING")
    for _ in range(10):
        units.turn()
    for number in range(20, 30):
        fail(busy, number, None, "PENDING", overallStatus="processing", pdfAdapter=step())
        units.turn()
    assert {case.type for case in busy.cases} <= {"OldError"}
    fail(busy, 25, "SomeError: bad", "PENDING")
    assert seconds_to(busy, units, "SomeError") <= 60
    assert max(units.turns) <= walking.UNITS


@pytest.fixture
def look(walk: Walk) -> Callable[..., list[str]]:
    """A turn 50 seconds later, of pending items alone; the statuses of those that it looks at."""
    source = all_sources()["workflows"]
    source = replace(source, statuses=lambda: Partitions(("pending",), seen=("pending",)))
    index = source.sampled.found().index
    assert index

    def turn(since: str = "") -> list[str]:
        walk.at += 50
        looked: list[str] = []
        taken = Unfinished.at(source, index, walk.at, 2_000)
        taken.take(Span(since), lambda items: looked.extend(item["overallStatus"]["S"] for item in items))
        return looked

    return turn


def test_one_that_moved_fails_before_its_new_status_is_read(
    walk: Walk, look: Callable[..., list[str]]
) -> None:
    unfinished_items(walk, 1, "pending")
    assert look() == []
    fail(walk, 0, None, "pending", overallStatus="processing")
    assert look() == ["processing"]
    fail(walk, 0, "SomeError: bad", "pending")
    assert look() == ["failed"]
    assert look() == []


def test_what_grows_too_old_while_a_round_goes_on_is_not_followed(
    walk: Walk, look: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    since = created(walk, 4)

    def as_dynamodb(table: Any, index: str, *, start: Any, key: Any, **arguments: Any) -> Any:
        """It refuses to go on at an item that is not in the range that is asked for; the engine does not."""
        assert not start or len(key) == 1 or start["createdAt"]["S"] >= since
        return read(table, index, start=start, key=key, **arguments)

    monkeypatch.setattr(unfinished, "read", as_dynamodb)
    unfinished_items(walk, 60, "pending")
    for _ in range(7):  # in the middle of a round
        assert look() == []
    assert look(since) == []
    for number in (1, 30):
        fail(walk, number, "SomeError: bad", "pending")
    assert [*look(since), *look(since)] == ["failed"]


def test_a_status_with_many_items_does_not_slow_down_the_others(busy: Walk, units: Units) -> None:
    unfinished_items(busy, 700, "pending")
    unfinished_items(busy, 30)
    for _ in range(20):
        units.turn()
    fail(busy, 29, "SomeError: bad")
    assert seconds_to(busy, units, "SomeError") <= 60
    assert max(units.turns) <= walking.UNITS


def test_a_flood_of_failures_has_its_cases_with_the_oldest_first(busy: Walk, units: Units) -> None:
    unfinished_items(busy, 100)
    for _ in range(14):
        units.turn()
    for number in range(100):
        fail(busy, number, f"Kind{'abcdefghij'[number // 10]}Error: bad")
    assert seconds_to(busy, units, "KindjError") <= 60
    assert seconds_to(busy, units, "KindbError") <= 180
    assert max(units.turns) <= walking.UNITS


def test_what_ended_otherwise_or_is_gone_opens_no_case(busy: Walk, units: Units) -> None:
    unfinished_items(busy, 20)
    for _ in range(8):
        units.turn()
    fail(busy, 10, None, overallStatus="completed", pdfAdapter=step())
    delete(busy.table, "processing 011")
    for _ in range(6):
        units.turn()
    assert {case.type for case in busy.cases} <= {"OldError"}


def test_what_no_pass_will_count_has_no_case(busy: Walk, units: Units, settings: Any) -> None:
    settings.FAILURES_WINDOW_HOURS = 24
    old = zulu(busy.ago(hours=24 + 14 + 25))  # further back than any zone and form
    busy.fail("too old", overallStatus="processing", pdfAdapter=step(), createdAt=old)
    for _ in range(8):
        units.turn()
    busy.fail("too old", "SomeError: bad", createdAt=old)
    for _ in range(8):
        units.turn()
    assert {case.type for case in busy.cases} <= {"OldError"}


def test_without_permission_for_it_the_pass_goes_on(
    busy: Walk, units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AccessDenied("IAM does not allow this.")

    unfinished_items(busy, 20)
    for _ in range(8):
        units.turn()
    fail(busy, 19, "SomeError: bad")
    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "items_of", refused)
        before = busy.mark.start
        for _ in range(6):
            units.turn()
    assert busy.progress.problem == ""
    assert busy.mark.start != before
    assert seconds_to(busy, units, "SomeError") <= 60
    assert busy.case.first_seen <= busy.now - timedelta(seconds=60)
