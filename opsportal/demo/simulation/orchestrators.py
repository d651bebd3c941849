"""Simulated orchestrators: each runs one workflow through its steps and records it."""

from collections.abc import Sequence
from typing import Any

from opsportal.console.tones import SUCCESS
from opsportal.demo import trades
from opsportal.demo.place import attribute_value, attribute_values
from opsportal.demo.simulation.world import World
from opsportal.demo.stamps import zulu
from opsportal.demo.trades import Work
from tracking.models import Workflow
from tracking.writer import WriteResult
from writers.arguments import step_name

INTERRUPTED = "Interrupted: the orchestrator was restarted"


def session_id(world: World) -> str:
    return trades.session_id(world.rng)


async def workflow(world: World, session: str) -> None:
    """One workflow. It stops where an operator has cancelled or purged it."""
    if world.rng.random() < world.pace.foreign_rate:
        outcome = await _foreign(world, session)
    else:
        outcome = await _recorded(world, session)
    world.count(f"workflows {outcome}")
    world.running.discard(session)


async def again(world: World, session: str, first: str = "") -> None:
    """A workflow that is retried: its steps from ``first`` on, or all of them. Those of another orchestrator
    are worked on too, where the item has them."""
    found = await _steps(world, session)
    steps = [key for key, _ in found] or [step["key"] for step in world.steps]
    if first in steps:
        steps = steps[steps.index(first) :]
    outcome = await _carried(world, session, steps)
    world.count(f"workflows {outcome}")


async def go_on(world: World, session: str) -> None:
    """A workflow whose orchestrator was restarted: the steps that have not succeeded."""
    found = await _steps(world, session)
    outcome = await _carried(world, session, [key for key, tone in found if tone != SUCCESS])
    world.count(f"workflows {outcome}")


async def interrupt(world: World, session: str) -> None:
    """End one that was left long ago: the step that was at work has failed."""
    item = await world.read(world.workflows, session)
    running = [step.key for step in Workflow.from_item(item).steps if step.running]
    if name := next((key for key in running if _can_be_recorded(world, key)), ""):
        await world.record(lambda: world.writer.fail_step(session, name, INTERRUPTED))
    await world.record(lambda: world.writer.finalize(session, "failed"))


async def _steps(world: World, session: str) -> list[tuple[str, str]]:
    """Attribute and tone of each step that the item has and that a StatusWriter can record."""
    item = await world.read(world.workflows, session)
    present = [step for step in Workflow.from_item(item).steps if step.present]
    return [(step.key, step.tone) for step in present if _can_be_recorded(world, step.key)]


def _can_be_recorded(world: World, key: str) -> bool:
    """Whether the attribute can name a step: another writer's may be blank, or longer than the StatusWriter takes."""
    try:
        step_name(key, world.workflows.key)
    except ValueError:
        return False
    return True


async def _recorded(world: World, session: str) -> str:
    """As an orchestrator with the StatusWriter does it. Returns how the workflow ended."""
    writer, facts = world.writer, trades.facts(world.now(), world.rng)
    await world.record(lambda: writer.initialize(session, **facts))
    return await _carried(world, session, [step["key"] for step in world.steps])


def _works(world: World, steps: Sequence[str]) -> list[Work]:
    fails = bool(steps) and world.rng.random() < world.pace.failure_rate
    fails_at = world.rng.randrange(len(steps)) if fails else None
    failure = None
    if fails_at is not None and steps[fails_at] == "tradeExtraction" and world.rng.random() < 0.5:
        failure = trades.THROTTLING
    return trades.course(steps, world.rng, fails_at=fails_at, failure=failure)


async def _carried(world: World, session: str, steps: Sequence[str]) -> str:
    """Through those steps, to the end. Returns how the workflow ended."""
    writer, turn = world.writer, world.turn(session)

    async def is_over() -> bool:
        """Whether somebody has cancelled it, or retried it since: then another has it."""
        if not world.has_turn(session, turn):
            return True
        found = await world.record(lambda: WriteResult("unchanged", cancelled=writer.is_cancelled(session)))
        return found.cancelled

    await world.sleep(world.seconds(1, 2))
    for work in _works(world, steps):
        result = await world.record(lambda: writer.start_step(session, work.key, work.doing))  # noqa: B023
        if not result:
            return "cancelled" if result.cancelled else "given up"
        began = world.now()
        if await world.wait(work.seconds, is_over):
            if world.has_turn(session, turn):
                took = round((world.now() - began).total_seconds(), 3)
                # So that the console can say that the cancel was seen.
                await world.record(lambda: writer.stop_step(session, work.key, duration=took))  # noqa: B023
            return "cancelled"
        if work.error:
            await world.record(
                lambda: writer.fail_step(session, work.key, work.error, tokens=work.tokens or None)  # noqa: B023
            )
            await world.record(lambda: writer.finalize(session, "failed"))
            return "failed"
        await world.record(lambda: writer.finish_step(session, work.key, work.done, work.tokens))  # noqa: B023
        await world.sleep(work.pause / world.pace.speed)
    result = await world.record(lambda: writer.finalize(session, "completed"))
    return "completed" if result else "cancelled"


async def _foreign(world: World, session: str) -> str:
    """As another writer of the same table does it: whole step maps, no start times, totals left at zero,
    and no look at what an operator has done. Returns how the workflow ended."""
    table, now = world.workflows, world.now()
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
    await world.call(table, "put_item", Item=attribute_values(item))

    async def replace(name: str, value: Any) -> None:
        await world.call(
            table,
            "update_item",
            Key={table.key: {"S": session}},
            UpdateExpression="SET #name = :value, lastUpdated = :now",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": attribute_value(value), ":now": {"S": zulu(world.now())}},
        )

    for work in trades.course([step["key"] for step in world.steps], world.rng):
        await replace(work.key, {"status": "in-progress", "activity": work.doing})
        await world.sleep(work.seconds / world.pace.speed)
        whole = {
            "status": "success",
            "activity": work.done,
            "completedAt": zulu(world.now()),
            "duration": round(work.seconds / world.pace.speed, 3),
            "tokenUsage": work.tokens | {"totalTokens": sum(work.tokens.values())},
        }
        await replace(work.key, whole)
    await replace("overallStatus", "completed")
    return "completed"
