"""Addresses of the files that the worker makes, under /jobs/exports/."""

from django.urls import path

from opsportal.exports import file_views

app_name = "exports"
urlpatterns = [
    path("", file_views.list_, name="list"),
    path("<uuid:export_id>/", file_views.page, name="export"),
    path("<uuid:export_id>/file", file_views.download, name="file"),
    path("<uuid:export_id>/stop/", file_views.stop, name="stop"),
]
