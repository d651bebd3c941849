"""An index is added to a table that has data: what it would reject is named first, and lists go on meanwhile."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError

from opsportal.dynamo import clients, index_samples, indexes
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.plans import RejectsFound, UnlistedFound, migrate, plan
from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console
from opsportal.tables.commands import migrate as migrate_command
from tests.dynamo.fake_aws import Answer, FakeDynamo
from tests.dynamo.migrated import INDEX, NAMES, OPTIONS, ledger_item, new_place
from tests.engines import Engine
from tests.factories import ago, put, workflow, zulu
from tracking import queries

ONLY_INDEX = {"target": NAMES[4], "app": "tracking"}


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        yield found


@pytest.fixture
def workflows(place: dict[str, Binding]) -> Binding:
    """The workflow table as the documents have it, made by its migration: no index."""
    migrate(silently, target=NAMES[3], app="tracking")
    return place["workflows"]


def silently(line: str) -> None:
    """Nobody reads it."""


def put_raw(table: Binding, *items: dict[str, Any]) -> None:
    for item in items:
        clients.client(*table.location, background=True).put_item(TableName=table.name, Item=item)


REJECTED = [
    {"sessionId": {"S": "number"}, "overallStatus": {"S": "x"}, "createdAt": {"N": "1735123200"}},
    {"sessionId": {"S": "empty"}, "overallStatus": {"S": ""}, "createdAt": {"S": "2026"}},
    {"sessionId": {"S": "null\x1b[31m"}, "overallStatus": {"NULL": True}},
    {"sessionId": {"S": "long"}, "overallStatus": {"S": "x"}, "createdAt": {"S": "é" * 513}},
]
ACCEPTED = [
    {"sessionId": {"S": "without"}},
    {"sessionId": {"S": "whole"}, "overallStatus": {"S": "é" * 1024}, "createdAt": {"S": "x" * 1024}},
]


@pytest.mark.no_moto
def test_items_that_the_index_would_reject_are_named_and_nothing_is_done(workflows: Binding) -> None:
    put_raw(workflows, *REJECTED, *ACCEPTED)
    (planned,) = plan(**ONLY_INDEX).planned
    rejects = planned.outlook.rejects
    assert rejects is not None
    assert (rejects.read, rejects.whole, rejects.found) == (6, True, 4)
    assert sorted(str(one) for one in rejects.named) == [
        '"empty": overallStatus is an empty string',
        '"long": createdAt is longer than 1024 bytes',
        '"null\\u001b[31m": overallStatus is of type NULL, not S',
        '"number": createdAt is of type N, not S',
    ]
    with pytest.raises(RejectsFound) as refused:
        migrate(silently, **ONLY_INDEX)
    assert "refuse to write 4 of the 6 items read" in refused.value.sentence
    assert "--accept-index-rejects" in refused.value.fix
    assert not indexes.is_there(workflows, INDEX)
    assert ledger_item(workflows, NAMES[4]) == {}
    with pytest.raises(UnlistedFound, match=r"1 of 6 sampled items \(17 %\) would not be in the index"):
        migrate(silently, **ONLY_INDEX, accept_index_rejects=True)
    assert migrate(silently, **ONLY_INDEX, accept_index_rejects=True, accept_unlisted=True) == 1
    assert indexes.is_there(workflows, INDEX)


@pytest.mark.no_moto
def test_the_command_does_not_even_ask_before_the_rejects_are_accepted(workflows: Binding) -> None:
    put_raw(workflows, REJECTED[0])
    said: list[str] = []
    asked: list[str] = []

    def yes(question: str) -> str:
        asked.append(question)
        return "yes"

    options = OPTIONS | ONLY_INDEX
    with pytest.raises(DynamoError, match="Nothing was changed"):
        migrate_command.run(Console(said.append, yes), {**options, "accept_index_rejects": False})
    assert asked == []
    assert '    "number": createdAt is of type N, not S' in said
    with pytest.raises(CommandError, match="not confirmed"):
        migrate_command.run(
            Console(said.append, lambda question: ""), {**options, "accept_index_rejects": True}
        )
    assert migrate_command.run(Console(said.append, yes), {**options, "accept_index_rejects": True}) == 0
    assert len(asked) == 1
    assert said[-1].startswith("Verified")


@pytest.mark.no_moto
def test_a_sample_is_bounded_and_says_of_how_many(
    workflows: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_samples, "SAMPLE_PAGE_ITEMS", 2)
    monkeypatch.setattr(index_samples, "SAMPLE_PAGES", 2)
    monkeypatch.setattr(index_samples, "SAMPLE_NAMED", 1)
    put_raw(workflows, *({**REJECTED[0], "sessionId": {"S": str(number)}} for number in range(7)))
    (planned,) = plan(**ONLY_INDEX).planned
    rejects = planned.outlook.rejects
    assert rejects is not None
    assert (rejects.read, rejects.whole, rejects.found, len(rejects.named)) == (4, False, 4, 1)
    assert any("4 of 4 items read (a sample, of " in line for line in planned.outlook.lines)


@pytest.mark.no_moto
def test_the_plan_estimates_the_backfill(workflows: Binding) -> None:
    put_raw(workflows, *ACCEPTED)
    (planned,) = plan(**ONLY_INDEX).planned
    found = describe(workflows, fresh=True)
    assert planned.outlook.lines[0].startswith(
        f"add the index {INDEX} (overallStatus, createdAt; ALL) to {workflows.name}, and backfill it from "
        f"{found.items:,} items, "
    )
    assert planned.outlook.lines[2:] == (
        "2 items read (all): the index would reject none",
        "1 of 2 sampled items (50 %) has no overallStatus",
        "1 of 2 sampled items (50 %) has no createdAt",
        '1 of 2 sampled items (50 %) would not be in the index, such as "without"',
    )
    assert migrate(silently, **ONLY_INDEX, accept_unlisted=True) == 1
    assert ledger_item(workflows, NAMES[4])["made"] == ledger_item(workflows, NAMES[3])["made"]


@pytest.mark.no_moto
def test_a_key_of_another_type_is_said_before_dynamodb_says_it_worse(place: dict[str, Binding]) -> None:
    table = place["workflows"]
    request = table.create_request()
    request["AttributeDefinitions"].append({"AttributeName": "createdAt", "AttributeType": "N"})
    request["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "theirs",
            "KeySchema": [{"AttributeName": "createdAt", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    clients.client(*table.location).create_table(**request)
    with pytest.raises(
        DynamoError, match=f"uses createdAt as a key of type N already, and {INDEX} needs it as S"
    ):
        migrate(silently, app="tracking")


def test_an_index_of_a_provisioned_table_gets_the_tables_capacity(fake: FakeDynamo) -> None:
    """On AWS an index of such a table without capacity is refused; no engine refuses it."""
    from opsportal.dynamo.tables import binding

    table = binding("workflows")
    described = {
        "TableName": table.name,
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "sessionId", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "sessionId", "AttributeType": "S"}],
        "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 3},
    }
    made: list[dict[str, Any]] = []

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "UpdateTable":
            made.append(arguments)
            created = arguments["GlobalSecondaryIndexUpdates"][0]["Create"]
            described["GlobalSecondaryIndexes"] = [{**created, "IndexStatus": "ACTIVE"}]
        return Answer({"Table": described})

    fake.answer = answer
    assert indexes.add(table, table.spec.index(INDEX), silently)
    assert made[0]["GlobalSecondaryIndexUpdates"][0]["Create"]["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 7,
        "WriteCapacityUnits": 3,
    }
    assert {one["AttributeName"] for one in made[0]["AttributeDefinitions"]} == {
        "sessionId",
        "overallStatus",
        "createdAt",
    }


# --- A large table that is read meanwhile ----------------------------------------------------------------

ITEMS = 20_000


def fill(table: Binding) -> None:
    """20,000 small workflows, in batches of 25."""
    client = clients.client(*table.location, background=True)

    def write(start: int) -> None:
        left = [
            {
                "PutRequest": {
                    "Item": {
                        "sessionId": {"S": f"w{number:05}"},
                        "overallStatus": {"S": ("completed", "failed", "processing")[number % 3]},
                        "createdAt": {
                            "S": f"2026-11-{1 + number % 20:02}T10:{number // 60 % 60:02}:{number % 60:02}.000Z"
                        },
                    }
                }
            }
            for number in range(start, start + 25)
        ]
        assert not client.batch_write_item(RequestItems={table.name: left}).get("UnprocessedItems")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(0, ITEMS, 25)))


@pytest.mark.no_moto
def test_a_large_table_gets_its_index_while_it_is_read(workflows: Binding) -> None:
    """Lists scan until the index can be used, and see no error at any moment."""
    fill(workflows)
    over = threading.Event()
    ways: list[str] = []
    failures: list[BaseException] = []

    def read() -> None:
        while not over.is_set():
            try:
                caches["process"].clear()  # so that each page looks for the index, as a new process does
                found = queries.page(queries.WorkflowFilter(), purpose="test")
                assert len(found.items) > 0
                ways.append(found.how.split()[0])
            except BaseException as failure:
                failures.append(failure)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while not ways and not failures:  # the first page takes the minute's sample, too
            over.wait(0.01)
        assert migrate(silently, **ONLY_INDEX) == 1
        before = len(ways)
        while len(ways) < before + 2 and not failures:
            over.wait(0.01)
    finally:
        over.set()
        reader.join()
    assert failures == []
    assert ways[0] == "Scan"
    assert ways[-1] == "Query"
    assert ways == sorted(ways, key=["Scan", "Query"].index)  # never back to the scan
    counted = 0
    client = clients.client(*workflows.location)
    for page in client.get_paginator("scan").paginate(
        TableName=workflows.name, IndexName=INDEX, Select="COUNT"
    ):
        counted += page["Count"]
    assert counted == ITEMS


def test_lists_scan_while_the_index_is_being_built(fake: FakeDynamo) -> None:
    """DynamoDB's window between UpdateTable and ACTIVE, which no engine has: a query of the index would be
    refused, or see a part of it."""
    index = {
        "IndexName": INDEX,
        "KeySchema": [
            {"AttributeName": "overallStatus", "KeyType": "HASH"},
            {"AttributeName": "createdAt", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "DescribeTable":
            return Answer(
                {"Table": {"TableName": "t", "TableStatus": "ACTIVE", "GlobalSecondaryIndexes": [index]}}
            )
        return Answer({"Items": [], "Count": 0, "ScannedCount": 0})

    fake.answer = answer
    for state, backfilling, operation in [
        ("CREATING", False, "Scan"),
        ("CREATING", True, "Scan"),
        ("ACTIVE", True, "Scan"),
        ("ACTIVE", False, "Query"),
        ("DELETING", False, "Scan"),
    ]:
        index |= {"IndexStatus": state, "Backfilling": backfilling}
        for cache in ("process", "default"):
            caches[cache].clear()
        fake.asked.clear()
        found = queries.page(queries.WorkflowFilter(status="failed"), purpose="test")
        assert operation in fake.operations
        assert found.how.startswith("Query") == (operation == "Query"), found.how
        assert all("IndexName" not in arguments for name, arguments in fake.asked if name == "Scan") or (
            operation == "Query"
        )


@pytest.mark.no_moto
def test_an_item_that_was_rejected_by_nobody_is_in_the_list_afterwards(workflows: Binding) -> None:
    put(workflows, workflow("seen", overallStatus="failed", createdAt=zulu(ago(minutes=1))))
    migrate(silently, **ONLY_INDEX)
    found = queries.page(queries.WorkflowFilter(status="failed"), purpose="test")
    assert [item["sessionId"]["S"] for item in found.items] == ["seen"]
