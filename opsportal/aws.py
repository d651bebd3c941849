"""AWS services beside DynamoDB: the message queues."""

import functools
import json
import os
import re
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from opsportal.dynamo.tables import aws_region

_REGION = re.compile(
    r"(^|\.)sqs(-fips)?\.(?P<new>[\w-]+)\.(vpce\.)?amazonaws\.|^(?P<old>[\w-]+)\.queue\.amazonaws\."
)


class QueueTrouble(Exception):
    """A message could not be sent; the worker tries again."""


def send_message(queue_url: str, body: dict[str, Any]) -> str:
    """Send JSON to an SQS queue and return SQS's message id. Raises QueueTrouble.

    In ASCII, since SQS refuses some characters that foreign text may hold.

    A FIFO queue gets the action as group and as deduplication id, so that a repetition is dropped there.
    """
    arguments: dict[str, Any] = {"QueueUrl": queue_url, "MessageBody": json.dumps(body)}
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
    """The region in a queue's URL (https://sqs.<region>.amazonaws.com/..., also sqs-fips, a VPC endpoint's, or
    the old https://<region>.queue.amazonaws.com/...), else the AWS chain's."""
    found = _REGION.search(urlsplit(queue_url).hostname or "")
    return (found["new"] or found["old"]) if found else aws_region() or "us-east-1"


@functools.lru_cache(maxsize=8)
def _sqs(region: str, endpoint: str) -> Any:
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return botocore.session.Session().create_client(
        "sqs", region_name=region, endpoint_url=endpoint or None, config=config
    )
