"""Every figure at /metrics. Labels hold logical names, operations, routes and outcomes, never what somebody sent:
their number is bounded by the program."""

from prometheus_client import Counter, Gauge, Histogram

# Seconds. A page gives a call 1.5 s, and has 5 s in all.
_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 3, 5, 10)
_PAGE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

CALLS = Counter(
    "opsportal_dynamodb_calls",
    "Calls to DynamoDB, retries not counted. A transaction counts at the table of its item.",
    ("table", "operation", "outcome"),
)
CALL_SECONDS = Histogram(
    "opsportal_dynamodb_call_seconds",
    "Seconds that a call took, with its retries.",
    ("table", "operation"),
    buckets=_CALL_BUCKETS,
)
RETRIES = Counter("opsportal_dynamodb_retries", "Attempts after the first.", ("table", "operation"))
THROTTLES = Counter(
    "opsportal_dynamodb_throttled_attempts",
    "Attempts that DynamoDB throttled, those included whose retry went well.",
    ("table", "operation"),
)
UNITS = Counter(
    "opsportal_dynamodb_consumed_units",
    "Capacity units, as DynamoDB reports them.",
    ("table", "operation", "kind"),
)

ACTIONS = Counter("opsportal_actions", "Actions, by how they ended.", ("subject", "verb", "outcome"))

JOBS = Counter("opsportal_jobs", "Jobs, by what happened to them.", ("subject", "verb", "event"))
OPEN_JOBS = Gauge("opsportal_jobs_open", "Jobs that are not over.", ("region", "state"))
JOB_ITEMS = Counter(
    "opsportal_job_items", "Items of jobs, by what became of them.", ("subject", "verb", "outcome")
)
JOB_CONFLICTS = Counter(
    "opsportal_job_conflicts", "Chunks that another worker had, and transactions that other writes hindered."
)

MESSAGES = Counter(
    "opsportal_outbox_messages", "Messages carried out, or tried in vain.", ("kind", "outcome")
)
DUE = Gauge("opsportal_outbox_due", "Messages of the outbox that are due.", ("region",))
OLDEST = Gauge(
    "opsportal_outbox_oldest_seconds", "For how long the oldest of them has been due.", ("region",)
)
GIVEN_UP = Gauge(
    "opsportal_outbox_undeliverable", "Messages of the outbox that are not tried any more.", ("region",)
)

FAILURE_CASES = Gauge(
    "opsportal_failure_cases", "Cases of failures that are open or acknowledged.", ("table",)
)

PASSES = Counter("opsportal_worker_passes", "Turns of the worker's tasks.", ("chore", "region", "outcome"))
LAST_PASS = Gauge(
    "opsportal_worker_last_pass_timestamp_seconds", "When a task's turn last went well.", ("chore", "region")
)

REQUESTS = Counter("opsportal_http_requests", "Requests answered.", ("route", "method", "status"))
REQUEST_SECONDS = Histogram(
    "opsportal_http_request_seconds",
    "Seconds until a request was answered; a download, until it was sent.",
    ("route",),
    buckets=_PAGE_BUCKETS,
)
SHED = Counter(
    "opsportal_http_shed",
    "Lists, panels and downloads refused, since as many were under way as may be.",
    ("load",),
)
