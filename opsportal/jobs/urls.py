"""Addresses of jobs, under /jobs/."""

from django.urls import path

from opsportal.jobs import control_views, item_views, new_views, views

app_name = "jobs"
urlpatterns = [
    path("", views.list_, name="list"),
    path("new/", new_views.new, name="new"),
    path("notice/", views.notice, name="notice"),
    path("<uuid:job_id>/", views.job_page, name="job"),
    path("<uuid:job_id>/items/", item_views.items, name="items"),
    path("<uuid:job_id>/start/", control_views.start, name="start"),
    path("<uuid:job_id>/pause/", control_views.pause, name="pause"),
    path("<uuid:job_id>/resume/", control_views.resume, name="resume"),
    path("<uuid:job_id>/pace/", control_views.pace, name="pace"),
    path("<uuid:job_id>/stop/", control_views.stop, name="stop"),
    path("<uuid:job_id>/retry-failed/", control_views.retry_failed, name="retry-failed"),
    path("<uuid:job_id>/undo/", control_views.undo, name="undo"),
]
