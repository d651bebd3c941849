"""SQS queues on moto's server."""

import functools
import itertools
import json
from typing import Any

import botocore.session

_numbers = itertools.count()


@functools.cache
def _client(endpoint: str) -> Any:
    return botocore.session.Session().create_client("sqs", region_name="us-east-1", endpoint_url=endpoint)


class Queue:
    """An empty queue, whose name begins with the given one. SQS purges one only once a minute."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.client = _client(endpoint)
        self.url: str = self.client.create_queue(QueueName=f"{name}-{next(_numbers)}")["QueueUrl"]

    def messages(self) -> list[dict[str, Any]]:
        """Takes what is in it."""
        taken = []
        while found := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                taken.append(json.loads(message["Body"]))
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return taken
