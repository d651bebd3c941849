"""Indexes are found as deployed, whatever they are called, and asked about once a minute."""

from typing import Any

import pytest

from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import TableMissing
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, binding
from tests.dynamo.fake_aws import Answer, FakeDynamo


def gsi(name: str, *, status: str = "ACTIVE", projection: str = "ALL", **fields: Any) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": "overallStatus", "KeyType": "HASH"},
            {"AttributeName": "createdAt", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": projection},
        "IndexStatus": status,
    } | fields


def described(fake: FakeDynamo, *indexes: dict[str, Any]) -> Description:
    fake.says(
        Answer(
            {"Table": {"TableName": "t", "TableStatus": "ACTIVE", "GlobalSecondaryIndexes": list(indexes)}}
        )
    )
    return describe(binding("workflows"), fresh=True)


def test_a_table_is_described_as_deployed(tables: dict[str, Binding]) -> None:
    found = describe(tables["requests"])
    assert (found.name, found.state, found.key, found.range_key) == (
        tables["requests"].name,
        "ACTIVE",
        "request_id",
        "",
    )
    assert {(index.name, index.hash_key, index.range_key) for index in found.indexes} == {
        ("user-index", "user_id", "created_at"),
        ("project-index", "project_id", "created_at"),
        ("status-index", "status", "created_at"),
        ("strategy-index", "processing_strategy", "priority"),
    }
    assert (found.items, found.size) == (0, 0)
    assert found.arn.endswith(f"table/{found.name}")
    assert describe(tables["agents"]).indexes == ()


def test_an_index_is_found_by_its_keys_whatever_its_name(fake: FakeDynamo) -> None:
    found = described(fake, gsi("byStatus"))
    index = found.index_on("overallStatus", "createdAt")
    assert index is not None
    assert index.name == "byStatus"
    assert found.index_on("overallStatus", "") is None
    assert found.index_on("createdAt", "overallStatus") is None


@pytest.mark.parametrize(
    "unusable",
    [gsi("a", status="CREATING"), gsi("a", Backfilling=True), gsi("a", projection="KEYS_ONLY"), gsi("a", projection="INCLUDE")],
    ids=["creating", "backfilling", "keys only", "include"],
)  # fmt: skip
def test_an_index_that_does_not_hold_all_is_not_used_and_another_is(
    fake: FakeDynamo, unusable: dict[str, Any]
) -> None:
    assert described(fake, unusable).index_on("overallStatus", "createdAt") is None
    index = described(fake, unusable, gsi("b")).index_on("overallStatus", "createdAt")
    assert index is not None
    assert index.name == "b"


def test_a_description_is_kept_for_a_while_and_trouble_is_not(
    tables: dict[str, Binding], settings: Any
) -> None:
    with request_budget(None) as account:
        describe(tables["requests"])
        describe(tables["requests"])
        assert account.calls == 1
        describe(tables["requests"], fresh=True)
        assert account.calls == 2
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "requests": settings.DYNAMO_TABLES["requests"] | {"name": "nothing-there"}
    }
    for _ in range(2):
        with pytest.raises(TableMissing, match="nothing-there"):
            describe(binding("requests"))
