"""The console's own addresses: the overview and the two that load balancers and supervisors ask."""

from django.urls import path

from opsportal.console import health, views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
