"""The permission to export lists."""

from django.db import models


class ExportPermissions(models.Model):
    """Holds the permission; there is no relational table of exports."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("export_lists", "Can export lists")]

    def __str__(self) -> str:
        return "Permissions on exports"
