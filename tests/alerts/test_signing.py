"""Signatures, and secrets that are derived, shown once and renewed with an overlap."""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from opsportal.alerts import signing
from opsportal.alerts.models import Webhook


def test_a_signature_is_the_hmac_of_time_and_body() -> None:
    expected = hmac.new(b"s1", b'1763632800.{"a":1}', hashlib.sha256).hexdigest()
    other = hmac.new(b"s2", b'1763632800.{"a":1}', hashlib.sha256).hexdigest()
    assert signing.signature(b'{"a":1}', 1763632800, ["s1"]) == f"t=1763632800,v1={expected}"
    assert signing.signature(b'{"a":1}', 1763632800, ["s1", "s2"]) == f"t=1763632800,v1={expected},v1={other}"


def test_a_secret_is_not_in_the_database(webhook: Webhook) -> None:
    secret = webhook.secret  # type: ignore[attr-defined]
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 43
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
