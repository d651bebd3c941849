"""A sample of items is told attribute by attribute: present, of which types, unreadable, unknown, unindexed."""

from decimal import Decimal
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.deployed import deployed
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.tables import audit_table_for
from opsportal.tables import shapes
from opsportal.tables.shapes import Oddity, Sample, sample
from tests.dynamo.fake_aws import Answer, FakeDynamo, error


def put(table: Binding, *items: dict[str, Any]) -> None:
    client = clients.client(*table.location, background=True)
    for item in items:
        client.put_item(TableName=table.name, Item=item)


def sampled(table: Binding, size: int = 200) -> Sample:
    return sample(table, deployed(table), size)


def text(**texts: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in texts.items()}


WORKFLOW = text(sessionId="s1", overallStatus="completed", createdAt="2025-12-24T10:00:00Z")


def test_attributes_are_counted_with_their_types(tables: dict[str, Binding]) -> None:
    table = tables["workflows"]
    put(
        table,
        WORKFLOW | {"totalDuration": {"N": "17.095"}, "pdfAdapter": {"M": {"status": {"S": "success"}}}},
        WORKFLOW | text(sessionId="s2", totalDuration="17.095", invocationId="i"),
        text(sessionId="s3", overallStatus="failed"),
    )
    found = sampled(table)
    assert (found.read, found.whole, found.calls) == (3, True, 1)
    assert found.read_units > 0
    assert {
        name: (shape.present, dict(shape.types), shape.known) for name, shape in found.shapes.items()
    } == {
        "sessionId": (3, {"S": 3}, True),
        "overallStatus": (3, {"S": 3}, True),
        "createdAt": (2, {"S": 2}, True),
        "totalDuration": (2, {"N": 1, "S": 1}, True),
        "pdfAdapter": (1, {"M": 1}, True),
        "invocationId": (1, {"S": 1}, False),
    }
    assert found.odd == {}
    assert found.undocumented == {}


def test_what_cannot_be_read_is_named_with_an_example(tables: dict[str, Binding]) -> None:
    table = tables["workflows"]
    put(
        table,
        WORKFLOW | {"totalDuration": {"BOOL": True}},
        WORKFLOW | {"sessionId": {"S": "s2"}, "tradeMatching": {"M": {"status": {"S": "success"}, "duration": {"S": "soon"}}}},
        WORKFLOW | {"sessionId": {"S": "s3"}, "pdfAdapter": {"S": "a text"}},
        WORKFLOW | {"sessionId": {"S": "s4"}, "tradeMatching": {"M": {"tokenUsage": {"M": {"totalTokens": {"L": []}}}}}},
    )  # fmt: skip
    assert {what: (oddity.example, oddity.count) for what, oddity in sampled(table).odd.items()} == {
        "totalDuration: expected a number, found true or false": ("s1", 1),
        "tradeMatching.duration: expected a number, found other text": ("s2", 1),
        "pdfAdapter: expected a map, found text": ("s3", 1),
        "tradeMatching.totalTokens: expected a number, found a list": ("s4", 1),
    }


def test_the_progress_of_a_request_is_looked_at(tables: dict[str, Binding]) -> None:
    table = tables["requests"]
    put(
        table,
        text(request_id="r1", status="pending") | {"progress": {"M": {"percentage": {"S": "half"}}}},
        text(request_id="r2", status="pending", progress="begun"),
    )
    found = sampled(table)
    assert set(found.odd) == {
        "progress.percentage: expected a number, found other text",
        "progress: expected a map, found text",
    }
    assert found.shapes["progress"].known


@pytest.mark.parametrize(
    ("logical", "item", "undocumented"),
    [
        ("workflows", text(sessionId="a", overallStatus="loading"), ["overallStatus is 'loading'"]),
        ("workflows", text(sessionId="a", overallStatus="COMPLETED"), []),
        ("workflows", text(sessionId="a") | {"other": {"M": text(status="stopped")}}, ["other.status is 'stopped'"]),
        ("requests", text(request_id="a", status="stopped", priority="urgent", processing_strategy="fax"),
         ["status is 'stopped'", "priority is 'urgent'", "processing_strategy is 'fax'"]),
        ("request_logs", text(log_id="a", log_level="warn"), ["log_level is 'warn'"]),
        ("agents", text(agentId="a", status="Active", type="guest"), ["type is 'guest'"]),
        ("agents", text(agentId="a") | {"status": {"M": {}}}, []),
    ],
)  # fmt: skip
@pytest.mark.no_moto
def test_values_outside_of_the_documented_are_named(
    tables: dict[str, Binding], logical: str, item: dict[str, Any], undocumented: list[str]
) -> None:
    put(tables[logical], item)
    assert list(sampled(tables[logical]).undocumented) == undocumented


def test_items_that_an_index_does_not_hold_are_named(tables: dict[str, Binding]) -> None:
    table = tables["requests"]
    whole = text(
        request_id="r0", status="pending", created_at="2025-01-01T00:00:00", user_id="u", project_id="p",
        processing_strategy="table", priority="high",
    )  # fmt: skip
    put(
        table,
        whole,
        {name: value for name, value in whole.items() if name != "created_at"} | text(request_id="r1"),
    )
    assert list(sampled(table).unindexed.values()) == [
        Oddity(f"created_at is missing: not in {name}", "r1", 1)
        for name in ("user-index", "project-index", "status-index")
    ]  # fmt: skip


def test_items_that_an_index_would_refuse_are_named(tables_without_index: dict[str, Binding]) -> None:
    table = tables_without_index["workflows"]
    put(
        table,
        WORKFLOW,
        WORKFLOW | {"sessionId": {"S": "s2"}, "createdAt": {"N": "1735123200"}},
        WORKFLOW | {"sessionId": {"S": "s3"}, "overallStatus": {"NULL": True}},
        WORKFLOW | text(sessionId="s4", overallStatus=""),
    )
    found = {oddity.example: what for what, oddity in sampled(table).unindexed.items()}
    refused = "and DynamoDB would refuse writes of it once there is the index"
    where = "would not be in overallStatus-createdAt-index"
    assert found == {
        "s2": f"createdAt is of type N, {refused}: {where}",
        "s3": f"overallStatus is of type NULL, {refused}: {where}",
        "s4": f"overallStatus is empty, {refused}: {where}",
    }


def test_no_more_is_read_than_was_asked_for(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "ITEMS_PER_CALL", 4)
    table = tables["agents"]
    put(table, *(text(agentId=f"a{number}") for number in range(12)))
    found = sampled(table, 6)
    assert (found.read, found.calls, found.whole) == (6, 2, False)
    assert found.shapes["agentId"].present == 6
    monkeypatch.setattr(shapes, "MAX_CALLS", 2)
    assert (sampled(table).read, sampled(table).whole) == (8, False)


def test_an_empty_table_is_a_sample_of_none(tables: dict[str, Binding]) -> None:
    found = sampled(tables["agents"])
    assert (found.read, found.whole, found.shapes) == (0, True, {})


def test_a_table_with_the_consoles_own_items_is_counted_only(tables: dict[str, Binding]) -> None:
    table = audit_table_for(tables["requests"])
    put(table, text(action_id="a"))
    found = sampled(table)
    assert (found.shapes["action_id"].known, found.unindexed, found.odd) == (True, {}, {})


def test_the_example_is_the_deployed_key(fake: FakeDynamo) -> None:
    """Whatever the settings say, and with its sort key."""
    parts = {
        "DescribeTable": {
            "Table": {
                "ItemCount": 70,
                "KeySchema": [
                    {"AttributeName": "processing_id", "KeyType": "HASH"},
                    {"AttributeName": "part", "KeyType": "RANGE"},
                ],
            }
        },
        "Scan": {
            "Count": 1,
            "Items": [
                {"processing_id": {"S": "p1"}, "part": {"N": "7"}, "overallStatus": {"BOOL": True}},
                {"processing_id": {"B": "AAE="}, "part": {"N": "8"}, "overallStatus": {"L": []}},
            ],
            "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5},
        },
    }
    fake.answer = lambda operation, _: Answer(parts.get(operation, {}))
    found = sampled(binding("workflows"))
    assert (found.about, found.read, found.read_units) == (70, 2, Decimal("0.5"))
    assert [oddity.example for oddity in found.odd.values()] == ['{"B": "AAE="} / 8']
    assert found.shapes["processing_id"].known is False


def test_a_refused_scan_is_an_error(fake: FakeDynamo) -> None:
    fake.answer = lambda operation, _: (
        error("AccessDeniedException", "not authorized to perform: dynamodb:Scan on resource: x")
        if operation == "Scan"
        else Answer({"Table": {"TableName": "t"}})
    )
    with pytest.raises(AccessDenied, match="dynamodb:Scan"):
        sampled(binding("agents"))
