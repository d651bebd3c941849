"""SQS queues on moto's server."""

import json
from typing import Any

import botocore.session


class Queue:
    """A queue of that name, made on first use and empty."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.client = botocore.session.Session().create_client(
            "sqs", region_name="us-east-1", endpoint_url=endpoint
        )
        self.url: str = self.client.create_queue(QueueName=name)["QueueUrl"]
        self.client.purge_queue(QueueUrl=self.url)

    def messages(self) -> list[dict[str, Any]]:
        """Takes what is in it."""
        taken = []
        while found := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                taken.append(json.loads(message["Body"]))
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return taken
