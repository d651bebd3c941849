"""The overview's panel of what was done last."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from opsportal.console import panels
from opsportal.console.access import requires
from opsportal.console.windows import Window
from opsportal.operations import actors, entries, feeds
from opsportal.operations.tables import audit_beside, places
from opsportal.operations.views import item_url

SHOWN = 8


@requires("operations.view_audit")
def panel(request: HttpRequest) -> HttpResponse:
    """The newest entries of the window, or what is wrong with the audit tables."""
    place = ",".join(audit_beside(table).fingerprint for table in places())
    return panels.panel(request, "panel-audit", "operations/panel.html", _figures, place=place)


def _figures(window: Window) -> dict[str, Any]:
    # A window's start bounds how many days are looked through: an empty trail has no newest entry.
    page = feeds.page(feeds.FeedFilter(start=window.since, routine=False), purpose="panel", limit=SHOWN)
    shown = actors.named([entries.of(raw) for raw in page.items])
    return {"entries": [(entry, item_url(entry)) for entry in shown], "more": bool(page.cursor)}
