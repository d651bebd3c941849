"""Nothing is absent, written or done unless DynamoDB said so: of every operation that the console calls."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.calls import Call, unwatch, watch
from opsportal.dynamo.errors import Unreachable, translated
from opsportal.dynamo.tables import Binding
from opsportal.operations.items import AuditItem
from opsportal.operations.tables import audit_table_for
from tests.dripping import dripping, whole
from tests.dynamo.fake_aws import Answer, FakeDynamo
from tests.false_answers import CONSUMED, FALSE, ITEM, WRONG_TYPES, changed

KEY = {"id": {"S": "1"}}
OF_TABLE = {"TableName": "table"}
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/table"
WRITE: list[dict[str, Any]] = [{"Put": {"TableName": "table", "Item": KEY}}]
# Operation: the arguments of a call.
CALLS: dict[str, dict[str, Any]] = {
    "GetItem": OF_TABLE | {"Key": KEY},
    "BatchGetItem": {"RequestItems": {"table": {"Keys": [KEY]}}},
    "Query": OF_TABLE
    | {"KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": "1"}}},
    "Scan": OF_TABLE,
    "PutItem": OF_TABLE | {"Item": KEY},
    "UpdateItem": OF_TABLE | {"Key": KEY},
    "DeleteItem": OF_TABLE | {"Key": KEY},
    "BatchWriteItem": {"RequestItems": {"table": [{"DeleteRequest": {"Key": KEY}}]}},
    "TransactWriteItems": {"TransactItems": WRITE},
    "DescribeTable": OF_TABLE,
    "CreateTable": OF_TABLE
    | {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    },
    "UpdateTable": OF_TABLE,
    "DeleteTable": OF_TABLE,
    "DescribeTimeToLive": OF_TABLE,
    "UpdateTimeToLive": OF_TABLE | {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"}},
    "DescribeContinuousBackups": OF_TABLE,
    "UpdateContinuousBackups": OF_TABLE
    | {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
    "ListTagsOfResource": {"ResourceArn": ARN},
    "CreateBackup": OF_TABLE | {"BackupName": "backup"},
    "DescribeBackup": {"BackupArn": ARN},
    "ListBackups": {},
}


@pytest.fixture(autouse=True)
def _retries_for_others() -> Iterator[None]:
    """botocore tries no more again with a client that has failed this often."""
    yield
    clients.forget()


def call(table: Binding, operation: str, *, background: bool = False, **more: Any) -> Any:
    client = clients.client(*table.location, background=background)
    method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")
    with translated(table):
        return getattr(client, method)(**CALLS[operation], **more)


def refused(ask: Callable[[], Any]) -> Unreachable:
    with pytest.raises(Unreachable) as raised:
        ask()
    assert raised.value.sentence.startswith(
        "Something answers at the endpoint, but not as DynamoDB does: HTTP"
    )
    assert (raised.value.status, raised.value.retry) == (503, True)
    return raised.value


@pytest.mark.parametrize("operation", CALLS)
def test_no_operation_takes_another_servers_answer_for_its_own(
    fake: FakeDynamo, requests_table: Binding, operation: str
) -> None:
    for name, answer in FALSE.items():
        fake.says(answer)
        found = refused(lambda: call(requests_table, operation))
        # Nor is its text shown as what DynamoDB said.
        assert (name, found.detail) == (name, found.sentence)


@pytest.mark.parametrize(("operation", "body"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_part_of_another_type_is_not_dynamodbs(
    fake: FakeDynamo, requests_table: Binding, operation: str, body: str
) -> None:
    fake.says(Answer(body))
    refused(lambda: call(requests_table, operation))


RAW = {
    "a page without a head": b"<html><body>HTTP/0.9</body></html>\r\n",
    "no number": b"HTTP/1.1 banana\r\n\r\n",
    "a large number": b"HTTP/1.1 99999 What\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n{}",
    "continue, then a page": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n<html>\r\n",
    "early hints, then nothing": b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n",
    "an alert of TLS": b"\x15\x03\x01\x00\x02\x02\x50\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
    "a length below nothing": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "chunks that are none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}",
    "an endless header": b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000,
}


@pytest.mark.parametrize("answer", RAW.values(), ids=RAW)
def test_what_is_not_even_http_is_unreachable(settings: Any, requests_table: Binding, answer: bytes) -> None:
    settings.DYNAMO_READ_TIMEOUT = 0.5
    with dripping(whole(answer)) as server:
        table = replace(requests_table, endpoint=server.url)
        for operation in ("GetItem", "TransactWriteItems"):
            with pytest.raises(Unreachable):
                call(table, operation)


def test_an_answer_to_nothing_more_has_an_id_at_least(fake: FakeDynamo, requests_table: Binding) -> None:
    """The answer to TagResource is empty; DynamoDB's has the id of the request."""
    client = clients.client(*requests_table.location)
    fake.says(Answer(""))
    with translated(requests_table):
        client.tag_resource(ResourceArn=ARN, Tags=[])
    fake.names_requests = False
    with pytest.raises(Unreachable), translated(requests_table):
        client.tag_resource(ResourceArn=ARN, Tags=[])


@pytest.mark.parametrize("returned", ["ALL_NEW", "UPDATED_NEW"])
def test_an_update_that_returns_nothing_new_is_none(
    fake: FakeDynamo, requests_table: Binding, returned: str
) -> None:
    fake.says(Answer(f"{{{CONSUMED}}}"))
    refused(lambda: call(requests_table, "UpdateItem", ReturnValues=returned))
    call(requests_table, "UpdateItem", ReturnValues="ALL_OLD")  # there was no item


def test_a_number_of_items_comes_without_them(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(Answer(f'{{{CONSUMED}, "Count": 3, "ScannedCount": 5}}'))
    assert call(requests_table, "Query", Select="COUNT")["Count"] == 3


@pytest.mark.parametrize("background", [False, True])
def test_an_answer_that_was_changed_is_asked_for_again_and_never_taken(
    fake: FakeDynamo, requests_table: Binding, background: bool
) -> None:
    fake.says(changed(f'{{{CONSUMED}, "Item": {ITEM}}}'))
    refused(lambda: call(requests_table, "GetItem", background=background))
    assert len(fake.asked) == (8 if background else 2)


@pytest.mark.parametrize("name", ["a page", "null", "[]", "403", "502"])
def test_pynamodb_meets_the_same_error(fake: FakeDynamo, requests_table: Binding, name: str) -> None:
    audit = audit_table_for(requests_table)
    model = AuditItem.bound_to(audit)
    fake.says(FALSE[name])
    for ask in (lambda: model.get("1"), lambda: list(model.query("1")), lambda: list(model.scan())):

        def asked(ask: Callable[[], Any] = ask) -> Any:
            with translated(audit):
                return ask()

        refused(asked)


def test_it_is_counted_as_no_answer(fake: FakeDynamo, requests_table: Binding) -> None:
    seen: list[Call] = []
    watch(seen.append)
    try:
        for name in ("a page", "null", "502"):
            fake.says(FALSE[name])
            refused(lambda: call(requests_table, "PutItem"))
    finally:
        unwatch(seen.append)
    assert [one.outcome for one in seen] == ["unanswered", "unanswered", "fault"]
