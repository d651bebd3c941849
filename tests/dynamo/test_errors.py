"""What goes wrong at DynamoDB reaches people as a sentence with its fix, and within the time budget."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import (
    AccessDenied,
    CredentialsRefused,
    DeadlineExceeded,
    DynamoError,
    IndexMissing,
    KeyMismatch,
    MalformedCursor,
    OperationUnknown,
    TableMissing,
    Throttled,
    Unreachable,
    translated,
)
from opsportal.dynamo.pages import scan_page
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, binding
from registry.models import Agent
from tests.cases import short
from tests.dynamo.fake_aws import Answer, Clock, FakeDynamo, error
from tests.processes import eventually

ROLE = "arn:aws:sts::123456789012:assumed-role/console/i-0abc"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/dev-market_intelligence_requests"
INDEX = f"{TABLE}/index/status-index"
PROXY_PAGE = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"


def query(table: Binding) -> Any:
    with translated(table):
        return clients.client(*table.location).query(
            TableName=table.name,
            IndexName="status-index",
            KeyConditionExpression="#s = :s",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": {"S": "pending"}},
        )


def failure(table: Binding) -> DynamoError:
    """What the query raises."""
    with pytest.raises(DynamoError) as raised:
        query(table)
    return raised.value


# --- What IAM says -----------------------------------------------------------------------------------


def denial(action: str, resource: str, reason: str = "because no identity-based policy allows") -> Answer:
    message = f"User: {ROLE} is not authorized to perform: {action} on resource: {resource} {reason} the {action} action"
    return error("AccessDeniedException", message)


@pytest.mark.parametrize("resource", [TABLE, INDEX])
def test_a_refused_permission_comes_with_the_statement_to_paste(
    fake: FakeDynamo, requests_table: Binding, resource: str
) -> None:
    fake.says(denial("dynamodb:Query", resource))
    found = failure(requests_table)
    assert isinstance(found, AccessDenied)
    assert (found.kind, found.status, found.retry) == ("access_denied", 503, False)
    assert (found.action, found.resource) == ("dynamodb:Query", resource)
    assert found.sentence == f"The console's role may not perform dynamodb:Query on {resource}."
    assert found.fix == "Add this statement to the policy of the console's role."
    assert json.loads(found.statement) == {
        "Effect": "Allow",
        "Action": ["dynamodb:Query"],
        "Resource": [resource],
    }
    assert ROLE in found.detail


@pytest.mark.parametrize(
    "reason",
    [
        "with an explicit deny in an identity-based policy",
        "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/p-1",
    ],
)
def test_an_explicit_deny_is_not_said_to_be_mended_by_an_allow(
    fake: FakeDynamo, requests_table: Binding, reason: str
) -> None:
    fake.says(
        error("AccessDeniedException", f"User: {ROLE} is not authorized to perform: dynamodb:Query on resource: {INDEX} {reason}")
    )  # fmt: skip
    found = failure(requests_table)
    assert isinstance(found, AccessDenied)
    assert (found.action, found.resource, found.statement) == ("dynamodb:Query", INDEX, "")
    assert "explicit" in found.fix
    assert "Add this statement" not in found.fix


@pytest.mark.parametrize(
    "message", ["", f"User: {ROLE} is not authorized to perform: dynamodb:Query", "Access denied."]
)
def test_a_refusal_that_names_no_resource_still_gets_a_statement(
    fake: FakeDynamo, requests_table: Binding, message: str
) -> None:
    fake.says(error("AccessDeniedException", message))
    found = failure(requests_table)
    assert isinstance(found, AccessDenied)
    assert json.loads(found.statement)["Action"] == ["dynamodb:Query"]
    assert json.loads(found.statement)["Resource"] == [
        "arn:aws:dynamodb:us-east-1:*:table/dev-market_intelligence_requests"
    ]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-north-1", "aws")],
)
@pytest.mark.parametrize("message", ["", "KMS key access denied error: The KMS key is not accessible"])
def test_a_statement_is_of_the_regions_partition(
    fake: FakeDynamo, requests_table: Binding, region: str, partition: str, message: str
) -> None:
    """IAM refuses another's as malformed."""
    fake.says(error("AccessDeniedException", message))
    found = failure(replace(requests_table, region=region))
    assert isinstance(found, AccessDenied)
    service, resource = ("kms", "key/*") if message else ("dynamodb", f"table/{requests_table.name}")
    said = [f"arn:{partition}:{service}:{region}:*:{resource}"]
    assert json.loads(found.statement)["Resource"] == said


def test_a_refused_role_assumption_names_the_role(fake: FakeDynamo, requests_table: Binding) -> None:
    with pytest.raises(AccessDenied) as raised, translated(requests_table):
        raise ClientError(
            {"Error": {"Code": "AccessDenied", "Message": f"User: {ROLE} is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/ops"}},
            "AssumeRole",
        )  # fmt: skip
    assert (raised.value.action, raised.value.resource) == ("sts:AssumeRole", "arn:aws:iam::1:role/ops")


# --- Each answer and what it is called ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "sentence", "fix"),
    [
        (
            error("ProvisionedThroughputExceededException", "The level of configured provisioned throughput ..."),
            Throttled, "gets more requests than it is allowed to serve", "raise the table's capacity",
        ),
        (error("ThrottlingException", "Rate of requests exceeds the allowed throughput."), Throttled, "more requests", "Wait a moment"),
        (error("RequestLimitExceeded", "Throughput exceeds the current throughput limit"), Throttled, "more requests", "Wait a moment"),
        (error("ExpiredTokenException", "The security token included in the request is expired"), CredentialsRefused, "The session token has expired.", "Renew the credentials"),
        (error("UnrecognizedClientException", "The security token included in the request is invalid."), CredentialsRefused, "The access key is not known.", "Renew the credentials"),
        (error("InvalidSignatureException", "Signature not yet current: 20261120T100000Z is still later than ..."), CredentialsRefused, "clock is off", "Renew the credentials"),
        (error("MissingAuthenticationToken", "Request is missing Authentication Token"), CredentialsRefused, "not signed", "Renew"),
        (error("ResourceNotFoundException", "Requested resource not found"), TableMissing, "There is no table dev-market_intelligence_requests in us-east-1.", "DYNAMODB_REQUESTS_TABLE or DYNAMODB_REQUESTS_REGION"),
        (error("ResourceNotFoundException", "Requested resource not found: Table: dev-market_intelligence_requests not found"), TableMissing, "There is no table", "manage.py dynamo migrate"),
        (error("ValidationException", "The table does not have the specified index: status-index"), IndexMissing, "lacks an index that this list reads: The table does not have the specified index: status-index", "manage.py dynamo migrate --table requests --add-indexes"),
        (error("ValidationException", "The provided key element does not match the schema"), KeyMismatch, "does not have the partition key 'request_id'", "Set DYNAMODB_REQUESTS_KEY"),
        (error("UnknownOperationException", "What?"), OperationUnknown, "does not know Query", "Nothing is wrong"),
        (error("ValidationException", "The provided starting key is invalid"), MalformedCursor, "not one of this list's", "first page"),
        (error("ValidationException", "The provided starting key is outside query boundaries based on provided conditions"), MalformedCursor, "not one of this list's", "first page"),
        (error("ValidationException", "The provided starting key is invalid: The provided key element does not match the schema"), MalformedCursor, "not one of this list's", "first page"),
        (error("ValidationException", "Exclusive Start Key must have same size as table's key schema"), MalformedCursor, "not one of this list's", "first page"),
    ],
    ids=lambda value: value.body["__type"].rpartition("#")[2] if isinstance(value, Answer) else None,
)  # fmt: skip
def test_each_answer_has_its_name_its_sentence_and_its_mend(
    fake: FakeDynamo,
    requests_table: Binding,
    answer: Answer,
    kind: type[DynamoError],
    sentence: str,
    fix: str,
) -> None:
    fake.says(answer)
    found = failure(requests_table)
    assert type(found) is kind
    assert sentence in found.sentence
    assert fix in found.fix
    assert isinstance(answer.body, dict)
    assert found.detail == answer.body["message"]
    assert found.statement == ""
    assert str(found) == found.sentence
    assert found.status == (400 if kind is MalformedCursor else 503)


def test_kinds_and_titles_are_told_apart() -> None:
    named = [kind for kind in DynamoError.__subclasses__() if kind.__module__ == DynamoError.__module__]
    kinds = [DynamoError, *named]
    assert len({kind.kind for kind in kinds}) == len({kind.title for kind in kinds}) == len(kinds) == 12
    assert {kind.kind for kind in kinds if kind.retry} == {
        "server_fault",
        "throttled",
        "unreachable",
        "credentials",
        "deadline",
    }


def test_a_missing_table_whose_name_speaks_of_an_index_is_a_missing_table(
    fake: FakeDynamo, settings: Any
) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "requests": settings.DYNAMO_TABLES["requests"] | {"name": "specified-index-of-everything"}
    }
    fake.says(
        error("ResourceNotFoundException", "Requested resource not found: Table: specified-index-of-everything not found")
    )  # fmt: skip
    with pytest.raises(TableMissing, match="There is no table specified-index-of-everything"):
        describe(binding("requests"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error("InternalServerError", "Internal server error", 500), "InternalServerError: Internal server error"),
        (error("ServiceUnavailable", "Service is not available", 503), "ServiceUnavailable"),
        (error("ValidationException", "Value for type S is too long"), "Value for type S is too long"),
    ],
    ids=["500", "503", "validation"],
)  # fmt: skip
def test_what_has_no_name_is_shown_with_dynamodbs_own_words_and_logged(
    fake: FakeDynamo,
    requests_table: Binding,
    answer: Answer,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake.says(answer)
    found = failure(requests_table)
    assert type(found) is DynamoError
    assert found.kind == "server_fault"
    assert said in found.sentence
    assert "Query on dev-market_intelligence_requests in us-east-1" in found.sentence
    assert {record.name for record in caplog.records} == {"opsportal.dynamo.errors"}
    # A server's own fault is tried once more; a refusal is not.
    queries = [name for name in fake.operations if name != "DescribeTable"]  # whose key it is
    assert len(queries) == (2 if answer.status >= 500 else 1)


@pytest.mark.parametrize("status", short([302, 400, 403, 404, 413, 429, 500, 502, 503], 302, 403, 429, 503))
@pytest.mark.parametrize("body", [PROXY_PAGE, "", "null", '{"message": "Forbidden"}', '{"__type": 5}'])
def test_an_error_that_is_not_dynamodbs_is_told_from_its_own(
    fake: FakeDynamo, requests_table: Binding, status: int, body: str
) -> None:
    """Nor is its text shown as DynamoDB's own words."""
    fake.says(Answer(body, status, {"Location": "https://login.example/"}))
    found = failure(requests_table)
    assert type(found) is Unreachable
    assert found.sentence == f"Something answers at the endpoint, but not as DynamoDB does: HTTP {status}."
    assert found.detail == found.sentence
    # What may pass is tried once more.
    assert len(fake.asked) == (2 if status in (429, 500, 502, 503) else 1)
    clients.forget()  # botocore tries no more again with a client that has failed often


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_page_tries_twice_and_a_worker_goes_on(
    fake: FakeDynamo, requests_table: Binding, code: str
) -> None:
    fake.says(error(code, "slow down"), Answer({"Items": [], "Count": 0}))
    assert query(requests_table)["Items"] == []
    assert fake.operations == ["Query", "Query"]
    background = clients.client(*requests_table.location, background=True)
    assert background.meta.config.retries["total_max_attempts"] == 8
    assert background.meta.config.read_timeout == 20


# --- What is not an error of the table ---------------------------------------------------------------


def test_a_failed_condition_passes_unchanged(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(
        error("ConditionalCheckFailedException", "The conditional request failed", Item={"request_id": {"S": "r"}, "b": {"B": "AAE="}})
    )  # fmt: skip
    with pytest.raises(ClientError) as raised, translated(requests_table):
        clients.client(*requests_table.location).delete_item(
            TableName=requests_table.name, Key={"request_id": {"S": "r"}}, ConditionExpression="a = b"
        )
    assert raised.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert raised.value.response["Item"] == {"request_id": {"S": "r"}, "b": {"B": b"\x00\x01"}}


@pytest.mark.parametrize("code", ["TransactionCanceledException", "IdempotentParameterMismatchException"])
def test_the_answers_to_a_transaction_pass_unchanged(requests_table: Binding, code: str) -> None:
    told = ClientError({"Error": {"Code": code}}, "TransactWriteItems")
    with pytest.raises(ClientError) as raised, translated(requests_table):
        raise told
    assert raised.value is told


def test_errors_of_the_program_itself_pass_unchanged(requests_table: Binding) -> None:
    with pytest.raises(ZeroDivisionError), translated(requests_table):
        _ = 1 / 0


def test_an_error_of_botocore_that_nobody_foresaw_is_a_sentence_and_logged(
    requests_table: Binding, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DynamoError) as raised, translated(requests_table):
        raise BotoCoreError
    assert raised.value.kind == "server_fault"
    assert requests_table.name in raised.value.sentence
    assert caplog.records[0].exc_info


# --- Nobody there ------------------------------------------------------------------------------------


def test_a_refused_connection_is_unreachable() -> None:
    with pytest.raises(Unreachable) as raised:
        Agent.read("a")  # the settings of the tests lead to a port that refuses
    assert raised.value.sentence == "http://127.0.0.1:9 refuses connections."
    assert "endpoint setting" in raised.value.fix
    assert "127.0.0.1:9" in raised.value.detail


def test_a_hanging_endpoint_is_given_up_after_the_attempts_of_the_settings(
    fake: FakeDynamo, requests_table: Binding, settings: Any
) -> None:
    settings.DYNAMO_READ_TIMEOUT = 0.5
    fake.says(Answer(hang=120))
    began = time.monotonic()
    with request_budget(settings.DYNAMO_REQUEST_DEADLINE) as account:
        found = failure(requests_table)
    assert isinstance(found, Unreachable)
    assert (account.attempts, account.calls) == (2, 0)
    assert settings.DYNAMO_MAX_ATTEMPTS == 2
    # Two attempts of half a second; two minutes would be the server's own.
    assert time.monotonic() - began < 60
    # On a busy machine the server reads what it was sent after the client gave up.
    assert eventually(lambda: fake.operations == ["Query", "Query"])


def test_one_lost_call_is_not_tried_again_when_no_time_is_left(
    fake: FakeDynamo, requests_table: Binding, settings: Any, clock: Clock
) -> None:
    def lose(operation: str, arguments: dict[str, Any]) -> Answer:
        clock.advance(settings.DYNAMO_REQUEST_DEADLINE)
        return Answer(hang=0.01)  # and then the connection is closed

    fake.answer = lose
    with request_budget(settings.DYNAMO_REQUEST_DEADLINE):
        found = failure(requests_table)
    assert isinstance(found, DeadlineExceeded)
    assert fake.operations == ["Query"]


@pytest.mark.parametrize("seconds", [1.0, 7.0, 10.0, 12.5, 14.9, 15.0])
def test_many_calls_never_go_beyond_the_deadline(
    fake: FakeDynamo, requests_table: Binding, clock: Clock, seconds: float
) -> None:
    def slow(operation: str, arguments: dict[str, Any]) -> Answer:
        clock.advance(seconds)
        return Answer({"Items": [], "Count": 0})

    fake.answer = slow
    began = clock.now
    with request_budget(50.0) as account:
        for _ in range(100):
            try:
                query(requests_table)
            except DeadlineExceeded as exceeded:
                found = exceeded
                break
    assert clock.now - began <= 50.0
    # No attempt was refused that could have been answered in time.
    assert clock.now - began + 15.0 > 50.0
    assert account.calls == len(fake.asked) >= 3
    assert (found.kind, found.status, found.retry) == ("deadline", 503, True)
    assert found.sentence.startswith(f"It would take longer than 50 s ({account.calls} calls were answered)")
    assert "narrow the filters" in found.fix


@pytest.mark.parametrize("read_timeout", [50.0, 300.0])
def test_a_read_timeout_as_long_as_the_deadline_does_not_refuse_every_call(
    fake: FakeDynamo, requests_table: Binding, settings: Any, read_timeout: float
) -> None:
    settings.DYNAMO_READ_TIMEOUT = read_timeout
    fake.says(Answer({"Items": [], "Count": 0}))
    with request_budget(settings.DYNAMO_REQUEST_DEADLINE) as account:
        assert query(requests_table)["Items"] == []
    assert account.calls == 1
    config = clients.client(*requests_table.location).meta.config
    assert config.read_timeout <= settings.DYNAMO_REQUEST_DEADLINE / 2


def test_a_server_that_asks_for_a_long_pause_does_not_stretch_the_deadline(
    fake: FakeDynamo,
    requests_table: Binding,
    settings: Any,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.DYNAMO_REQUEST_DEADLINE = 5.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    monkeypatch.setattr("botocore.endpoint.time.sleep", sleep)
    pause = {"x-amz-retry-after": "4500"}
    fake.says(Answer({"__type": "ThrottlingException", "message": "later"}, 400, pause))
    began = clock.now
    with request_budget(5.0):
        found = failure(requests_table)
    assert isinstance(found, Throttled)
    assert clock.now - began <= 5.0
    assert slept == []


def test_without_a_budget_a_call_may_take_its_attempts(
    fake: FakeDynamo, requests_table: Binding, clock: Clock
) -> None:
    fake.says(Answer({"Items": [], "Count": 0}))
    with request_budget(None) as account:
        clock.advance(1_000_000)
        query(requests_table)
    assert account.seconds_left == float("inf")


# --- Credentials and endpoints -------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, fake: FakeDynamo) -> Iterator[pytest.MonkeyPatch]:
    """A process without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    clients.forget()
    yield monkeypatch
    clients.forget()


def test_no_credentials_are_said_to_be_missing(
    fake: FakeDynamo, requests_table: Binding, nobody: pytest.MonkeyPatch
) -> None:
    found = failure(requests_table)
    assert isinstance(found, CredentialsRefused)
    assert found.sentence == "No usable AWS credentials: Unable to locate credentials."
    assert "AWS_PROFILE" in found.fix
    assert fake.asked == []


def test_half_a_key_is_said_to_be_half(fake: FakeDynamo, nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_ACCESS_KEY_ID", "testing")
    with pytest.raises(CredentialsRefused, match="Partial credentials found"):
        scan_page(binding("agents"), purpose="x")


def test_a_profile_that_does_not_exist_is_said_to_be_missing(
    fake: FakeDynamo, nobody: pytest.MonkeyPatch
) -> None:
    nobody.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CredentialsRefused, match=r"profile \(nobody\) could not be found"):
        scan_page(binding("agents"), purpose="x")


def test_changed_credentials_are_read_after_forgetting(
    fake: FakeDynamo, requests_table: Binding, nobody: pytest.MonkeyPatch
) -> None:
    failure(requests_table)
    nobody.setenv("AWS_ACCESS_KEY_ID", "testing")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    clients.forget()
    fake.says(Answer({"Items": [], "Count": 0}))
    assert query(requests_table)["Count"] == 0


@pytest.mark.parametrize("endpoint", ["localhost:8000", "dynamo", "http://"])
def test_an_endpoint_that_is_no_url_is_said_to_be_none(settings: Any, endpoint: str) -> None:
    settings.DYNAMO_TABLES = {
        logical: {**table, "endpoint": endpoint} for logical, table in settings.DYNAMO_TABLES.items()
    }
    with pytest.raises(Unreachable) as raised:
        scan_page(binding("agents"), purpose="x")
    assert endpoint in raised.value.sentence
    assert "http://127.0.0.1:8000" in raised.value.fix
