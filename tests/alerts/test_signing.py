"""Signatures, and secrets that are derived, shown once and renewed with an overlap."""

import base64
import hmac
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from opsportal.alerts import signing
from opsportal.alerts.models import Webhook


def test_a_signature_is_that_of_standard_webhooks() -> None:
    # By hand, as the specification has it.
    secrets = [f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (250, 251)]
    made = [
        base64.b64encode(hmac.digest(bytes([number]) * 32, b'e.firing.1763632800.{"a":1}', "sha256")).decode()
        for number in (250, 251)
    ]
    assert signing.signature("e.firing", 1763632800, '{"a":1}', secrets) == f"v1,{made[0]} v1,{made[1]}"


def test_the_migration_knows_the_secrets_that_were_written_before(db: None, settings: Any) -> None:
    migration = import_module("opsportal.alerts.migrations.0003_standard_webhooks")
    nonce = signing.new_nonce()
    digest = hmac.digest(
        settings.SECRET_KEY.encode(), f"opsportal.alerts.webhook\n{nonce}".encode(), "sha256"
    )
    before = signing.digest_of("whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("="))
    webhook = Webhook.objects.create(name="old", url="https://example.com/", nonce=nonce, digest=before)
    lost = Webhook.objects.create(name="lost", url="https://example.com/", digest="0" * 16)
    forwards, backwards = (
        migration.Migration.operations[0].code,
        migration.Migration.operations[0].reverse_code,
    )
    forwards(apps, SimpleNamespace(connection=connection))
    webhook.refresh_from_db()
    assert webhook.secrets(timezone.now()) == [signing.secret_of(nonce)]
    lost.refresh_from_db()
    assert lost.digest == "0" * 16
    backwards(apps, SimpleNamespace(connection=connection))
    webhook.refresh_from_db()
    assert webhook.digest == before


def test_a_secret_is_not_in_the_database(webhook: Webhook) -> None:
    secret = webhook.secret  # type: ignore[attr-defined]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    stored = [str(value) for value in Webhook.objects.values_list().get()]
    assert not any(secret.removeprefix("whsec_")[:20] in value for value in stored)
    assert Webhook.objects.get().secrets(timezone.now()) == [secret]


def test_a_new_secret_leaves_the_old_one_valid_for_a_day(webhook: Webhook) -> None:
    old, now = webhook.secret, timezone.now()  # type: ignore[attr-defined]
    new = webhook.new_secret(now)
    assert new != old
    assert webhook.secrets(now) == [new, old]
    assert webhook.secrets(now + timedelta(hours=23)) == [new, old]
    assert webhook.secrets(now + timedelta(hours=25)) == [new]
    # A second renewal within the day ends the oldest at once.
    newest = webhook.new_secret(now)
    assert webhook.secrets(now) == [newest, new]


def test_another_secret_key_is_noticed_and_a_fallback_serves(webhook: Webhook, settings: Any) -> None:
    secret, before = webhook.secret, settings.SECRET_KEY  # type: ignore[attr-defined]
    settings.SECRET_KEY = "another"
    with pytest.raises(signing.SecretLost, match="give it a new secret"):
        webhook.secrets(timezone.now())
    settings.SECRET_KEY_FALLBACKS = [before]
    assert webhook.secrets(timezone.now()) == [secret]
    settings.SECRET_KEY_FALLBACKS = []
    new = webhook.new_secret()
    assert webhook.secrets(timezone.now()) == [new]  # the old one is lost, which stops nothing


def test_a_new_secret_comes_from_the_present_key_and_the_old_one_serves_its_day(
    webhook: Webhook, settings: Any
) -> None:
    old, before, now = webhook.secret, settings.SECRET_KEY, timezone.now()  # type: ignore[attr-defined]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [before]
    assert webhook.needs_old_key
    new = webhook.new_secret(now)
    assert webhook.secrets(now) == [new, old]
    assert not webhook.needs_old_key
    settings.SECRET_KEY_FALLBACKS = ["a third", before]
    assert webhook.secrets(now) == [new, old]
    # A second change: what is between is found among several.
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "newest", ["another", before]
    assert webhook.secrets(now) == [new, old]
    assert webhook.needs_old_key
