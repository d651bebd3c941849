"""Calls to DynamoDB as figures and lines of the log. The answers that no engine gives are injected."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from opsportal.dynamo import calls as dynamo_calls
from opsportal.dynamo import clients, spending
from opsportal.dynamo.calls import Call, tables_of
from opsportal.dynamo.errors import DynamoError, OperationUnknown, translated
from opsportal.dynamo.tables import Binding, binding, logical_name
from opsportal.telemetry import calls
from opsportal.telemetry.logs import JsonFormatter
from tests.dynamo.fake_aws import Answer, FakeDynamo, fake_dynamo

THROTTLED = Answer({"__type": "com.amazonaws#ThrottlingException", "message": "slow down"}, status=400)
DENIED = Answer({"__type": "com.amazonaws#AccessDeniedException", "message": "no"}, status=400)
CONDITION = Answer({"__type": "com.amazonaws#ConditionalCheckFailedException", "message": "no"}, status=400)


@pytest.fixture(autouse=True)
def seen() -> Iterator[list[Call]]:
    """Every call of the test; counted and logged as where the console serves."""
    found: list[Call] = []
    watchers = (found.append, calls.count, calls.log)
    for watcher in watchers:
        dynamo_calls.watch(watcher)
    yield found
    for watcher in watchers:
        dynamo_calls.unwatch(watcher)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeDynamo]:
    with fake_dynamo() as fake:
        yield fake


@pytest.fixture
def aws(server: FakeDynamo, settings: Any) -> Iterator[FakeDynamo]:
    server.reset()
    settings.DYNAMO_TABLES = {
        name: config | {"endpoint": server.endpoint} for name, config in settings.DYNAMO_TABLES.items()
    }
    yield server
    server.reset()


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"opsportal_dynamodb_{name}", labels) or 0


def get(table: Binding) -> None:
    with translated(table):
        clients.client(*table.location).get_item(TableName=table.name, Key={table.key: {"S": "x"}})


def test_a_call_is_counted_with_its_units_under_the_tables_logical_name(aws: FakeDynamo) -> None:
    table = binding("agents")
    aws.says(Answer({"ConsumedCapacity": {"TableName": table.name, "CapacityUnits": 2.5}}))
    labels = {"table": "agents", "operation": "GetItem"}
    before = [
        figure("calls_total", outcome="ok", **labels),
        figure("consumed_units_total", kind="read", **labels),
        figure("call_seconds_count", **labels),
    ]
    get(table)
    after = [
        figure("calls_total", outcome="ok", **labels),
        figure("consumed_units_total", kind="read", **labels),
        figure("call_seconds_count", **labels),
    ]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 2.5, 1]


def test_a_throttle_is_counted_though_its_retry_went_well(aws: FakeDynamo, seen: list[Call]) -> None:
    aws.says(THROTTLED, Answer({}))
    labels = {"table": "workflows", "operation": "GetItem"}
    before = figure("throttled_attempts_total", **labels), figure("retries_total", **labels)
    get(binding("workflows"))
    assert (seen[0].outcome, seen[0].attempts, seen[0].throttled) == ("ok", 2, 1)
    assert figure("throttled_attempts_total", **labels) - before[0] == 1
    assert figure("retries_total", **labels) - before[1] == 1


def test_a_failed_call_is_logged_with_amazons_request_id(
    aws: FakeDynamo, seen: list[Call], caplog: pytest.LogCaptureFixture
) -> None:
    aws.says(DENIED)
    with pytest.raises(DynamoError):
        get(binding("requests"))
    assert seen[0].outcome == "denied"
    (line,) = [made for made in caplog.records if made.name == calls.__name__]
    document = json.loads(JsonFormatter().format(line))
    said = {name: document[name] for name in ("table", "operation", "error", "outcome", "aws_request_id")}
    assert said == {
        "table": "requests",
        "operation": "GetItem",
        "error": "AccessDeniedException",
        "outcome": "denied",
        "aws_request_id": "REQUEST1",
    }


def test_a_slow_call_is_logged_and_a_quick_one_is_not(
    aws: FakeDynamo, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    aws.says(Answer({}))
    get(binding("requests"))
    assert not caplog.records
    settings.SLOW_CALL_SECONDS = 0.0
    get(binding("requests"))
    assert "GetItem on requests was slow after" in caplog.text


def test_a_condition_that_does_not_hold_is_no_failure(
    aws: FakeDynamo, seen: list[Call], caplog: pytest.LogCaptureFixture
) -> None:
    aws.says(CONDITION)
    table = binding("requests")
    client = clients.client(*table.location)
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.delete_item(TableName=table.name, Key={table.key: {"S": "x"}}, ConditionExpression="a = b")
    assert (seen[0].outcome, seen[0].kind) == ("condition", "write")
    assert caplog.records == []


def test_what_an_emulator_does_not_know_is_no_failure(
    aws: FakeDynamo, caplog: pytest.LogCaptureFixture
) -> None:
    """Or each look at the page of the tables would leave warnings in the log of `make run`."""
    aws.says(Answer({"__type": "x#UnknownOperationException", "message": "unknown"}, status=400))
    table = binding("requests")
    with pytest.raises(OperationUnknown), translated(table):
        clients.client(*table.location).describe_continuous_backups(TableName=table.name)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer({"__type": "x#ValidationException", "message": "no"}, status=400), "refused"),
        (Answer({"__type": "x#InternalServerError", "message": "no"}, status=500), "fault"),
        (Answer("<html>bad gateway</html>", status=502), "fault"),
        (THROTTLED, "throttled"),
    ],
)
def test_calls_end_in_one_of_a_few_outcomes(
    aws: FakeDynamo, seen: list[Call], settings: Any, answer: Answer, outcome: str
) -> None:
    settings.DYNAMO_MAX_ATTEMPTS = 1
    aws.says(answer)
    with pytest.raises(DynamoError):
        get(binding("requests"))
    assert seen[0].outcome == outcome


def test_a_transaction_cancelled_by_throttling_alone_is_throttled(aws: FakeDynamo, seen: list[Call]) -> None:
    reasons = [{"Code": "None"}, {"Code": "ThrottlingError"}]
    body = {"__type": "x#TransactionCanceledException", "message": "no", "CancellationReasons": reasons}
    aws.says(Answer(body, status=400))
    table, audit = binding("requests"), "dev-opsportal_audit"
    client = clients.client(*table.location)
    puts = [{"Put": {"TableName": name, "Item": {"x": {"S": "x"}}}} for name in (table.name, audit)]
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=puts)
    assert (seen[0].outcome, seen[0].throttled, seen[0].tables) == ("throttled", 1, (table.name, audit))


def test_units_of_a_transaction_are_those_of_each_table(aws: FakeDynamo, seen: list[Call]) -> None:
    table, audit = binding("requests"), "dev-opsportal_audit"
    consumed = [{"TableName": table.name, "CapacityUnits": 2.0}, {"TableName": audit, "CapacityUnits": 4.0}]
    aws.says(Answer({"ConsumedCapacity": consumed}))
    before = figure("consumed_units_total", table="audit", operation="TransactWriteItems", kind="write")
    puts = [{"Put": {"TableName": name, "Item": {"x": {"S": "x"}}}} for name in (table.name, audit)]
    clients.client(*table.location).transact_write_items(TransactItems=puts)
    after = figure("consumed_units_total", table="audit", operation="TransactWriteItems", kind="write")
    assert after - before == 4


def test_a_call_that_nobody_answers_says_so(seen: list[Call], settings: Any) -> None:
    settings.DYNAMO_MAX_ATTEMPTS = 1
    with pytest.raises(DynamoError):
        get(binding("requests"))  # port 9 refuses
    assert (seen[0].outcome, seen[0].error) == ("unanswered", "EndpointConnectionError")


def test_a_call_that_the_deadline_forbids_says_so(aws: FakeDynamo, seen: list[Call]) -> None:
    with pytest.raises(DynamoError), spending.request_budget(0):
        get(binding("requests"))
    assert (seen[0].outcome, aws.asked) == ("deadline", [])


def test_tables_are_found_in_every_form_of_parameters() -> None:
    assert tables_of({"TableName": "a"}) == ("a",)
    assert tables_of({"RequestItems": {"a": [], "b": []}}) == ("a", "b")
    assert tables_of({"TransactItems": [{"Get": {"TableName": "b"}}, {"Put": {"TableName": "a"}}]}) == (
        "b",
        "a",
    )
    assert tables_of({"QueueUrl": "https://sqs.eu-north-1.amazonaws.com/1/requests"}) == ("requests",)
    assert tables_of({}) == ()


def test_labels_are_logical_names(settings: Any) -> None:
    settings.OWN_TABLE_PREFIX = "prod-opsportal_"
    assert logical_name(binding("agents").name) == "agents"
    assert logical_name("prod-opsportal_jobs") == "jobs"
    assert logical_name("whatever") == "other"
    settings.DYNAMO_TABLES = {"agents": settings.DYNAMO_TABLES["agents"] | {"name": "whatever"}}
    assert logical_name("whatever") == "agents"
