from django.db import migrations

COLUMNS = "at, actor, actor_id, role, verb, target, target_id, changed"


class Migration(migrations.Migration):
    """The entries go into the table that accounts have too, in their order."""

    dependencies = [("accounts", "0003_changes"), ("alerts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"INSERT INTO accounts_change ({COLUMNS}) SELECT {COLUMNS} FROM alerts_change ORDER BY id",  # noqa: S608 - no text of anybody
            f"INSERT INTO alerts_change ({COLUMNS}) SELECT {COLUMNS} FROM accounts_change"  # noqa: S608
            " WHERE verb LIKE 'rule:%%' OR verb LIKE 'webhook:%%' OR verb LIKE 'delivery:%%' OR verb LIKE 'alert:%%'"
            " ORDER BY id",
        ),
        migrations.DeleteModel(name="Change"),
        migrations.CreateModel(
            name="Change",
            fields=[],
            options={"proxy": True, "default_permissions": (), "indexes": [], "constraints": []},
            bases=("accounts.change",),
        ),
    ]
