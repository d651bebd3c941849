"""What an index holds is found with one call per distinct value, for the whole deployment."""

import pytest
from django.core.cache import caches

from opsportal.dynamo import calls
from opsportal.dynamo import partitions as module
from opsportal.dynamo.errors import IndexMissing, TableMissing
from opsportal.dynamo.partitions import pairs, partitions
from opsportal.dynamo.tables import Binding, Index
from requests_app.statuses import STATUSES
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.rows import put_all, request


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """The shared cache is there."""


@pytest.fixture
def asked() -> list[calls.Call]:
    """What DynamoDB was asked."""
    made: list[calls.Call] = []
    calls.watch(made.append)
    return made


@pytest.fixture
def table(tables: dict[str, Binding]) -> Binding:
    return tables["requests"]


def test_undocumented_values_are_found_after_the_known_ones(table: Binding, asked: list[calls.Call]) -> None:
    put_all(
        table,
        [request(n, status) for n, status in enumerate(["pending", "PENDING", "zzz", "\U0010ffff", " "] * 4)],
    )
    index = table.spec.index("status-index")
    asked.clear()
    found = partitions(table, index, STATUSES)
    assert found.values == (*STATUSES, " ", "PENDING", "zzz", "\U0010ffff")
    assert (found.complete, found.reason) == (True, "")
    assert [call.operation for call in asked] == ["Scan"] * (5 + 1)


def test_a_full_partition_costs_one_call_as_well(table: Binding, asked: list[calls.Call]) -> None:
    # The last possible time, and ids after everything else: still behind them is the next partition.
    items = [request(n, "pending") for n in range(60)]
    items += [request(0, "pending", request_id="\U0010ffff" * 20, created_at="zzzz")]
    put_all(table, [*items, request(1, "failed", request_id="f")])
    asked.clear()
    found = partitions(table, table.spec.index("status-index"), ())
    assert found.values == ("failed", "pending")
    assert len(asked) == 3


def test_an_empty_index_costs_one_call_and_leaves_the_known_values(
    table: Binding, asked: list[calls.Call]
) -> None:
    asked.clear()
    found = partitions(table, table.spec.index("status-index"), ["pending", "failed", "pending"])
    assert (found.values, found.complete) == (("pending", "failed"), True)
    assert len(asked) == 1


def test_what_was_found_is_known_for_a_while_per_table_and_index(
    table: Binding, asked: list[calls.Call]
) -> None:
    put_all(table, [request(1, "loading", user_id="u")])
    index = table.spec.index("status-index")
    partitions(table, index, STATUSES)
    put_all(table, [request(2, "warning")])
    asked.clear()
    assert partitions(table, index, STATUSES).values == (*STATUSES, "loading")
    # Known beforehand is what the caller says, each time.
    assert partitions(table, index, ()).values == ("loading",)
    assert len(asked) == 0
    assert partitions(table, table.spec.index("user-index"), ()).values == ("u",)
    assert len(asked) == 2


@pytest.mark.parametrize(("different", "complete"), [(3, True), (4, True), (5, False), (9, False)])
def test_more_values_than_it_is_worth_looking_for_are_said_to_be_there(
    table: Binding, monkeypatch: pytest.MonkeyPatch, different: int, complete: bool, asked: list[calls.Call]
) -> None:
    monkeypatch.setattr(module, "MAX_PARTITIONS", 4)
    put_all(table, [request(n, f"status {n}") for n in range(different)])
    asked.clear()
    found = partitions(table, table.spec.index("status-index"), ["known"])
    assert found.complete is complete
    assert len(found.values) == 1 + min(different, 4)
    assert found.reason == ("" if complete else "There are more than 4 different values.")
    assert len(asked) == min(different, 4) + 1


def test_pairs_of_hash_and_range_key_are_found(table: Binding, asked: list[calls.Call]) -> None:
    rows = [request(n, priority=priority) for n, priority in enumerate(["high", "low", "HIGH", "high"] * 3)]
    rows += [request(100 + n, priority="low", processing_strategy="sqs") for n in range(3)]
    put_all(table, rows)
    asked.clear()
    found = pairs(table, table.spec.index("strategy-index"))
    assert sorted(found.values) == [("sqs", "low"), ("table", "HIGH"), ("table", "high"), ("table", "low")]
    assert found.complete
    assert len(asked) == 4 + 1
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
