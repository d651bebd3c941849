from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="JobPermissions",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "permissions": [
                    ("view_jobs", "Can see jobs"),
                    ("run_jobs", "Can act on many items at once"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
