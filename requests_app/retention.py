"""Which requests and logs may expire (`opsportal.tables.retention`)."""

import re

from opsportal.tables.retention.rules import Rule
from requests_app.statuses import STATUSES, terminal_statuses

# The documented and the configured ends: whether another status is one is unknown (docs/data.md#what-deployed-writers-do). A
# log's id is log_<epoch ms>_<nnn> (docs/data.md#request-lifecycle).
RULE = Rule(
    logical="requests",
    index="status-index",
    finished=terminal_statuses(),
    unfinished=frozenset(STATUSES) - terminal_statuses(),
    stamps=("created_at", "updated_at", "started_at", "completed_at"),
    logs="request_logs",
    logs_index="request-logs-index",
    log_key=re.compile(r"\Alog_(\d{12,14})_"),
)
