"""Addresses of the tables' pages, under /tables/. None of them changes a table."""

from django.urls import path

from opsportal.tables import views

app_name = "tables"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<key:key>/", views.item, name="item"),
    path("<key:key>/row/", views.row, name="row"),
    path("<key:key>/deployed/", views.deployed, name="deployed"),
    path("<key:key>/glance/", views.glance, name="glance"),
    path("<key:key>/load/", views.load, name="load"),
    path("<key:key>/permissions/", views.permissions, name="permissions"),
    path("<key:key>/probe/", views.probe, name="probe"),
    path("<key:key>/migrations/", views.migrations, name="migrations"),
]
