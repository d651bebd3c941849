"""The workflow status table (seed 000), one item per session with one map per agent step."""

from opsportal.dynamo.tables import Index, TableSpec

WORKFLOWS = TableSpec(
    logical="workflows",
    title="Workflow status",
    key="sessionId",
    indexes=(Index("overallStatus-createdAt-index", "overallStatus", "createdAt", optional=True),),
    ttl_attribute="expiresAt",
    point_in_time_recovery=True,
    encryption="KMS",
    tags={
        "Name": "Orchestrator Processing Status",
        "Component": "AgentCore",
        "Environment": "production",
        "Purpose": "Real-time workflow status tracking",
    },
    source="seed 000; the index is the console's own and optional",
)
