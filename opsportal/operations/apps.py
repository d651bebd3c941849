from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "opsportal.operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from opsportal.operations.outbox import DELIVERY
        from opsportal.operations.panel_figures import FIGURES
        from opsportal.operations.tasks import register

        register(DELIVERY)
        register(FIGURES)
