"""The permissions on failure cases, which live in DynamoDB (`opsportal.failures.store`)."""

from django.db import models


class FailurePermissions(models.Model):
    """Holds the permissions; there is no relational table of cases."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_cases", "Can see failure cases"),
            ("manage_cases", "Can acknowledge, assign, mute and resolve failure cases"),
        ]

    def __str__(self) -> str:
        return "Permissions on failure cases"
