"""AWS beside DynamoDB: which endpoint is asked, the region of a queue, what is sent, what is said of failures."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from opsportal import aws
from opsportal.aws import (
    MessageRefused,
    QueueTrouble,
    ServiceTrouble,
    asking,
    is_emulated,
    message_limit,
    queue_region,
    send_message,
)
from opsportal.dynamo.answers import NotItsAnswer
from opsportal.dynamo.aws_names import is_amazons, partition_of
from opsportal.dynamo.sessions import UnusableEndpoint
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, binding
from tests.dripping import Dripping, bytewise, dripping, http, whole
from tests.false_answers import FALSE, as_http


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/requests", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/requests", "cn-north-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/requests", "us-gov-west-1"),
        ("https://vpce-0a1b2c-x.sqs.eu-central-1.vpce.amazonaws.com/123456789012/requests", "eu-central-1"),
        ("https://sqs.us-iso-east-1.c2s.ic.gov/123456789012/requests", "us-iso-east-1"),
        ("https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/requests", "eusc-de-east-1"),
        ("https://sqs.us-east-1.api.aws/123456789012/requests", "us-east-1"),
        ("https://ap-south-1.queue.amazonaws.com/123456789012/requests", "ap-south-1"),
        ("http://127.0.0.1:4566/123456789012/requests", "eu-north-1"),
        ("https://sqs.example.com/requests", "eu-north-1"),
        ("requests", "eu-north-1"),
        ("", "eu-north-1"),
    ],
)
def test_the_region_stands_in_the_url(monkeypatch: pytest.MonkeyPatch, url: str, region: str) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert queue_region(url) == region


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    client = aws.service("sqs", "us-east-1")
    with Stubber(client) as stub:
        yield stub


def taken(body: str) -> dict[str, str]:
    """SQS's answer to a message."""
    return {"MessageId": "m", "MD5OfMessageBody": hashlib.md5(body.encode()).hexdigest()}


def test_a_message_is_utf_8_with_every_digit_and_without_what_sqs_refuses(sqs: Stubber) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/requests"
    number = Decimal("0.12345678901234567890123456789")
    body = {"text": "naïve ☃ 😀 \uffff \x00 \ud800", "number": number, "action_id": "a"}
    sent = (
        '{"text": "naïve ☃ 😀 \\uffff \\u0000 \\ud800", '
        '"number": 0.12345678901234567890123456789, "action_id": "a"}'
    )
    sqs.add_response("send_message", taken(sent), {"QueueUrl": url, "MessageBody": sent})
    assert send_message(url, body) == "m"


@pytest.mark.parametrize(
    ("code", "message", "permanent"),
    [
        ("InvalidParameterValue", "Reason: Message must be shorter than 1024 bytes.", True),
        ("InvalidMessageContents", "an invalid character", True),
        ("AWS.SimpleQueueService.NonExistentQueue", "no such queue", False),
        ("AccessDenied", "not authorized", False),
        ("RequestThrottled", "slow down", False),
        ("InternalFailure", "oops", False),
        ("KmsDisabled", "the key is disabled", False),
    ],
)
def test_what_can_never_be_sent_is_told_from_what_may_pass(
    sqs: Stubber, monkeypatch: pytest.MonkeyPatch, code: str, message: str, permanent: bool
) -> None:
    monkeypatch.setattr(aws, "_limits", {})
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/requests"
    sqs.add_client_error("send_message", code, message, http_status_code=400)
    with pytest.raises(QueueTrouble) as raised:
        send_message(url, {"action_id": "a"})
    assert isinstance(raised.value, MessageRefused) is permanent
    # A queue's own limit is known from then on.
    assert message_limit(url) == (1024 if "shorter" in message else 1_048_576)


def test_a_fifo_queue_drops_repetitions(sqs: Stubber) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/requests.fifo"
    sqs.add_response(
        "send_message",
        taken('{"action_id": "a"}'),
        {
            "QueueUrl": url,
            "MessageBody": '{"action_id": "a"}',
            "MessageGroupId": "a",
            "MessageDeduplicationId": "a",
        },
    )
    assert send_message(url, {"action_id": "a"}) == "m"


def test_what_sqs_refuses_is_trouble_with_the_queue(sqs: Stubber) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/requests"
    sqs.add_client_error("send_message", "AWS.SimpleQueueService.NonExistentQueue", "no such queue")
    with pytest.raises(QueueTrouble, match="no such queue"):
        send_message(url, {"action_id": "a"})


def test_a_queue_that_does_not_answer_is_trouble_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    with pytest.raises(QueueTrouble):
        send_message("http://127.0.0.1:9/123456789012/requests", {"action_id": "a"})


@pytest.mark.parametrize(
    ("endpoint", "amazons"),
    [
        ("https://dynamodb.us-east-1.amazonaws.com", True),
        ("https://dynamodb.cn-north-1.amazonaws.com.cn/", True),
        ("https://dynamodb.eu-north-1.api.aws", True),
        ("https://vpce-0a1b.dynamodb.us-east-1.vpce.amazonaws.com", True),
        ("http://127.0.0.1:8000", False),
        ("https://amazonaws.com.example.org", False),
        ("https://notamazonaws.com", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_amazons_endpoints_are_told_by_their_domain(endpoint: str, amazons: bool) -> None:
    assert is_amazons(endpoint) is amazons


@pytest.fixture
def amazons_table(monkeypatch: pytest.MonkeyPatch) -> Binding:
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB")
    return replace(binding("requests"), endpoint="")


def test_the_real_aws_is_not_asked_about_an_emulators_table(
    monkeypatch: pytest.MonkeyPatch, amazons_table: Binding
) -> None:
    emulators = replace(amazons_table, endpoint="http://127.0.0.1:9")
    assert not is_emulated(amazons_table)
    assert is_emulated(emulators)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    assert not is_emulated(emulators)
    assert is_emulated(emulators, "sts")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert not is_emulated(emulators, "sts")


def test_an_emulator_that_the_profile_names_is_one_too(
    monkeypatch: pytest.MonkeyPatch, amazons_table: Binding, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nservices = local\n[services local]\ndynamodb =\n  endpoint_url = http://127.0.0.1:9\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert is_emulated(amazons_table)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-north-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("dynoxide", "aws")],
)
def test_the_partition_is_the_regions(region: str, partition: str) -> None:
    assert partition_of(region) == partition


def test_forgotten_clients_are_made_again() -> None:
    first = aws.service("sts", "us-east-1")
    assert aws.service("sts", "us-east-1") is first
    aws.forget()
    assert aws.service("sts", "us-east-1") is not first


def refusal(code: str, message: str = "") -> Exception:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetMetricData")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (refusal("UnknownOperationException"), "unknown here"),
        (NotItsAnswer("a web page"), "unknown here"),
        (refusal("ExpiredToken", "gone"), "The session token has expired."),
        (
            refusal("Throttling", "Rate exceeded"),
            "cloudwatch:GetMetricData in eu-north-1: Throttling: Rate exceeded",
        ),
        (
            EndpointConnectionError(endpoint_url="http://x"),
            "cloudwatch:GetMetricData in eu-north-1: http://x can't be connected to",
        ),
        (UnusableEndpoint("The endpoint x is not a URL."), "The endpoint x is not a URL."),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_trouble_with_a_service_is_told_in_a_sentence(error: Exception, why: str) -> None:
    with (
        pytest.raises(ServiceTrouble, match=f"^{why}") as found,
        asking("cloudwatch:GetMetricData", "eu-north-1"),
    ):
        raise error
    assert not found.value.denied
    assert found.value.statement == ""


def test_a_service_that_iam_denies_is_told_with_the_statement() -> None:
    topic = "arn:aws:sns:us-east-1:1:t"
    with (
        pytest.raises(ServiceTrouble, match="may not perform sns:Publish in us-east-1") as found,
        asking("sns:Publish", "us-east-1", topic),
    ):
        raise refusal("AccessDenied", "no identity-based policy allows it")
    assert found.value.denied
    assert json.loads(found.value.statement) == {
        "Effect": "Allow",
        "Action": ["sns:Publish"],
        "Resource": ["arn:aws:sns:us-east-1:1:t"],
    }


def test_a_service_that_is_denied_explicitly_gets_no_statement() -> None:
    with (
        pytest.raises(ServiceTrouble, match="no added permission lifts") as found,
        asking("sns:Publish", "us-east-1"),
    ):
        raise refusal("AccessDenied", "with an explicit deny in a service control policy")
    assert found.value.statement == ""


# --- What is not the service's answer --------------------------------------------------------------------

ASKED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sts:GetCallerIdentity": ("sts", lambda client: client.get_caller_identity()),
    "kms:DescribeKey": ("kms", lambda client: client.describe_key(KeyId="k")),
    "cloudwatch:GetMetricData": (
        "cloudwatch",
        lambda client: client.get_metric_data(MetricDataQueries=[], StartTime=1, EndTime=2),
    ),
    "cloudwatch:DescribeAlarms": ("cloudwatch", lambda client: client.describe_alarms()),
    "cloudwatch:PutMetricData": (
        "cloudwatch",
        lambda client: client.put_metric_data(Namespace="n", MetricData=[]),
    ),
    "cloudwatch:PutMetricAlarm": (
        "cloudwatch",
        lambda client: client.put_metric_alarm(
            AlarmName="a", EvaluationPeriods=1, ComparisonOperator="LessThanThreshold"
        ),
    ),
    "cloudwatch:DeleteAlarms": ("cloudwatch", lambda client: client.delete_alarms(AlarmNames=["a"])),
}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dripping]:
    """One server that all services are asked at."""
    with dripping(whole(b"")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server
        aws.forget()


@pytest.mark.parametrize("action", ASKED)
def test_no_service_is_taken_to_have_said_what_another_server_did(served: Dripping, action: str) -> None:
    name, ask = ASKED[action]
    for answer in FALSE.values():
        served.answers = [as_http(answer)]
        with pytest.raises(ServiceTrouble) as raised, asking(action, "us-east-1"):
            ask(aws.service(name, "us-east-1"))
        assert (raised.value.denied, raised.value.statement) == (False, "")
        assert "<html" not in raised.value.why


URL = "https://sqs.us-east-1.amazonaws.com/123456789012/requests"


def test_a_message_is_sent_when_sqs_says_so(served: Dripping) -> None:
    body = {"action_id": "a"}
    for answer in FALSE.values():
        served.answers = [as_http(answer)]
        with pytest.raises(QueueTrouble) as raised:
            send_message(URL, body)
        assert "<html" not in str(raised.value)
    digest = hashlib.md5(json.dumps(body).encode()).hexdigest()
    for wrong in (
        {"MessageId": "m"},
        {"MD5OfMessageBody": digest},
        {"MessageId": None, "MD5OfMessageBody": digest},
        {"MessageId": 5, "MD5OfMessageBody": digest},
        {"MessageId": "m", "MD5OfMessageBody": hashlib.md5(b"another").hexdigest()},
    ):
        served.answers = [whole(http(json.dumps(wrong).encode()))]
        with pytest.raises(QueueTrouble):
            send_message(URL, body)
    served.answers = [whole(http(json.dumps({"MessageId": "m", "MD5OfMessageBody": digest}).encode()))]
    assert send_message(URL, body) == "m"


def test_a_queue_that_drips_is_given_up(served: Dripping, monkeypatch: pytest.MonkeyPatch) -> None:
    served.answers = [bytewise(http(b"{}", "A: " + "b" * 400))]
    began = time.monotonic()
    with request_budget(0.5), pytest.raises(QueueTrouble):
        send_message(URL, {"action_id": "a"})
    assert time.monotonic() - began < 20  # of 40 s that it would take
