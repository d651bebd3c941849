"""A queue of commands to the orchestrators."""

import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest


class Queue:
    """An SQS queue on moto's server."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.client = botocore.session.Session().create_client(
            "sqs", region_name="us-east-1", endpoint_url=endpoint
        )
        self.url: str = self.client.create_queue(QueueName=name)["QueueUrl"]

    def messages(self) -> list[dict[str, Any]]:
        """Takes what is in it."""
        taken = []
        while found := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                taken.append(json.loads(message["Body"]))
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return taken


@pytest.fixture
def commands(
    engines: Callable[[str], Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Queue:
    """The command queue, empty, as the settings name it."""
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    queue = Queue(endpoint, f"commands-{abs(hash(request.node.nodeid))}")
    queue.client.purge_queue(QueueUrl=queue.url)
    settings.WORKFLOW_COMMANDS_QUEUE_URL = queue.url
    return queue
