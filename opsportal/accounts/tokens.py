"""Tokens of the API: of a person, or of a service. Kept hashed; the text of one is seen once, when it is made.

A token is found by the SHA-256 of its text, which holds 256 random bits: there is nothing to guess that a
slow hash would make dearer.
"""

import copy
import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import RegexValidator
from django.db import DatabaseError, models, transaction
from django.db.models import Q
from django.utils import timezone

from opsportal.accounts import cache_version
from opsportal.accounts.changes import record
from opsportal.accounts.identity import KEPT, Identity
from opsportal.accounts.ids import token_id
from opsportal.accounts.roles import OPERATOR, VIEWER, permissions_of, role_of
from opsportal.accounts.scopes import all_scopes, allowed_by

MARK = "opsp_"  # by which scanners of leaked secrets know one
SECRET_BYTES = 32
SHOWN = len(MARK) + 6
SERVICE_ROLES = (VIEWER, OPERATOR)
# The last use is written at most this often: a token may be used a hundred times a second.
USE_NOTED = timedelta(seconds=60)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


class TokenQuerySet(models.QuerySet["ApiToken"]):
    def visible_to(self, user: User) -> "TokenQuerySet":
        """One's own; every token to those who may manage them."""
        chosen = self if user.has_perm("accounts.manage_tokens") else self.filter(owner=user)
        return chosen.select_related("owner", "made_by", "revoked_by")

    def of_text(self, text: str) -> "ApiToken | None":
        """The token of that text, whatever its state."""
        digest = digest_of(text)
        version, _ = cache_version.read()
        found: KeptToken | None = KEPT.get(f"token {digest}", version)
        if found is None:
            token = self.select_related("owner").filter(digest=digest).first()
            # The index has compared a hash that its sender can't choose; this compares it in constant time.
            if token is None or not secrets.compare_digest(token.digest, digest):
                return None
            found = KeptToken(token, Identity.to_keep(token.owner) if token.owner else None)
            if version is not None:
                KEPT.put(f"token {digest}", version, found)
        return found.copy()


class ApiToken(models.Model):
    """`owner`: the person whose rights it has now; None for a service, which has those of `role`."""

    name = models.CharField(
        max_length=40,
        validators=[
            RegexValidator(r"\A[A-Za-z0-9][\w.-]*\Z", "Letters, digits, dots, dashes and underscores only.")
        ],
        help_text="Recorded in the audit trail with every action of the token.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="api_tokens"
    )
    role = models.CharField(max_length=20, blank=True, choices=[(role, role) for role in SERVICE_ROLES])
    scopes = models.JSONField(default=list)
    prefix = models.CharField(max_length=SHOWN)
    digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    objects = TokenQuerySet.as_manager()
    # What it is a copy of, where the text was sent with a request.
    _kept: "ApiToken | None" = None

    class Meta:
        ordering = ["-made_at", "-pk"]
        default_permissions = ()
        permissions = [("manage_tokens", "Can see and revoke every API token, and make those of services")]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=Q(revoked_at=None),
                name="one_live_token_per_owner_and_name",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(revoked_at=None, owner=None),
                name="one_live_token_per_service",
            ),
        ]

    def __str__(self) -> str:
        return self.actor_name

    @property
    def actor_name(self) -> str:
        """As the audit trail names it. User names have no spaces, so no person is called so."""
        return f"{self.owner.get_username()} via token {self.name}" if self.owner else f"service {self.name}"

    @property
    def acting_role(self) -> str:
        return role_of(self.owner) if self.owner else self.role

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "live"

    @property
    def scope_names(self) -> list[str]:
        """In the order of `all_scopes`; whatever else stands there allows nothing."""
        held = self.scopes if isinstance(self.scopes, list) else []
        return [name for name in all_scopes() if name in held]

    def may(self, permission: str) -> bool:
        """Whether its scopes allow it and its person, or its role, has it now."""
        if permission not in allowed_by(self.scope_names):
            return False
        if self.owner:
            return self.owner.has_perm(permission)
        return self.role in SERVICE_ROLES and permission in permissions_of(self.role)

    def note_use(self, now: datetime) -> None:
        """Write the time of use, at most once in `USE_NOTED`, whichever process answers. A database that can't write
        it refuses nobody."""
        due = now - USE_NOTED
        if self.last_used_at is None or self.last_used_at <= due:
            late = ApiToken.objects.filter(pk=self.pk).filter(Q(last_used_at=None) | Q(last_used_at__lte=due))
            with suppress(DatabaseError):
                late.update(last_used_at=now)
                if self._kept:
                    self._kept.last_used_at = now

    @property
    def described(self) -> dict[str, list[Any]]:
        """What an entry says of a new one."""
        values = {
            "owner": self.owner.get_username() if self.owner else None,
            "role": self.role or None,
            "scopes": self.scope_names,
            "expires_at": f"{self.expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        return {name: [None, value] for name, value in values.items() if value is not None}

    @transaction.atomic
    def revoke(self, by: User | None) -> None:
        """At once, for good. A second time changes nothing."""
        live = ApiToken.objects.filter(pk=self.pk, revoked_at=None)
        state = self.state
        if live.update(revoked_at=timezone.now(), revoked_by=by):
            record("token:revoke", self.actor_name, token_id(self), {"state": [state, "revoked"]})


@dataclass(frozen=True)
class KeptToken:
    """A token with its owner, at one version of both."""

    token: ApiToken
    owner: Identity | None

    def copy(self) -> ApiToken:
        token = copy.copy(self.token)
        token._kept = self.token
        if self.owner:
            token.owner = self.owner.user()
        return token


def make(
    name: str,
    scopes: list[str],
    *,
    made_by: User | None,
    days: int,
    owner: User | None = None,
    role: str = "",
) -> tuple[ApiToken, str]:
    """A new token and its text, which is kept nowhere. Raises IntegrityError where one of that name lives; one
    that expired gives its name up, and is revoked."""
    text = MARK + secrets.token_urlsafe(SECRET_BYTES)
    now = timezone.now()
    for expired in ApiToken.objects.filter(owner=owner, name=name, revoked_at=None, expires_at__lte=now):
        expired.revoke(made_by)
    values: dict[str, Any] = {"owner": owner, "role": "" if owner else role, "made_by": made_by}
    token = ApiToken.objects.create(
        name=name,
        scopes=[scope for scope in all_scopes() if scope in scopes],
        prefix=text[:SHOWN],
        digest=digest_of(text),
        made_at=now,
        expires_at=now + timedelta(days=days),
        **values,
    )
    return token, text
