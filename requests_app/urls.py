"""Addresses of requests, under /requests/."""

from django.urls import path

from requests_app import log_views, views

app_name = "requests"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<key:request_id>/", views.item, name="item"),
    path("<key:request_id>/logs/", log_views.logs_page, name="logs"),
]
