"""Addresses of agents, under /agents/."""

from django.urls import path

from registry import views

app_name = "registry"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<key:agent_id>/", views.item, name="item"),
]
