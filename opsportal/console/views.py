"""The overview: each app's own panel, loaded side by side, so that trouble with one table stays in it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse

from opsportal.console.access import staff
from opsportal.console.windows import window_of

# (URL name of the panel, the permission it asks for, its title and the list it leads to).
PANELS = (
    ("panel-workflows", "tracking.view_workflows", "Workflows", "tracking:list"),
    ("panel-requests", "requests_app.view_requests", "Requests", "requests:list"),
    ("panel-agents", "registry.view_agents", "Agents", "registry:list"),
)


@staff
def overview(request: HttpRequest) -> HttpResponse:
    """Is anything wrong? Reads nothing itself."""
    window = window_of(request)
    panels = []
    for name, permission, title, list_name in PANELS:
        if not request.user.has_perm(permission):
            continue
        try:
            url, list_url = reverse(name), reverse(list_name)
        except NoReverseMatch:
            continue
        panels.append({"id": name, "url": f"{url}?window={window.key}", "title": title, "list_url": list_url})
    return render(request, "console/overview.html", {"window": window, "panels": panels})
