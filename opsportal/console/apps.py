from django.apps import AppConfig
from django.urls import register_converter


class ConsoleConfig(AppConfig):
    """What every page shares: access rules, the `key` path converter, health."""

    name = "opsportal.console"
    verbose_name = "Console"

    def ready(self) -> None:
        from opsportal.console.converters import KeyConverter

        register_converter(KeyConverter, "key")
