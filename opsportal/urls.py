"""Every address of the console. A view without an access mark answers nobody (`opsportal.console.access`)."""

from typing import Any

from django.urls import URLPattern, include, path

from opsportal.accounts.admin import site
from opsportal.api.audit import router as audit_api
from opsportal.api.reference import router as reference_api
from opsportal.api.site import api
from opsportal.operations import panel as audit
from opsportal.telemetry.scrapes import metrics
from registry import views as registry
from registry.api import router as registry_api
from requests_app import views as requests
from requests_app.api import router as requests_api
from requests_app.log_api import router as request_logs_api
from requests_app.marking_api import router as request_marks_api
from tracking import views as tracking
from tracking.api import router as tracking_api
from tracking.marking_api import router as workflow_marks_api
from tracking.status_api import router as status_api

handler403 = "opsportal.console.refusals.permission_denied"
handler404 = "opsportal.console.refusals.not_found"
handler500 = "opsportal.console.refusals.broken"

urlpatterns = [
    path("", include("opsportal.console.urls")),
    path("metrics", metrics, name="metrics"),
    path("workflows/", include("tracking.urls", namespace="tracking")),
    path("requests/", include("requests_app.urls", namespace="requests")),
    path("agents/", include("registry.urls", namespace="registry")),
    path("alerts/", include("opsportal.alerts.urls", namespace="alerts")),
    path("audit/", include("opsportal.operations.urls", namespace="operations")),
    path("tables/", include("opsportal.tables.urls", namespace="tables")),
    # The overview's panels: each app's own, loaded by the page.
    path("panels/workflows/", tracking.panel, name="panel-workflows"),
    path("panels/requests/", requests.panel, name="panel-requests"),
    path("panels/agents/", registry.panel, name="panel-agents"),
    path("panels/audit/", audit.panel, name="panel-audit"),
    path("accounts/", include("opsportal.accounts.urls")),
    path("admin/", site.urls),
]

# Last: a router can be mounted once, so what fails above must not come after it, or its error is hidden.
for _router in (
    status_api,
    tracking_api,
    workflow_marks_api,
    requests_api,
    request_logs_api,
    request_marks_api,
    registry_api,
    audit_api,
    reference_api,
):
    api.add_router("", _router)
_operations, _app, _namespace = api.urls
# Seed 003's own address of the status document: the same view, under the same name in metrics and logs.
_views: dict[str, Any] = {
    one.name: one.callback for one in _operations if isinstance(one, URLPattern) and one.name
}
_at_root = path("workflow/<text:session_id>/status", _views["workflow_status"], name="workflow_status")
urlpatterns.append(path("", include(([_at_root, path("api/", include(_operations))], _app), _namespace)))
