"""What all simulated programs share: the tables, the pace, chance, and patience with the engine."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from django.conf import settings

from opsportal.demo import traffic
from opsportal.dynamo import clients
from opsportal.dynamo.errors import DynamoError, TableMissing, Throttled, Unreachable, translated
from opsportal.dynamo.tables import Binding, binding
from requests_app.writer import RequestWriteError, RequestWriter
from tracking.writer import StatusWriteError, StatusWriter, WriteResult

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
# One simulated program.
Task = Coroutine[Any, Any, None]
RETRY_SECONDS = LOOK_SECONDS = 2.0
MAX_TURNS = 1_000  # far more than are at work at once


@dataclass(frozen=True)
class Pace:
    """How fast things happen. ``speed`` divides every duration; ``rate`` is workflows per minute of real
    time in the busiest hours (`traffic.weight`), and a request comes for every two workflows; ``failure_rate``
    is the share that fails; ``overwrite_rate`` the share of requests whose worker puts the whole item back from
    its memory; ``foreign_rate`` the share of workflows that another program writes, in its own way."""

    speed: float = 1.0
    rate: float = traffic.WORKFLOWS_PER_HOUR / 60
    failure_rate: float = traffic.FAILURE_RATE
    overwrite_rate: float = 0.0
    foreign_rate: float = 0.0


@dataclass
class World:
    """One simulator's surroundings. ``finished`` counts outcomes, such as ``workflows completed``;
    ``running`` has the ids of items of its own that a run waits for; ``turns``: how often each workflow was begun.

    Calls block, so that a signal ends even one that an engine does not answer; ``sleep`` is where programs alternate.
    """

    pace: Pace = field(default_factory=Pace)
    rng: random.Random = field(default_factory=random.Random)
    finished: dict[str, int] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    turns: dict[str, int] = field(default_factory=dict)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        self.workflows, self.requests = binding("workflows"), binding("requests")
        self.logs, self.agents = binding("request_logs"), binding("agents")
        self.steps: list[dict[str, str]] = settings.WORKFLOW_STEPS
        self.requests_queue: str = settings.REQUESTS_QUEUE_URL
        self.commands_queue: str = settings.WORKFLOW_COMMANDS_QUEUE_URL
        self.writer = StatusWriter(
            self.workflows.name,
            key=self.workflows.key,
            steps=[(step["key"], step["waiting"]) for step in self.steps],
            client=self.client(self.workflows),
            raise_errors=True,
        )
        self._away = set[str]()

    def client(self, table: Binding) -> Any:
        return clients.client(table.region, table.endpoint, background=True)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self, low: float, high: float) -> float:
        """Real seconds for something that takes between ``low`` and ``high`` at speed 1."""
        return self.rng.uniform(low, high) / self.pace.speed

    async def wait(self, seconds: float, is_over: Callable[[], Awaitable[bool]]) -> bool:
        """Let so many seconds pass, at speed 1. True as soon as it is over, which is asked every `LOOK_SECONDS`
        of real time: what a person does in the console is seen within that."""
        remaining = seconds / self.pace.speed
        while remaining > LOOK_SECONDS:
            await self.sleep(LOOK_SECONDS)
            remaining -= LOOK_SECONDS
            if await is_over():
                return True
        await self.sleep(remaining)
        return False

    def turn(self, session: str) -> int:
        """Begin with a workflow: an earlier orchestrator that is at work on it leaves it."""
        self.turns[session] = self.turns.pop(session, 0) + 1
        while len(self.turns) > MAX_TURNS:
            del self.turns[next(iter(self.turns))]
        return self.turns[session]

    def has_turn(self, session: str, turn: int) -> bool:
        return self.turns.get(session) == turn

    def count(self, outcome: str) -> None:
        self.finished[outcome] = self.finished.get(outcome, 0) + 1

    async def ask(self, table: Binding, call: Callable[[], Answer]) -> Answer:
        """The call's answer, as `until_it_answers`. A failed condition and errors of another kind (`DynamoError`)
        are raised."""

        def called() -> Answer:
            with translated(table):
                return call()

        return await self.until_it_answers("the engine", called, Unreachable, Throttled, TableMissing)

    async def until_it_answers(
        self, name: str, call: Callable[[], Answer], *passing: type[Exception]
    ) -> Answer:
        """The call's answer, however long it raises one of `passing`: one line is logged when that begins and one
        when it is over."""
        while True:
            try:
                answer = call()
            except passing as error:
                if name not in self._away:
                    logger.warning("waiting for %s: %s", name, error)
                self._away.add(name)
                await self.sleep(RETRY_SECONDS)
                continue
            if name in self._away:
                logger.warning("going on: %s answers again", name)
                self._away.remove(name)
            return answer

    async def call(self, table: Binding, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer of a client's method that takes a table's name, as `ask` waits for it."""
        method = getattr(self.client(table), operation)
        answer: dict[str, Any] = await self.ask(table, partial(method, TableName=table.name, **arguments))
        return answer

    async def read(self, table: Binding, key: str) -> dict[str, Any]:
        """The item, read consistently; {} where there is none."""
        answer = await self.call(table, "get_item", Key={table.key: {"S": key}}, ConsistentRead=True)
        item: dict[str, Any] = answer.get("Item", {})
        return item

    async def changed(self, table: Binding, operation: str, key: str, **arguments: Any) -> bool:
        """Call `operation` on an item under a condition; False where that does not hold."""
        try:
            await self.call(table, operation, Key={table.key: {"S": key}}, **arguments)
        except self.client(table).exceptions.ConditionalCheckFailedException:
            return False
        return True

    def request_writer(self, worker: str) -> RequestWriter:
        """How a worker that behaves well writes requests and their logs. Every progress is written, since
        this one's time is not everybody's."""
        return RequestWriter(
            self.requests.name,
            worker_id=worker,
            logs_table=self.logs.name,
            key=self.requests.key,
            logs_key=self.logs.key,
            client=self.client(self.requests),
            raise_errors=True,
            progress_interval=0,
            log_interval=0,
        )

    async def tell(self, call: Callable[[], Answer]) -> Answer:
        """The answer of a RequestWriter or of its job, with the same patience. `Stopped` is raised too."""

        def unwrapped() -> Answer:
            try:
                return call()
            except RequestWriteError as error:
                raise (error.__cause__ or error) from None

        return await self.ask(self.requests, unwrapped)

    async def record(self, call: Callable[[], WriteResult]) -> WriteResult:
        """What became of a StatusWriter's call, with the same patience; other errors count as its failure."""

        def unwrapped() -> WriteResult:
            try:
                return call()
            except StatusWriteError as error:
                if error.__cause__ is None:
                    return WriteResult("missing", str(error))
                raise error.__cause__ from None

        try:
            return await self.ask(self.workflows, unwrapped)
        except DynamoError as error:
            logger.warning("a status was not recorded: %s", error.sentence)
            return WriteResult("failed", error.sentence)
