"""Secrets of second factors at rest: tokens of SECRET_KEY in every column that holds one, and nothing plain."""

import io
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client

from opsportal.accounts import encryption
from opsportal.accounts.encryption import Undecryptable, changed, decrypt, encrypt, rotated
from opsportal.accounts.identity import KEPT
from tests.accounts.test_login import code_of, sign_in
from tests.conftest import PASSWORD

OLD, NEW = "o" * 30 + "ld-key-of-the-console-0123456789", "n" * 30 + "ew-key-of-the-console-0123456789"
SECRET, SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "5eed" * 20


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []


def rotate_key(settings: Any, *fallbacks: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, list(fallbacks)
    KEPT.clear()  # a process has one key for as long as it runs


def rows() -> dict[str, Any]:
    return dict(Authenticator.objects.values_list("type", "data"))


# --- Text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SECRET, SEED, "12345678", "é ü", "x" * 5000])
def test_what_is_encrypted_can_be_decrypted_and_is_not_in_the_token(text: str) -> None:
    token = encrypt(text)
    assert decrypt(token) == text
    assert text not in token
    assert encrypt(text) != token  # equal secrets do not look alike


@pytest.mark.parametrize(
    "odd", [SECRET, SEED, "", "gAAAAA", "x", "é", "\ud800", None, 7, 7.5, True, [], ["a"], {}, b"bytes"]
)
def test_what_is_no_token_of_ours_is_refused_in_one_way(odd: Any) -> None:
    with pytest.raises(Undecryptable) as raised:
        decrypt(odd)
    assert raised.value.args == ()  # nothing of it gets into a log


def test_a_token_of_a_key_that_is_not_derived_is_refused() -> None:
    with pytest.raises(Undecryptable):
        decrypt(Fernet(Fernet.generate_key()).encrypt(b"JBSWY3DP").decode())


def test_an_empty_secret_is_refused_although_it_is_a_token() -> None:
    """Codes of an empty secret can be computed by anyone."""
    with pytest.raises(Undecryptable):
        decrypt(encrypt(""))


@pytest.mark.parametrize("at", [0, 1, 10, 40, 60, -2])
def test_a_token_that_was_changed_is_refused(at: int) -> None:
    token = encrypt(SECRET)
    other = "B" if token[at] != "B" else "C"
    with pytest.raises(Undecryptable):
        decrypt(token[:at] + other + token[at:][1:])


def test_another_key_is_refused_and_a_fallback_serves(settings: Any) -> None:
    token = encrypt(SECRET)
    rotate_key(settings)
    with pytest.raises(Undecryptable):
        decrypt(token)
    rotate_key(settings, "between", OLD)
    assert decrypt(token) == SECRET
    turned = rotated(token)
    assert turned != token
    assert rotated(turned) == turned
    settings.SECRET_KEY_FALLBACKS = []
    assert decrypt(turned) == SECRET


def test_the_key_is_derived_and_used_for_this_alone() -> None:
    """Were it SECRET_KEY itself, whatever else is made of it would decrypt a secret too. The vector keeps what is
    stored readable: change it only with a migration."""
    key = encryption._fernet("k" * 50)._encryption_key + encryption._fernet("k" * 50)._signing_key
    assert encryption._fernet("k" * 50) is encryption._fernet("k" * 50)
    assert key != encryption._fernet("k" * 51)._encryption_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    assert HKDF(SHA256(), 32, None, b"opsportal.accounts.second-factors").derive(b"k" * 50) in (
        key,
        key[16:] + key[:16],
    )


# --- What is stored --------------------------------------------------------------------------------------


def stored_text() -> str:
    """Everything in the database, as text; sessions decoded."""
    found = [
        str(Session.objects.model.get_session_store_class()().decode(one.session_data))
        for one in Session.objects.all()
    ]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            found += [str(row) for row in cursor.fetchall()]
    return "\n".join(found)


def test_an_enrolment_leaves_nothing_plain_in_the_database(client: Client, viewer: User) -> None:
    sign_in(client, "viewer")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    assert decrypt(client.session[SECRET_SESSION_KEY])
    assert secret not in stored_text()
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert wrong.context["form"].secret == secret  # the same one can go on
    assert secret not in stored_text()
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    assert SECRET_SESSION_KEY not in client.session
    codes = client.get("/accounts/2fa/recovery-codes/").context["unused_codes"]
    assert len(codes) == 10
    text = stored_text()
    out = io.StringIO()
    call_command("dumpdata", "mfa", stdout=out)
    for hidden in (secret, *codes, decrypt(rows()["recovery_codes"]["seed"])):
        assert hidden not in text
        assert hidden not in out.getvalue()
    assert decrypt(rows()["totp"]["secret"]) == secret


@pytest.mark.parametrize("planted", ["", SECRET, "gAAAAA", None])
def test_a_secret_in_the_session_that_is_not_ours_is_not_enrolled(
    client: Client, viewer: User, planted: Any
) -> None:
    """As the version before had it there, or none: the enrolment begins again."""
    sign_in(client, "viewer")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    session = client.session
    session[SECRET_SESSION_KEY] = planted
    session.save()
    page = client.post("/accounts/2fa/totp/activate/", {"code": code_of(SECRET)})
    assert page.status_code == 200
    assert "Incorrect code" in page.content.decode()
    secret = page.context["form"].secret
    assert secret not in (planted, SECRET)
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302


# --- An authenticator's data ---------------------------------------------------------------------------------

ODD = [
    None, 7, "text", [], ["a"], {}, {"secret": None}, {"secret": 7}, {"secret": ""}, {"secret": ["x"]}, {"seed": {}},
    {"migrated_codes": None}, {"migrated_codes": "12"}, {"migrated_codes": [None, 7]}, {"other": "text"},
]  # fmt: skip


@pytest.mark.parametrize("data", ODD, ids=str)
def test_data_of_another_shape_is_left_as_it_is(data: Any) -> None:
    assert changed(data, lambda text: text and encrypt(text)) == data


def test_each_secret_in_the_data_is_changed_and_nothing_else() -> None:
    plain = {"secret": "a", "more": [1], "seed": "b", "used_mask": 5, "migrated_codes": ["12345678", "abc"]}
    done = {"secret": "A", "more": [1], "seed": "B", "used_mask": 5, "migrated_codes": ["12345678", "ABC"]}
    assert changed(plain, str.upper) == done
    assert plain["secret"] == "a"


@pytest.mark.django_db
def test_a_plain_secret_in_the_column_signs_nobody_in(client: Client, viewer: User) -> None:
    """Whoever writes into the database, or restores an older backup, plants no secret."""
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": SECRET})
    sign_in(client, "viewer")
    client.post("/accounts/2fa/authenticate/", {"code": code_of(SECRET)})
    assert "_auth_user_id" not in client.session
