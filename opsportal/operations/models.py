"""The permissions on the audit trail; its entries live in DynamoDB."""

from django.db import models


class AuditPermissions(models.Model):
    """Holds the permissions; there is no relational table of entries."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_audit", "Can see the audit trail"),
            ("view_images", "Can see the copies kept for an undo"),
            ("resend_messages", "Can send messages again that were not delivered"),
            ("drop_messages", "Can drop messages that were not delivered"),
        ]

    def __str__(self) -> str:
        return "Permissions on the audit trail"
