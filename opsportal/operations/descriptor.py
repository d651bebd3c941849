"""What the audit trail brings to the console."""

from opsportal.accounts.roles import ADMINISTRATOR, OPERATOR, VIEWER
from opsportal.api import audit
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope
from opsportal.operations import search, views

DESCRIPTOR = AppDescriptor(
    search=(search.SEARCHED,),
    page=Page("Audit", "history", "operations:feed", "operations.view_audit", "/audit/"),
    urls="opsportal.operations.urls",
    panel=Panel(
        "audit",
        "Last actions",
        "operations/panel.html",
        views.panel_figures,
        views.shown_on_panel,
        views.panel_location,
        "operations.view_audit",
        "operations:feed",
        fresh=views.panel_fresh,
    ),
    grants={
        VIEWER: ("operations.view_audit",),
        OPERATOR: ("operations.view_images", "operations.resend_messages"),
        ADMINISTRATOR: ("operations.drop_messages",),
    },
    labels={"action_id": "", "confirm": "Its id, to confirm", "without_image": "Without an undo"},
    scopes=(Scope("audit:read", "See the audit trail", ("operations.view_audit",)),),
    routers=(audit.router,),
)
