from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Rules, webhooks and what was delivered: preferences of the operators, so they are relational."""

    name = "opsportal.alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        from opsportal.alerts import throttling, worker
        from opsportal.dynamo import calls
        from opsportal.operations.tasks import register

        calls.watch(throttling.saw)
        register(worker.TASK)
