from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "opsportal.operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from opsportal.operations.outbox import DELIVERY
        from opsportal.operations.tasks import register

        register(DELIVERY)
