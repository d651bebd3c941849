"""Addresses of workflows, under /workflows/. One whose id is `steps` has another one (see `converters`)."""

from django.urls import path

from tracking import action_views, step_views, views

app_name = "tracking"
urlpatterns = [
    path("", views.list_, name="list"),
    path("steps/<key:key>/", step_views.step, name="step"),
    path("<key:session_id>/", views.item, name="item"),
    path("<key:session_id>/cancel/", action_views.cancel, name="cancel"),
    path("<key:session_id>/retry/", action_views.retry, name="retry"),
    path("<key:session_id>/fail/", action_views.fail, name="fail"),
    path("<key:session_id>/complete/", action_views.complete, name="complete"),
    path("<key:session_id>/purge/", action_views.purge, name="purge"),
]
