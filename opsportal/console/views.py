"""The overview: each app's own panel, loaded side by side, so that trouble with one table stays in it."""

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
    for name, permission, title, list_name in panels.PANELS:
        if permission and not request.user.has_perm(permission):
            continue
        url = f"{reverse(name)}?window={window.key}"
        list_url = reverse(list_name) if list_name else ""
        shown.append({"id": name, "url": url, "title": title, "list_url": list_url})
    sees_data = any(panel["list_url"] for panel in shown)
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
