"""Addresses of workflows, under /workflows/."""

from django.urls import path

from tracking import views

app_name = "tracking"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<key:session_id>/", views.item, name="item"),
]
