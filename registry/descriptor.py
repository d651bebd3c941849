"""What agents bring to the console."""

from opsportal.accounts.roles import OPERATOR, VIEWER
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope
from opsportal.operations.bulk import Bulk
from opsportal.operations.resource_types import ResourceType
from registry import actions, api, dialects, fleet, queries, search, versions, views, watches
from registry.action_views import ACTIONS
from registry.exported import EXPORT
from registry.profile import FIELDS

DESCRIPTOR = AppDescriptor(
    shortcuts=(Page("Register an agent", "plus", "registry:register", "registry.register_agents"),),
    search=(search.SEARCHED,),
    page=Page("Agents", "robot", "registry:list", "registry.view_agents", "/agents/"),
    urls="registry.urls",
    panel=Panel(
        "agents",
        "Agents",
        "registry/panel.html",
        views.panel_figures,
        views.shown_on_panel,
        views.panel_location,
        "registry.view_agents",
        "registry:list",
        about="by heartbeat",
    ),
    saved_views={"agents": "registry:list"},
    grants={
        VIEWER: ("registry.view_agents",),
        OPERATOR: (
            "registry.register_agents",
            "registry.edit_agents",
            "registry.activate_agents",
            "registry.purge_agents",
            "registry.probe_agents",
        ),
    },
    labels={
        **{name: field.label for name, field in FIELDS.items()},
        "agent_id": "Id",
        "dialect": "",
        "drawn": "",
        "extra-S-*": "{}",
        "extra-N-*": "{}",
        "extra-BOOL-*": "{}",
    },
    scopes=(
        Scope("agents:read", "See and discover agents", ("registry.view_agents",)),
        Scope("agents:register", "Register agents and send their heartbeats", ("registry.register_agents",)),
        Scope("agents:act", "Deactivate agents; activate them by jobs"),
        Scope("agent:purge", "Purge agents, by jobs", ("registry.purge_agents",)),
    ),
    actions=ACTIONS,
    bulk=Bulk(ACTIONS, views.FILTERS, queries.walk, ranged=False),
    exports=(EXPORT,),
    routers=(api.router,),
    resource_type=ResourceType(
        name="agent",
        logical=ACTIONS.logical,
        title="Agent",
        stamp="updatedAt",
        statuses=ACTIONS.statuses,
        undo_permissions=ACTIONS.undo_permissions,
        item_url=ACTIONS.item_url,
        renewed=actions.renewed,
        written=versions.written,
    ),
    watches=watches.WATCHES,
    not_ready=fleet.not_ready,
    checks=(dialects.check,),
    iam={
        "ReadOneItem": ("agents",),
        "ReadAgentsTogether": ("agents",),
        "ListWithoutIndex": ("agents",),
        "ChangeItems": ("agents",),
        "RecordActions": ("jobs@agents",),
        "CarryOutMessages": ("jobs@agents",),
        "RegisterAgents": ("agents",),
    },
)
