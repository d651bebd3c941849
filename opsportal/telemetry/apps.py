from django.apps import AppConfig
from django.conf import settings


class TelemetryConfig(AppConfig):
    """Metrics, logs, crashes. `opsportal.telemetry.calls.watch` is called by the processes that serve."""

    name = "opsportal.telemetry"
    verbose_name = "Telemetry"

    def ready(self) -> None:
        if settings.SENTRY_DSN:
            from opsportal.telemetry.crashes import start

            start(settings.SENTRY_DSN, settings.OPSPORTAL_ENV)
