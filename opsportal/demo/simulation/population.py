"""How many simulated items there are: new ones are submitted, the oldest finished ones removed, and what an
earlier simulator left is gone on with or ended."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from opsportal.aws import QueueTrouble, send_message
from opsportal.demo import batches, requests
from opsportal.demo.place import Item, attribute_value, attribute_values
from opsportal.demo.roster import AT_WORK, UNFINISHED, Roster
from opsportal.demo.simulation import orchestrators, workers
from opsportal.demo.simulation.workers import TERMINAL, text_of
from opsportal.demo.simulation.world import Task, World
from opsportal.demo.stamps import naive
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.tables import Binding
from requests_app.actions import queue_body

logger = logging.getLogger(__name__)

MAX_WORKFLOWS = 5_000
MAX_REQUESTS = 2_500


class Population:
    """The simulator's own items of one table, oldest first, and room for more."""

    def __init__(self, world: World, table: Binding, most: int, roster: Roster | None = None) -> None:
        self.world, self.table, self.most = world, table, most
        self.roster = roster or Roster()

    @property
    def keys(self) -> dict[str, None]:
        return self.roster.of(self.table.logical)

    async def room(self) -> bool:
        """Make room for one more by removing the oldest finished one; false when all are unfinished."""
        while len(self.keys) >= self.most:
            for key in self.keys:
                if await self._remove(key):
                    del self.keys[key]
                    break
            else:
                return False
        return True

    def add(self, key: str) -> None:
        self.keys[key] = None

    async def _remove(self, key: str) -> bool:
        """Delete the item if it is finished or gone."""
        status = "overallStatus" if self.table is self.world.workflows else "status"
        removed = await self.world.changed(
            self.table,
            "delete_item",
            key,
            ConditionExpression="attribute_not_exists(#key) OR #status IN (:s0, :s1, :s2)",
            ExpressionAttributeNames={"#status": status, "#key": self.table.key},
            ExpressionAttributeValues={f":s{n}": {"S": text} for n, text in enumerate(TERMINAL)},
        )
        if removed and self.table is self.world.requests:
            await _remove_lines(self.world, key)
        return removed


async def _remove_lines(world: World, request: str) -> None:
    """Delete the log of a removed request."""
    table = world.logs
    query: dict[str, Any] = {
        "IndexName": "request-logs-index",
        "KeyConditionExpression": "request_id = :request",
        "ProjectionExpression": "#key",
        "ExpressionAttributeNames": {"#key": table.key},
        "ExpressionAttributeValues": {":request": {"S": request}},
    }
    while True:
        page = await world.call(table, "query", **query)
        for item in page["Items"]:
            await world.call(table, "delete_item", Key=item)
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


async def submit_request(world: World, population: Population) -> str:
    """The id of a new pending request; empty when there is no room."""
    if not await population.room():
        return ""
    table, rng, now = world.requests, world.rng, world.now()
    ident = requests.request_id(now, rng)
    item = requests.submitted(table.key, ident, now, rng)
    values = attribute_values(item)
    await world.call(table, "put_item", Item=values)
    population.add(ident)
    if item["processing_strategy"] == "sqs" and world.requests_queue:
        try:
            send_message(world.requests_queue, queue_body(values, ident, now, 0))
        except QueueTrouble as trouble:
            logger.warning("%s waits without its message: %s", ident, trouble)
    return ident


async def recover(population: Population, start: Callable[[Task], object]) -> None:
    """Go on with what was left unfinished a moment ago, and end what was left long ago. Only the items of the
    roster are read, by their keys; those that are gone are forgotten."""
    world, workflows = population.world, population.table is population.world.workflows
    left = await _unfinished(population)
    for key, item in left.items():
        written = read_time(item.get("lastUpdated" if workflows else "updated_at"))
        fresh = isinstance(written, datetime) and world.now() - written < AT_WORK
        if fresh:
            start(orchestrators.go_on(world, key) if workflows else workers.go_on(world, key))
        elif workflows:
            await orchestrators.interrupt(world, key)
        else:
            await _end(world, key, text_of(item, "status"))


async def _unfinished(population: Population) -> dict[str, Item]:
    """Status and last update by key, of what somebody was at work on."""
    world, table = population.world, population.table
    known = list(population.keys)
    names = ("overallStatus", "lastUpdated", "status", "updated_at")
    there = await world.ask(table, lambda: batches.read(table, known, *names))
    left = {}
    for key in known:
        item = there.get(key)
        if item is None:
            del population.keys[key]
            continue
        status = text_of(item, "overallStatus") or text_of(item, "status")
        if status in UNFINISHED and status != "pending":  # which the workers find
            left[key] = item
    return left


async def _end(world: World, request: str, status: str) -> None:
    """Mark a request failed whose worker is no more, unless it has changed meanwhile."""
    now, message = world.now(), "Interrupted: the worker was restarted"
    ended = await world.changed(
        world.requests,
        "update_item",
        request,
        UpdateExpression="SET #status = :failed, status_message = :message, updated_at = :now, "
        "completed_at = :now, processing_metadata.status_history = "
        "list_append(if_not_exists(processing_metadata.status_history, :none), :entries)",
        ConditionExpression="#status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":status": {"S": status},
            ":failed": {"S": "failed"},
            ":message": {"S": message},
            ":now": {"S": naive(now)},
            ":none": {"L": []},
            ":entries": attribute_value([requests.change(now, status, "failed", message)]),
        },
    )
    if not ended:
        logger.info("%s changed while it was recovered", request)
