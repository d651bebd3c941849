"""Every address of the console. A view without an access mark answers nobody (`opsportal.console.access`)."""

from typing import Any

from django.urls import URLPattern, include, path

from opsportal.accounts.admin import site
from opsportal.api.reference import router as reference_api
from opsportal.api.site import api
from opsportal.descriptors import descriptors
from opsportal.telemetry.scrapes import metrics

handler403 = "opsportal.console.refusals.permission_denied"
handler404 = "opsportal.console.refusals.not_found"
handler500 = "opsportal.console.refusals.broken"

_pages = [(one.page.prefix, one.urls) for one in descriptors() if one.page and one.urls]
_panels = [one.panel for one in descriptors() if one.panel]

urlpatterns = [
    path("", include("opsportal.console.urls")),
    path("metrics", metrics, name="metrics"),
    *[path(prefix.removeprefix("/"), include(urls)) for prefix, urls in _pages],
    # The overview's panels: each app's own, loaded by the page.
    *[path(f"panels/{panel.key}/", panel.view, name=panel.name) for panel in _panels],
    path("accounts/", include("opsportal.accounts.urls")),
    path("admin/", site.urls),
]

# Last: a router can be mounted once, so what fails above must not come after it, or its error is hidden.
api.mount([*(router for one in descriptors() for router in one.routers), reference_api])
_operations, _app, _namespace = api.urls
# Seed 003's (docs/data.md) own address of the status document: the same view, under the same name in metrics and logs.
_views: dict[str, Any] = {
    one.name: one.callback for one in _operations if isinstance(one, URLPattern) and one.name
}
_at_root = path("workflow/<text:session_id>/status", _views["workflow_status"], name="workflow_status")
urlpatterns.append(path("", include(([_at_root, path("api/", include(_operations))], _app), _namespace)))
