"""Probes tell what IAM allows, and leave no trace: not on engines, nor where a key is like no other's."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from opsportal import aws
from opsportal.dynamo import ledger
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.tables import locations
from opsportal.tables.concurrency import together
from opsportal.tables.grants import Place, places_of, table_arn
from opsportal.tables.permissions import FEATURES
from opsportal.tables.probes import ALLOWED, DENIED, NOT_PROBED, UNKNOWN, Probe, probe
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.operations.places import dump, put, request_item

# What the engines' and AWS's DynamoDB answer to a write whose condition fails.
REFUSED = error("ConditionalCheckFailedException", "The conditional request failed")
PROBED = (
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "Query", "Scan", "DescribeTable",
    "DescribeTimeToLive", "DescribeContinuousBackups", "ListTagsOfResource", "ListBackups",
)  # fmt: skip
NOT_TO_BE_PROBED = (
    "dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable", "dynamodb:UpdateTimeToLive",
    "dynamodb:UpdateContinuousBackups", "dynamodb:TagResource", "dynamodb:CreateBackup", "sqs:SendMessage",
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "cloudwatch:PutMetricAlarm", "cloudwatch:PutMetricData",
)  # fmt: skip


def every_probe() -> list[Probe]:
    wanted = {
        (action, place.resource, place.region): place
        for one in FEATURES
        for place in places_of(one)
        for action in one.actions
    }
    return [probe(action, place) for (action, *_), place in wanted.items()]


def at_requests(index: str = "") -> Place:
    table = binding("requests")
    return Place(table_arn(table) + (f"/index/{index}" if index else ""), table.region, table, index)


def test_probing_everything_leaves_the_tables_as_they_were(tables: dict[str, Binding]) -> None:
    for beside in locations():
        ledger.ensure_ledger(beside)
    put(tables["requests"], request_item("req-1"))
    put(tables["workflows"], {"sessionId": {"S": "s-1"}, "overallStatus": {"S": "processing"}})
    before = dump(tables)
    probes = every_probe()
    assert dump(tables) == before
    assert not any(ledger.entries(beside) for beside in locations())
    assert {one.state for one in probes} == {ALLOWED, UNKNOWN, NOT_PROBED}
    # What is not known is what the engine does not know, and CloudWatch, which goes with no emulator.
    assert {one.why for one in probes if one.state == UNKNOWN} == {"unknown here"}
    untold = {one.action for one in probes if one.state == UNKNOWN}
    assert untold <= {
        "dynamodb:DescribeContinuousBackups", "dynamodb:ListBackups", "cloudwatch:GetMetricData",
        "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms",
    }  # fmt: skip


def test_an_emulators_alarms_are_not_looked_for_at_amazon(fake: FakeDynamo) -> None:
    place = Place("*", "us-east-1")
    assert probe("cloudwatch:GetMetricData", place) == Probe(
        "cloudwatch:GetMetricData", place, UNKNOWN, "unknown here"
    )


@pytest.mark.parametrize("operation", PROBED)
def test_a_denial_comes_with_its_statement(fake: FakeDynamo, operation: str) -> None:
    message = f"User: x is not authorized to perform: dynamodb:{operation} on resource: arn:aws:dynamodb:x:1:table/t"
    described = Answer({"Table": {"TableName": "t", "TableArn": "arn:aws:dynamodb:x:1:table/t"}})
    denied = error("AccessDeniedException", message)
    fake.answer = lambda asked, _: denied if asked == operation else described
    found = probe(f"dynamodb:{operation}", at_requests())
    assert found.state == DENIED
    assert f"dynamodb:{operation}" in found.statement


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "DeleteItem"])
def test_a_write_whose_condition_fails_was_allowed(fake: FakeDynamo, operation: str) -> None:
    fake.says(REFUSED)
    assert probe(f"dynamodb:{operation}", at_requests()).state == ALLOWED
    ((_, arguments),) = fake.asked
    assert arguments["ConditionExpression"] == "attribute_exists(#key) AND attribute_not_exists(#key)"
    assert arguments["ExpressionAttributeNames"] == {"#key": "request_id"}


def test_a_batch_deletes_what_nobody_has(fake: FakeDynamo) -> None:
    fake.says(Answer({"UnprocessedItems": {}}))
    assert probe("dynamodb:BatchWriteItem", at_requests()).state == ALLOWED
    ((_, arguments),) = fake.asked
    ((_, (request,)),) = arguments["RequestItems"].items()
    assert request["DeleteRequest"]["Key"]["request_id"]["S"].startswith("opsportal-doctor-")


def test_reads_ask_for_one_item_at_most(fake: FakeDynamo) -> None:
    fake.says(Answer({"Items": [], "Count": 0}))
    assert probe("dynamodb:Scan", at_requests("status-index")).state == ALLOWED
    assert probe("dynamodb:Query", at_requests("status-index")).state == ALLOWED
    assert [arguments["Limit"] for _, arguments in fake.asked] == [1, 1]
    assert [arguments["IndexName"] for _, arguments in fake.asked] == ["status-index"] * 2


@pytest.mark.parametrize("action", NOT_TO_BE_PROBED)
def test_what_has_an_effect_is_not_tried(fake: FakeDynamo, action: str) -> None:
    assert probe(action, at_requests()).state == NOT_PROBED
    assert fake.asked == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (error("ProvisionedThroughputExceededException", "slow"), "gets more requests"),
        (error("ResourceNotFoundException", "gone"), "There is no table"),
        (error("ExpiredTokenException", "old"), "expired"),
        (error("UnknownOperationException", "what?"), "unknown here"),
        (error("ValidationException", "The provided key element does not match the schema"), "partition key"),
    ],
)
def test_other_trouble_tells_nothing_of_permissions(fake: FakeDynamo, answer: Answer, why: str) -> None:
    fake.says(answer)
    found = probe("dynamodb:PutItem", at_requests())
    assert found.state == UNKNOWN
    assert why in found.why


@pytest.mark.parametrize(
    "message",
    [
        "KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException: The ciphertext refers to a "
        "customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
        "User: x is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext",
    ],
)
def test_a_key_that_refuses_is_not_taken_for_the_table(fake: FakeDynamo, message: str) -> None:
    """A statement on the table would fix nothing."""
    fake.says(error("AccessDeniedException", message))
    found = probe("dynamodb:GetItem", at_requests())
    assert found.state == DENIED
    assert "kms:Decrypt" in found.statement
    assert "arn:aws:kms:us-east-1:*:key/*" in found.statement
    assert "dynamodb:" not in found.statement


@pytest.fixture
def cloudwatch(fake: FakeDynamo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    with Stubber(aws.service("cloudwatch", "us-east-1")) as stub:
        yield stub


def test_cloudwatchs_denial_comes_with_its_statement(cloudwatch: Stubber) -> None:
    cloudwatch.add_client_error("get_metric_data", "AccessDenied", "no")
    found = probe("cloudwatch:GetMetricData", Place("*", "us-east-1"))
    assert (found.state, "cloudwatch:GetMetricData" in found.statement) == (DENIED, True)


def test_an_alarm_that_nobody_has_may_be_deleted(cloudwatch: Stubber) -> None:
    cloudwatch.add_client_error("delete_alarms", "ResourceNotFound", "none")
    assert probe("cloudwatch:DeleteAlarms", Place("*", "us-east-1")).state == ALLOWED


def test_cloudwatch_is_asked_for_real(
    fake: FakeDynamo, engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    for action in ("GetMetricData", "DescribeAlarms", "DeleteAlarms"):
        assert probe(f"cloudwatch:{action}", Place("*", "us-east-1")).state == ALLOWED


# --- At the same time -------------------------------------------------------------------------------------


def test_what_is_late_is_left_out() -> None:
    over = threading.Event()
    found = together({"late": over.wait, "quick": lambda: True}, 2)
    over.set()
    assert found == {"quick": True}


def test_results_come_in_the_order_of_the_calls_and_errors_to_the_caller() -> None:
    calls: dict[int, Callable[[], int]] = {number: lambda number=number: number for number in range(50)}  # type: ignore[misc]
    assert list(together(calls, 5).items()) == [(number, number) for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        together({"bad": lambda: 1 // 0}, 5)
