"""The fast parser says exactly what botocore's own says, of every kind of answer."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserFactory
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.dynamo import clients
from opsportal.dynamo.parsing import ParserFactory
from opsportal.dynamo.tables import Binding
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.typed import EVERY_TYPE, values
from tests.shapes import examples

_session = botocore.session.Session()
MODEL = _session.get_service_model("dynamodb")


def parsed(factory: ResponseParserFactory, answer: dict[str, Any], operation: str) -> dict[str, Any]:
    """An answer as botocore's endpoint parses it: the output, and for errors their modeled fields too."""
    parser = factory.create_parser("json")
    found: dict[str, Any] = parser.parse(answer, MODEL.operation_model(operation).output_shape)
    if answer["status_code"] >= 300:
        shape = MODEL.shape_for_error_code(found.get("Error", {}).get("Code", ""))
        if shape is not None:
            found |= parser.parse(answer, shape)
    return found


def both(answer: dict[str, Any], operation: str) -> dict[str, Any]:
    """What both parsers say, once they say the same."""
    answer = answer | {"context": {"operation_name": operation}}
    stock = parsed(ResponseParserFactory(), answer, operation)
    fast = parsed(ParserFactory(), answer, operation)
    assert fast == stock
    assert _types(fast) == _types(stock)  # 1 == True == Decimal(1)
    return fast


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(item) for name, item in value.items()}
    return [_types(item) for item in value] if isinstance(value, list) else type(value)


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> dict[str, Any]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"status_code": status, "headers": {"x-amzn-requestid": "R1"} | (headers or {}), "body": text}


def consumed(operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """`body` with what it took, which no answer of DynamoDB's is without."""
    of_many = operation.startswith(("Batch", "Transact"))
    return {"ConsumedCapacity": [CONSUMED] if of_many else CONSUMED} | body


def wire(value: Any) -> Any:
    """A typed value as JSON has it: binary in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: wire(item) for name, item in value.items()}
    return [wire(item) for item in value] if isinstance(value, list) else value


CONSUMED = {"TableName": "t", "CapacityUnits": 1.5, "Table": {"CapacityUnits": 1.0}, "GlobalSecondaryIndexes": {"i": {"CapacityUnits": 0.5}}}  # fmt: skip
ITEM = wire(EVERY_TYPE)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("Query", {"Items": [ITEM, {}, {"id": {"S": "2"}}], "Count": 3, "ScannedCount": 9, "LastEvaluatedKey": {"id": {"B": "AAE="}}, "ConsumedCapacity": CONSUMED}),
        ("Query", {"Items": [], "Count": 0, "ScannedCount": 0}),
        ("Query", {"Count": 7, "ScannedCount": 7, "LastEvaluatedKey": {"id": {"S": "x"}}}),
        ("Scan", {"Items": [ITEM], "Count": 1, "ScannedCount": 1, "ConsumedCapacity": CONSUMED}),
        ("GetItem", {"Item": ITEM, "ConsumedCapacity": CONSUMED}),
        ("GetItem", {}),
        ("BatchGetItem", {"Responses": {"t": [ITEM], "B": [{"id": {"BS": ["AAE="]}}]}, "UnprocessedKeys": {"t": {"Keys": [{"id": {"B": "AAE="}}], "ConsistentRead": True}}, "ConsumedCapacity": [CONSUMED]}),
        ("BatchWriteItem", {"UnprocessedItems": {"t": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": {"id": {"B": "AAE="}}}}]}, "ItemCollectionMetrics": {"t": [{"ItemCollectionKey": {"id": {"B": "AAE="}}, "SizeEstimateRangeGB": [0.0, 1.0]}]}}),
        ("TransactGetItems", {"Responses": [{"Item": ITEM}, {}], "ConsumedCapacity": [CONSUMED]}),
        ("UpdateItem", {"Attributes": ITEM, "ConsumedCapacity": CONSUMED}),
        ("ExecuteStatement", {"Items": [ITEM], "NextToken": "x"}),
        ("DescribeTable", {"Table": {"TableName": "t", "TableStatus": "ACTIVE", "CreationDateTime": 1766570400.25, "ItemCount": 3, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": 1766570400}}}),
        ("ListTables", {"TableNames": ["B", "t"], "LastEvaluatedTableName": "t"}),
        ("DescribeTimeToLive", {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_answers_are_the_same(operation: str, body: dict[str, Any]) -> None:
    found = both(answer(consumed(operation, body)), operation)
    if body.get("Items"):
        assert found["Items"][0] == EVERY_TYPE


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [
        ("UpdateItem", 400, {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no", "Item": ITEM}),
        ("TransactWriteItems", 400, {"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "cancelled", "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": ITEM, "Message": "no"}]}),
        ("GetItem", 400, {"__type": "com.amazon.coral.service#UnrecognizedClientException", "message": "who"}),
        ("GetItem", 400, {"__type": "ResourceNotFoundException:http://x/", "message": "gone"}),
        ("GetItem", 400, {"__type": "com.amazonaws.dynamodb.v20120810#SomethingNew", "message": "B"}),
        ("Query", 500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "sorry"}),
    ],
)  # fmt: skip
def test_errors_are_the_same(operation: str, status: int, body: Any) -> None:
    found = both(answer(body, status), operation)
    if "Item" in found:
        assert found["Item"] == EVERY_TYPE
    for reason in found.get("CancellationReasons", [])[1:]:
        assert reason["Item"] == EVERY_TYPE


@hypothesis_settings(max_examples=examples(40), deadline=None)
@given(item=st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4), ascii_only=st.booleans())
def test_any_item_is_the_same(item: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(
        consumed("Query", {"Items": [wire(item)], "Count": 1, "ScannedCount": 1}), ensure_ascii=ascii_only
    )
    found = both(answer(text.encode(errors="replace")), "Query")
    assert set(found["Items"][0]) == set(item) or not ascii_only


def test_binary_is_found_however_its_type_is_spelled() -> None:
    for name in ("B", "\\u0042", "\\u0042S"):
        content = '["AAE="]' if name.endswith("S") else '"AAE="'
        body = f'{{"ConsumedCapacity": {{}}, "Item": {{"x": {{"M": {{"y": {{"{name}": {content}}}}}}}}}}}'
        found = both(answer(body.encode()), "GetItem")
        assert b"\x00\x01" in (
            *found["Item"]["x"]["M"]["y"].values(),
            *found["Item"]["x"]["M"]["y"].get("BS", ()),
        )


# --- Real answers --------------------------------------------------------------------------------------


@pytest.fixture
def watched(tables: dict[str, Binding]) -> Iterator[tuple[Any, Binding, list[str]]]:
    """A stock client, a table, and the operations whose answers both parsers were found to agree on."""
    table = tables["requests"]
    client = botocore.session.Session().create_client(
        "dynamodb", region_name=table.region, endpoint_url=table.endpoint
    )
    agreed: list[str] = []

    def compare(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        both(response_dict, operation_model.name)
        agreed.append(operation_model.name)

    client.meta.events.register("before-parse.dynamodb", compare)
    yield client, table, agreed
    client.close()


def test_real_answers_are_the_same(watched: tuple[Any, Binding, list[str]]) -> None:
    client, table, agreed = watched
    name, key = table.name, {"request_id": {"S": "r"}}
    fast = clients.client(*table.location)
    item = EVERY_TYPE | key | {"status": {"S": "pending"}, "created_at": {"S": "2025-12-24T10:00:00"}}

    client.put_item(TableName=name, Item=item, ReturnConsumedCapacity="TOTAL")
    pending = {
        "TableName": name,
        "IndexName": "status-index",
        "KeyConditionExpression": "#s = :s",
        "ExpressionAttributeNames": {"#s": "status"},
        "ExpressionAttributeValues": {":s": {"S": "pending"}},
        "ReturnConsumedCapacity": "INDEXES",
    }
    reads: list[tuple[str, dict[str, Any]]] = [
        ("query", pending),
        ("query", pending | {"Select": "COUNT"}),
        ("scan", {"TableName": name, "Limit": 1, "ReturnConsumedCapacity": "TOTAL"}),
        ("get_item", {"TableName": name, "Key": key, "ReturnConsumedCapacity": "TOTAL"}),
        ("get_item", {"TableName": name, "Key": {"request_id": {"S": "nobody"}}, "ReturnConsumedCapacity": "TOTAL"}),
        ("batch_get_item", {"RequestItems": {name: {"Keys": [key]}}, "ReturnConsumedCapacity": "TOTAL"}),
        ("transact_get_items", {"TransactItems": [{"Get": {"TableName": name, "Key": key}}], "ReturnConsumedCapacity": "TOTAL"}),
        ("describe_table", {"TableName": name}),
        ("list_tables", {}),
    ]  # fmt: skip
    for operation, arguments in reads:
        ours, theirs = (getattr(one, operation)(**arguments) for one in (fast, client))
        assert _without_metadata(ours) == _without_metadata(theirs), operation
    updated = client.update_item(
        TableName=name,
        Key=key,
        UpdateExpression="SET a = :a",
        ExpressionAttributeValues={":a": {"B": b"\x01"}},
        ReturnValues="ALL_OLD",
        ReturnConsumedCapacity="TOTAL",
    )
    assert updated["Attributes"]["binary"] == {"B": b"\x00\xff\x80"}
    assert set(agreed) == {
        "PutItem", "Query", "Scan", "GetItem", "BatchGetItem", "TransactGetItems", "DescribeTable", "ListTables", "UpdateItem",
    }  # fmt: skip


def _without_metadata(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def test_real_errors_are_the_same(watched: tuple[Any, Binding, list[str]]) -> None:
    client, table, agreed = watched
    key = {"request_id": {"S": "r"}}
    fast = clients.client(*table.location)
    client.put_item(TableName=table.name, Item=EVERY_TYPE | key, ReturnConsumedCapacity="TOTAL")
    conditional = {
        "TableName": table.name,
        "Key": key,
        "ConditionExpression": "attribute_not_exists(request_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    calls: list[tuple[str, dict[str, Any]]] = [
        ("delete_item", conditional),
        ("transact_write_items", {"TransactItems": [{"Delete": conditional}]}),
        ("get_item", {"TableName": "nothing-there", "Key": key}),
        ("get_item", {"TableName": table.name, "Key": {"other": {"S": "r"}}}),
    ]
    for operation, arguments in calls:
        told = []
        for one in (client, fast):
            with pytest.raises(ClientError) as raised:
                getattr(one, operation)(**arguments)
            told.append(_without_metadata(raised.value.response))
        assert told[0] == told[1], operation
        items = [
            told[0].get("Item"),
            *(reason.get("Item") for reason in told[0].get("CancellationReasons", [])),
        ]
        if operation in ("delete_item", "transact_write_items"):
            assert any(item and item["binary"] == {"B": b"\x00\xff\x80"} for item in items)
    assert len(agreed) == 1 + len(calls)


def test_the_shared_clients_do_use_it(fake: FakeDynamo, requests_table: Binding) -> None:
    # botocore may come to speak another protocol with DynamoDB; then this parser would be left out in silence.
    client = clients.client(*requests_table.location)
    assert client.meta.service_model.resolved_protocol == "json"
    fake.says(Answer({"Item": {"b": {"M": {"x": {"B": "AAE="}}}}}))
    answered = client.get_item(TableName="abc", Key={"id": {"S": "1"}})
    assert answered["Item"] == {"b": {"M": {"x": {"B": b"\x00\x01"}}}}
    factory = client._endpoint._response_parser_factory
    assert isinstance(factory, ParserFactory)


def test_a_wrong_checksum_is_tried_again(fake: FakeDynamo, requests_table: Binding) -> None:
    client = clients.client(*requests_table.location)
    broken = Answer({"Item": {}}, headers={"x-amz-crc32": "1"})
    fake.says(broken, Answer({"Item": {"id": {"S": "1"}}}))
    assert client.get_item(TableName="abc", Key={"id": {"S": "1"}})["Item"] == {"id": {"S": "1"}}
    assert len(fake.asked) == 2
    fake.says(error("ValidationException", "no"))
    with pytest.raises(ClientError):
        client.get_item(TableName="abc", Key={"id": {"S": "1"}})
