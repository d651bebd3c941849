"""Addresses of requests, under /requests/."""

from django.urls import path

from requests_app import log_views, submission_views, views
from requests_app.action_views import ACTIONS

app_name = "requests"
urlpatterns = [
    path("", views.list_, name="list"),
    path("new/", submission_views.new, name="new"),
    path("<key:request_id>/", views.item, name="item"),
    path("<key:request_id>/logs/", log_views.logs_page, name="logs"),
    *ACTIONS.urls(),
]
