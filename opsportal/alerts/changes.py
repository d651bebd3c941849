"""Who changed which rule or webhook, and who acknowledged what: entries of `opsportal.accounts.changes`."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q

from opsportal.accounts import changes
from opsportal.accounts.changes import THE_WORKER, Who

SUBJECTS = ("rule", "webhook", "delivery", "alert")


class AlertChanges(models.Manager["Change"]):
    def get_queryset(self) -> models.QuerySet["Change"]:
        of_these = Q()
        for subject in SUBJECTS:
            of_these |= Q(verb__startswith=f"{subject}:")
        return super().get_queryset().filter(of_these)


class Change(changes.Change):
    """The entries of the alerts."""

    objects: ClassVar[Any] = AlertChanges()

    class Meta:
        proxy = True
        default_permissions = ()


def record(by: User | None, verb: str, target: Any, changed: dict[str, list[Any]] | None = None) -> None:
    """Record a change, in its transaction. `verb` as "rule:edit"; None as actor is the worker."""
    who = Who.of_user(by) if by else THE_WORKER
    changes.record(verb, str(target), str(target.pk), changed, by=who)
