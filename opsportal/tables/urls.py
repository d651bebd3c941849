"""Addresses of the tables' pages, under /tables/. None of them changes a table."""

from django.urls import path

from opsportal.tables import views

app_name = "tables"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<key:key>/", views.item, name="item"),
    path("<key:key>/probe/", views.probe, name="probe"),
    *(path(f"<key:key>/{name}/", views.part, {"name": name}, name=name) for name in views.READS),
]
