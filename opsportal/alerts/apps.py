from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Rules, webhooks and what was delivered: preferences of the operators, so they are relational."""

    name = "opsportal.alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        from opsportal.alerts import throttling, worker
        from opsportal.operations.worker import CHORES

        throttling.register()
        CHORES["alerts"] = worker.chore
