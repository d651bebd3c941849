"""Secrets of second factors at rest: tokens of SECRET_KEY in every column that holds one, and nothing plain."""

import importlib
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client

from opsportal.accounts import encryption
from opsportal.accounts.encryption import Undecryptable, decrypt, encrypt, is_token, rotated
from tests.accounts.test_login import code_of, sign_in
from tests.conftest import PASSWORD

OLD, NEW = "o" * 30 + "ld-key-of-the-console-0123456789", "n" * 30 + "ew-key-of-the-console-0123456789"
SECRET, SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "5eed" * 20
migration: Any = importlib.import_module("opsportal.accounts.migrations.0004_encrypted_second_factors")


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []


def rotate_key(settings: Any, *fallbacks: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, list(fallbacks)


def run(step: Any) -> None:
    step(apps, SimpleNamespace(connection=connection))


def forwards() -> None:
    run(migration.Migration.operations[0].code)


def backwards() -> None:
    run(migration.Migration.operations[0].reverse_code)


def rows() -> dict[str, Any]:
    return dict(Authenticator.objects.values_list("type", "data"))


# --- Text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SECRET, SEED, "12345678", "é ü", "x" * 5000])
def test_what_is_encrypted_can_be_decrypted_and_is_not_in_the_token(text: str) -> None:
    token = encrypt(text)
    assert decrypt(token) == text
    assert text not in token
    assert is_token(token)
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
    assert is_token(client.session[SECRET_SESSION_KEY])
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


# --- The migration ---------------------------------------------------------------------------------------

ODD = [
    None, 7, "text", [], ["a"], {}, {"secret": None}, {"secret": 7}, {"secret": ""}, {"secret": ["x"]}, {"seed": {}},
    {"migrated_codes": None}, {"migrated_codes": "12"}, {"migrated_codes": [None, 7]}, {"other": "text"},
]  # fmt: skip


@pytest.mark.django_db
def test_an_empty_database_is_migrated() -> None:
    forwards()
    backwards()
    assert not Authenticator.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_migrate_goes_there_and_back(viewer: User) -> None:
    try:
        call_command("migrate", "accounts", "0003", verbosity=0)
        Authenticator.objects.create(user=viewer, type="totp", data={"secret": SECRET})
        call_command("migrate", "accounts", verbosity=0)
        assert decrypt(rows()["totp"]["secret"]) == SECRET
        call_command("migrate", "accounts", "0003", verbosity=0)
        assert rows() == {"totp": {"secret": SECRET}}
    finally:
        call_command("migrate", verbosity=0)
    assert decrypt(rows()["totp"]["secret"]) == SECRET


@pytest.mark.django_db
def test_what_is_there_is_encrypted_once_and_can_go_back(viewer: User) -> None:
    plain = {
        "totp": {"secret": SECRET, "more": [1]},
        "recovery_codes": {
            "seed": SEED,
            "used_mask": 5,
            "viewed_at": 1.5,
            "migrated_codes": ["12345678", "abc"],
        },
    }
    for kind, data in plain.items():
        Authenticator.objects.create(user=viewer, type=kind, data=data)
    forwards()
    done = rows()
    assert decrypt(done["totp"]["secret"]) == SECRET
    assert decrypt(done["recovery_codes"]["seed"]) == SEED
    assert [decrypt(code) for code in done["recovery_codes"]["migrated_codes"]] == ["12345678", "abc"]
    for hidden in (SECRET, SEED, "12345678", "abc"):
        assert hidden not in json.dumps(done)
    assert (done["totp"]["more"], done["recovery_codes"]["used_mask"]) == ([1], 5)
    forwards()
    assert rows() == done
    backwards()
    assert rows() == plain
    forwards()
    assert decrypt(rows()["totp"]["secret"]) == SECRET


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["totp", "recovery_codes"])
@pytest.mark.parametrize("data", ODD, ids=str)
def test_what_the_migration_does_not_know_it_leaves(viewer: User, kind: str, data: Any) -> None:
    from django.db.models import JSONField, Value

    factor = Authenticator.objects.create(
        user=viewer, type=kind, data=Value(None, JSONField()) if data is None else data
    )
    for step in (forwards, backwards, forwards):
        step()
        factor.refresh_from_db()
        assert factor.data == data


@pytest.mark.django_db
def test_what_another_key_encrypted_is_left_for_that_key(viewer: User, settings: Any) -> None:
    token = encrypt(SECRET)
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": token})
    rotate_key(settings)
    for step in (forwards, backwards):
        step()
        assert rows() == {"totp": {"secret": token}}


@pytest.mark.django_db
def test_other_kinds_of_factors_are_left(viewer: User) -> None:
    Authenticator.objects.create(user=viewer, type="webauthn", data={"secret": "s", "credential": {}})
    forwards()
    assert rows() == {"webauthn": {"secret": "s", "credential": {}}}


@pytest.mark.django_db
def test_a_plain_secret_in_the_column_signs_nobody_in(client: Client, viewer: User) -> None:
    """Whoever writes into the database, or restores an older backup, plants no secret."""
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": SECRET})
    sign_in(client, "viewer")
    client.post("/accounts/2fa/authenticate/", {"code": code_of(SECRET)})
    assert "_auth_user_id" not in client.session
