from django.apps import AppConfig


class OpsPortalConfig(AppConfig):
    """Holds the management commands of the whole console, and checks the settings
    that the apps read when they are asked."""

    name = "opsportal"
    verbose_name = "Ops Portal"

    def ready(self) -> None:
        from opsportal.descriptors import descriptors

        for descriptor in descriptors():
            for check in descriptor.checks:
                check()
