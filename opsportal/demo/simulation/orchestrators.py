"""Simulated orchestrators: each runs one workflow through its steps and records it."""

from typing import Any

from opsportal.demo.place import attribute_value, attribute_values
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.world import World
from opsportal.demo.stamps import zulu
from opsportal.demo.workflows import ACTIVITIES, ERRORS
from tracking.models import Workflow

PREFIX = "sim-"
FOREIGN_SHARE = 0.05


def session_id(world: World) -> str:
    return f"{PREFIX}{int(world.now().timestamp() * 1000)}-{world.rng.getrandbits(32):08x}"


def workflow(world: World, session: str) -> Task:
    """One workflow. It stops where an operator has cancelled or purged it."""
    if world.rng.random() < FOREIGN_SHARE:
        outcome = yield from _foreign(world, session)
    else:
        outcome = yield from _recorded(world, session)
    world.count(f"workflows {outcome}")
    world.running.discard(session)


def _facts(world: World) -> dict[str, str]:
    return {
        "correlation_id": f"corr_{world.rng.getrandbits(48):012x}",
        "document_id": f"{world.rng.choice(('FAB', 'GCS', 'ICE'))}_{world.rng.randrange(10**6):06d}.pdf",
        "source_type": world.rng.choice(("BANK", "COUNTERPARTY")),
    }


def _tokens(world: World) -> dict[str, int]:
    return {"inputTokens": world.rng.randrange(900, 15_000), "outputTokens": world.rng.randrange(80, 3_000)}


def again(world: World, session: str, first: str = "") -> Task:
    """A workflow that is retried: its steps from ``first`` on, or all of them. Those of another orchestrator
    are worked on too, where the item has them."""
    table, client = world.workflows, world.client(world.workflows)
    key = {table.key: {"S": session}}
    answer = yield from world.ask(
        table, lambda: client.get_item(TableName=table.name, Key=key, ConsistentRead=True)
    )
    steps = [step.key for step in Workflow.of(answer.get("Item", key)).steps if step.present]
    steps = steps or [step["key"] for step in world.steps]
    if first in steps:
        steps = steps[steps.index(first) :]
    outcome = yield from _carried(world, session, steps)
    world.count(f"workflows {outcome}")


def _recorded(world: World, session: str) -> Any:
    """As an orchestrator with the StatusWriter does it. Returns how the workflow ended."""
    writer, facts = world.writer, _facts(world)
    yield from world.record(lambda: writer.initialize(session, **facts))
    return (yield from _carried(world, session, [step["key"] for step in world.steps]))


def _carried(world: World, session: str, steps: list[str]) -> Any:
    """Through those steps, to the end. Returns how the workflow ended."""
    writer = world.writer
    broken = world.rng.randrange(len(steps)) if world.rng.random() < world.pace.failure_rate else None
    retried = world.rng.random() < 0.15
    yield world.seconds(1, 3)
    for number, name in enumerate(steps):
        doing, done = ACTIVITIES.get(name, ("Working", "Done"))
        for attempt in (1, 2):
            result = yield from world.record(lambda: writer.start_step(session, name, doing))  # noqa: B023
            if not result:
                return "cancelled" if result.cancelled else "given up"
            yield world.seconds(2, 8)
            tokens = _tokens(world)
            if number != broken and not (attempt == 1 and retried and number == 1):
                break
            error = world.rng.choice(ERRORS)
            yield from world.record(lambda: writer.fail_step(session, name, error, tokens=tokens))  # noqa: B023
            yield world.seconds(1, 3)
        if number == broken:
            yield from world.record(lambda: writer.finalize(session, "failed"))
            return "failed"
        yield from world.record(lambda: writer.finish_step(session, name, done, tokens))  # noqa: B023
        yield world.seconds(0.2, 1)
    result = yield from world.record(lambda: writer.finalize(session, "completed"))
    return "completed" if result else "cancelled"


def _foreign(world: World, session: str) -> Any:
    """As another writer of the same table does it: whole step maps, no start times, totals left at zero,
    and no look at what an operator has done. Returns how the workflow ended."""
    table, client, facts = world.workflows, world.client(world.workflows), _facts(world)
    now = world.now()
    item = {
        table.key: session,
        "correlationId": facts["correlation_id"],
        "documentId": facts["document_id"],
        "sourceType": facts["source_type"],
        "overallStatus": "processing",
        "totalTokenUsage": dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"), 0),
        "totalDuration": 0,
        "createdAt": zulu(now),
        "lastUpdated": zulu(now),
        "expiresAt": int(now.timestamp()) + 90 * 86_400,
        "invocationId": f"inv-{world.rng.getrandbits(32):08x}",
    }
    values = attribute_values(item)
    yield from world.ask(table, lambda: client.put_item(TableName=table.name, Item=values))

    def replace(name: str, value: Any) -> dict[str, Any]:
        return {
            "TableName": table.name,
            "Key": {table.key: {"S": session}},
            "UpdateExpression": "SET #name = :value, lastUpdated = :now",
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":value": attribute_value(value), ":now": {"S": zulu(world.now())}},
        }

    for step in world.steps:
        doing, done = ACTIVITIES.get(step["key"], ("Working", "Done"))
        running = replace(step["key"], {"status": "in-progress", "activity": doing})
        yield from world.ask(table, lambda: client.update_item(**running))  # noqa: B023
        seconds = world.rng.uniform(2, 8)
        yield seconds / world.pace.speed
        tokens = _tokens(world)
        whole = {
            "status": "success",
            "activity": done,
            "completedAt": zulu(world.now()),
            "duration": round(seconds / world.pace.speed, 3),
            "tokenUsage": tokens | {"totalTokens": sum(tokens.values())},
        }
        finished = replace(step["key"], whole)
        yield from world.ask(table, lambda: client.update_item(**finished))  # noqa: B023
    last = replace("overallStatus", "completed")
    yield from world.ask(table, lambda: client.update_item(**last))
    return "completed"
