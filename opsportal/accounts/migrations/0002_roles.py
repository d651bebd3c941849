from typing import Any

from django.db import migrations

ROLES = ("viewer", "operator", "administrator")


def create(apps: Any, schema_editor: Any) -> None:
    """The groups only: what each may do is declared in `opsportal.accounts.roles` and set after migrating."""
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for name in ROLES:
        groups.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
