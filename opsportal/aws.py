"""AWS services beside DynamoDB: the message queues."""

import functools
import json
import os
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from opsportal.dynamo.tables import aws_region


class QueueTrouble(Exception):
    """A message could not be sent; the worker tries again."""


def send_message(queue_url: str, body: dict[str, Any]) -> str:
    """Send JSON to an SQS queue and return SQS's message id. Raises QueueTrouble.

    A FIFO queue gets the action as group and as deduplication id, so that a repetition is dropped there.
    """
    arguments: dict[str, Any] = {"QueueUrl": queue_url, "MessageBody": json.dumps(body, ensure_ascii=False)}
    if queue_url.endswith(".fifo"):
        arguments["MessageGroupId"] = arguments["MessageDeduplicationId"] = str(body["action_id"])
    try:
        answer = _sqs(queue_region(queue_url), os.environ.get("AWS_ENDPOINT_URL_SQS", "")).send_message(
            **arguments
        )
    except (BotoCoreError, ClientError) as error:
        raise QueueTrouble(f"{queue_url}: {error}") from error
    return str(answer["MessageId"])


def queue_region(queue_url: str) -> str:
    """The region in a queue's URL (https://sqs.<region>.amazonaws.com/...), else the AWS chain's."""
    host = queue_url.split("/")[2] if queue_url.count("/") > 2 else ""
    parts = host.split(".")
    return parts[1] if len(parts) > 2 and parts[0] == "sqs" else aws_region() or "us-east-1"


@functools.lru_cache(maxsize=8)
def _sqs(region: str, endpoint: str) -> Any:
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return botocore.session.Session().create_client(
        "sqs", region_name=region, endpoint_url=endpoint or None, config=config
    )
