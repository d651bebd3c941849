"""Every address of the console. A view without an access mark answers nobody (`opsportal.console.access`)."""

from django.urls import include, path

from opsportal.accounts.admin import site
from opsportal.console.api import api
from opsportal.operations import panel as audit
from registry import views as registry
from requests_app import views as requests
from tracking import views as tracking
from tracking.api import router as tracking_api

api.add_router("", tracking_api)

handler403 = "opsportal.console.refusals.permission_denied"
handler404 = "opsportal.console.refusals.not_found"

urlpatterns = [
    path("", include("opsportal.console.urls")),
    path("workflows/", include("tracking.urls", namespace="tracking")),
    path("requests/", include("requests_app.urls", namespace="requests")),
    path("agents/", include("registry.urls", namespace="registry")),
    path("audit/", include("opsportal.operations.urls", namespace="operations")),
    path("tables/", include("opsportal.tables.urls", namespace="tables")),
    # The overview's panels: each app's own, loaded by the page.
    path("panels/workflows/", tracking.panel, name="panel-workflows"),
    path("panels/requests/", requests.panel, name="panel-requests"),
    path("panels/agents/", registry.panel, name="panel-agents"),
    path("panels/audit/", audit.panel, name="panel-audit"),
    path("accounts/", include("opsportal.accounts.urls")),
    path("admin/", site.urls),
    path("api/", api.urls),
]
