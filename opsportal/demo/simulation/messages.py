"""Simulated receivers of the queues: request workers of the strategy ``sqs``, and the orchestrators that take
the console's commands. A message is deleted once it has been acted on; what acts on it is repeatable, since
SQS may deliver a message twice."""

import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from opsportal.aws import queue_region
from opsportal.demo.simulation import orchestrators, workers
from opsportal.demo.simulation.world import Task, World
from opsportal.dynamo.errors import DynamoError

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

# Real seconds between two looks into an empty queue, at least, whatever the speed.
LEAST_PAUSE = 0.2
# Commands that are remembered, so that one that is delivered twice is carried out once.
REMEMBERED = 1_000


@dataclass(frozen=True)
class Message:
    """``body``: the JSON object that was sent; empty for anything else."""

    body: dict[str, Any]
    receipt: str

    def text(self, name: str) -> str:
        value = self.body.get(name)
        return value if isinstance(value, str) else ""


def sqs(queue_url: str) -> Any:
    """A client for a queue, at the endpoint that the AWS chain names (AWS_ENDPOINT_URL_SQS)."""
    # Short, since all simulated programs share one thread.
    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("sqs", region_name=queue_region(queue_url), config=config)


def endpoints() -> dict[str, str]:
    """Setting -> endpoint, of the queues that are set."""
    queues = {name: getattr(settings, name) for name in ("REQUESTS_QUEUE_URL", "WORKFLOW_COMMANDS_QUEUE_URL")}
    return {name: sqs(url).meta.endpoint_url for name, url in queues.items() if url}


class Inbox:
    """One queue, as its receivers see it; however long it is away, they wait."""

    def __init__(self, world: World, url: str) -> None:
        self.world, self.url, self.client = world, url, sqs(url)

    async def take(self) -> Message | None:
        """The next message, or None when there is none."""
        answer = await self._ask(
            lambda: self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=1, WaitTimeSeconds=0)
        )
        for found in answer.get("Messages", []):
            try:
                body = json.loads(found["Body"])
            except ValueError:
                body = None
            return Message(body if isinstance(body, dict) else {}, found["ReceiptHandle"])
        return None

    async def delete(self, message: Message) -> None:
        await self._ask(lambda: self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt))

    async def _ask(self, call: Callable[[], Answer]) -> Answer:
        queue = f"the queue {self.url}"
        return await self.world.until_it_answers(queue, call, BotoCoreError, ClientError)


def _pause(world: World) -> float:
    return max(LEAST_PAUSE, world.seconds(0.5, 1.5))


async def requests(world: World, inbox: Inbox, number: int) -> None:
    """A worker that takes requests from the queue, for ever. One that is not pending any more, or that cannot
    be written, is left alone."""
    name = f"{workers.QUEUE_WORKER}{number:03d}"
    while True:
        message = await inbox.take()
        if message is None:
            await world.sleep(_pause(world))
            continue
        request = message.text("request_id")
        try:
            job = workers.Job(world, request, name)
            mine = bool(request) and await job.claim()
            await inbox.delete(message)
            if mine:
                await job.process()
            else:
                logger.info("%s has nothing to do for the message on request %r", name, request)
        except DynamoError as error:
            logger.warning("%s leaves request %r: %s", name, request, error.sentence)
            await inbox.delete(message)
            world.running.discard(request)


async def commands(world: World, inbox: Inbox, start: Callable[[Task], object]) -> None:
    """Take the console's commands, for ever, and ``start`` an orchestrator for each retry."""
    done: deque[str] = deque(maxlen=REMEMBERED)
    while True:
        message = await inbox.take()
        if message is None:
            await world.sleep(_pause(world))
            continue
        action_id, session = message.text("action_id"), message.text("sessionId")
        if message.text("action") != "retry" or not session:
            logger.warning("no orchestrator knows this command: %.500s", message.body)
        elif action_id and action_id in done:
            logger.info("the command %s was delivered twice", action_id)
        else:
            done.append(action_id)
            start(orchestrators.again(world, session, message.text("fromStep")))
        await inbox.delete(message)
