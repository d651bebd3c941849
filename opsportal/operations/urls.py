"""Addresses of the audit trail, under /audit/."""

from django.urls import path

from opsportal.operations import views

app_name = "operations"
urlpatterns = [
    path("", views.feed, name="feed"),
    path("<key:action_id>/", views.entry_page, name="entry"),
    path("<key:action_id>/undo/", views.undo_page, name="undo"),
]
