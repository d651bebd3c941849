"""What requests and their logs bring to the console."""

import re

from opsportal.accounts.roles import ADMINISTRATOR, OPERATOR, VIEWER
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope
from opsportal.operations.bulk import Bulk
from opsportal.operations.resource_types import ResourceType
from opsportal.tables.ages import Watched
from opsportal.tables.retention.rules import Rule
from requests_app import actions, api, dialects, failures, log_api, outgoing, queries, search, views, watches
from requests_app.action_views import ACTIONS
from requests_app.drafts import LABELS
from requests_app.exported import EXPORT
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


DESCRIPTOR = AppDescriptor(
    shortcuts=(Page("New request", "plus", "requests:new", "requests_app.submit_requests"),),
    search=(search.SEARCHED, search.LOGS_SEARCHED),
    page=Page("Requests", "inbox", "requests:list", "requests_app.view_requests", "/requests/"),
    urls="requests_app.urls",
    panel=Panel(
        "requests",
        "Requests",
        "requests_app/panel.html",
        views.panel_figures,
        views.shown_on_panel,
        views.panel_location,
        "requests_app.view_requests",
        "requests:list",
    ),
    saved_views={"requests": "requests:list"},
    grants={
        VIEWER: ("requests_app.view_requests",),
        OPERATOR: (
            "requests_app.submit_requests",
            "requests_app.cancel_requests",
            "requests_app.retry_requests",
            "requests_app.fail_requests",
            "requests_app.purge_requests",
        ),
        ADMINISTRATOR: ("requests_app.complete_requests", "requests_app.purge_unfinished_requests"),
    },
    labels={
        **LABELS,
        "source_name": "Name of the source",
        "source_url": "Address of the source",
        "source_type": "Type of the source",
        "extra_name": "Other attribute",
        "extra_value": "Value of the other attribute",
        **dict.fromkeys(("do", "like", "dialect", "source_own", "extra_within", "extra_kind"), ""),
    },
    scopes=(
        Scope("requests:read", "See requests and their logs", ("requests_app.view_requests",)),
        Scope("requests:write", "Submit, cancel and retry requests"),
        Scope("request:fail", "Mark requests failed"),
        Scope("request:complete", "Mark requests completed"),
        Scope(
            "request:purge",
            "Purge requests, by jobs",
            ("requests_app.purge_requests", "requests_app.purge_unfinished_requests"),
        ),
    ),
    actions=ACTIONS,
    bulk=Bulk(ACTIONS, views.FILTERS, queries.walk),
    exports=(EXPORT,),
    routers=(api.router, log_api.router),
    resource_type=ResourceType(
        name="request",
        logical=ACTIONS.logical,
        title="Request",
        stamp="updated_at",
        statuses=ACTIONS.statuses,
        undo_permissions=ACTIONS.undo_permissions,
        item_url=ACTIONS.item_url,
        note_of_undo=outgoing.note_of_undo,
        renewed=actions.renewed,
        history=("processing_metadata", "status_history"),
        record_undo=actions.record_undo,
    ),
    messages={"requests.sqs": outgoing.send_to_queue, "requests.purge_logs": outgoing.purge_logs},
    watches=watches.WATCHES,
    failures=failures.SOURCE,
    ages=Watched(queries.SAMPLED, queries.statuses, terminal_statuses),
    retention=RULE,
    checks=(dialects.check,),
    iam={
        "ReadOneItem": ("requests",),
        "FindByIds": ("request_logs",),
        "ReadSampledTogether": ("requests",),
        "ListByIndex": (
            "requests/user-index",
            "requests/project-index",
            "requests/status-index",
            "requests/strategy-index",
            "request_logs/request-logs-index",
        ),
        "FindUndocumentedStatuses": ("requests/status-index", "requests/strategy-index"),
        "ListWithoutIndex": ("requests", "request_logs"),
        "ChangeItems": ("requests",),
        "RecordActions": ("jobs@requests",),
        "CarryOutMessages": ("jobs@requests",),
        "DeleteLogs": ("request_logs",),
        "OfferProjects": ("requests/project-index",),
        "StampLogs": ("request_logs",),
        "ChangeIndexes": ("requests", "request_logs"),
        "WorkOnRequests": ("requests",),
        "FindRequests": ("requests/status-index",),
        "WriteLogs": ("request_logs",),
    },
    queue="REQUESTS_QUEUE_URL",
)
