"""How many simulated items there are: new ones are submitted, the oldest finished ones removed, and what an
earlier simulator left unfinished is ended."""

import logging
from collections import OrderedDict
from collections.abc import Generator, Iterator
from typing import Any

from opsportal.aws import QueueTrouble, send_message
from opsportal.demo import requests
from opsportal.demo.place import Item, attribute_value, attribute_values
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.orchestrators import PREFIX
from opsportal.demo.simulation.workers import TERMINAL, WORKER
from opsportal.demo.simulation.world import World, abandoned
from opsportal.demo.stamps import naive, zulu
from opsportal.dynamo.tables import Binding
from requests_app.actions import queue_body

logger = logging.getLogger(__name__)

MOST_WORKFLOWS = 300
MOST_REQUESTS = 200
SCANNED_PAGES = 1_000
REMOVED_LINES = 25  # BatchWriteItem's limit


class Population:
    """The simulator's own items of one table, oldest first, and room for more."""

    def __init__(self, world: World, table: Binding, most: int) -> None:
        self.world, self.table, self.most = world, table, most
        self.client = world.client(table)
        self._keys: OrderedDict[str, None] = OrderedDict()

    def adopt(self, keys: Iterator[str]) -> None:
        self._keys.update(dict.fromkeys(keys))

    def room(self) -> Generator[float, None, bool]:
        """Make room for one more by removing the oldest finished one; false when all are unfinished."""
        while len(self._keys) >= self.most:
            for key in self._keys:
                if (yield from self._remove(key)):
                    del self._keys[key]
                    break
            else:
                return False
        return True

    def add(self, key: str) -> None:
        self._keys[key] = None

    def _remove(self, key: str) -> Generator[float, None, bool]:
        """Delete the item if it is finished or gone."""
        status = "overallStatus" if self.table is self.world.workflows else "status"
        call: dict[str, Any] = {
            "TableName": self.table.name,
            "Key": {self.table.key: {"S": key}},
            "ConditionExpression": "attribute_not_exists(#key) OR #status IN (:s0, :s1, :s2)",
            "ExpressionAttributeNames": {"#status": status, "#key": self.table.key},
            "ExpressionAttributeValues": {f":s{n}": {"S": text} for n, text in enumerate(TERMINAL)},
        }
        try:
            yield from self.world.ask(self.table, lambda: self.client.delete_item(**call))
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        if self.table is self.world.requests:
            yield from _remove_lines(self.world, key)
        return True


def _remove_lines(world: World, request: str) -> Generator[float, None, None]:
    """Delete the log of a removed request."""
    table, client = world.logs, world.client(world.logs)
    query: dict[str, Any] = {
        "TableName": table.name,
        "IndexName": "request-logs-index",
        "KeyConditionExpression": "request_id = :request",
        "ProjectionExpression": "#key",
        "ExpressionAttributeNames": {"#key": table.key},
        "ExpressionAttributeValues": {":request": {"S": request}},
        "Limit": REMOVED_LINES,
    }
    while True:
        page = yield from world.ask(table, lambda: client.query(**query))
        asked = (
            {table.name: [{"DeleteRequest": {"Key": item}} for item in page["Items"]]}
            if page["Items"]
            else {}
        )
        while asked:
            answer = yield from world.ask(table, lambda: client.batch_write_item(RequestItems=asked))  # noqa: B023
            asked = answer.get("UnprocessedItems", {})
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def submit_request(world: World, population: Population) -> Generator[float, None, str]:
    """The id of a new pending request; empty when there is no room."""
    if not (yield from population.room()):
        return ""
    table, rng, now = world.requests, world.rng, world.now()
    ident = requests.request_id(now, rng)
    priority = rng.choices(("high", "medium", "low"), (2, 5, 3))[0]
    strategy = rng.choices(("table", "sqs"), (3, 1))[0]
    item = requests.submitted(table.key, ident, now, rng, priority=priority, strategy=strategy)
    item["processing_metadata"]["simulated"] = True
    values, client = attribute_values(item), world.client(table)
    yield from world.ask(table, lambda: client.put_item(TableName=table.name, Item=values))
    population.add(ident)
    if strategy == "sqs" and world.requests_queue:
        try:
            send_message(world.requests_queue, queue_body(values, ident, now, 0))
        except QueueTrouble as trouble:
            logger.warning("%s waits without its message: %s", ident, trouble)
    return ident


def recover(world: World, workflows: Population, requests_: Population) -> Task:
    """Find what simulators left: adopt it, and end what has not been touched for long (`abandoned`). What is
    fresher may be another simulator's that runs beside this one."""
    since = world.now() - abandoned(world)
    table = world.workflows
    mine: Item = {
        "FilterExpression": "begins_with(#key, :mine)",
        "ProjectionExpression": "#key, #status, #created, #updated",
        "ExpressionAttributeNames": {
            "#key": table.key,
            "#status": "overallStatus",
            "#created": "createdAt",
            "#updated": "lastUpdated",
        },
        "ExpressionAttributeValues": {":mine": {"S": PREFIX}},
    }
    found = yield from _scan(world, table, mine)
    workflows.adopt(_oldest_first(found, table.key, "createdAt"))
    for item in found:
        if _text(item, "overallStatus").lower() not in TERMINAL and _text(item, "lastUpdated") < zulu(since):
            session = item[table.key]["S"]
            yield from world.record(lambda: world.writer.finalize(session, "failed"))  # noqa: B023

    table = world.requests
    mine = {
        "FilterExpression": "processing_metadata.simulated = :yes OR begins_with(processing_metadata.worker_id, :w)",
        "ProjectionExpression": "#key, #status, created_at, updated_at, processing_metadata.simulated",
        "ExpressionAttributeNames": {"#key": table.key, "#status": "status"},
        "ExpressionAttributeValues": {":yes": {"BOOL": True}, ":w": {"S": WORKER}},
    }
    found = yield from _scan(world, table, mine)
    own = [item for item in found if item.get("processing_metadata", {}).get("M", {}).get("simulated")]
    requests_.adopt(_oldest_first(own, table.key, "created_at"))
    for item in found:
        status = _text(item, "status")
        if status in ("processing", "executing") and _text(item, "updated_at") < naive(since):
            yield from _end(world, item[table.key]["S"], status)


def _end(world: World, request: str, status: str) -> Generator[float, None, None]:
    """Mark a request failed whose worker is no more, unless it has changed meanwhile."""
    table, client, now = world.requests, world.client(world.requests), world.now()
    message = "The worker was stopped"
    call: dict[str, Any] = {
        "TableName": table.name,
        "Key": {table.key: {"S": request}},
        "UpdateExpression": "SET #status = :failed, status_message = :message, updated_at = :now, "
        "completed_at = :now, processing_metadata.status_history = "
        "list_append(if_not_exists(processing_metadata.status_history, :none), :entries)",
        "ConditionExpression": "#status = :status",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":status": {"S": status},
            ":failed": {"S": "failed"},
            ":message": {"S": message},
            ":now": {"S": naive(now)},
            ":none": {"L": []},
            ":entries": attribute_value([requests.change(now, status, "failed", message)]),
        },
    }
    try:
        yield from world.ask(table, lambda: client.update_item(**call))
    except client.exceptions.ConditionalCheckFailedException:
        logger.info("%s changed while it was recovered", request)


def _scan(world: World, table: Binding, arguments: Item) -> Generator[float, None, list[Item]]:
    """The matching items of at most `SCANNED_PAGES` pages, with pauses, so that a full table costs little."""
    client, found, start = world.client(table), list[Item](), Item()
    for _ in range(SCANNED_PAGES):
        page = yield from world.ask(table, lambda: client.scan(TableName=table.name, **arguments, **start))  # noqa: B023
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        yield 0.05
    return found


def _oldest_first(items: list[Item], key: str, created: str) -> Iterator[str]:
    for item in sorted(items, key=lambda item: _text(item, created)):
        yield item[key]["S"]


def _text(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))
