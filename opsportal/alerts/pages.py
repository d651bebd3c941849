"""What the pages of the alerts share: their tabs and their paging."""

from typing import Any

from django.urls import reverse

from opsportal.alerts.rules import Firing
from opsportal.console.rows import page

__all__ = ["page", "tabs"]

TABS = (
    ("Alerts", "alerts:list"),
    ("Rules", "alerts:rules"),
    ("Webhooks", "alerts:webhooks"),
    ("Deliveries", "alerts:deliveries"),
    ("Changes", "alerts:changes"),
)


def tabs(current: str) -> list[tuple[str, str, bool, Any]]:
    """(label, URL, current, count), for partials/tabs.html."""
    firing = Firing.objects.filter(state="firing").count()
    return [
        (label, reverse(name), name == current, firing or "" if name == "alerts:list" else "")
        for label, name in TABS
    ]
