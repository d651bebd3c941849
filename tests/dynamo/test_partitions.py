"""What an index holds is found with one call per distinct value, and counted up to a cap."""

from typing import Any

import pytest
from django.core.cache import caches

from opsportal.dynamo import partitions as module
from opsportal.dynamo.errors import IndexMissing, TableMissing
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.partitions import Count, newest, pairs, partitions
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, Index
from requests_app.statuses import STATUSES
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.rows import put_all, request

LATE = 59 * 60 + 59


@pytest.fixture
def table(tables: dict[str, Binding]) -> Binding:
    return tables["requests"]


def test_undocumented_values_are_found_after_the_known_ones(table: Binding) -> None:
    put_all(
        table,
        [request(n, status) for n, status in enumerate(["pending", "PENDING", "zzz", "\U0010ffff", " "] * 4)],
    )
    index = table.spec.index("status-index")
    with request_budget(None) as account:
        found = partitions(table, index, STATUSES)
    assert found.values == (*STATUSES, " ", "PENDING", "zzz", "\U0010ffff")
    assert (found.complete, found.reason) == (True, "")
    assert account.operations == ["Scan"] * (5 + 1)


def test_a_full_partition_costs_one_call_as_well(table: Binding) -> None:
    # The last possible time, and ids after everything else: still behind them is the next partition.
    items = [request(n, "pending") for n in range(60)]
    items += [request(0, "pending", request_id="\U0010ffff" * 20, created_at="zzzz")]
    put_all(table, [*items, request(1, "failed", request_id="f")])
    with request_budget(None) as account:
        found = partitions(table, table.spec.index("status-index"), ())
    assert found.values == ("failed", "pending")
    assert account.calls == 3


def test_an_empty_index_costs_one_call_and_leaves_the_known_values(table: Binding) -> None:
    with request_budget(None) as account:
        found = partitions(table, table.spec.index("status-index"), ["pending", "failed", "pending"])
    assert (found.values, found.complete) == (("pending", "failed"), True)
    assert account.calls == 1


def test_what_was_found_is_known_for_a_while_per_table_and_index(table: Binding) -> None:
    put_all(table, [request(1, "loading", user_id="u")])
    index = table.spec.index("status-index")
    partitions(table, index, STATUSES)
    put_all(table, [request(2, "warning")])
    with request_budget(None) as account:
        assert partitions(table, index, STATUSES).values == (*STATUSES, "loading")
        # Known beforehand is what the caller says, each time.
        assert partitions(table, index, ()).values == ("loading",)
        assert account.calls == 0
        assert partitions(table, table.spec.index("user-index"), ()).values == ("u",)
        assert account.calls == 2


@pytest.mark.parametrize(("different", "complete"), [(3, True), (4, True), (5, False), (9, False)])
def test_more_values_than_it_is_worth_looking_for_are_said_to_be_there(
    table: Binding, monkeypatch: pytest.MonkeyPatch, different: int, complete: bool
) -> None:
    monkeypatch.setattr(module, "MAX_PARTITIONS", 4)
    put_all(table, [request(n, f"status {n}") for n in range(different)])
    with request_budget(None) as account:
        found = partitions(table, table.spec.index("status-index"), ["known"])
    assert found.complete is complete
    assert len(found.values) == 1 + min(different, 4)
    assert found.reason == ("" if complete else "There are more than 4 different values.")
    assert account.calls == min(different, 4) + 1


def test_pairs_of_hash_and_range_key_are_found(table: Binding) -> None:
    rows = [request(n, priority=priority) for n, priority in enumerate(["high", "low", "HIGH", "high"] * 3)]
    rows += [request(100 + n, priority="low", processing_strategy="sqs") for n in range(3)]
    put_all(table, rows)
    with request_budget(None) as account:
        found = pairs(table, table.spec.index("strategy-index"))
    assert sorted(found.values) == [("sqs", "low"), ("table", "HIGH"), ("table", "high"), ("table", "low")]
    assert found.complete
    assert account.calls == 4 + 1
    # The same index by its hash key alone is another question.
    assert partitions(table, table.spec.index("strategy-index"), ()).values == ("sqs", "table")


DENIED = error(
    "AccessDeniedException",
    "User: arn:aws:sts::1:assumed-role/c/i is not authorized to perform: dynamodb:Scan on resource: "
    "arn:aws:dynamodb:us-east-1:1:table/t/index/status-index because no identity-based policy allows it",
)


def test_without_the_permission_to_scan_the_known_values_stay_with_the_reason(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    fake.says(DENIED)
    index = requests_table.spec.index("status-index")
    found = partitions(requests_table, index, STATUSES)
    assert (found.values, found.complete) == (STATUSES, False)
    assert found.reason == (
        "Others can't be found: The console's role may not perform dynamodb:Scan on "
        "arn:aws:dynamodb:us-east-1:1:table/t/index/status-index."
    )
    assert partitions(requests_table, index, STATUSES) == found
    assert fake.operations == ["Scan"]  # the refusal is remembered too


def test_what_is_throttled_leaves_the_known_ones_and_other_trouble_is_raised(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    index = requests_table.spec.index("status-index")
    fake.says(error("ThrottlingException", "slow down"))
    found = partitions(requests_table, index, STATUSES)
    assert (found.values, found.complete) == (STATUSES, False)
    assert "gets more requests than it is allowed to serve" in found.reason
    caches["process"].clear()
    fake.says(error("ResourceNotFoundException", "Requested resource not found"))
    with pytest.raises(TableMissing):
        partitions(requests_table, index, STATUSES)
    fake.says(Answer({"Items": []}))
    assert partitions(requests_table, index, STATUSES).complete


def test_an_index_that_is_not_there_is_said_to_be_missing(tables_without_index: dict[str, Binding]) -> None:
    table = tables_without_index["workflows"]
    with pytest.raises(IndexMissing):
        partitions(table, table.spec.indexes[0], ())
    with pytest.raises(IndexMissing):
        newest(
            table, table.spec.indexes[0].name, (Clause("overallStatus", "=", ("completed",)),), ("createdAt",)
        )


def test_an_engine_that_does_not_skip_ends_the_search(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(Answer({"Items": [{"status": {"S": "pending"}}]}))
    found = partitions(requests_table, requests_table.spec.index("status-index"), ())
    assert (found.values, found.complete) == (("pending",), False)
    assert found.reason == "The index could not be walked through."
    assert len(fake.asked) == 2


def test_an_index_without_a_range_key_is_walked_too(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(Answer({"Items": [{"status": {"S": "pending"}}]}), Answer({"Items": []}))
    assert partitions(requests_table, Index("other-index", "status"), ()).values == ("pending",)
    assert set(fake.asked[1][1]["ExclusiveStartKey"]) == {"status", "request_id"}


# --- The newest, and how many --------------------------------------------------------------------------------------------


def pending(*more: Clause) -> tuple[Clause, ...]:
    return (Clause("status", "=", ("pending",)), *more)


def counted(table: Binding, key: tuple[Clause, ...]) -> Count:
    return newest(table, "status-index", key, ("created_at",)).count


def test_the_newest_come_first_with_what_was_asked_for_and_are_counted(table: Binding) -> None:
    put_all(table, [request(n, "pending" if n % 2 else "failed") for n in range(30)])
    with request_budget(None) as account:
        found = newest(table, "status-index", pending(), ("created_at",))
        since = Clause("created_at", ">=", ("2026-11-20T10:00:20",))
        assert str(counted(table, pending(since))) == "5"
        assert str(counted(table, (Clause("status", "=", ("nothing",)),))) == "0"
    assert account.calls == 3
    assert found.count == Count(15)
    stamps = [row["created_at"]["S"] for row in found.rows]
    assert (stamps[0], stamps) == ("2026-11-20T10:00:29", sorted(stamps, reverse=True))
    assert all(set(row) == {"created_at"} for row in found.rows)


def test_a_count_stops_at_the_cap_and_says_that_there_are_more(
    table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNT_CAP", 20)
    put_all(table, [request(n) for n in range(30)])
    with request_budget(None) as account:
        found = counted(table, pending())
    assert (found.number, found.more, str(found)) == (20, True, "20+")
    assert account.calls == 1


def test_a_count_reads_at_most_500_in_one_call(fake: FakeDynamo, requests_table: Binding) -> None:
    rows = [{"created_at": {"S": "2026"}}] * 500
    fake.says(Answer({"Items": rows, "LastEvaluatedKey": {"request_id": {"S": "r"}}}))
    assert str(counted(requests_table, pending())) == "500+"
    ((operation, arguments),) = fake.asked
    assert (operation, arguments["Limit"], arguments["ScanIndexForward"]) == ("Query", 500, False)


def test_a_page_of_large_items_ends_a_count_before_the_cap(fake: FakeDynamo, requests_table: Binding) -> None:
    # DynamoDB stops at 1 MB.
    last: dict[str, Any] = {"request_id": {"S": "r"}}
    fake.says(Answer({"Items": [{"created_at": {"S": "2026"}}] * 120, "LastEvaluatedKey": last}))
    assert str(counted(requests_table, pending())) == "120+"
