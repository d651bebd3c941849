from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


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
        checks.register(_misspelt)
        checks.register(_elsewhere)


def _misspelt(**_: Any) -> list[checks.CheckMessage]:
    """`python -m opsportal.serve check` fails on these: a default would be used in silence."""
    from opsportal.settings import env

    return [
        checks.Warning(f"{name} is not a setting.", hint=f"Did you mean {near}?", id="opsportal.W001")
        for name, near in env.misspelt().items()
    ]


def _elsewhere(**_: Any) -> list[checks.CheckMessage]:
    """The AWS chain names one region for all tables; the documents have them in two."""
    from opsportal.dynamo.tables import bindings

    return [
        checks.Info(
            f"{table.name} is looked for in {table.region}, as the AWS chain says; its document has it in {documented}.",
            hint=f"Set DYNAMODB_{table.logical.upper()}_REGION to the region that it is in.",
            id="opsportal.I001",
        )
        for table in bindings()
        if (configured := settings.DYNAMO_TABLES[table.logical])
        and not (configured["region"] or configured["endpoint"])
        and table.region != (documented := configured["default_region"])
    ]
