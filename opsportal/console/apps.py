from django.apps import AppConfig
from django.urls import register_converter


class ConsoleConfig(AppConfig):
    """What every page shares: access rules, the path converters `key` and `text`, health."""

    name = "opsportal.console"
    verbose_name = "Console"

    def ready(self) -> None:
        from opsportal.console.converters import KeyConverter, TextConverter

        register_converter(KeyConverter, "key")
        register_converter(TextConverter, "text")
