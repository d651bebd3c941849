from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="FailurePermissions",
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
                    ("view_cases", "Can see failure cases"),
                    ("manage_cases", "Can acknowledge, assign, mute and resolve failure cases"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
