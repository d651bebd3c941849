from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="auditpermissions",
            options={
                "default_permissions": (),
                "managed": False,
                "permissions": [
                    ("view_audit", "Can see the audit trail"),
                    ("view_images", "Can see the copies kept for an undo"),
                    ("resend_messages", "Can send messages again that were not delivered"),
                    ("drop_messages", "Can drop messages that were not delivered"),
                ],
            },
        ),
    ]
