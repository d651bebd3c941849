"""The console's own addresses: the overview, what load balancers ask, and what browsers ask unasked."""

from django.urls import path

from opsportal.console import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("favicon.ico", views.favicon, name="favicon"),
]
