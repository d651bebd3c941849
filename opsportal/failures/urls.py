"""Addresses of failures, under /failures/."""

from django.urls import path

from opsportal.failures import views

app_name = "failures"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<slug:case_id>/", views.case_page, name="case"),
    path("<slug:case_id>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("<slug:case_id>/assign/", views.assign, name="assign"),
    path("<slug:case_id>/note/", views.note, name="note"),
    path("<slug:case_id>/mute/", views.mute, name="mute"),
    path("<slug:case_id>/resolve/", views.resolve, name="resolve"),
    path("<slug:case_id>/reopen/", views.reopen, name="reopen"),
]
