"""Addresses of requests, under /requests/."""

from django.urls import path

from requests_app import action_views, log_views, submission_views, views

app_name = "requests"
urlpatterns = [
    path("", views.list_, name="list"),
    path("new/", submission_views.new, name="new"),
    path("<key:request_id>/", views.item, name="item"),
    path("<key:request_id>/logs/", log_views.logs_page, name="logs"),
    path("<key:request_id>/cancel/", action_views.cancel, name="cancel"),
    path("<key:request_id>/retry/", action_views.retry, name="retry"),
    path("<key:request_id>/fail/", action_views.fail, name="fail"),
    path("<key:request_id>/complete/", action_views.complete, name="complete"),
    path("<key:request_id>/purge/", action_views.purge, name="purge"),
]
