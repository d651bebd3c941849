"""Addresses of agents, under /agents/. Agents with the id of a page have other ones (see `converters`)."""

from django.urls import path

from registry import action_views, fleet_views, probe_views, views

app_name = "registry"
urlpatterns = [
    path("", views.list_, name="list"),
    path("register/", action_views.register, name="register"),
    path("fleet/", fleet_views.fleet_, name="fleet"),
    path("<key:agent_id>/", views.item, name="item"),
    path("<key:agent_id>/edit/", action_views.edit, name="edit"),
    path("<key:agent_id>/activate/", action_views.activate, name="activate"),
    path("<key:agent_id>/deactivate/", action_views.deactivate, name="deactivate"),
    path("<key:agent_id>/purge/", action_views.purge, name="purge"),
    path("<key:agent_id>/probe/", probe_views.probe_, name="probe"),
]
