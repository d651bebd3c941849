from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError

from opsportal.accounts import factors
from opsportal.accounts.encryption import Undecryptable
from opsportal.alerts.models import Webhook
from opsportal.alerts.signing import SecretLost


class Command(BaseCommand):
    help = (
        "Encrypt the secrets of second factors with SECRET_KEY, where it was another of SECRET_KEY_FALLBACKS, and say "
        "what still needs one of those. Ends with 1 where something does, or can't be read. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {"now": 0, "before": 0}
        unreadable: list[Authenticator] = []
        for factor in Authenticator.objects.select_related("user").order_by("pk"):
            try:
                counts["now" if factors.reencrypt(factor.pk) else "before"] += 1
            except Undecryptable:
                unreadable.append(factor)
        self.stdout.write(
            f"Second factors: {counts['now']} encrypted with SECRET_KEY now, {counts['before']} were already, "
            f"{len(unreadable)} can't be decrypted."
        )
        for factor in unreadable:
            self.stdout.write(
                f"  {factor.type!r} of {factor.user.get_username()!r}: add its key to SECRET_KEY_FALLBACKS, or remove "
                "it under Accounts > Authenticators."
            )
        old, lost = self._webhooks()
        self.stdout.write(
            f"Webhooks: {len(old)} with a secret from a key in SECRET_KEY_FALLBACKS, {len(lost)} with a lost one."
        )
        for name in [*old, *lost]:
            self.stdout.write(f"  {name!r}: give it a new secret on its page, and its receiver too.")
        if unreadable or old or lost:
            raise CommandError(
                "The secrets listed need an old key: keep SECRET_KEY_FALLBACKS until none is listed."
            )
        self.stdout.write(
            "Nothing listed needs SECRET_KEY_FALLBACKS now. Sessions may (SESSION_COOKIE_AGE), and the old secrets "
            "of webhooks (24 hours)."
        )

    def _webhooks(self) -> tuple[list[str], list[str]]:
        """Names of those that need an old key, and of those whose secret no key gives."""
        old, lost = [], []
        for webhook in Webhook.objects.kept():
            try:
                if webhook.needs_old_key:
                    old.append(webhook.name)
            except SecretLost:
                lost.append(webhook.name)
        return old, lost
