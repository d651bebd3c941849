"""The market-intelligence requests and their processing logs (seeds 001 and 002)."""

from opsportal.dynamo.tables import Index, TableSpec

REQUESTS = TableSpec(
    logical="requests",
    title="Market intelligence requests",
    key="request_id",
    indexes=(
        Index("user-index", "user_id", "created_at"),
        Index("project-index", "project_id", "created_at"),
        Index("status-index", "status", "created_at"),
        Index("strategy-index", "processing_strategy", "priority"),
    ),
    ttl_attribute="ttl",
    point_in_time_recovery=True,
    source="seed 002",
)

REQUEST_LOGS = TableSpec(
    logical="request_logs",
    title="Request processing logs",
    key="log_id",
    indexes=(Index("request-logs-index", "request_id", "timestamp"),),
    ttl_attribute="ttl",
    source="seed 002",
)
