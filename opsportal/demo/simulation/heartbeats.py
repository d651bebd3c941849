"""Simulated agents: a registry that puts whole items from its memory, as the real one does."""

from opsportal.demo import agents
from opsportal.demo.place import Item, attribute_values
from opsportal.demo.simulation.world import World
from opsportal.demo.stamps import milliseconds, zulu

INTERVAL = (20, 30)  # seconds between an agent's heartbeats


async def beat(world: World, number: int) -> None:
    """The heartbeats of one agent, for ever. What an operator edits meanwhile is overwritten by the next."""
    table = world.agents
    built = _agents(world)[number]
    memory = await world.read(table, built[table.key]) or attribute_values(built)
    while True:
        now = world.now()
        if built[table.key] == agents.LATE:
            now -= agents.LATE_BY * world.rng.uniform(0.7, 1.3)
        if "agent_type" in memory:
            fresh: Item = {
                "last_heartbeat": zulu(now),
                "active_tasks": world.rng.randint(0, 2),
                "throughput_per_hour": world.rng.randint(14, 26),
                "avg_latency_ms": round(built["avg_latency_ms"] * world.rng.uniform(0.97, 1.03), 1),
            }
        else:
            fresh = {"lastHeartbeat": milliseconds(now), "updatedAt": zulu(now), "status": "active"}
        memory = memory | attribute_values(fresh)
        await world.call(table, "put_item", Item=memory)
        await world.sleep(world.seconds(*INTERVAL))


def _agents(world: World) -> list[Item]:
    return agents.alive(world.agents.key, world.now())


def count(world: World) -> int:
    """How many agents there are to keep alive."""
    return len(_agents(world))
