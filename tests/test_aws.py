"""SQS: the region of a queue, what is sent, and what is said when it fails."""

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from opsportal import aws
from opsportal.aws import QueueTrouble, queue_region, send_message


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/requests", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/requests", "cn-north-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/requests", "us-gov-west-1"),
        ("https://vpce-0a1b2c-x.sqs.eu-central-1.vpce.amazonaws.com/123456789012/requests", "eu-central-1"),
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
    client = aws._sqs("us-east-1", "http://127.0.0.1:9")
    with Stubber(client) as stub:
        yield stub


def test_a_message_is_ascii_json(sqs: Stubber) -> None:
    """SQS refuses U+FFFF and the like, which foreign text may hold."""
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/requests"
    body = {"text": "naïve ☃ \uffff \x00", "action_id": "a"}
    sqs.add_response("send_message", {"MessageId": "m"}, {"QueueUrl": url, "MessageBody": json.dumps(body)})
    assert send_message(url, body) == "m"


def test_a_fifo_queue_drops_repetitions(sqs: Stubber) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/requests.fifo"
    sqs.add_response(
        "send_message",
        {"MessageId": "m"},
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
