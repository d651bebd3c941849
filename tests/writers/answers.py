"""Answers that are not DynamoDB's, and how a test puts them in place of the engine's."""

from typing import Any

from tests.dynamo.fake_aws import Answer
from tests.operations.proxy import Forward, Interfere

HTML = {"Content-Type": "text/html"}
PAGE = "<!doctype html><html><body>Sign in to the network</body></html>"
CAPACITY = '"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.0}'

# Those that `make test` tries with every call.
COMMON = {
    "a page": Answer(PAGE, 200, HTML),
    "an empty object": Answer("{}"),
    "null": Answer("null"),
    "a refusing page": Answer(PAGE, 403, HTML),
}
OTHERS = {
    "nothing": Answer(""),
    "no content": Answer("", 204),
    "created": Answer(f"{{{CAPACITY}}}", 201),
    "a list": Answer("[]"),
    "a text": Answer('"x"'),
    "a number": Answer("5"),
    "true": Answer("true"),
    "cut short": Answer('{"ConsumedCapacity": {"TableName": "t", "Capac'),
    "too deep": Answer("[" * 5_000 + "]" * 5_000),
    "another service": Answer('{"status": "UP", "message": "ok"}'),
    "another operation": Answer('{"TableNames": ["t"]}'),
    "an error that answers 200": Answer('{"__type": "x#ConditionalCheckFailedException", "message": "no"}'),
    "no capacity": Answer('{"ConsumedCapacity": null}'),
    "a number for the capacity": Answer('{"ConsumedCapacity": 1}'),
    "a number for attributes": Answer('{"Attributes": 5, "ConsumedCapacity": {}}'),
    "null for the item": Answer(f'{{"Item": null, {CAPACITY}}}'),
    "a list for the item": Answer(f'{{"Item": [], {CAPACITY}}}'),
    "values without a type": Answer(
        f'{{"Item": {{"status": "pending", "overallStatus": "x"}}, "Items": [{{"a": 1}}], {CAPACITY},'
        ' "UnprocessedItems": [], "Attributes": {"a": null}}'
    ),
    "values of a wrong type": Answer(
        f'{{"Item": {{"status": {{"S": 5}}}}, "Items": [{{"n": {{"N": "many"}}}}], {CAPACITY},'
        ' "UnprocessedItems": {"t": [{}]}, "Attributes": {"a": {"M": {"b": {"SS": [1]}}}}}'
    ),
    "moved": Answer("", 301, {"Location": "http://127.0.0.1:9/"}),
    "found": Answer(PAGE, 302, {**HTML, "Location": "/login"}),
    "not modified": Answer("", 304),
    "a missing page": Answer(PAGE, 404, HTML),
    "too large a page": Answer("", 413),
    "an error without a type": Answer('{"message": "no", "code": "ValidationException"}', 400),
    "an error whose type is a number": Answer('{"__type": 5}', 400),
    "an error that is a list": Answer("[]", 400),
    "an error of another service": Answer('{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}', 400),
    "an operation that is unknown": Answer('{"__type": "com.amazon.coral#UnknownOperationException"}', 400),
    "a failed condition of a broken server": Answer('{"__type": "x#ConditionalCheckFailedException"}', 500),
    "null of a broken server": Answer("null", 500),
    "a bad gateway": Answer(PAGE, 502, HTML),
    "unavailable": Answer("", 503),
}
ALL = COMMON | OTHERS

WRITES = ("UpdateItem", "PutItem", "BatchWriteItem")
READS = ("GetItem", "Query")


def before(answer: Answer, *operations: str) -> Interfere:
    """`answer` in place of what the engine would say, which is not asked."""
    return lambda asked, _, forward: answer if asked in operations else forward()


def after(answer: Answer, *operations: str) -> Interfere:
    """`answer` in place of what the engine says, once it has done the work."""

    def interfere(asked: str, _: dict[str, Any], forward: Forward) -> Answer:
        engines = forward()
        return answer if asked in operations else engines

    return interfere


# Where in a call the answer is replaced.
MOMENTS = {
    "its read": lambda answer: before(answer, *READS),
    "its write, not done": lambda answer: before(answer, *WRITES),
    "its write, done": lambda answer: after(answer, *WRITES),
}
