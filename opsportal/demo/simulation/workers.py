"""Simulated request workers: they take pending requests and carry them through their stages, from pending
over processing and executing to completed or failed, unless someone cancels them on the way."""

import logging
from dataclasses import replace
from datetime import timedelta

from opsportal.demo import research
from opsportal.demo.place import Item, attribute_value, attribute_values
from opsportal.demo.requests import change, progress, results, saw_cancel
from opsportal.demo.research import Progress
from opsportal.demo.simulation.world import World
from opsportal.demo.stamps import naive
from opsportal.dynamo.errors import DynamoError
from requests_app.writer import Cancelled, Stopped
from requests_app.writer import Job as Held

logger = logging.getLogger(__name__)

WORKER, QUEUE_WORKER = "table_processor_", "sqs_processor_"
RANK = {"high": 0, "medium": 1, "low": 2}
LOOKED_AT = 100  # pending requests read at most before choosing: the oldest
# What waits so long in the table though its strategy is a queue has lost its message: our queue is in memory.
LOST = timedelta(minutes=2)
TERMINAL = ("completed", "failed", "cancelled")
KINDS = (*research.FAILURES, research.DENIED)


async def worker(world: World, number: int) -> None:
    """Take and process requests, for ever. One that cannot be written (malformed, say) is left alone."""
    name, unfit = f"{WORKER}{number:03d}", set[str]()
    await world.sleep(world.seconds(0, 2))
    while True:
        request = ""
        try:
            pending = await waiting(world, unfit)
            for request in pending:
                job = Job(world, request, name)
                if await job.claim():
                    await job.process()
                    break
        except DynamoError as error:
            logger.warning("%s leaves request %r: %s", name, request, error.sentence)
            unfit.add(request)
            world.running.discard(request)
        await world.sleep(world.seconds(1.5, 3))


async def go_on(world: World, request: str) -> None:
    """A request whose worker was restarted."""
    job = Job(world, request, f"{WORKER}001")
    try:
        await job.process(await job.resume())
    except DynamoError as error:
        logger.warning("%s leaves request %r: %s", job.name, request, error.sentence)


async def waiting(world: World, unfit: set[str]) -> list[str]:
    """Ids of pending requests from ``status-index``: high, medium, low, then the oldest. Test runs (seed
    002's sample) are not worked on. Where there is a queue, those of the strategy ``sqs`` come from it, but
    for what has waited so long that its message must be lost: our queue is in memory."""
    table = world.requests
    page = await world.call(
        table,
        "query",
        IndexName="status-index",
        KeyConditionExpression="#status = :pending",
        ProjectionExpression="#key, priority, created_at, updated_at, processing_strategy, "
        "processing_metadata.test_run",
        ExpressionAttributeNames={"#status": "status", "#key": table.key},
        ExpressionAttributeValues={":pending": {"S": "pending"}},
        Limit=LOOKED_AT,
    )
    lost = naive(world.now() - LOST)
    fit = [
        item
        for item in page["Items"]
        if item[table.key]["S"] not in unfit
        and not (world.requests_queue and _by_queue(item) and text_of(item, "updated_at") > lost)
        and not item.get("processing_metadata", {}).get("M", {}).get("test_run", {}).get("BOOL")
    ]
    fit.sort(key=lambda item: (RANK.get(item.get("priority", {}).get("S", ""), 3), item["created_at"]["S"]))
    return [item[table.key]["S"] for item in fit]


def _by_queue(item: Item) -> bool:
    return text_of(item, "processing_strategy").lower() == "sqs"


def text_of(item: Item, name: str) -> str:
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
        self.at = Progress()

    async def claim(self) -> bool:
        """Whether this worker has got the request; another one, or an operator, may have been quicker."""
        self.held = await self.world.tell(lambda: self.writer.claim(self.request))
        if self.held is None:
            return False
        await self.log("INFO", "Started processing")
        if self.world.rng.random() < self.world.pace.overwrite_rate:
            self.memory = Memory(self.world, self.request)
            await self.memory.read()
        return True

    async def process(self, reached: Progress | None = None) -> None:
        """Through the stages, or what is left of them after `reached`, unless it is stopped; a share of the
        requests fails on the way."""
        world, began = self.world, self.world.now()
        failure = world.rng.choice(KINDS) if world.rng.random() < world.pace.failure_rate else None
        try:
            for tick in research.course(self._held.config, world.rng, failure, reached):
                await self.check()
                self.at = replace(self.at, stage=tick.at.stage)
                if self.at.stage in ("content_extraction", "aggregation") and self.status == "processing":
                    await self.become("executing", "Executing")
                await world.wait(tick.seconds, self._looked)
                if tick.error:
                    await self.become("failed", tick.message)
                    return
                await self.advance(tick)
            kind = self._held.item.get("request_type") or "request"
            took, sources = (world.now() - began).total_seconds(), self._held.config.get("sources")
            number = len(sources) if isinstance(sources, list) else 0
            made = results(self.request, str(kind), world.rng, self.at, took, number)
            self.at = replace(self.at, stage="completed", percentage=100)
            await self.become("completed", "Request completed", made)
        except Stopped as stopped:
            world.count("requests stopped")
            world.running.discard(self.request)
            await self.log("WARNING", f"Stopped: {stopped.reason}")
            if isinstance(stopped, Cancelled):
                await self._say_seen()

    async def _say_seen(self) -> None:
        call = saw_cancel(self.world.now())
        if not await self.world.changed(self.world.requests, "update_item", self.request, **call):
            logger.info("%s changed since its cancel was seen", self.request)

    async def resume(self) -> Progress:
        """Take up what this worker had claimed before it was restarted, as the item has it."""
        item = await self.world.read(self.world.requests, self.request)
        self.held = Held(self.writer, self.request, item, text_of(item, "started_at"))
        self.held.status = text_of(item, "status").lower()
        at = self.held.item.get("progress")
        return Progress.from_item(at if isinstance(at, dict) else {})

    @property
    def status(self) -> str:
        return self.memory.status if self.memory is not None else self._held.status

    async def _looked(self) -> bool:
        await self.check()
        return False

    @property
    def _held(self) -> Held:
        if self.held is None:
            raise RuntimeError("the request is not claimed")
        return self.held

    async def check(self) -> None:
        """Raise Stopped when the request has been taken away (consistent read)."""
        if self.memory is None:
            await self.world.tell(self._held.check)

    async def advance(self, tick: research.Tick) -> None:
        self.at = tick.at
        await self.log(tick.level, tick.message)
        if self.memory is not None:
            await self.memory.put_back({"progress": progress(tick.at, self.world.now())})
            return
        if tick.level == "WARNING":
            await self.world.tell(lambda: self._held.warning(tick.message))
        await self.world.tell(
            lambda: self._held.progress(tick.at.stage, tick.at.percentage, **tick.at.counts)
        )

    async def become(self, status: str, message: str, made: Item | None = None) -> None:
        """Change the status, with its entry in the history. ``made``: the results."""
        job = self._held
        if self.memory is not None:
            await self._become_by_memory(self.memory, status, message, made)
        elif status == "executing":
            await self.world.tell(lambda: job.executing(message))
        elif status == "failed":
            await self.world.tell(lambda: job.fail(message))
        else:
            await self.world.tell(lambda: job.complete(made, message))
        if status in TERMINAL:
            self.world.count(f"requests {status}")
            self.world.running.discard(self.request)

    async def _become_by_memory(self, memory: "Memory", status: str, message: str, made: Item | None) -> None:
        now = self.world.now()
        fields: Item = {"status": status, "status_message": message}
        if status in TERMINAL:
            fields["completed_at"] = naive(now)
        if status == "failed":
            fields["errors"] = [f"{naive(now)}: {message}"]
        if made is not None:
            fields |= {"results": made, "progress": progress(self.at, now)}
        await memory.put_back(fields, change(now, memory.status, status, message))
        await self.log("ERROR" if status == "failed" else "INFO", message)

    async def log(self, level: str, message: str) -> None:
        facts = {"stage": self.at.stage, "processing_node": f"node-{self.name[-1:]}"}
        await self.world.tell(lambda: self._held.log(level, message, **facts))


class Memory:
    """The item as a forgetful worker has it."""

    def __init__(self, world: World, request: str) -> None:
        self.world, self.request, self.item = world, request, Item()

    @property
    def status(self) -> str:
        return str(self.item["status"]["S"])

    async def read(self) -> None:
        table = self.world.requests
        # Purged within a moment of the claim: it remembers that much all the same.
        claimed = {
            table.key: self.request,
            "status": "processing",
            "processing_metadata": {"status_history": []},
        }
        self.item = await self.world.read(table, self.request) or attribute_values(claimed)

    async def put_back(self, fields: Item, entry: Item | None = None) -> None:
        """The whole item as this worker remembers it, with what is new, whatever the table holds."""
        new = attribute_values({"updated_at": naive(self.world.now()), **fields})
        if "errors" in new and "L" in self.item.get("errors", {}):
            new["errors"] = {"L": [*self.item["errors"]["L"], *new["errors"]["L"]]}
        self.item = self.item | new
        if entry:
            metadata = self.item["processing_metadata"]["M"]  # a map, since `claim` wrote into it
            history = [*metadata["status_history"]["L"], attribute_value(entry)]
            self.item["processing_metadata"] = {"M": metadata | {"status_history": {"L": history}}}
        await self.world.call(self.world.requests, "put_item", Item=self.item)
