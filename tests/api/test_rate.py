"""How often a caller may call: counted in each process, settled with the others by count."""

from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from opsportal.accounts import throttle
from opsportal.api import rate

pytestmark = pytest.mark.django_db
RATE = 100


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Any:
    settings.API_RATE_LIMIT = RATE
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as moved:
        yield moved


def test_a_process_alone_is_exact_and_asks_the_database_for_each_twentieth_part() -> None:
    with CaptureQueriesContext(connection) as queries:
        waits = [rate.seconds_to_wait("token-1") for _ in range(2 * RATE)]
    assert waits == [0] * RATE + [60] * RATE
    counted = [one for one in queries if "INSERT INTO accounts_attempts" in one["sql"]]
    assert len(counted) == 20
    assert throttle.Attempts.objects.get().count == 96  # the first, and nineteen times five


def test_processes_together_let_through_at_most_a_twentieth_part_each_more(
    monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    processes: list[dict[str, Any]] = [{}, {}, {}]

    def passed() -> int:
        through = 0
        for number in range(3 * RATE):
            monkeypatch.setattr(rate, "_windows", processes[number % 3])
            through += not rate.seconds_to_wait("token-1")
        return through

    assert RATE <= passed() <= RATE + 3 * RATE // 20
    assert passed() == 0
    clock.shift(60)  # the next minute
    assert RATE <= passed() <= RATE + 3 * RATE // 20


def test_callers_are_apart_and_those_of_the_minute_before_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    monkeypatch.setattr(rate, "MAX_CALLERS", 3)
    assert [rate.seconds_to_wait(f"token-{number}") for number in range(4)] == [0] * 4
    assert len(rate._windows) == 4  # all of this minute
    clock.shift(60)
    rate.seconds_to_wait("token-9")
    assert [*rate._windows] == ["token-9"]


def test_a_clock_that_is_set_back_keeps_nobody_out_for_longer(clock: Any) -> None:
    assert [rate.seconds_to_wait("token-1") for _ in range(RATE + 1)][-1] == 60
    clock.move_to("2026-11-01T10:00:00Z")
    assert rate.seconds_to_wait("token-1") == 0


def test_where_nothing_can_be_written_the_process_counts_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rate.seconds_to_wait("token-1") == 0

    def unwritable(*_: Any) -> Any:
        raise DatabaseError("attempt to write a readonly database")

    monkeypatch.setattr(throttle, "count", unwritable)
    assert {rate.seconds_to_wait("token-2") for _ in range(2 * RATE)} == {0}
    assert [rate.seconds_to_wait("token-1") for _ in range(RATE)] == [0] * (RATE - 1) + [60]
