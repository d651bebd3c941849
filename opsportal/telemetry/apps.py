from django.apps import AppConfig

from opsportal.telemetry import crashes


class TelemetryConfig(AppConfig):
    """Metrics, logs, crashes. `opsportal.telemetry.calls.watch` is called by the processes that serve."""

    name = "opsportal.telemetry"
    verbose_name = "Telemetry"

    def ready(self) -> None:
        if not crashes.after_fork:
            crashes.start_here()
