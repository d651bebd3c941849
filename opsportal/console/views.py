"""The overview: each app's own panel, loaded side by side, so that a problem with one table stays in it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from opsportal.console import panels
from opsportal.console.access import staff
from opsportal.console.conditions import condition
from opsportal.console.windows import window_of
from opsportal.dynamo.tables import bindings


@staff
def overview(request: HttpRequest) -> HttpResponse:
    """Is anything wrong? Reads nothing itself."""
    window = window_of(request)
    shown = []
    for panel in panels.panels():
        if panel.permission and not request.user.has_perm(panel.permission):
            continue
        url = f"{reverse(panel.name)}?window={window.key}"
        list_url = reverse(panel.list_url_name) if panel.list_url_name else ""
        shown.append({"id": panel.name, "url": url, "title": panel.title, "list_url": list_url})
    sees_data = any(one["list_url"] for one in shown)
    return render(
        request, "console/overview.html", {"window": window, "panels": shown, "sees_data": sees_data}
    )


@staff
def tables_panel(request: HttpRequest) -> HttpResponse:
    """The tables of the settings as they are deployed: reachable, ACTIVE, with the key that is configured."""
    return panels.panel(
        request,
        "panel-tables",
        "console/panel-tables.html",
        lambda window: {"tables": [condition(table) for table in bindings()]},
        place=",".join(table.fingerprint for table in bindings()),
    )
