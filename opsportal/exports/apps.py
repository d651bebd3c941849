from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """Lists as CSV and NDJSON: streamed, or made into a file by the worker."""

    name = "opsportal.exports"
    verbose_name = "Exports"

    def ready(self) -> None:
        from opsportal.exports import making
        from opsportal.operations.tasks import register

        register(making.TASK)
