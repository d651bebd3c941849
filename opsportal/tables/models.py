"""The permission to see the tables themselves; they are DynamoDB's."""

from django.db import models


class TablesPermissions(models.Model):
    """Holds the permissions; there is no relational table of tables."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            (
                "view_tables",
                "Can see how the tables are deployed, what they cost and what is wrong with them",
            ),
        ]

    def __str__(self) -> str:
        return "Permissions on the tables"
