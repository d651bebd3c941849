"""The workflow status table (seed 000 of docs/data.md), one item per session with one map per agent step."""

from opsportal.dynamo.tables import Index, TableSpec, Workload

WORKFLOWS = TableSpec(
    logical="workflows",
    title="Workflow status",
    key="sessionId",
    indexes=(
        Index(
            "overallStatus-createdAt-index",
            "overallStatus",
            "createdAt",
            optional=True,
            serves="lists of workflows, newest first, their counts and the overview's panel",
        ),
    ),
    ttl_attribute="expiresAt",
    point_in_time_recovery=True,
    encryption="KMS",
    tags={
        "Name": "Orchestrator Processing Status",
        "Component": "AgentCore",
        "Environment": "{env}",
        "Purpose": "Real-time workflow status tracking",
    },
    names=("trade-matching-system-processing-status", "ai-trade-matching-processing-status"),
    source="seed 000; the index is the console's own and optional",
    workload=Workload(
        event="workflow",
        per_day=1_000,
        writes=8,
        reads=10,
        item_bytes=1_024,
        kept_days=90,
        moves=(("overallStatus-createdAt-index", 2),),  # initializing, processing, completed
        source="seed 000",
    ),
)
