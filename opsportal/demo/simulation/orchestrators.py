"""Simulated orchestrators: each runs one workflow through its steps and records it."""

from collections.abc import Generator, Sequence
from typing import Any

from opsportal.console.tones import SUCCESS
from opsportal.demo import trades
from opsportal.demo.place import attribute_value, attribute_values
from opsportal.demo.simulation.loop import Task
from opsportal.demo.simulation.world import World
from opsportal.demo.stamps import zulu
from opsportal.demo.trades import Work
from tracking.models import Workflow
from tracking.writer import WriteResult

INTERRUPTED = "Interrupted: the orchestrator was restarted"


def session_id(world: World) -> str:
    return trades.session_id(world.rng)


def workflow(world: World, session: str) -> Task:
    """One workflow. It stops where an operator has cancelled or purged it."""
    if world.rng.random() < world.pace.foreign_rate:
        outcome = yield from _foreign(world, session)
    else:
        outcome = yield from _recorded(world, session)
    world.count(f"workflows {outcome}")
    world.running.discard(session)


def again(world: World, session: str, first: str = "") -> Task:
    """A workflow that is retried: its steps from ``first`` on, or all of them. Those of another orchestrator
    are worked on too, where the item has them."""
    found = yield from _steps(world, session)
    steps = [key for key, _ in found] or [step["key"] for step in world.steps]
    if first in steps:
        steps = steps[steps.index(first) :]
    outcome = yield from _carried(world, session, steps)
    world.count(f"workflows {outcome}")


def go_on(world: World, session: str) -> Task:
    """A workflow whose orchestrator was restarted: the steps that have not succeeded."""
    found = yield from _steps(world, session)
    outcome = yield from _carried(world, session, [key for key, tone in found if tone != SUCCESS])
    world.count(f"workflows {outcome}")


def interrupt(world: World, session: str) -> Task:
    """End one that was left long ago: the step that was at work has failed."""
    item = yield from _item(world, session)
    name = next((step.key for step in Workflow.of(item).steps if step.running), "")
    if name:
        yield from world.record(lambda: world.writer.fail_step(session, name, INTERRUPTED))
    yield from world.record(lambda: world.writer.finalize(session, "failed"))


def _item(world: World, session: str) -> Generator[float, None, dict[str, Any]]:
    table, client = world.workflows, world.client(world.workflows)
    key = {table.key: {"S": session}}
    answer = yield from world.ask(
        table, lambda: client.get_item(TableName=table.name, Key=key, ConsistentRead=True)
    )
    item: dict[str, Any] = answer.get("Item", key)
    return item


def _steps(world: World, session: str) -> Generator[float, None, list[tuple[str, str]]]:
    """Attribute and tone of each step that the item has."""
    item = yield from _item(world, session)
    return [(step.key, step.tone) for step in Workflow.of(item).steps if step.present]


def _recorded(world: World, session: str) -> Any:
    """As an orchestrator with the StatusWriter does it. Returns how the workflow ended."""
    writer, facts = world.writer, trades.facts(world.now(), world.rng)
    yield from world.record(lambda: writer.initialize(session, **facts))
    return (yield from _carried(world, session, [step["key"] for step in world.steps]))


def _works(world: World, steps: Sequence[str]) -> list[Work]:
    fails = bool(steps) and world.rng.random() < world.pace.failure_rate
    fails_at = world.rng.randrange(len(steps)) if fails else None
    failure = None
    if fails_at is not None and steps[fails_at] == "tradeExtraction" and world.rng.random() < 0.5:
        failure = trades.THROTTLING
    return trades.course(steps, world.rng, fails_at=fails_at, failure=failure)


def _carried(world: World, session: str, steps: Sequence[str]) -> Any:
    """Through those steps, to the end. Returns how the workflow ended."""
    writer, turn = world.writer, world.turn(session)

    def is_over() -> Generator[float, None, bool]:
        """Whether somebody has cancelled it, or retried it since: then another has it."""
        if not world.has_turn(session, turn):
            return True
        found = yield from world.record(
            lambda: WriteResult("unchanged", cancelled=writer.is_cancelled(session))
        )
        return found.cancelled

    yield world.seconds(1, 2)
    for work in _works(world, steps):
        result = yield from world.record(lambda: writer.start_step(session, work.key, work.doing))  # noqa: B023
        if not result:
            return "cancelled" if result.cancelled else "given up"
        began = world.now()
        if (yield from world.wait(work.seconds, is_over)):
            if world.has_turn(session, turn):
                took = round((world.now() - began).total_seconds(), 3)
                # So that the console can say that the cancel was seen.
                yield from world.record(lambda: writer.stop_step(session, work.key, duration=took))  # noqa: B023
            return "cancelled"
        if work.error:
            yield from world.record(
                lambda: writer.fail_step(session, work.key, work.error, tokens=work.tokens or None)  # noqa: B023
            )
            yield from world.record(lambda: writer.finalize(session, "failed"))
            return "failed"
        yield from world.record(lambda: writer.finish_step(session, work.key, work.done, work.tokens))  # noqa: B023
        yield work.pause / world.pace.speed
    result = yield from world.record(lambda: writer.finalize(session, "completed"))
    return "completed" if result else "cancelled"


def _foreign(world: World, session: str) -> Any:
    """As another writer of the same table does it: whole step maps, no start times, totals left at zero,
    and no look at what an operator has done. Returns how the workflow ended."""
    table, client, now = world.workflows, world.client(world.workflows), world.now()
    facts = trades.facts(now, world.rng)
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

    for work in trades.course([step["key"] for step in world.steps], world.rng):
        running = replace(work.key, {"status": "in-progress", "activity": work.doing})
        yield from world.ask(table, lambda: client.update_item(**running))  # noqa: B023
        yield work.seconds / world.pace.speed
        whole = {
            "status": "success",
            "activity": work.done,
            "completedAt": zulu(world.now()),
            "duration": round(work.seconds / world.pace.speed, 3),
            "tokenUsage": work.tokens | {"totalTokens": sum(work.tokens.values())},
        }
        finished = replace(work.key, whole)
        yield from world.ask(table, lambda: client.update_item(**finished))  # noqa: B023
    last = replace("overallStatus", "completed")
    yield from world.ask(table, lambda: client.update_item(**last))
    return "completed"
