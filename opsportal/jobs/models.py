"""The permissions on jobs, which live in DynamoDB (`opsportal.jobs.store`)."""

from django.db import models


class JobPermissions(models.Model):
    """Holds the permissions; there is no relational table of jobs."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_jobs", "Can see jobs"),
            ("run_jobs", "Can act on many items at once"),
        ]

    def __str__(self) -> str:
        return "Permissions on jobs"
