"""Every address of the console. A view without an access mark answers nobody (`opsportal.console.access`)."""

from django.urls import include, path

from opsportal.accounts.admin import site
from opsportal.console.api import api

handler403 = "opsportal.console.refusals.permission_denied"

urlpatterns = [
    path("", include("opsportal.console.urls")),
    path("workflows/", include("tracking.urls", namespace="tracking")),
    path("requests/", include("requests_app.urls", namespace="requests")),
    path("agents/", include("registry.urls", namespace="registry")),
    path("accounts/", include("opsportal.accounts.urls")),
    path("admin/", site.urls),
    path("api/", api.urls),
]
