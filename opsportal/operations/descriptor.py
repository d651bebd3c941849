"""What the audit trail brings to the console."""

from opsportal.accounts.roles import ADMINISTRATOR, OPERATOR, VIEWER
from opsportal.api import audit
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope
from opsportal.operations import views

DESCRIPTOR = AppDescriptor(
    page=Page("Audit", "history", "operations:feed", "operations.view_audit", "/audit/"),
    urls="opsportal.operations.urls",
    panel=Panel("audit", "Last actions", views.panel, "operations.view_audit", "operations:feed"),
    grants={
        VIEWER: ("operations.view_audit",),
        OPERATOR: ("operations.view_images", "operations.resend_messages"),
        ADMINISTRATOR: ("operations.drop_messages",),
    },
    scopes=(Scope("audit:read", "See the audit trail", ("operations.view_audit",)),),
    routers=(audit.router,),
)
