"""Addresses of agents, under /agents/. Agents with the id of a page have other ones (see `converters`)."""

from django.urls import path

from registry import action_views, views

app_name = "registry"
urlpatterns = [
    path("", views.list_, name="list"),
    path("register/", action_views.register, name="register"),
    path("fleet/", views.fleet_, name="fleet"),
    path("<key:agent_id>/", views.item, name="item"),
    *action_views.ACTIONS.urls(),
    path("<key:agent_id>/probe/", views.probe_, name="probe"),
]
