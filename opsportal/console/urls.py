"""The console's own addresses: the overview, what load balancers ask, and what browsers ask unasked."""

from django.urls import path

from opsportal.console import health, icon, views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("favicon.ico", icon.favicon, name="favicon"),
]
