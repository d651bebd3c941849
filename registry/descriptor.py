"""What agents bring to the console."""

from opsportal.accounts.roles import OPERATOR, VIEWER
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope
from opsportal.operations.resource_types import ResourceType
from registry import actions, api, dialects, versions, views, watches
from registry.action_views import ACTIONS

DESCRIPTOR = AppDescriptor(
    page=Page("Agents", "robot", "registry:list", "registry.view_agents", "/agents/"),
    urls="registry.urls",
    panel=Panel("agents", "Agents", views.panel, "registry.view_agents", "registry:list"),
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
    scopes=(
        Scope("agents:read", "See and discover agents", ("registry.view_agents",)),
        Scope("agents:register", "Register agents and send their heartbeats", ("registry.register_agents",)),
        Scope("agents:act", "Deactivate agents"),
    ),
    actions=ACTIONS,
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
    checks=(dialects.check,),
    iam={
        "ReadOneItem": ("agents",),
        "ReadAgentsTogether": ("agents",),
        "ListWithoutIndex": ("agents",),
        "ChangeItems": ("agents",),
        "RegisterAgents": ("agents",),
    },
)
