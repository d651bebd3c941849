from django.apps import AppConfig


class OpsPortalConfig(AppConfig):
    """Holds the management commands of the whole console, and binds the models to the tables."""

    name = "opsportal"
    verbose_name = "Ops Portal"

    def ready(self) -> None:
        from opsportal.dynamo.models import bind_all

        bind_all()
