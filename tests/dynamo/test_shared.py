"""One value for all processes: one computes, the others read, and nobody waits for a newer one."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import caches
from django.db import connection

from opsportal.dynamo import shared as module
from opsportal.dynamo.errors import TableMissing, TooSlow
from opsportal.dynamo.shared import Shared, shared
from opsportal.dynamo.spending import current, request_budget

pytestmark = pytest.mark.django_db


def _next_process() -> None:
    caches["process"].clear()


def _aged(name: str, seconds: float) -> None:
    """As if the value had been computed so many seconds earlier."""
    key = f"shared:{module.FORMAT}:{name}"
    kept: Shared[int] = caches["default"].get(key)
    older = Shared(kept.value, datetime.now(UTC) - timedelta(seconds=seconds), kept.calls, kept.units)
    caches["default"].set(key, older, 300)
    _next_process()


def _counting() -> Callable[[int | None], int]:
    return lambda before: (before or 0) + 1


def test_what_one_process_computed_all_others_read() -> None:
    assert shared("n", _counting(), fresh=60).value == 1
    _next_process()
    assert shared("n", _counting(), fresh=60).value == 1


def test_an_old_value_is_computed_again_from_the_one_before() -> None:
    shared("n", _counting(), fresh=60)
    _aged("n", 61)
    found = shared("n", _counting(), fresh=60)
    assert found.value == 2
    assert (datetime.now(UTC) - found.at).total_seconds() < 30


def test_who_comes_while_another_computes_reads_the_old_value_at_once() -> None:
    shared("n", _counting(), fresh=60)
    _aged("n", 61)

    def slow(before: int | None) -> int:
        _next_process()  # another process asks meanwhile
        assert shared("n", _counting(), fresh=60).value == 1
        return 10

    assert shared("n", slow, fresh=60).value == 10


def test_the_first_value_is_waited_for_no_longer_than_the_page_may_take() -> None:
    caches["default"].add(f"shared:{module.FORMAT}:n:lease", "another", 60)
    with request_budget(0.1), pytest.raises(TooSlow):
        shared("n", _counting(), fresh=60)


def test_a_caller_that_died_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 1)
    caches["default"].add(f"shared:{module.FORMAT}:n:lease", "dead", 1)
    assert shared("n", _counting(), fresh=60).value == 1


def test_a_lease_that_ran_out_and_went_to_another_is_left_alone() -> None:
    lease = f"shared:{module.FORMAT}:n:lease"

    def overtaken(before: int | None) -> int:
        caches["default"].set(lease, "another", 60)
        return 1

    shared("n", overtaken, fresh=60)
    assert caches["default"].get(lease) == "another"


def test_trouble_leaves_the_old_value_with_its_reason_and_its_age() -> None:
    first = shared("n", _counting(), fresh=60)
    _aged("n", 61)
    asked = []

    def troubled(before: int | None) -> int:
        asked.append(before)
        raise TableMissing("It is not there.")

    found = shared("n", troubled, fresh=60)
    assert found.value == 1
    assert found.at < first.at
    assert str(found.failed) == "It is not there."
    shared("n", troubled, fresh=60)
    assert asked == [1], "it is not asked again by every page"
    with pytest.raises(TableMissing):
        shared("other", troubled, fresh=60)


def test_the_calls_are_on_an_account_of_its_own_within_the_pages_deadline() -> None:
    def reading(before: int | None) -> float:
        account = current()
        assert account is not None
        account.book("Scan", {"ConsumedCapacity": {"CapacityUnits": 128}})
        return account.seconds_left

    with request_budget(3) as page:
        found = shared("n", reading, fresh=60)
    assert (page.calls, found.calls, found.units) == (0, 1, 128)
    assert 0 < found.value <= 3


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_computes() -> None:
    asked: list[int] = []
    found: list[int] = []
    together = threading.Barrier(6)

    def compute(before: int | None) -> int:
        asked.append(1)
        return 7

    def ask() -> None:
        together.wait()
        try:
            found.append(module._from_all("n", compute, 60).value)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [7] * 6
    assert asked == [1]
