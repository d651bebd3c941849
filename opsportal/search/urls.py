"""The address of the search, /search/."""

from django.urls import path

from opsportal.search import views

app_name = "search"
urlpatterns = [path("", views.search, name="page")]
