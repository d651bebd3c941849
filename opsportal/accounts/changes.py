"""Who changed what of accounts and settings: one table of entries, written in the transaction of the change.

The audit trail of the tables (`opsportal.operations`) lies in DynamoDB alongside what it records, since one transaction
can't span both; this is its counterpart for what is relational. Entries are never edited, and outlive whom and what they
name: no foreign keys.
"""

from dataclasses import dataclass
from typing import Any

from allauth.core import context
from django.contrib.auth.models import User
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from opsportal.accounts import one_entry
from opsportal.accounts.ids import COMMAND, WORKER, user_id
from opsportal.accounts.roles import role_of
from opsportal.console import request_ids
from opsportal.dynamo.ledger import who as user_at_host
from opsportal.telemetry.access_log import address_of

SUBJECTS = {
    "factor": "Second factor",
    "sign_on": "Single sign-on",
    "view": "Shared view",
    "token": "API token",
}
PAST = {
    "make": "created", "edit": "edited", "delete": "deleted", "enable": "enabled", "disable": "disabled",
    "new_secret": "secret replaced", "test": "tested", "again": "repeated", "acknowledge": "acknowledged",
    "snooze": "snoozed", "add": "added", "remove": "removed", "revoke": "revoked", "connect": "connected",
    "disconnect": "disconnected",
}  # fmt: skip
# By the filter's order: what the entries are of, and what was done.
VERBS = (
    "account:make", "account:edit", "account:delete", "factor:add", "factor:remove", "sign_on:connect",
    "sign_on:disconnect", "token:make", "token:edit", "token:revoke", "token:delete", "view:make", "view:edit", "view:delete",
    "rule:make", "rule:edit", "rule:enable", "rule:disable", "rule:delete", "webhook:make", "webhook:edit",
    "webhook:new_secret", "webhook:test", "webhook:enable", "webhook:disable", "webhook:delete", "delivery:again",
    "alert:acknowledge", "alert:snooze",
)  # fmt: skip


class Change(models.Model):
    """Names as they were, since accounts, rules and webhooks go. `actor_id` is whose name it was, "" where it was
    recorded before there were ids; `changed`: path to [old, new]; `address` and `request_id`: "" outside of requests."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=200)
    actor_id = models.CharField(max_length=40, blank=True, default="", db_default="")
    role = models.CharField(max_length=40, blank=True)
    verb = models.CharField(max_length=40)
    target = models.TextField()
    target_id = models.CharField(max_length=80)
    changed = models.JSONField(default=dict)
    address = models.CharField(max_length=64, blank=True, default="", db_default="")
    request_id = models.CharField(max_length=128, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-at", "-pk"]
        default_permissions = ()
        permissions = [("view_changes", "Can see who changed accounts and settings")]
        indexes = [
            models.Index(fields=["-at", "-id"], name="accounts_change_at"),
            models.Index(fields=["actor_id", "-at"], name="accounts_change_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target} by {self.actor}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises TypeError for an entry that is stored: none is edited."""
        if not self._state.adding:
            raise TypeError("An entry is never edited.")
        super().save(*args, **kwargs)

    @property
    def phrase(self) -> str:
        """What the page says, as "Rule created"."""
        return phrase_of(self.verb)


def phrase_of(verb: str) -> str:
    subject, _, done = verb.partition(":")
    return f"{SUBJECTS.get(subject, subject.capitalize())} {PAST[done]}" if done in PAST else verb


@dataclass(frozen=True)
class Who:
    """Who acts, as an entry names them."""

    name: str
    id: str
    role: str

    @classmethod
    def of_user(cls, user: User) -> "Who":
        return cls(user.get_username(), user_id(user), role_of(user))


THE_WORKER = Who(WORKER, WORKER, WORKER)


def acting(owner: User | None = None) -> Who:
    """Who is signed in; in a request of nobody, `owner`, who signs in by it; outside of requests a command."""
    request = context.request
    if request is None:
        return Who(user_at_host(), COMMAND, "command line")
    user = getattr(request, "user", None)
    if isinstance(user, User):
        return Who.of_user(user)
    return Who.of_user(owner) if owner else Who("not signed in", "", "")


def record(
    verb: str,
    target: str,
    target_id: str,
    changed: dict[str, list[Any]] | None = None,
    *,
    by: Who | None = None,
) -> None:
    """Record a change, in its transaction. `verb` as "rule:edit"; `changed` without secrets."""
    who = by or acting()
    entry = Change(
        actor=who.name,
        actor_id=who.id,
        role=who.role,
        verb=verb,
        target=target[:500],
        target_id=target_id,
        changed=changed or {},
        **_request(context.request),
    )
    if verb.startswith("account:"):
        one_entry.save(entry, target_id)
    else:
        entry.save()


def _request(request: HttpRequest | None) -> dict[str, str]:
    if request is None:
        return {}
    return {"address": address_of(request)[:64], "request_id": request_ids.current()}
