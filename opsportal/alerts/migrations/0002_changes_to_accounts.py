from django.db import migrations

COLUMNS = "at, actor, actor_id, role, verb, target, target_id, changed"
OF_ALERTS = (
    "WHERE verb LIKE 'rule:%' OR verb LIKE 'webhook:%' OR verb LIKE 'delivery:%' OR verb LIKE 'alert:%'"
)


class Migration(migrations.Migration):
    """The entries go into the table that accounts have too, in their order."""

    dependencies = [("accounts", "0003_changes"), ("alerts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"INSERT INTO accounts_change ({COLUMNS}) SELECT {COLUMNS} FROM alerts_change ORDER BY id",  # noqa: S608 - no text of anybody
            [
                f"INSERT INTO alerts_change ({COLUMNS}) SELECT {COLUMNS} FROM accounts_change {OF_ALERTS} ORDER BY id",  # noqa: S608
                # Or they would be there twice when this is applied again.
                f"DELETE FROM accounts_change {OF_ALERTS}",  # noqa: S608
            ],
        ),
        migrations.DeleteModel(name="Change"),
        migrations.CreateModel(
            name="Change",
            fields=[],
            options={"proxy": True, "default_permissions": (), "indexes": [], "constraints": []},
            bases=("accounts.change",),
        ),
    ]
