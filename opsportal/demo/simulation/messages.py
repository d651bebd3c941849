"""Simulated receivers of the queues: request workers of the strategy ``sqs``, and the orchestrators that take
the console's commands. A message is deleted once it has been acted on; what acts on it is repeatable, since
SQS may deliver a message twice."""

import json
import logging
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from opsportal.aws import queue_region
from opsportal.demo.simulation import orchestrators, workers
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.world import RETRY_SECONDS, World
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

    def __init__(self, url: str) -> None:
        self.url, self.client = url, sqs(url)
        self._away = False

    def take(self) -> Generator[float, None, Message | None]:
        """The next message, or None when there is none."""
        answer = yield from self._ask(
            lambda: self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=1, WaitTimeSeconds=0)
        )
        for found in answer.get("Messages", []):
            try:
                body = json.loads(found["Body"])
            except ValueError:
                body = None
            return Message(body if isinstance(body, dict) else {}, found["ReceiptHandle"])
        return None

    def delete(self, message: Message) -> Generator[float, None, None]:
        yield from self._ask(
            lambda: self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)
        )

    def _ask(self, call: Callable[[], Answer]) -> Generator[float, None, Answer]:
        while True:
            try:
                answer = call()
            except (BotoCoreError, ClientError) as error:
                if not self._away:
                    logger.warning("waiting for the queue %s: %s", self.url, error)
                self._away = True
                yield RETRY_SECONDS
                continue
            if self._away:
                logger.warning("going on: the queue %s answers again", self.url)
                self._away = False
            return answer


def _pause(world: World) -> float:
    return max(LEAST_PAUSE, world.seconds(0.5, 1.5))


def requests(world: World, inbox: Inbox, number: int) -> Task:
    """A worker that takes requests from the queue, for ever. One that is not pending any more, or that cannot
    be written, is left alone."""
    name = f"{workers.QUEUE_WORKER}{number:03d}"
    while True:
        message = yield from inbox.take()
        if message is None:
            yield _pause(world)
            continue
        request = message.text("request_id")
        try:
            job = workers.Job(world, request, name)
            mine = bool(request) and (yield from job.claim())
            yield from inbox.delete(message)
            if mine:
                yield from job.process()
            else:
                logger.info("%s has nothing to do for the message on request %r", name, request)
        except DynamoError as error:
            logger.warning("%s leaves request %r: %s", name, request, error.sentence)
            yield from inbox.delete(message)
            world.running.discard(request)


def commands(world: World, inbox: Inbox, start: Callable[[Task], object]) -> Task:
    """Take the console's commands, for ever, and ``start`` an orchestrator for each retry."""
    done: deque[str] = deque(maxlen=REMEMBERED)
    while True:
        message = yield from inbox.take()
        if message is None:
            yield _pause(world)
            continue
        action_id, session = message.text("action_id"), message.text("sessionId")
        if message.text("action") != "retry" or not session:
            logger.warning("no orchestrator knows this command: %.500s", message.body)
        elif action_id and action_id in done:
            logger.info("the command %s was delivered twice", action_id)
        else:
            done.append(action_id)
            start(orchestrators.again(world, session, message.text("fromStep")))
        yield from inbox.delete(message)
