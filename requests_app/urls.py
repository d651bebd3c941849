"""Addresses of requests, under /requests/."""

from django.urls import path

from requests_app import at_stage, log_views, submission_views, views
from requests_app.action_views import ACTIONS

app_name = "requests"
urlpatterns = [
    path("", views.list_, name="list"),
    path("new/", submission_views.new, name="new"),
    path("stages/stuck/", at_stage.at_stage, name="at_stage"),
    path("<key:request_id>/", views.item, name="item"),
    path("<key:request_id>/logs/", log_views.logs_page, name="logs"),
    *ACTIONS.urls(),
]
