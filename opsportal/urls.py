"""Every address of the console. A view without an access mark answers nobody (`opsportal.console.access`)."""

from django.contrib import admin
from django.urls import include, path

from opsportal.accounts import views as accounts
from opsportal.console.api import api

handler403 = "opsportal.console.refusals.permission_denied"

urlpatterns = [
    path("", include("opsportal.console.urls")),
    path("workflows/", include("tracking.urls", namespace="tracking")),
    path("requests/", include("requests_app.urls", namespace="requests")),
    path("agents/", include("registry.urls", namespace="registry")),
    path("accounts/", include("opsportal.accounts.urls")),
    # Before the admin's own: one login, with its rate limits and second factor, and one password form.
    path("admin/login/", accounts.admin_login),
    path("admin/password_change/", accounts.admin_password_change),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
]
