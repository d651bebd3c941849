"""How many simulated items there are: new ones are submitted, the oldest finished ones removed, and what an
earlier simulator left is gone on with or ended."""

import logging
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

from opsportal.aws import QueueTrouble, send_message
from opsportal.demo import requests
from opsportal.demo.place import Item, attribute_value, attribute_values
from opsportal.demo.roster import AT_WORK, UNFINISHED, Roster
from opsportal.demo.simulation import orchestrators, workers
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.workers import TERMINAL, text_of
from opsportal.demo.simulation.world import World
from opsportal.demo.stamps import naive
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.tables import Binding
from requests_app.actions import queue_body

logger = logging.getLogger(__name__)

MAX_WORKFLOWS = 5_000
MAX_REQUESTS = 2_500
REMOVED_LINES = 25  # BatchWriteItem's limit
KEYS_PER_READ = 100  # BatchGetItem's limit


class Population:
    """The simulator's own items of one table, oldest first, and room for more."""

    def __init__(self, world: World, table: Binding, most: int, roster: Roster | None = None) -> None:
        self.world, self.table, self.most = world, table, most
        self.client = world.client(table)
        self.roster = roster or Roster()

    @property
    def keys(self) -> dict[str, None]:
        return self.roster.of(self.table.logical)

    def room(self) -> Generator[float, None, bool]:
        """Make room for one more by removing the oldest finished one; false when all are unfinished."""
        while len(self.keys) >= self.most:
            for key in self.keys:
                if (yield from self._remove(key)):
                    del self.keys[key]
                    break
            else:
                return False
        return True

    def add(self, key: str) -> None:
        self.keys[key] = None

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
    item = requests.submitted(table.key, ident, now, rng)
    values, client = attribute_values(item), world.client(table)
    yield from world.ask(table, lambda: client.put_item(TableName=table.name, Item=values))
    population.add(ident)
    if item["processing_strategy"] == "sqs" and world.requests_queue:
        try:
            send_message(world.requests_queue, queue_body(values, ident, now, 0))
        except QueueTrouble as trouble:
            logger.warning("%s waits without its message: %s", ident, trouble)
    return ident


def recover(population: Population, start: Callable[[Task], object]) -> Task:
    """Go on with what was left unfinished a moment ago, and end what was left long ago. Only the items of the
    roster are read, by their keys; those that are gone are forgotten."""
    world, workflows = population.world, population.table is population.world.workflows
    left = yield from _unfinished(population)
    for key, item in left.items():
        written = read_time(item.get("lastUpdated" if workflows else "updated_at"))
        fresh = isinstance(written, datetime) and world.now() - written < AT_WORK
        if fresh:
            start(orchestrators.go_on(world, key) if workflows else workers.go_on(world, key))
        elif workflows:
            yield from orchestrators.interrupt(world, key)
        else:
            yield from _end(world, key, text_of(item, "status"))


def _unfinished(population: Population) -> Generator[float, None, dict[str, Item]]:
    """Status and last update by key, of what somebody was at work on."""
    world, table, client = population.world, population.table, population.client
    known, left = list(population.keys), dict[str, Item]()
    names = {
        "#key": table.key,
        "#a": "overallStatus",
        "#b": "lastUpdated",
        "#c": "status",
        "#d": "updated_at",
    }
    for first in range(0, len(known), KEYS_PER_READ):
        some = known[first : first + KEYS_PER_READ]
        asked: dict[str, Any] = {
            table.name: {
                "Keys": [{table.key: {"S": key}} for key in some],
                "ProjectionExpression": ", ".join(names),
                "ExpressionAttributeNames": names,
            }
        }
        there = set[str]()
        while asked:
            answer = yield from world.ask(table, lambda: client.batch_get_item(RequestItems=asked))  # noqa: B023
            for item in answer["Responses"].get(table.name, []):
                there.add(item[table.key]["S"])
                status = text_of(item, "overallStatus") or text_of(item, "status")
                if status in UNFINISHED and status != "pending":  # which the workers find
                    left[item[table.key]["S"]] = item
            asked = answer.get("UnprocessedKeys", {})
        for key in set(some) - there:
            del population.keys[key]
    return left


def _end(world: World, request: str, status: str) -> Generator[float, None, None]:
    """Mark a request failed whose worker is no more, unless it has changed meanwhile."""
    table, client, now = world.requests, world.client(world.requests), world.now()
    message = "Interrupted: the worker was restarted"
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
