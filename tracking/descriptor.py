"""What workflows bring to the console."""

from opsportal.accounts.roles import ADMINISTRATOR, OPERATOR, VIEWER
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope
from opsportal.operations.bulk import Bulk
from opsportal.operations.resource_types import ResourceType
from opsportal.tables.ages import Watched
from tracking import actions, api, failures, queries, search, status_api, views, watches
from tracking.action_views import ACTIONS
from tracking.exported import EXPORT
from tracking.statuses import terminal_statuses

DESCRIPTOR = AppDescriptor(
    search=(search.SEARCHED,),
    page=Page("Workflows", "git-branch", "tracking:list", "tracking.view_workflows", "/workflows/"),
    urls="tracking.urls",
    panel=Panel(
        "workflows",
        "Workflows",
        "tracking/panel.html",
        views.panel_figures,
        views.shown_on_panel,
        views.panel_location,
        "tracking.view_workflows",
        "tracking:list",
    ),
    saved_views={"workflows": "tracking:list"},
    grants={
        VIEWER: ("tracking.view_workflows",),
        OPERATOR: (
            "tracking.cancel_workflows",
            "tracking.retry_workflows",
            "tracking.fail_workflows",
            "tracking.purge_workflows",
        ),
        ADMINISTRATOR: ("tracking.complete_workflows",),
    },
    scopes=(
        Scope("workflows:read", "See workflows", ("tracking.view_workflows",)),
        Scope("workflows:act", "Cancel and retry workflows"),
        Scope("workflow:fail", "Mark workflows failed"),
        Scope("workflow:complete", "Mark workflows completed"),
        Scope("workflow:purge", "Purge workflows, by jobs", ("tracking.purge_workflows",)),
    ),
    actions=ACTIONS,
    bulk=Bulk(ACTIONS, views.FILTERS, queries.walk),
    exports=(EXPORT,),
    routers=(status_api.router, api.router),
    resource_type=ResourceType(
        name="workflow",
        logical=ACTIONS.logical,
        title="Workflow",
        stamp="lastUpdated",
        statuses=ACTIONS.statuses,
        undo_permissions=ACTIONS.undo_permissions,
        item_url=ACTIONS.item_url,
        note_of_undo=actions.note_of_undo,
        renewed=actions.renewed,
    ),
    messages={"workflows.command": actions.send_command},
    watches=watches.WATCHES,
    failures=failures.SOURCE,
    ages=Watched(queries.SAMPLED, queries.statuses, terminal_statuses),
    iam={
        "ReadOneItem": ("workflows",),
        "ReadSampledTogether": ("workflows",),
        "ListByIndex": ("workflows/overallStatus-createdAt-index",),
        "FindUndocumentedStatuses": ("workflows/overallStatus-createdAt-index",),
        "ListWithoutIndex": ("workflows",),
        "ChangeItems": ("workflows",),
        "RecordActions": ("jobs@workflows",),
        "CarryOutMessages": ("jobs@workflows",),
        "ChangeIndexes": ("workflows",),
        "WriteStatus": ("workflows",),
    },
    queue="WORKFLOW_COMMANDS_QUEUE_URL",
)
