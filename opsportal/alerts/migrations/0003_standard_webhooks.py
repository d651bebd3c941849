"""Secrets are written in standard Base64, as Standard Webhooks has them: the digests by which they are known again are
of another text. The key in each is the same: a receiver that keeps `whsec_...` as it was replaces - by + and _ by /.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import migrations


def _texts(nonce: str, key: str) -> tuple[str, str]:
    """The secret of that number, as it was and as it is written."""
    digest = hmac.digest(key.encode(), f"opsportal.alerts.webhook\n{nonce}".encode(), "sha256")
    url_safe = "whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return url_safe, "whsec_" + base64.b64encode(digest).decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rewritten(nonce: str, digest: str, given: int, wanted: int) -> str:
    """The digest of the other writing; one whose SECRET_KEY is lost stays as it is."""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        texts = _texts(nonce, key)
        if _digest(texts[given]) == digest:
            return _digest(texts[wanted])
    return digest


def _rewrite(given: int, wanted: int) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        webhooks = apps.get_model("alerts", "Webhook").objects.using(schema_editor.connection.alias)
        for webhook in webhooks.all():
            webhook.digest = _rewritten(webhook.nonce, webhook.digest, given, wanted)
            webhook.old_digest = _rewritten(webhook.old_nonce, webhook.old_digest, given, wanted)
            webhook.save(update_fields=["digest", "old_digest"])

    return run


class Migration(migrations.Migration):
    dependencies = [("alerts", "0002_changes_to_accounts")]

    operations = [migrations.RunPython(_rewrite(0, 1), _rewrite(1, 0))]
