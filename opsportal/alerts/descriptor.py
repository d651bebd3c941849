"""What the alerts bring to the console."""

from opsportal.accounts.roles import ADMINISTRATOR, OPERATOR
from opsportal.alerts import throttling, undelivered
from opsportal.descriptors import AppDescriptor, Page

DESCRIPTOR = AppDescriptor(
    page=Page("Alerts", "bolt", "alerts:list", "alerts.view_alerts", "/alerts/"),
    urls="opsportal.alerts.urls",
    grants={
        OPERATOR: ("alerts.view_alerts", "alerts.acknowledge_alerts"),
        ADMINISTRATOR: ("alerts.manage_alerts",),
    },
    watches=(throttling.WATCH, undelivered.WATCH),
)
