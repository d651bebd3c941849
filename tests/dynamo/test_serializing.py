"""What the console writes of its own calls is what botocore would."""

import json
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.serializing import PlainSerializer
from tests.operations.places import FOREIGN

ITEM = {"id": {"S": "ü\n\ud83d"}, **FOREIGN}
CALLS: dict[str, dict[str, Any]] = {
    "TransactWriteItems": {
        "TransactItems": [
            {"Put": {"TableName": "one", "Item": ITEM, "ConditionExpression": "attribute_not_exists(id)"}},
            {"Delete": {"TableName": "one", "Key": {"id": {"B": b"\x00\xff"}}}},
        ],
        "ReturnConsumedCapacity": "TOTAL",
        "ClientRequestToken": "token",
    },
    "GetItem": {"TableName": "one", "Key": {"id": {"S": "ü"}}, "ConsistentRead": True},
    "Query": {
        "TableName": "one",
        "KeyConditionExpression": "#0 = :0",
        "ExpressionAttributeNames": {"#0": "status"},
        "ExpressionAttributeValues": {":0": {"S": "\udcff"}},
        "ExclusiveStartKey": {"id": {"B": b"\x00\xff"}, "status": {"N": "1"}},
        "ScanIndexForward": False,
        "Limit": 50,
    },
    "BatchGetItem": {"RequestItems": {"one": {"Keys": [{"id": {"N": "1.50"}}], "ConsistentRead": True}}},
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_call_is_written_as_botocore_writes_it(settings: Any, operation: str) -> None:
    settings.DYNAMO_VALIDATES_ALL = True
    stock = clients.client("eu-north-1", "http://127.0.0.1:9", trusted=True)
    settings.DYNAMO_VALIDATES_ALL = False
    plain = clients.client("eu-north-1", "http://127.0.0.1:9", trusted=True)
    assert isinstance(plain._serializer, PlainSerializer)
    assert not isinstance(stock._serializer, PlainSerializer)
    model = plain.meta.service_model.operation_model(operation)
    ours, theirs = (one._serializer.serialize_to_request(CALLS[operation], model) for one in (plain, stock))
    assert json.loads(ours.pop("body")) == json.loads(theirs.pop("body"))
    assert ours == theirs


def test_what_no_call_can_hold_is_an_error() -> None:
    model = clients.client("eu-north-1", "http://127.0.0.1:9").meta.service_model.operation_model("PutItem")
    with pytest.raises(TypeError, match="A call holds set"):
        PlainSerializer().serialize_to_request({"Item": {"id": {"SS": {"a"}}}}, model)
