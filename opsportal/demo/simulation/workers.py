"""Simulated request workers: they take pending requests and carry them through their stages, from pending
over processing and executing to completed or failed, unless someone cancels them on the way."""

import itertools
import logging
from collections.abc import Generator
from typing import Any

from opsportal.demo import request_logs
from opsportal.demo.place import Item, attribute_value, attribute_values
from opsportal.demo.requests import FAILURES, STAGES, change, progress, results
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.world import World, abandoned
from opsportal.demo.stamps import naive
from opsportal.dynamo.errors import DynamoError

logger = logging.getLogger(__name__)

WORKER = "sim_processor_"
RANK = {"high": 0, "medium": 1, "low": 2}
LOOKED_AT = 1_000  # pending requests read at most before choosing
TERMINAL = ("completed", "failed", "cancelled")
_lines = itertools.count(1)


class StoppedError(Exception):
    """The request is no longer this worker's: cancelled, purged, or changed by someone else."""


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

    ``forgetful``: it never looks at the table again, and puts the whole item from its memory each time, as
    some deployed workers do. What an operator has changed in between is overwritten.
    """

    def __init__(self, world: World, request: str, name: str) -> None:
        self.world, self.request, self.name = world, request, name
        self.table, self.client = world.requests, world.client(world.requests)
        self.status, self.item = "pending", Item()
        self.stage = "initialization"
        self.found = self.extracted = self.failed = 0
        self.forgetful = False

    def claim(self) -> Generator[float, None, bool]:
        """Whether this worker has got the request; another one, or an operator, may have been quicker."""
        key = {self.table.key: {"S": self.request}}
        answer = yield from self.world.ask(
            self.table, lambda: self.client.get_item(TableName=self.table.name, Key=key, ConsistentRead=True)
        )
        self.item = answer.get("Item", {})
        try:
            started = {"started_at": naive(self.world.now())}
            yield from self.become("processing", "Started processing", started, worker=True)
        except StoppedError:
            return False
        self.forgetful = self.world.rng.random() < self.world.pace.overwrite_rate
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
            kind = self.item.get("request_type", {}).get("S", "request")
            took = (world.now() - began).total_seconds()
            made = results(self.request, kind, world.rng, self.found, self.extracted, took)
            last = progress("completed", 100, self.found, self.extracted, self.failed, world.now())
            yield from self.log("INFO", "Report written")
            yield from self.become("completed", "Request completed", {"results": made, "progress": last})
        except StoppedError as stopped:
            world.count("requests stopped")
            world.running.discard(self.request)
            yield from self.log("WARNING", f"Stopped: {stopped}")

    def check(self) -> Generator[float, None, None]:
        """Raise StoppedError when the request has been taken away (consistent read)."""
        if self.forgetful:
            return
        answer = yield from self.world.ask(
            self.table,
            lambda: self.client.get_item(
                TableName=self.table.name,
                Key={self.table.key: {"S": self.request}},
                ConsistentRead=True,
                ProjectionExpression="#status",
                ExpressionAttributeNames={"#status": "status"},
            ),
        )
        status = answer.get("Item", {}).get("status", {}).get("S", "gone")
        if status != self.status:
            raise StoppedError(f"the request is {status}")

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
        moved = progress(stage, round(percentage, 1), self.found, self.extracted, self.failed, now)
        yield from self.write({"progress": moved})

    def fail(self) -> Generator[float, None, None]:
        reason = self.world.rng.choice(FAILURES)
        yield from self.log("ERROR", reason)
        line = f"{naive(self.world.now())}: {reason}"
        yield from self.become("failed", reason, {"errors": [line]})

    def become(
        self, status: str, message: str, attributes: Item | None = None, *, worker: bool = False
    ) -> Generator[float, None, None]:
        """Change the status, with its entry in the history."""
        now = self.world.now()
        entry = change(now, self.status, status, message)
        fields: Item = {"status": status, "status_message": message, **(attributes or {})}
        if status in TERMINAL:
            fields["completed_at"] = naive(now)
        yield from self.write(fields, entry, worker)
        self.status = status
        if status in TERMINAL:
            self.world.count(f"requests {status}")
            self.world.running.discard(self.request)
        yield from self.log("INFO", message)

    def write(
        self, fields: Item, entry: Item | None = None, worker: bool = False
    ) -> Generator[float, None, None]:
        """One update under the condition that the status is the one this worker has set; StoppedError
        otherwise. A parent map that is missing or is not a map is made."""
        if self.forgetful:
            yield from self.put_back(fields, entry)
            return
        now = naive(self.world.now())
        names = {"#status": "status"}
        values: Item = {":status": {"S": self.status}, ":now": {"S": now}}
        sets = ["updated_at = :now"]
        for number, (name, value) in enumerate(fields.items()):
            names[f"#f{number}"], values[f":f{number}"] = name, attribute_value(value)
            if name == "errors" and "L" in self.item.get("errors", {}):
                sets.append(f"#f{number} = list_append(#f{number}, :f{number})")
            else:
                sets.append(f"#f{number} = :f{number}")
        if entry:
            metadata = self.item.get("processing_metadata", {})
            values[":entries"] = attribute_value([entry])
            if "M" in metadata:
                history = "processing_metadata.status_history"
                if "L" in metadata["M"].get("status_history", {"L": []}):
                    values[":none"] = {"L": []}
                    sets.append(f"{history} = list_append(if_not_exists({history}, :none), :entries)")
                else:
                    sets.append(f"{history} = :entries")
                if worker:
                    values[":worker"] = {"S": self.name}
                    sets.append("processing_metadata.worker_id = :worker")
            else:
                values[":entries"] = attribute_value({"status_history": [entry], "worker_id": self.name})
                sets.append("processing_metadata = :entries")
        call = {
            "TableName": self.table.name,
            "Key": {self.table.key: {"S": self.request}},
            "UpdateExpression": "SET " + ", ".join(sets),
            "ConditionExpression": "#status = :status",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
        }
        try:
            answer = yield from self.world.ask(self.table, lambda: self.client.update_item(**call))
        except self.client.exceptions.ConditionalCheckFailedException:
            yield from self.check()
            raise StoppedError("the request changed meanwhile") from None
        self.item = answer["Attributes"]

    def put_back(self, fields: Item, entry: Item | None) -> Generator[float, None, None]:
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

    def log(self, level: str, message: str) -> Generator[float, None, None]:
        table, now = self.world.logs, self.world.now()
        ident = f"log_{int(now.timestamp() * 1000)}_{next(_lines) % 1000:03d}"
        line = request_logs.entry(table.key, ident, self.request, now, level, self.stage, message, self.name)
        client, values = self.world.client(table), attribute_values(line)
        yield from self.world.ask(table, lambda: client.put_item(TableName=table.name, Item=values))
