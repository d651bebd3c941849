"""Each failure is counted once in its case, whatever happens to the worker."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from opsportal.dynamo import clients
from opsportal.dynamo.errors import AccessDenied, Unreachable
from opsportal.dynamo.exceptions import DynamoError
from opsportal.dynamo.reads import read
from opsportal.dynamo.tables import Binding
from opsportal.failures import gauge, ledger, store, walking
from opsportal.failures.case import State
from opsportal.failures.failure import all_sources
from opsportal.failures.fingerprint import OTHERS
from opsportal.failures.walking import Walker
from opsportal.operations import commits
from opsportal.operations.commits import ConditionFailed, NoAnswer, TransactionContention
from opsportal.operations.outcomes import Unreadable
from opsportal.operations.tables import jobs_table_for
from tests.factories import MISSING, naive, request, step, workflow, zulu
from tests.failures.conftest import Walk
from tests.operations.places import put, scan
from tests.samples import next_minute


def test_a_failure_opens_a_case_at_once_and_is_counted_once(walk: Walk) -> None:
    walk.fail("one", "SomeError: bad 1")
    walk.fail("two", "SomeError: bad 22")
    assert walk.later(1) == 0
    case = walk.case
    assert (case.line, case.type, case.step, case.count) == (
        "SomeError: bad <n>",
        "SomeError",
        "pdfAdapter",
        0,
    )
    assert case.state is State.OPEN
    failed_at = walk.now - timedelta(seconds=1)
    assert walk.settled() == 2
    assert [walk.later() for _ in range(3)] == [0, 0, 0]
    case = walk.case
    assert case == store.find(case.id)
    assert case.count == 2
    assert sum(case.hours.values()) == 2
    assert abs(case.last_seen - failed_at) < timedelta(seconds=1)
    keys = store.keys_of(case)
    assert {(key.key, key.status, key.step, key.line) for key in keys} == {
        (name, "failed", "pdfAdapter", "SomeError: bad <n>") for name in ("one", "two")
    }
    progress = walk.progress
    assert progress.mark
    assert (progress.behind, progress.problem) == (False, "")


def test_history_begins_at_installation(tables: dict[str, Binding]) -> None:
    put(tables["workflows"], workflow("old", overallStatus="failed", pdfAdapter=step("error", error="old")))
    assert store.mark_of("workflows") is None
    walk = Walk(tables)
    assert walk.settled() == 0
    assert walk.cases == []
    assert walk.mark.began < walk.ago(seconds=60)


def test_an_item_that_fails_late_or_again_counts_each_time(walk: Walk) -> None:
    """Created long before, it is far from the head of the index."""
    created = zulu(walk.ago(hours=50))
    walk.fail("late", createdAt=created)
    assert walk.settled() == 1
    walk.fail("late", createdAt=created)
    assert walk.settled() == 1
    assert walk.case.count == 2
    assert [key.key for key in store.keys_of(walk.case)] == ["late"]
    walk.fail("too late", createdAt=zulu(walk.ago(hours=150)))  # further back than any zone and form
    assert walk.settled() == 0


def test_an_item_that_is_written_again_while_it_stands_failed_has_not_failed_again(walk: Walk) -> None:
    """Another step ends later, say. A retry gives the step an end of its own."""
    ended = step("error", error="SomeError: bad", completedAt=zulu(walk.now))
    walk.fail("one", pdfAdapter=ended)
    assert walk.settled() == 1
    walk.fail("one", pdfAdapter=ended, tradeMatching=step())
    assert walk.settled() == 0
    walk.fail("one", pdfAdapter=step("error", error="SomeError: bad", completedAt=zulu(walk.now)))
    assert walk.settled() == 1
    assert walk.case.count == 2


def test_creation_times_that_are_digits_are_in_the_window_too(walk: Walk) -> None:
    walk.fail("one", createdAt=str(int(walk.at)))
    next_minute()
    assert walk.settled() == 1


def test_a_status_that_is_spelled_otherwise_is_a_failure_too(walk: Walk) -> None:
    assert walk.settled() == 0
    walk.fail("one", overallStatus="FAILED")
    walk.fail("two", overallStatus="Error")
    walk.at += 45  # the pass that ends now does not know these partitions yet
    assert walk.turn() == 0
    next_minute()
    assert walk.settled() == 2
    assert {key.status for key in store.keys_of(walk.case)} == {"FAILED", "Error"}
    walk.fail("one", overallStatus="FAILED")
    assert walk.settled() == 1


def test_times_that_can_not_be_read_are_those_of_the_creation(walk: Walk) -> None:
    walk.fail(
        "unreadable",
        lastUpdated="soon",
        createdAt=zulu(walk.now),
        pdfAdapter=step("error", startedAt=None, completedAt=None),
    )
    walk.fail("far ahead", lastUpdated=zulu(walk.ago(days=-4000)), createdAt=zulu(walk.now))
    walk.fail("a little ahead", lastUpdated=zulu(walk.ago(seconds=-90)))
    walk.settled()
    assert {key.key for key in store.keys_of(next(one for one in walk.cases if one.count))} >= {"far ahead"}
    walk.at += 120
    walk.settled()
    assert walk.total() == 3
    walk.settled()
    assert walk.total() == 3


def test_two_workers_at_once_count_once(walk: Walk) -> None:
    for number in range(40):
        walk.fail(
            f"item {number}",
            f"Error {number % 3}: bad",
            pdfAdapter=step("error", error=f"Kind{'abc'[number % 3]}: bad"),
        )
    walk.at += 20
    walkers = [Walker(lambda: walk.at) for _ in range(4)]
    for _ in range(4):
        threads = [threading.Thread(target=walk.turn, args=(walker,)) for walker in walkers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        walk.at += 11
    assert walk.total() == 40
    assert len(walk.cases) == 3


def test_a_worker_that_lost_its_lease_writes_nothing(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs between reading and counting, and another is through meanwhile."""
    walk.fail("before")
    assert walk.settled() == 1
    walk.fail("one")
    walk.at += 20
    grouped, other = ledger.Ledger._grouped, Walker(lambda: walk.at)

    def slow(self: ledger.Ledger, found: Any) -> Any:
        monkeypatch.setattr(ledger.Ledger, "_grouped", grouped)
        made = grouped(self, found)
        walk.at += walking.LEASE_SECONDS + 1
        assert walk.turn(other) == 1
        return made

    monkeypatch.setattr(ledger.Ledger, "_grouped", slow)
    assert walk.turn() == 0
    assert walk.settled() == 0
    assert walk.case.count == 2


def unknown(real: Callable[..., None], *, done: bool) -> Callable[..., None]:
    def answered(*arguments: Any, **options: Any) -> None:
        if done:
            real(*arguments, **options)
        raise NoAnswer("no answer")

    return answered


def raises(error: Exception) -> Callable[..., None]:
    def refused(*_: Any, **__: Any) -> None:
        raise error

    return refused


@pytest.mark.parametrize(
    "case", ["killed before", "killed after", "done unheard", "not done", "hindered", "itself", "unreachable"]
)
def test_whatever_becomes_of_a_transaction_a_failure_is_counted_once(
    case: str, walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.fail("one")
    walk.settled()
    walk.fail("two")
    walk.at += 20
    real = commits.commit
    with monkeypatch.context() as patch:
        if case.startswith("killed"):
            done = case == "killed after"

            def killed(*arguments: Any, **options: Any) -> None:
                if done:
                    real(*arguments, **options)
                raise SystemExit

            patch.setattr(ledger, "commit", killed)
            patch.setattr(walking.Turn, "rest", lambda *_: None)  # nothing follows a kill
            with pytest.raises(SystemExit):
                walk.turn()
        elif case == "unreachable":
            patch.setattr(ledger, "commit", raises(Unreachable("nothing answers")))
            with pytest.raises(DynamoError):
                walk.turn()
            assert walk.progress.problem == "nothing answers"
        else:
            patch.setattr(ledger, "commit", {
                "done unheard": unknown(real, done=True), "not done": unknown(real, done=False),
                "hindered": raises(TransactionContention("others")), "itself": raises(TransactionContention("itself")),
            }[case])  # fmt: skip
            assert walk.turn() == 0
    walk.at += walking.LEASE_SECONDS
    walk.settled()
    assert walk.case.count == 2
    assert walk.progress.problem == ""


def test_only_a_later_failure_reopens_a_resolved_case(walk: Walk) -> None:
    walk.fail("one")
    walk.settled()
    before = walk.ago(seconds=5)
    walk.resolve(walk.case)
    closed = walk.case
    assert not closed.is_active
    walk.fail("two", at=before)
    assert walk.settled() == 1
    counted = walk.case
    assert (counted.state, counted.count, counted.edition) == (State.RESOLVED, 2, 1)
    parts = {
        item["sk"]["S"]: item
        for item in scan(jobs_table_for(walk.table))
        if item["pk"]["S"].startswith("case#")
    }
    assert closed.closed_at
    assert int(parts["keys"]["ttl"]["N"]) == int(
        (closed.closed_at + timedelta(days=store.KEYS_DAYS)).timestamp()
    )
    assert int(parts["meta"]["ttl"]["N"]) == int(
        (closed.closed_at + timedelta(days=store.CLOSED_DAYS)).timestamp()
    )
    walk.at += 31
    walk.fail("three")
    walk.later(1)
    reopened = walk.case
    assert (reopened.state, reopened.reopened, reopened.count) == (State.OPEN, True, 2)
    assert (reopened.owner, reopened.reason, reopened.edition) == ("olga", "fixed", 2)
    assert walk.settled() == 1
    assert walk.case.count == 3
    parts = {
        item["sk"]["S"]: item
        for item in scan(jobs_table_for(walk.table))
        if item["pk"]["S"].startswith("case#")
    }
    assert "ttl" not in parts["meta"]
    assert "ttl" not in parts["keys"]


def test_a_case_that_was_resolved_a_moment_after_a_look_is_reopened_by_the_next_failure(walk: Walk) -> None:
    walk.fail("one")
    walk.later(1)
    walk.resolve(walk.case)
    walk.at += 1
    walk.fail("two")
    walk.later(11)
    assert (walk.case.state, walk.case.reopened, walk.case.count) == (State.OPEN, True, 0)


def test_a_case_that_could_not_be_opened_is_opened_in_the_next_turn(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.fail("one")
    with monkeypatch.context() as patch:
        patch.setattr(ledger.Ledger, "_opened", raises(Unreachable("nothing answers")))
        with pytest.raises(DynamoError):
            walk.later(1)
    walk.later(11)
    assert (walk.case.state, walk.case.count) == (State.OPEN, 0)


@pytest.mark.no_moto  # which counts no units
def test_items_of_any_size_do_not_keep_a_pass_from_its_end(walk: Walk) -> None:
    """One of them costs more than a turn has, and each turn reads the head first."""
    walk.fail("first", payload="x" * 120_000)
    assert walk.settled() == 1
    for number in range(4):
        walk.fail(f"item {number}", payload="x" * 120_000)
    walk.at += 20
    for _ in range(12):
        walk.later(60)
    assert walk.case.count == 5


@pytest.mark.no_moto  # which counts no units
def test_a_window_that_is_shorter_than_where_a_pass_is_ends_its_partition(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def as_dynamodb(table: Binding, index: str, *, start: Any, key: Any, **arguments: Any) -> Any:
        """It refuses to go on at an item that is not in the range that is asked for; the engine does not."""
        bound = key[1].values[0] if len(key) > 1 else ""
        assert not start or start["createdAt"]["S"] >= bound
        return read(table, index, start=start, key=key, **arguments)

    monkeypatch.setattr(walking, "read", as_dynamodb)
    walk.fail("first", payload="x" * 60_000)  # it says how large they are
    assert walk.settled() == 1
    for number in range(8):
        walk.fail(f"item {number}", createdAt=zulu(walk.ago(hours=60 + number)), payload="x" * 60_000)
    walk.at += 20
    while not walk.mark.start:
        walk.later(60)
    settings.FAILURES_WINDOW_HOURS = 1
    walk.later(60)
    assert not walk.mark.under_way
    assert 1 < walk.case.count < 9


def test_a_counted_failure_that_is_written_again_reopens_no_case(walk: Walk) -> None:
    """Nor does it hide another one that failed since."""
    ended = step("error", error="SomeError: bad 1", completedAt=zulu(walk.now))
    walk.fail("one", pdfAdapter=ended)
    assert walk.settled() == 1
    walk.resolve(walk.case)
    walk.at += 31
    walk.fail("one", pdfAdapter=ended, tradeMatching=step())
    walk.later(1)
    assert walk.settled() == 0
    assert walk.case.state is State.RESOLVED
    walk.at += 31
    walk.fail("two")
    walk.fail("one", at=walk.now + timedelta(seconds=1), pdfAdapter=ended, tradeMatching=step())
    walk.later(1, Walker(lambda: walk.at))  # no case is looked after twice in half a minute
    assert (walk.case.state, walk.case.count) == (State.OPEN, 1)


def test_a_person_who_is_quicker_keeps_a_change_and_loses_no_failure(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.fail("one")
    walk.settled()
    walk.fail("two")
    walk.at += 20
    grouped = ledger.Ledger._grouped

    def slow(self: ledger.Ledger, found: Any) -> Any:
        made = grouped(self, found)
        walk.resolve(walk.case)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(ledger.Ledger, "_grouped", slow)
        assert walk.turn() == 0
    assert walk.settled() == 1
    assert (walk.case.state, walk.case.count) == (State.RESOLVED, 2)
    with pytest.raises(ConditionFailed):
        commits.commit(
            jobs_table_for(walk.table),
            store.change(
                store.Listed([walk.case])[0].__class__(**{**walk.case.__dict__, "edition": 0}),
                walk.case,
                walk.now,
            ),
        )


def test_the_rest_of_a_flood_is_one_case_of_its_step_and_then_of_the_table(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_ACTIVE", 5)
    monkeypatch.setattr(ledger, "MAX_OTHERS", 2)
    words = [f"{one}{other}" for one in "abcdefgh" for other in "abcde"]
    for number, word in enumerate(words):
        name = "pdfAdapter" if number < 30 else f"step {word}"
        walk.fail(
            f"item {number:02}", **{"pdfAdapter": MISSING, name: step("error", error=f"Kind{word}: bad")}
        )
    walk.settled()
    assert walk.total() == 40
    assert len(walk.cases) == 5 + 2 + 1
    others = [case for case in walk.cases if case.line == OTHERS]
    assert len(others) == 3
    assert {key.line for case in others for key in store.keys_of(case)}.isdisjoint({OTHERS})
    assert walk.settled() == 0
    walk.fail("more", f"{OTHERS}")
    walk.settled()
    assert walk.total() == 41


def test_items_outside_the_index_are_counted_from_the_sample(walk: Walk) -> None:
    walk.fail("inside")
    put(
        walk.table,
        workflow(
            "outside",
            overallStatus="failed",
            createdAt=MISSING,
            lastUpdated=zulu(walk.now),
            pdfAdapter=step("error", error="SomeError: bad 5", completedAt=None),
        ),
    )
    next_minute()
    walk.settled()
    assert walk.case.count == 2
    for _ in range(2):
        next_minute()
        walk.at += 60
        assert walk.settled() == 0
    put(
        walk.table,
        workflow(
            "outside",
            overallStatus="failed",
            createdAt=MISSING,
            lastUpdated=zulu(walk.now),
            pdfAdapter=step("error", error="SomeError: bad 6", completedAt=None),
        ),
    )
    next_minute()
    walk.at += 60
    walk.settled()
    assert walk.case.count == 3


def test_without_an_index_the_sample_serves(tables_without_index: dict[str, Binding]) -> None:
    table = tables_without_index["workflows"]
    put(table, workflow("before", overallStatus="failed", pdfAdapter=step("error", error="old")))
    walk = Walk(tables_without_index)
    for number in range(25):
        walk.fail(f"item {number}", f"Kind{'abcdefghijklmnopqrstuvwxy'[number]}: bad")
    next_minute()
    walk.at += 60
    assert walk.turn() == 25
    assert walk.total() == 25
    walk.fail("item 3", "Kindd: bad")
    next_minute()
    walk.at += 60
    assert walk.turn() == 1
    progress = walk.progress
    assert "Failures are counted from the minute's sample." in progress.problem
    assert progress.complete_to
    assert not progress.behind


@pytest.mark.no_moto  # which counts no units
def test_a_turn_is_bounded_and_a_case_is_there_while_a_long_pass_goes_on(walk: Walk) -> None:
    """Items so large that a pass takes many turns: what fails meanwhile has its case in the next turn."""
    for number in range(20):
        walk.fail(f"item {number:02}", at=walk.ago(seconds=number / 10), payload="x" * 30_000)
    walk.at += 20
    began, spent = walk.at, [units_of_a_turn(walk)]
    assert walk.mark.under_way
    walk.fail("meanwhile", "OtherError: bad")
    failed = walk.at
    while not any(case.type == "OtherError" for case in walk.cases):
        walk.at += 11
        spent.append(units_of_a_turn(walk))
    assert walk.at - failed <= 60
    assert walk.mark.under_way
    while walk.total() < 21:
        walk.at += 11
        spent.append(units_of_a_turn(walk))
    # Of 75 units and more: as many as seconds, but for one item that a read may be too much.
    assert sum(spent) > 75
    assert sum(spent) <= walk.at - began + walking.UNITS + 4
    # And one more pass, which counts nothing.
    counted = walk.now
    while walk.progress.complete_to < counted:
        walk.later()
    assert walk.total() == 21


class Endless:
    """An index with a hundred thousand items of one failed status, of 2 KB each, as `read` answers."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.units, self.calls = walk, 0.0, 0
        self.newest = "SomeError: bad 0"

    def read(self, table: Binding, index: str = "", *, start: Any = None, **arguments: Any) -> dict[str, Any]:
        first = int(start["number"]["N"]) if start else 0
        failed = zulu(self.walk.ago(seconds=30))
        items = [
            workflow(
                f"item {number:06}", overallStatus="failed", createdAt=failed, lastUpdated=failed,
                pdfAdapter=step("error", error=self.newest if number == 0 else f"SomeError: bad {number}"),
            )
            for number in range(first, min(first + arguments["Limit"], 100_000))
        ]  # fmt: skip
        self.calls += 1
        units = len(items) * 2_048 / 8_192
        self.units += units
        last = (
            {"LastEvaluatedKey": {"number": {"N": str(first + len(items))}, "createdAt": {"S": failed}}}
            if first + len(items) < 100_000
            else {}
        )
        return {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}, **last}


def test_a_minute_costs_the_same_however_many_items_failed(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Endless(walk)
    monkeypatch.setattr(walking, "read", endless.read)
    walk.fail("one")  # so that the status is found
    for _ in range(12):  # two minutes, of several workers
        for worker in (walk.walker, Walker(lambda: walk.at)):
            walk.later(5, worker)
    assert 60 < endless.units <= 1.2 * 120 + walking.UNITS
    assert endless.calls <= 12 * 6
    assert walk.mark.under_way
    endless.newest = "OtherError: bad"
    for _ in range(12):
        walk.later(5)
    assert {case.type for case in walk.cases} == {"SomeError", "OtherError"}
    (counted, opened) = sorted(walk.cases, key=lambda case: case.count, reverse=True)
    assert counted.count > 0
    assert opened.count == 0


def test_a_worker_that_is_asked_says_how_many_cases_are_active(walk: Walk) -> None:
    walk.fail("one")
    walk.fail("two", "OtherError: bad")
    walk.later(1)
    gauge.measure(walk.table, lambda: False)
    assert figure("workflows") == 2
    walk.resolve(walk.cases[0])
    gauge.measure(walk.table, lambda: False)
    assert (figure("workflows"), figure("requests")) == (1, 0)


def figure(logical: str) -> float | None:
    return REGISTRY.get_sample_value("opsportal_failure_cases", {"table": logical})


def units_of_a_turn(walk: Walk) -> float:
    """The units of the workflow table that a turn consumed."""
    from opsportal.dynamo import calls

    seen: list[float] = []

    def see(call: calls.Call) -> None:
        seen.append(float(call.units.get(walk.table.name, 0)))

    calls.watch(see)
    try:
        walk.turn()
    finally:
        calls.unwatch(see)
    return sum(seen)


@pytest.mark.no_moto  # which counts no units
def test_after_a_turn_no_worker_has_the_next_one_until_its_units_are_paid_for(walk: Walk) -> None:
    walk.fail("one", payload="x" * 300_000)
    walk.at += 20
    walk.turn()
    walk.fail("two")
    other = Walker(lambda: walk.at)
    assert [walk.later(1, other) for _ in range(3)] == [0, 0, 0]
    assert walk.mark.turn_at < walk.ago(seconds=2)
    walk.at += 60
    walk.turn(other)
    assert walk.mark.turn_at == walk.now


def test_more_cases_than_a_transaction_holds_are_counted_in_several(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(45):
        walk.fail(f"item {number:02}", f"Kind{chr(97 + number // 26)}{chr(97 + number % 26)}: bad")
    walk.at += 20
    with monkeypatch.context() as patch:
        patch.setattr(walking, "MAX_TRANSACTIONS", 1)
        assert 0 < walk.turn() <= walking.MAX_CASES
        assert walk.mark.under_way
    walk.settled()
    assert walk.total() == 45
    assert {case.count for case in walk.cases} == {1}


CANARY = "canary-bird-7f3a"


def test_nothing_of_an_item_but_its_key_status_times_and_cleaned_line_is_stored(walk: Walk) -> None:
    hidden = f"{CANARY} at https://{CANARY}.example/{CANARY} of '{CANARY}' in /srv/{CANARY}/x\n{CANARY}"
    walk.fail(
        "inside", f"SomeError: 'secret {CANARY}' from https://{CANARY}.example/x\nsecond {CANARY}",
        correlationId=CANARY, payload={"deep": [CANARY]}, documentId=CANARY,
    )  # fmt: skip
    walk.fail("outside", f'SomeError: "{CANARY}"', createdAt=MISSING, payload=hidden)
    put(
        walk.tables["requests"],
        request(
            "failed",
            status="failed",
            completed_at=naive(walk.now),
            errors=[{"message": f"`{CANARY}`", "input": CANARY}],
        ),
    )
    next_minute()
    walk.settled()
    requests = Walker(lambda: walk.at)
    for _ in range(2):
        requests.turn(walk.tables["requests"], lambda: False)
        walk.at += 30
    stored = scan(jobs_table_for(walk.table))
    assert {item["pk"]["S"].partition("#")[0] for item in stored} >= {"case", "cases"}
    assert CANARY not in str(stored)


def test_a_case_of_another_version_is_left_alone(walk: Walk) -> None:
    walk.fail("one")
    walk.settled()
    (meta,) = [item for item in scan(jobs_table_for(walk.table)) if item["sk"]["S"] == "meta"]
    put_raw(walk, {**meta, "state": {"S": "of a later version"}})
    walk.fail("two")
    walk.settled()
    with pytest.raises(Unreadable):
        store.find(meta["pk"]["S"].removeprefix("case#"))
    assert walk.cases == []
    for broken in (
        {"version": {"S": "x"}},
        {"logical": {"S": "gone"}},
        {"count": {"S": "x"}},
        {"opened_at": {"N": "5"}},
    ):
        put_raw(walk, {**meta, **broken})
        assert walk.cases == []


def put_raw(walk: Walk, item: dict[str, Any]) -> None:
    table = jobs_table_for(walk.table)
    clients.client(*table.location).put_item(TableName=table.name, Item=item)


def test_requests_have_cases_of_their_own(tables: dict[str, Binding]) -> None:
    walk = Walk(tables)
    walk.table = tables["requests"]
    walk.turn()
    walk.at += 60
    put(
        tables["requests"],
        request(
            "one",
            status="failed",
            completed_at=naive(walk.now),
            errors=["2024-01-09T15:43:12.000000: ReadTimeout: no answer within 30 s"],
        ),
    )
    put(
        tables["requests"],
        request(
            "two",
            status="failed",
            updated_at=naive(walk.now),
            completed_at=None,
            status_message="Refused",
            progress=None,
        ),
    )
    assert walk.settled() == 2
    assert {(case.label, case.type, case.line) for case in walk.cases} == {
        ("Content extraction", "ReadTimeout", "ReadTimeout: no answer within <n> s"), ("Request", "", "Refused"),
    }  # fmt: skip


def test_without_permission_the_page_says_why(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    walk.fail("one")
    walk.at += 20
    with monkeypatch.context() as patch:
        patch.setattr(walking, "read", raises(AccessDenied("IAM does not allow this.")))
        with pytest.raises(AccessDenied):
            walk.turn()
    assert walk.progress.problem == "IAM does not allow this."
    assert walk.settled() == 1
    assert walk.progress.problem == ""


def test_it_is_off_without_a_window_and_waits_while_actions_are_off(walk: Walk, settings: Any) -> None:
    from opsportal.operations.tasks import NotNow

    assert [table.logical for table in walking.followed()] == [*all_sources()] == ["workflows", "requests"]
    settings.FAILURES_WINDOW_HOURS = 0
    assert walking.followed() == []
    settings.ACTIONS_OFF = True
    with pytest.raises(NotNow):
        walk.turn()


def test_a_backfill_counts_what_failed_before_once(tables: dict[str, Binding]) -> None:
    at = datetime.now(UTC)
    for number in range(30):
        failed = at - timedelta(hours=5 * number, minutes=1)
        put(
            tables["workflows"],
            workflow(
                f"item {number}",
                overallStatus="failed",
                createdAt=zulu(failed),
                lastUpdated=zulu(failed),
                pdfAdapter=step("error", error="SomeError: bad"),
            ),
        )
    source = all_sources()["workflows"]
    assert walking.backfill(source, at - timedelta(days=5)) == 24
    (case,) = store.active()
    assert (case.count, len(case.hours)) == (24, 24)
    assert store.mark_of("workflows").began == at - timedelta(days=5)
    assert walking.backfill(source, at - timedelta(days=7)) == 0
