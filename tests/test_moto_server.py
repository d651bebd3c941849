"""The tests' own server of moto answers what moto's does."""

import http.client
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opsportal.dynamo import embedded
from opsportal.supervisor import die_with, free_port, wait_until_listening
from tests.engines import Engine

TABLE = "compared"
EVERY_TYPE: dict[str, Any] = {
    "id": {"S": "1"},
    "empty": {"S": ""},
    "number": {"N": "1.50"},
    "bytes": {"B": "AAH/"},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "null": {"NULL": True},
    "map": {"M": {"in": {"L": [{"S": "ü"}, {"M": {}}, {"L": []}]}, "S": {"N": "0"}}},
    "strings": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2"]},
    "many": {"BS": ["AA==", "/w=="]},
}
KEY = {"id": {"S": "1"}}
CONDITION = {
    "ConditionExpression": "attribute_not_exists(id)",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
CALLS: list[tuple[str, dict[str, Any]]] = [
    (
        "CreateTable",
        {
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    ),
    ("DescribeTable", {}),
    ("PutItem", {"Item": EVERY_TYPE}),
    ("GetItem", {"Key": KEY}),
    ("GetItem", {"Key": {"id": {"S": "none"}}}),
    ("Scan", {}),
    ("Scan", {"Limit": 1, "ReturnConsumedCapacity": "TOTAL"}),
    (
        "Query",
        {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "1"}}},
    ),
    (
        "UpdateItem",
        {
            "Key": KEY,
            "UpdateExpression": "SET more = :more",
            "ExpressionAttributeValues": {":more": {"L": [{"NULL": True}]}},
            "ReturnValues": "ALL_NEW",
        },
    ),
    ("PutItem", {"Item": EVERY_TYPE, **CONDITION}),
    ("PutItem", {"Item": {}}),
    ("DeleteItem", {"Key": KEY, "ReturnValues": "ALL_OLD"}),
    ("Scan", {"Select": "COUNT"}),
    ("DescribeContinuousBackups", {}),
    ("DeleteTable", {}),
    ("Scan", {}),
    ("DescribeTable", {}),
    ("NoSuchCall", {}),
]
# What differs from one call to the same server to the next.
MOVING = ("CreationDateTime", "LatestRestorableDateTime", "EarliestRestorableDateTime", "TableId")


@pytest.fixture
def moto_itself() -> Iterator[int]:
    """The port of moto's own server."""
    port = free_port()
    process = subprocess.Popen(
        embedded.moto_command(port), stderr=subprocess.DEVNULL, preexec_fn=die_with(os.getpid())
    )
    try:
        wait_until_listening(process, port)
        yield port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> list[tuple[int, Any]]:
    """Status and body of each of the calls."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    credential = "testing/20250101/us-east-1/dynamodb/aws4_request"
    found = []
    for operation, parameters in CALLS:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
        }
        wire.request("POST", "/", json.dumps({"TableName": TABLE, **parameters}), headers)
        answer = wire.getresponse()
        body = answer.read()
        found.append((answer.status, json.loads(body, object_hook=unmoved) if answer.status < 500 else None))
    wire.close()
    return found


def unmoved(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in MOVING}


def test_the_quick_server_answers_as_moto_does(engines: Callable[[str], Engine], moto_itself: int) -> None:
    quick = answers(int(engines("moto").endpoint.rpartition(":")[2]))
    assert quick == answers(moto_itself)
    assert {200, 400} <= {status for status, _ in quick}
    assert quick[3] == (200, {"Item": EVERY_TYPE})


def test_the_quick_server_keeps_a_connection(engines: Callable[[str], Engine]) -> None:
    wire = http.client.HTTPConnection(
        "127.0.0.1", int(engines("moto").endpoint.rpartition(":")[2]), timeout=20
    )
    for _ in range(2):
        wire.request("POST", "/", "{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
        answer = wire.getresponse()
        assert answer.read()
        assert not answer.will_close
    wire.close()
