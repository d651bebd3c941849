"""The registry of agents (seed 004)."""

from opsportal.dynamo.tables import TableSpec

AGENTS = TableSpec(logical="agents", title="Agent registry", key="agentId", source="seed 004")
