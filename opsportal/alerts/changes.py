"""Who changed which rule or webhook, and who acknowledged what: written in the transaction of the change.

The audit trail of the tables (`opsportal.operations`) lies in DynamoDB alongside what it records, since one
transaction can't span both; this is its counterpart for what is relational.
"""

from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from opsportal.accounts.actors import WORKER, user_id
from opsportal.accounts.roles import role_of

PAST = {
    "make": "created",
    "edit": "edited",
    "enable": "enabled",
    "disable": "disabled",
    "delete": "deleted",
    "new_secret": "secret replaced",
    "test": "tested",
    "acknowledge": "acknowledged",
    "snooze": "snoozed",
}


class Change(models.Model):
    """Never edited. Names as they were, since rules, webhooks and accounts go; `actor_id` is whose name it was, ""
    where it was recorded before there were ids; `changed`: path to [old, new]."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=200)
    actor_id = models.CharField(max_length=40, blank=True, default="", db_default="")
    role = models.CharField(max_length=40, blank=True)
    verb = models.CharField(max_length=40)
    target = models.TextField()
    target_id = models.CharField(max_length=80)
    changed = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-pk"]
        default_permissions = ()
        indexes = [models.Index(fields=["-at"], name="alerts_change_at")]

    def __str__(self) -> str:
        return f"{self.verb} {self.target} by {self.actor}"

    @property
    def phrase(self) -> str:
        """What the page says, as "Rule created"."""
        subject, _, verb = self.verb.partition(":")
        return f"{subject.capitalize()} {PAST[verb]}" if verb in PAST else self.verb


def record(by: User | None, verb: str, target: Any, changed: dict[str, list[Any]] | None = None) -> Change:
    """Record a change, in its transaction. `verb` as "rule:edit"; None as actor is the worker."""
    return Change.objects.create(
        actor=by.get_username() if by else WORKER,
        actor_id=user_id(by) if by else WORKER,
        role=role_of(by) if by else WORKER,
        verb=verb,
        target=str(target)[:500],
        target_id=str(target.pk),
        changed=changed or {},
    )
