from django.apps import AppConfig


class OpsPortalConfig(AppConfig):
    """Holds the management commands of the whole console."""

    name = "opsportal"
    verbose_name = "Ops Portal"
