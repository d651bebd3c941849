"""Webhooks: where notifications are sent, signed with a secret that is shown once."""

import contextlib
import uuid
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from opsportal.alerts import signing

# How long the old secret signs beside a new one.
OVERLAP = timedelta(hours=24)


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def kept(self) -> "WebhookQuerySet":
        return self.filter(deleted_at=None)


class Webhook(models.Model):
    """`jobs`: whether it is notified of jobs, besides the alerts of its rules; `why_disabled` says why it is not notified any more; see `signing` for what is kept of its secret."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    url = models.CharField(max_length=500)
    jobs = models.BooleanField(default=False, db_default=False)
    enabled = models.BooleanField(default=True)
    why_disabled = models.TextField(blank=True)
    nonce = models.CharField(max_length=32, default=signing.new_nonce)
    digest = models.CharField(max_length=16)
    old_nonce = models.CharField(max_length=32, blank=True)
    old_digest = models.CharField(max_length=16, blank=True)
    old_until = models.DateTimeField(null=True, blank=True)
    made_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(deleted_at=None), name="one_webhook_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("alerts:webhook", args=[self.pk])

    @property
    def origin(self) -> str:
        """The URL without its path, which may be a secret itself."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def new_secret(self, now: datetime | None = None, *, overlap: timedelta = OVERLAP) -> str:
        """Give it a secret and return it; the one before stays valid for `overlap`. Saves nothing."""
        if self.digest:
            self.old_nonce, self.old_digest = self.nonce, self.digest
            self.old_until = (now or timezone.now()) + overlap
            self.nonce = signing.new_nonce()
        secret = signing.secret_of(self.nonce)
        self.digest = signing.digest_of(secret)
        return secret

    def secrets(self, now: datetime) -> list[str]:
        """Those that are valid, the newest first. Raises `SecretLost`."""
        valid = [signing.recovered(self.nonce, self.digest)]
        if self.old_until and self.old_until > now:
            with contextlib.suppress(signing.SecretLost):  # the new one is what counts
                valid.append(signing.recovered(self.old_nonce, self.old_digest))
        return valid

    @property
    def needs_old_key(self) -> bool:
        """Whether its secret comes from a key in SECRET_KEY_FALLBACKS. Raises `SecretLost`."""
        return signing.recovered(self.nonce, self.digest) != signing.secret_of(self.nonce)
