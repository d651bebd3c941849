"""What the alerts bring to the console."""

from opsportal.accounts.roles import ADMINISTRATOR, OPERATOR
from opsportal.alerts import throttling, undelivered
from opsportal.descriptors import AppDescriptor, Page

DESCRIPTOR = AppDescriptor(
    page=Page("Alerts", "bolt", "alerts:list", "alerts.view_alerts", "/alerts/"),
    urls="opsportal.alerts.urls",
    shortcuts=(Page("New alert rule", "plus", "alerts:new_rule", "alerts.manage_alerts"),),
    grants={
        OPERATOR: ("alerts.view_alerts", "alerts.acknowledge_alerts"),
        ADMINISTRATOR: ("alerts.manage_alerts",),
    },
    labels={
        "url": "URL",
        "window_minutes": "Within (minutes)",
        "hold_minutes": "Pending for (minutes)",
        "calm_minutes": "Resolve after (minutes)",
        "repeat_minutes": "Repeat every (minutes)",
        "webhooks": "Notify",
        "filter_*": "Only this {words}",
        "length": "Snooze",
    },
    watches=(throttling.WATCH, undelivered.WATCH),
)
