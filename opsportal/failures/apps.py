from django.apps import AppConfig


class FailuresConfig(AppConfig):
    """Errors of the apps' items, grouped into cases; these are in the jobs table of their table's location."""

    name = "opsportal.failures"
    verbose_name = "Failures"

    def ready(self) -> None:
        from opsportal.failures import walking
        from opsportal.operations.tasks import register

        register(walking.TASK)
