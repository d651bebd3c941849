"""Addresses of the alerts, under /alerts/."""

from django.urls import path

from opsportal.alerts import rule_views, views, webhook_views

app_name = "alerts"
urlpatterns = [
    path("", views.firings, name="list"),
    path("rules/", rule_views.rules, name="rules"),
    path("rules/new/", rule_views.new, name="new_rule"),
    path("rules/<int:pk>/", rule_views.rule, name="rule"),
    path("rules/<int:pk>/edit/", rule_views.edit, name="edit_rule"),
    path("rules/<int:pk>/try/", rule_views.try_now, name="try_rule"),
    path("rules/<int:pk>/switch/", rule_views.switch, name="switch_rule"),
    path("rules/<int:pk>/delete/", rule_views.delete, name="delete_rule"),
    path("webhooks/", webhook_views.webhooks, name="webhooks"),
    path("webhooks/new/", webhook_views.new, name="new_webhook"),
    path("webhooks/<uuid:pk>/", webhook_views.webhook, name="webhook"),
    path("webhooks/<uuid:pk>/edit/", webhook_views.edit, name="edit_webhook"),
    path("webhooks/<uuid:pk>/secret/", webhook_views.new_secret, name="new_secret"),
    path("webhooks/<uuid:pk>/test/", webhook_views.test, name="test_webhook"),
    path("webhooks/<uuid:pk>/switch/", webhook_views.switch, name="switch_webhook"),
    path("webhooks/<uuid:pk>/delete/", webhook_views.delete, name="delete_webhook"),
    path("deliveries/", views.deliveries, name="deliveries"),
    path("deliveries/<uuid:pk>/", views.delivery, name="delivery"),
    path("deliveries/<uuid:pk>/again/", views.redeliver, name="redeliver"),
    path("changes/", views.changes, name="changes"),
    path("<uuid:pk>/", views.firing, name="firing"),
    path("<uuid:pk>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("<uuid:pk>/snooze/", views.snooze, name="snooze"),
]
