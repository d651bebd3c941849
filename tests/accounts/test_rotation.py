"""SECRET_KEY is changed: what holds while the old one is a fallback, and what is lost without it."""

import io
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.messages import SUCCESS
from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.management import CommandError, call_command
from django.test import Client

from opsportal.accounts import factors
from opsportal.accounts.encryption import decrypt, encrypt
from opsportal.alerts.models import Webhook
from tests.accounts.test_encryption import OLD, SECRET, SEED, rotate_key, rows
from tests.accounts.test_login import code_of, sign_in
from tests.conftest import PASSWORD


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []


def enrol(client: Client) -> str:
    """Set up an app in the client's session; its secret."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = str(client.get("/accounts/2fa/totp/activate/").context["form"].secret)
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    return secret


@pytest.fixture
def enrolled(client: Client, viewer: User) -> tuple[Client, str, list[str]]:
    """Signed in with a second factor: the client, the app's secret, the recovery codes."""
    sign_in(client, "viewer")
    secret = enrol(client)
    return client, secret, list(client.get("/accounts/2fa/recovery-codes/").context["unused_codes"])


def test_with_the_old_key_as_a_fallback_people_stay_signed_in_and_their_factors_work(
    enrolled: tuple[Client, str, list[str]], settings: Any
) -> None:
    client, _, codes = enrolled
    rotate_key(settings, OLD)
    assert client.get("/accounts/2fa/recovery-codes/").context["unused_codes"] == codes
    for code in codes[:2]:
        fresh = Client()
        assert sign_in(fresh, "viewer")["Location"].startswith("/accounts/2fa/authenticate/")
        fresh.post("/accounts/2fa/authenticate/", {"code": code})
        assert "_auth_user_id" in fresh.session
    # A session that was used since is signed by the new key, and outlives the old one.
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/accounts/preferences/").status_code == 200


def test_a_message_on_its_way_to_the_next_page_survives_a_change(rf: Any, settings: Any) -> None:
    request = rf.get("/")
    cookie = CookieStorage(request)._encode([Message(SUCCESS, "Saved.")])
    request.COOKIES[CookieStorage.cookie_name] = cookie
    rotate_key(settings, OLD)
    assert [str(one) for one in CookieStorage(request)] == ["Saved."]
    settings.SECRET_KEY_FALLBACKS = []
    assert list(CookieStorage(request)) == []


def test_without_the_old_key_everybody_is_signed_out(
    enrolled: tuple[Client, str, list[str]], settings: Any
) -> None:
    rotate_key(settings)
    assert enrolled[0].get("/accounts/preferences/")["Location"].startswith("/accounts/login/")


def test_an_enrolment_under_way_goes_on_over_a_change(client: Client, viewer: User, settings: Any) -> None:
    sign_in(client, "viewer")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    rotate_key(settings, OLD)
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    assert decrypt(rows()["totp"]["secret"]) == secret


def said() -> tuple[str, bool]:
    """What `rotate_secret_key` says, and whether nothing needs an old key."""
    out = io.StringIO()
    try:
        call_command("rotate_secret_key", stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}", False
    return out.getvalue(), True


def test_the_command_makes_the_fallback_needless(
    enrolled: tuple[Client, str, list[str]], settings: Any
) -> None:
    _, secret, codes = enrolled
    used = Authenticator.objects.get(type="recovery_codes")
    used.wrap().validate_code(codes[0])
    rotate_key(settings, OLD)
    text, done = said()
    assert "2 encrypted with SECRET_KEY now, 0 were already, 0 can't be decrypted" in text
    assert done
    settings.SECRET_KEY_FALLBACKS = []
    assert decrypt(rows()["totp"]["secret"]) == secret
    assert Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes() == codes[1:]
    before = rows()
    assert "0 encrypted with SECRET_KEY now, 2 were already" in said()[0]
    assert rows() == before


def test_the_command_names_what_no_key_opens_and_changes_nothing_of_it(viewer: User, settings: Any) -> None:
    data = {"seed": encrypt(SEED), "used_mask": 0, "migrated_codes": [encrypt("1"), "plain"]}
    Authenticator.objects.create(user=viewer, type="recovery_codes", data=data)
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": SECRET})
    rotate_key(settings, OLD)
    text, done = said()
    assert not done
    assert "2 can't be decrypted" in text
    assert (
        "'totp' of 'viewer': add its key to SECRET_KEY_FALLBACKS, or remove it under Accounts > Authenticators"
        in text
    )
    assert SECRET not in text
    assert "plain" not in text
    assert rows() == {"recovery_codes": data, "totp": {"secret": SECRET}}


@pytest.mark.django_db
def test_the_command_names_webhooks_whose_secret_needs_an_old_key(settings: Any) -> None:
    webhook = Webhook(name="pager", url="https://example.com/")
    webhook.new_secret()
    webhook.save()
    assert said()[1]
    rotate_key(settings, OLD)
    text, done = said()
    assert "Webhooks: 1 with a secret from a key in SECRET_KEY_FALLBACKS, 0 with a lost one." in text
    assert "'pager': give it a new secret" in text
    assert not done
    settings.SECRET_KEY_FALLBACKS = []
    assert "0 with a secret from a key in SECRET_KEY_FALLBACKS, 1 with a lost one." in said()[0]
    webhook.new_secret()
    webhook.save()
    assert said()[1]


def test_reencrypting_a_factor_that_is_gone_does_nothing(db: None) -> None:
    assert factors.reencrypt(7) is False
