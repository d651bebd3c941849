"""Addresses of workflows, under /workflows/. One whose id is `steps` has another one (see `converters`)."""

from django.urls import path

from tracking import at_step, views
from tracking.action_views import ACTIONS

app_name = "tracking"
urlpatterns = [
    path("", views.list_, name="list"),
    path("steps/<key:key>/", views.step, name="step"),
    path("steps/<key:key>/stuck/", at_step.at_step, name="at_step"),
    path("<key:session_id>/", views.item, name="item"),
    *ACTIONS.urls(),
]
