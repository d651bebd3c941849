"""Simulated request workers: they take pending requests and carry them through their stages, from pending
over processing and executing to completed or failed, unless someone cancels them on the way."""

import logging
from collections.abc import Generator
from typing import Any

from opsportal.demo.place import Item, attribute_value, attribute_values
from opsportal.demo.requests import FAILURES, STAGES, change, progress, results
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.world import World, abandoned
from opsportal.demo.stamps import naive
from opsportal.dynamo.errors import DynamoError
from requests_app.writer import Job as Held
from requests_app.writer import Stopped

logger = logging.getLogger(__name__)

WORKER = "sim_processor_"
RANK = {"high": 0, "medium": 1, "low": 2}
LOOKED_AT = 1_000  # pending requests read at most before choosing
TERMINAL = ("completed", "failed", "cancelled")


def worker(world: World, number: int) -> Task:
    """Take and process requests, for ever. One that cannot be written (malformed, say) is left alone."""
    name, unfit = f"{WORKER}{number:03d}", set[str]()
    yield world.seconds(0, 2)
    while True:
        request = ""
        try:
            pending = yield from waiting(world, unfit)
            for request in pending:
                job = Job(world, request, name)
                if (yield from job.claim()):
                    yield from job.process()
                    break
        except DynamoError as error:
            logger.warning("%s leaves request %r: %s", name, request, error.sentence)
            unfit.add(request)
            world.running.discard(request)
        yield world.seconds(1.5, 3)


def waiting(world: World, unfit: set[str]) -> Generator[float, None, list[str]]:
    """Ids of pending requests from ``status-index``: high, medium, low, then the oldest. Test runs (seed
    002's sample) are not worked on. Where there is a queue, those of the strategy ``sqs`` come from it, but
    for what has waited so long that its message must be lost: our queue is in memory."""
    table, client = world.requests, world.client(world.requests)
    call: dict[str, Any] = {
        "TableName": table.name,
        "IndexName": "status-index",
        "KeyConditionExpression": "#status = :pending",
        "ProjectionExpression": "#key, priority, created_at, updated_at, processing_strategy, "
        "processing_metadata.test_run",
        "ExpressionAttributeNames": {"#status": "status", "#key": table.key},
        "ExpressionAttributeValues": {":pending": {"S": "pending"}},
    }
    found: list[Item] = []
    while len(found) < LOOKED_AT:
        page = yield from world.ask(table, lambda: client.query(**call))
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        call["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    lost = naive(world.now() - abandoned(world))
    fit = [
        item
        for item in found
        if item[table.key]["S"] not in unfit
        and not (world.requests_queue and _by_queue(item) and _text(item, "updated_at") > lost)
        and not item.get("processing_metadata", {}).get("M", {}).get("test_run", {}).get("BOOL")
    ]
    fit.sort(key=lambda item: (RANK.get(item.get("priority", {}).get("S", ""), 3), item["created_at"]["S"]))
    return [item[table.key]["S"] for item in fit]


def _by_queue(item: Item) -> bool:
    return _text(item, "processing_strategy").lower() == "sqs"


def _text(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))


class Job:
    """One request in one worker's hands.

    ``forgetful``: after its claim it never looks at the table again, and puts the whole item from its memory
    each time, as some deployed workers do. What an operator has changed in between is overwritten.
    """

    def __init__(self, world: World, request: str, name: str) -> None:
        self.world, self.request, self.name = world, request, name
        self.writer = world.request_writer(name)
        self.held: Held | None = None
        self.memory: Memory | None = None
        self.stage = "initialization"
        self.found = self.extracted = self.failed = 0

    def claim(self) -> Generator[float, None, bool]:
        """Whether this worker has got the request; another one, or an operator, may have been quicker."""
        self.held = yield from self.world.tell(lambda: self.writer.claim(self.request))
        if self.held is None:
            return False
        yield from self.log("INFO", "Started processing")
        if self.world.rng.random() < self.world.pace.overwrite_rate:
            self.memory = Memory(self.world, self.request)
            yield from self.memory.read()
        return True

    def process(self) -> Generator[float, None, None]:
        """Through the stages, unless it is stopped; a share of the requests fails on the way."""
        world, began = self.world, self.world.now()
        fails = world.rng.random() < world.pace.failure_rate
        breaks_in = world.rng.choice(list(STAGES)[1:4]) if fails else ""
        try:
            for stage, (low, high) in STAGES.items():
                self.stage = stage
                yield from self.check()
                if stage == "content_extraction":
                    yield from self.become("executing", "Executing")
                if stage == "completed":
                    break
                ticks = 1 if stage == "initialization" else world.rng.randint(2, 4)
                for tick in range(1, ticks + 1):
                    yield world.seconds(1.5, 3.5)
                    yield from self.advance(stage, low + (high - low) * tick / ticks)
                    if stage == breaks_in and tick == ticks // 2 + 1:
                        yield from self.fail()
                        return
            kind = self._held.item.get("request_type") or "request"
            took = (world.now() - began).total_seconds()
            made = results(self.request, str(kind), world.rng, self.found, self.extracted, took)
            yield from self.log("INFO", "Report written")
            yield from self.become("completed", "Request completed", made)
        except Stopped as stopped:
            world.count("requests stopped")
            world.running.discard(self.request)
            yield from self.log("WARNING", f"Stopped: {stopped.reason}")

    @property
    def _held(self) -> Held:
        if self.held is None:
            raise RuntimeError("the request is not claimed")
        return self.held

    def check(self) -> Generator[float, None, None]:
        """Raise Stopped when the request has been taken away (consistent read)."""
        if self.memory is None:
            yield from self.world.tell(self._held.check)

    def advance(self, stage: str, percentage: float) -> Generator[float, None, None]:
        rng, now = self.world.rng, self.world.now()
        if stage == "serp_discovery":
            self.found += rng.randint(2, 9)
            yield from self.log("INFO", f"{self.found} URLs found")
        elif stage == "content_extraction":
            self.extracted = int(self.found * (percentage - 25) / 60)
            if rng.random() < 0.2:
                self.failed += 1
                yield from self.log("WARNING", f"Page {self.extracted + 1} could not be read; skipped")
            else:
                yield from self.log("INFO", f"{self.extracted} of {self.found} documents extracted")
        elif stage == "aggregation":
            yield from self.log(
                "DEBUG", f"{self.extracted} documents merged into {rng.randint(2, 9)} findings"
            )
        else:
            yield from self.log("INFO", "Configuration checked")
        percentage = round(percentage, 1)
        if self.memory is not None:
            moved = progress(stage, percentage, self.found, self.extracted, self.failed, now)
            yield from self.memory.put_back({"progress": moved})
            return
        yield from self.world.tell(
            lambda: self._held.progress(
                stage,
                percentage,
                urls_found=self.found,
                content_extracted=self.extracted,
                processing_errors=self.failed,
            )
        )

    def fail(self) -> Generator[float, None, None]:
        yield from self.become("failed", self.world.rng.choice(FAILURES))

    def become(self, status: str, message: str, made: Item | None = None) -> Generator[float, None, None]:
        """Change the status, with its entry in the history. ``made``: the results."""
        job = self._held
        if self.memory is not None:
            yield from self._become_by_memory(self.memory, status, message, made)
        elif status == "executing":
            yield from self.world.tell(lambda: job.executing(message))
        elif status == "failed":
            yield from self.world.tell(lambda: job.fail(message))
        else:
            yield from self.world.tell(lambda: job.complete(made, message))
        if status in TERMINAL:
            self.world.count(f"requests {status}")
            self.world.running.discard(self.request)

    def _become_by_memory(
        self, memory: "Memory", status: str, message: str, made: Item | None
    ) -> Generator[float, None, None]:
        now = self.world.now()
        fields: Item = {"status": status, "status_message": message}
        if status in TERMINAL:
            fields["completed_at"] = naive(now)
        if status == "failed":
            fields["errors"] = [f"{naive(now)}: {message}"]
        if made is not None:
            last = progress("completed", 100, self.found, self.extracted, self.failed, now)
            fields |= {"results": made, "progress": last}
        yield from memory.put_back(fields, change(now, memory.status, status, message))
        yield from self.log("ERROR" if status == "failed" else "INFO", message)

    def log(self, level: str, message: str) -> Generator[float, None, None]:
        facts = {"stage": self.stage, "processing_node": "node-1"}
        yield from self.world.tell(lambda: self._held.log(level, message, **facts))


class Memory:
    """The item as a forgetful worker has it."""

    def __init__(self, world: World, request: str) -> None:
        self.world, self.table, self.client = world, world.requests, world.client(world.requests)
        self.key, self.item = {self.table.key: {"S": request}}, Item()

    @property
    def status(self) -> str:
        return str(self.item["status"]["S"])

    def read(self) -> Generator[float, None, None]:
        answer = yield from self.world.ask(
            self.table,
            lambda: self.client.get_item(TableName=self.table.name, Key=self.key, ConsistentRead=True),
        )
        # Purged within a moment of the claim: it remembers that much all the same.
        self.item = answer.get("Item") or self.key | attribute_values(
            {"status": "processing", "processing_metadata": {"status_history": []}}
        )

    def put_back(self, fields: Item, entry: Item | None = None) -> Generator[float, None, None]:
        """The whole item as this worker remembers it, with what is new, whatever the table holds."""
        new = attribute_values({"updated_at": naive(self.world.now()), **fields})
        if "errors" in new and "L" in self.item.get("errors", {}):
            new["errors"] = {"L": [*self.item["errors"]["L"], *new["errors"]["L"]]}
        self.item = self.item | new
        if entry:
            metadata = self.item["processing_metadata"]["M"]  # a map, since `claim` wrote into it
            history = [*metadata["status_history"]["L"], attribute_value(entry)]
            self.item["processing_metadata"] = {"M": metadata | {"status_history": {"L": history}}}
        values = self.item
        yield from self.world.ask(
            self.table, lambda: self.client.put_item(TableName=self.table.name, Item=values)
        )
