"""The registry of agents (seed 004 of docs/data.md)."""

from opsportal.dynamo.tables import TableSpec, Workload

AGENTS = TableSpec(
    logical="agents",
    title="Agent registry",
    key="agentId",
    names=("AgentRegistry",),
    source="seed 004",
    workload=Workload(
        event="registry update",
        per_day=200,
        writes=1,
        reads=1,
        items=0,
        item_bytes=1_024,
        kept_days=0,
        source="seed 004's typical usage of less than $0.01 a month; one agent's heartbeat every minute is 1,440",
    ),
)
