"""What answers in DynamoDB's place: a proxy's page, another server's JSON, an answer that was cut or changed."""

import gzip
import json

from tests.dripping import Drip, http, whole
from tests.dynamo.fake_aws import Answer

PAGE = "<!DOCTYPE html><html><body><h1>Sign in to the guest network</h1></body></html>"
CONSUMED = '"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}'
ITEM = '{"id": {"S": "1"}, "status": {"S": "pending"}}'


def text(body: str | bytes, status: int = 200, **headers: str) -> Answer:
    return Answer(body, status, headers)


# None of them says anything of any operation.
FALSE = {
    "a page": text(PAGE),
    "nothing": text(""),
    "{}": text("{}"),
    "null": text("null"),
    "[]": text("[]"),
    "a text": text('"done"'),
    "a number": text("5"),
    "true": text("true"),
    "not UTF-8": text(b'{"Item": "\xff\xfe"}'),
    "NUL": text("\0" * 40),
    "nested too deep": text("[" * 200_000),
    "gzip": text(gzip.compress(b"{}"), **{"Content-Encoding": "gzip"}),
    "cut": text('{"Item": {"id": {"S": "1"}, "stat'),
    "another service's": text('{"status": "ok", "version": "8.1", "Error": null}'),
    "an error with 200": text('{"__type": "ResourceNotFoundException", "message": "no"}'),
    "a list of items": text(f"[{ITEM}]"),
    "202": text("{}", 202),
    "204": text("", 204),
    "a redirect": text(PAGE, 302, Location="https://login.example/"),
    "300": text("{}", 300),
    "403": text(PAGE, 403),
    "404": text('{"message": "no such route"}', 404),
    "407": text("", 407),
    "500, null": text("null", 500),
    "502": text(PAGE, 502),
    "503, []": text("[]", 503),
    "an error without a name": text('{"__type": 5, "message": {}}', 400),
    "a checksum that is none": text("{}", **{"x-amz-crc32": "many"}),
}

# Of an operation each: all that is always there, and one part that is of another type.
_ITEMS = {
    "a number": "5",
    "null": "null",
    "a text": '"none"',
    "a list": "[]",
    "no type": '{"id": {}}',
    "null in place of a value": '{"id": null}',
    "two types": '{"id": {"S": "1", "N": "1"}}',
    "a number as text": '{"id": {"S": 5}}',
    "a text as number": '{"id": {"N": "abc"}}',
    "a number as number": '{"id": {"N": 5}}',
    "a list as map": '{"id": {"M": []}}',
    "a map as list": '{"id": {"L": {}}}',
    "a text as boolean": '{"id": {"BOOL": "true"}}',
    "a set of numbers as texts": '{"id": {"SS": [1]}}',
    "a set of no numbers": '{"id": {"NS": ["a"]}}',
    "an unknown type": '{"id": {"T": "2026-01-01"}}',
    "deep inside": '{"id": {"M": {"a": {"L": [{"M": {"b": {"S": null}}}]}}}}',
    "binary that is none": '{"id": {"B": "é"}}',
}
WRONG_TYPES = {
    **{f"GetItem: {name}": ("GetItem", f'{{{CONSUMED}, "Item": {item}}}') for name, item in _ITEMS.items()},
    **{
        f"Query: {name}": ("Query", f'{{{CONSUMED}, "Count": 1, "ScannedCount": 1, "Items": [{item}]}}')
        for name, item in _ITEMS.items()
    },
    "Items: null": ("Query", f'{{{CONSUMED}, "Count": 0, "ScannedCount": 0, "Items": null}}'),
    "Items: a map": ("Query", f'{{{CONSUMED}, "Count": 0, "ScannedCount": 0, "Items": {{}}}}'),
    "Items: a text": ("Scan", f'{{{CONSUMED}, "Count": 0, "ScannedCount": 0, "Items": ""}}'),
    "no Items": ("Query", f'{{{CONSUMED}, "Count": 0, "ScannedCount": 0}}'),
    "Count: a text": ("Query", f'{{{CONSUMED}, "Count": "x", "ScannedCount": 0, "Items": []}}'),
    "Count: null": ("Scan", f'{{{CONSUMED}, "Count": null, "ScannedCount": 0, "Items": []}}'),
    "LastEvaluatedKey: a text": (
        "Query",
        f'{{{CONSUMED}, "Count": 0, "ScannedCount": 0, "Items": [], "LastEvaluatedKey": "x"}}',
    ),
    "ConsumedCapacity: null": ("GetItem", '{"ConsumedCapacity": null}'),
    "ConsumedCapacity: a number": ("PutItem", '{"ConsumedCapacity": 5}'),
    "CapacityUnits: a text": ("PutItem", '{"ConsumedCapacity": {"CapacityUnits": "many"}}'),
    "ConsumedCapacity: [null]": ("TransactWriteItems", '{"ConsumedCapacity": [null]}'),
    "Responses: null": ("BatchGetItem", '{"ConsumedCapacity": [], "Responses": null}'),
    "no Responses": ("BatchGetItem", '{"ConsumedCapacity": []}'),
    "Responses: a list": ("BatchGetItem", '{"ConsumedCapacity": [], "Responses": []}'),
    "UnprocessedItems: a list": ("BatchWriteItem", '{"ConsumedCapacity": [], "UnprocessedItems": [5]}'),
    "Attributes: a list": ("UpdateItem", f'{{{CONSUMED}, "Attributes": []}}'),
    "Table: {}": ("DescribeTable", '{"Table": {}}'),
    "Table: a text": ("DescribeTable", '{"Table": "ACTIVE"}'),
    "TableStatus: a number": (
        "DescribeTable",
        '{"Table": {"TableName": "t", "KeySchema": [], "TableStatus": 1}}',
    ),
    "KeySchema: [null]": (
        "DescribeTable",
        '{"Table": {"TableName": "t", "TableStatus": "ACTIVE", "KeySchema": [null]}}',
    ),
    "TimeToLiveDescription: {}": ("DescribeTimeToLive", '{"TimeToLiveDescription": {}}'),
    "Tags: {}": ("ListTagsOfResource", '{"Tags": {}}'),
}


def changed(body: str) -> Answer:
    """An answer that does not fit the checksum that DynamoDB sent with it."""
    return text(json.dumps(json.loads(body)), **{"x-amz-crc32": "1"})


def as_http(answer: Answer) -> Drip:
    """For a server of `tests.dripping`, which services beside DynamoDB are asked at."""
    body = answer.body if isinstance(answer.body, bytes) else str(answer.body).encode()
    headers = [f"{name}: {value}" for name, value in answer.headers.items()]
    return whole(http(body, *headers, status=f"{answer.status} Said"))
