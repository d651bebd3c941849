"""The secrets of webhooks, and the signatures made with them: of Standard Webhooks (https://www.standardwebhooks.com).

A secret is not stored: it is derived from SECRET_KEY and a random number of the webhook's, so a copy of the
database alone signs nothing. What is stored beside is a digest, which shows when SECRET_KEY is another one.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from django.conf import settings
from standardwebhooks.webhooks import Webhook

MARK = "whsec_"  # of Standard Webhooks; scanners of leaked secrets know it


class SecretLost(Exception):
    """SECRET_KEY is not the one that the secret was made with."""


def new_nonce() -> str:
    return secrets.token_hex(16)


def secret_of(nonce: str, key: str | None = None) -> str:
    """The secret of that number, by SECRET_KEY or another key."""
    message = f"opsportal.alerts.webhook\n{nonce}".encode()
    digest = hmac.digest((settings.SECRET_KEY if key is None else key).encode(), message, "sha256")
    return MARK + base64.b64encode(digest).decode()


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def recovered(nonce: str, digest: str) -> str:
    """The secret again, by SECRET_KEY or one of SECRET_KEY_FALLBACKS. Raises `SecretLost`."""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        found = secret_of(nonce, key)
        if hmac.compare_digest(digest_of(found), digest):
            return found
    raise SecretLost(
        "SECRET_KEY was changed since this webhook's secret was made: add the old key to SECRET_KEY_FALLBACKS, or "
        "give it a new secret."
    )


def signature(event_id: str, at: int, body: str, with_secrets: Iterable[str]) -> str:
    """The header `webhook-signature` of Standard Webhooks: one signature for each secret that is valid."""
    moment = datetime.fromtimestamp(at, UTC)
    return " ".join(Webhook(secret).sign(event_id, moment, body) for secret in with_secrets)
