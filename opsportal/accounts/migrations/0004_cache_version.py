from typing import Any

from django.db import migrations

from opsportal.accounts import cache_version


def install(apps: Any, schema_editor: Any) -> None:
    cache_version.install(schema_editor.connection.alias)


def remove(apps: Any, schema_editor: Any) -> None:
    cache_version.remove(schema_editor.connection.alias)


class Migration(migrations.Migration):
    """No model: the table is written by its triggers alone, and neither emptied nor copied with the data."""

    dependencies = [
        ("accounts", "0003_changes"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(install, remove)]
