"""The market-intelligence requests and their processing logs (seeds 001 and 002)."""

from opsportal.dynamo.tables import Index, TableSpec, Workload

REQUESTS = TableSpec(
    logical="requests",
    title="Market intelligence requests",
    key="request_id",
    indexes=(
        Index("user-index", "user_id", "created_at", serves="requests of a user"),
        Index(
            "project-index",
            "project_id",
            "created_at",
            serves="requests of a project and the form's choices of projects",
        ),
        Index(
            "status-index",
            "status",
            "created_at",
            serves="lists of requests, newest first, their counts and the overview's panel",
        ),
        Index(
            "strategy-index",
            "processing_strategy",
            "priority",
            serves="lists of requests, highest priority first",
        ),
    ),
    ttl_attribute="ttl",
    point_in_time_recovery=True,
    names=(
        "{env}-market_intelligence_requests",
        "{env}-market-intelligence-requests",
        "market_intelligence_requests",
    ),
    source="seed 002",
    workload=Workload(
        event="request",
        per_day=100,
        writes=8,
        reads=10,
        item_bytes=2_200,
        kept_days=365,
        moves=(("status-index", 3),),  # pending, processing, executing, completed
        source="the item and the statuses of seed 002; a year is assumed, and the counts of seed 000",
    ),
)

REQUEST_LOGS = TableSpec(
    logical="request_logs",
    title="Request processing logs",
    key="log_id",
    indexes=(Index("request-logs-index", "request_id", "timestamp", serves="logs of a request"),),
    ttl_attribute="ttl",
    names=("{env}-request_processing_logs", "{env}-request-processing-logs", "request_processing_logs"),
    source="seed 002",
    workload=Workload(
        event="request",
        per_day=100,
        writes=10,
        reads=10,
        items=10,
        item_bytes=300,
        kept_days=365,
        source="the entry of seed 002; a year, and ten of them per request, are assumed",
    ),
)
