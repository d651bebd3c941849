"""Every address of the console. A view without an access mark answers nobody (`opsportal.console.access`)."""

from typing import Any

from django.urls import URLPattern, include, path

from opsportal.accounts.admin import site
from opsportal.api.reference import router as reference_api
from opsportal.api.site import api
from opsportal.console import panels
from opsportal.descriptors import descriptors
from opsportal.telemetry.scrapes import metrics

handler400 = "opsportal.console.refusals.bad_request"
handler403 = "opsportal.console.refusals.permission_denied"
handler404 = "opsportal.console.refusals.not_found"
handler500 = "opsportal.console.refusals.broken"

_pages = [(one.page.prefix, one.urls) for one in descriptors() if one.page and one.urls]

urlpatterns = [
    path("", include("opsportal.console.urls")),
    path("metrics", metrics, name="metrics"),
    path("jobs/exports/", include("opsportal.exports.urls")),
    *[path(prefix.removeprefix("/"), include(urls)) for prefix, urls in _pages],
    # The overview's panels, each of its own app.
    *[path(f"panels/{panel.key}/", panels.view_of(panel), name=panel.name) for panel in panels.panels()],
    path("search/", include("opsportal.search.urls")),
    path("accounts/", include("opsportal.accounts.urls")),
    path("admin/", site.urls),
]

# Mounted last: a router can be mounted once, so what fails above must not come after it, or its error is hidden. Found
# first, the status document before all else: of the requests of programs, which are most of all, finding the address
# behind all pages and operations took a tenth of the CPU.
api.mount([*(router for one in descriptors() for router in one.routers), reference_api])
_operations, _app, _namespace = api.urls
_operations = sorted(_operations, key=lambda one: getattr(one, "name", "") != "workflow_status")
# Seed 003's (docs/data.md) own address of the status document: the same view, under the same name in metrics and logs.
_views: dict[str, Any] = {
    one.name: one.callback for one in _operations if isinstance(one, URLPattern) and one.name
}
_at_root = path("workflow/<text:session_id>/status", _views["workflow_status"], name="workflow_status")
_api = path("", include(([_at_root, path("api/", include(_operations))], _app), _namespace))
urlpatterns.insert(0, _api)
