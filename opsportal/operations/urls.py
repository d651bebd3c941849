"""Addresses of the audit trail, under /audit/."""

from django.urls import path

from opsportal.operations import change_views, undelivered_views, views

app_name = "operations"
urlpatterns = [
    path("", views.feed, name="feed"),
    path("accounts/", change_views.changes, name="changes"),
    path("undelivered/", undelivered_views.page, name="undelivered"),
    path("undelivered/<key:message>/resend/", undelivered_views.resend, name="resend"),
    path("undelivered/<key:message>/drop/", undelivered_views.drop, name="drop"),
    path("<key:action_id>/", views.entry_page, name="entry"),
    path("<key:action_id>/undo/", views.undo_page, name="undo"),
]
