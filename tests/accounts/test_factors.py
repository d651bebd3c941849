"""A second factor that can't be read: every page says so and the way out, and nobody gets in without it."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import JSONField, Value
from django.test import Client

from opsportal.accounts.encryption import encrypt
from opsportal.accounts.throttle import Attempts
from tests.accounts.test_login import code_of, sign_in
from tests.cases import short
from tests.conftest import PASSWORD

INDEX, AUTHENTICATE, CODES = "/accounts/2fa/", "/accounts/2fa/authenticate/", "/accounts/2fa/recovery-codes/"
SECRET, SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "5eed" * 20
FOREIGN = Fernet(Fernet.generate_key()).encrypt(SECRET.encode()).decode()
# What may stand where a token of ours should, by a name.
VALUES: dict[str, Any] = {
    "another key": FOREIGN, "cut": FOREIGN[:-9], "empty": "", "null": None, "number": 7, "list": ["x"],
    "object": {"x": "y"}, "true": True, "not ascii": "é",
}  # fmt: skip
# What may stand where the whole of the data should.
DATA: dict[str, Any] = {
    "no member": {},
    "data null": None,
    "data list": [],
    "data text": "x",
    "data number": 1,
}
BROKEN = [*VALUES, *DATA, "plain", "tampered", "empty text encrypted", "no base32"]
BROKEN_CODES = [
    *BROKEN,
    "mask text",
    "mask null",
    "no mask",
    "codes text",
    "codes number",
    "code null",
    "code plain",
]
# Of each kind one: not ours, no text, no object, and what is wrong beside a good seed.
BRIEFLY = ("another key", "null", "data null", "mask text", "code plain")


@pytest.fixture(autouse=True)
def _one_period() -> Iterator[None]:
    """A code is of 30 s, and no test may begin in one and end in the next."""
    with time_machine.travel(time.time(), tick=False):
        yield


def broken_app(how: str) -> Any:
    token = encrypt(SECRET)
    special = {
        "plain": SECRET, "tampered": token[:-5] + ("AAA==" if token[-5:] != "AAA==" else "BBB=="),
        "empty text encrypted": encrypt(""), "no base32": encrypt("not base32!"),
    }  # fmt: skip
    return DATA[how] if how in DATA else {"secret": VALUES.get(how, special.get(how))}


def broken_codes(how: str) -> Any:
    seed, mask = encrypt(SEED), {"used_mask": 0}
    special: dict[str, Any] = {
        "plain": {"seed": SEED}, "tampered": {"seed": seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]},
        "empty text encrypted": {"seed": encrypt("")}, "no base32": {"seed": encrypt("sëed")},
        "mask text": {"seed": seed, "used_mask": "x"}, "mask null": {"seed": seed, "used_mask": None},
        "no mask": {"seed": seed}, "codes text": {"seed": seed, "migrated_codes": "12345678"},
        "codes number": {"seed": seed, "migrated_codes": 7}, "code null": {"seed": seed, "migrated_codes": [None]},
        "code plain": {"seed": seed, "migrated_codes": [encrypt("12345678"), "12345678"]},
    }  # fmt: skip
    if how in DATA:
        return DATA[how]
    if how == "no mask":
        return special[how]
    return mask | special.get(how, {"seed": VALUES.get(how)})


@pytest.fixture
def factors(viewer: User) -> Any:
    """``factors(app=..., codes=...)``: the viewer's factors, good ones where nothing is said; the good secret."""

    def made(app: str | None = None, codes: str | None = None) -> str:
        secret = generate_totp_secret()
        data = {
            "totp": broken_app(app) if app else {"secret": encrypt(secret)},
            "recovery_codes": broken_codes(codes) if codes else {"seed": encrypt(SEED), "used_mask": 0},
        }
        for kind, value in data.items():
            stored = Value(None, JSONField()) if value is None else value
            Authenticator.objects.update_or_create(user=viewer, type=kind, defaults={"data": stored})
        return secret

    return made


def good_codes() -> list[str]:
    return (
        Authenticator(type="recovery_codes", data={"seed": encrypt(SEED), "used_mask": 0})
        .wrap()
        .get_unused_codes()
    )  # type: ignore[no-any-return]


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def text(page: Any) -> str:
    assert page.status_code == 200
    found = page.content.decode().replace("&#x27;", "'").replace("&gt;", ">")
    for hidden in (SECRET, SEED, FOREIGN):
        assert hidden not in found
    return str(found)


def says(page: Any, subject: str) -> bool:
    found = text(page)
    return (
        f"{subject} can't be checked: the stored secret was encrypted with another SECRET_KEY, or changed."
        in found
        and "An administrator can remove it under Accounts > Authenticators." in found
        and "SECRET_KEY_FALLBACKS" in found
    )


@pytest.mark.parametrize("how", short(BROKEN_CODES, *BRIEFLY))
def test_with_both_unreadable_the_login_says_so_and_ends_there(
    client: Client, factors: Any, how: str
) -> None:
    factors(app=how if how in BROKEN else "null", codes=how)
    assert sign_in(client, "viewer")["Location"].startswith(AUTHENTICATE)
    assert says(client.get(AUTHENTICATE), "Your second factor")
    for code in ("000000", code_of(SECRET), "12345678", "", "x" * 400, "\x00", *good_codes()[:1]):
        assert says(client.post(AUTHENTICATE, {"code": code}), "Your second factor")
        assert not signed_in(client)
        assert client.get("/workflows/").status_code == 302


@pytest.mark.parametrize("how", short(BROKEN, "another key", "null", "data null", "plain"))
def test_with_the_app_unreadable_a_recovery_code_still_signs_in(
    client: Client, factors: Any, how: str
) -> None:
    factors(app=how)
    sign_in(client, "viewer")
    page = client.get(AUTHENTICATE)
    assert says(page, "Your authenticator app")
    assert "Enter the code that your authenticator app shows" not in text(page)
    assert "A recovery code still works." in text(page)
    wrong = client.post(AUTHENTICATE, {"code": code_of(SECRET)})
    assert says(wrong, "Your authenticator app")
    assert "Incorrect code." in text(wrong)
    assert not signed_in(client)
    code = good_codes()[0]
    assert client.post(AUTHENTICATE, {"code": code}).status_code == 302
    assert signed_in(client)
    # Once.
    again = Client()
    sign_in(again, "viewer")
    again.post(AUTHENTICATE, {"code": code})
    assert not signed_in(again)


@pytest.mark.parametrize("how", short(BROKEN_CODES, *BRIEFLY))
def test_with_the_recovery_codes_unreadable_the_app_still_signs_in(
    client: Client, factors: Any, how: str
) -> None:
    secret = factors(codes=how)
    sign_in(client, "viewer")
    page = client.get(AUTHENTICATE)
    assert says(page, "Your recovery codes")
    assert "Your authenticator app still works." in text(page)
    client.post(AUTHENTICATE, {"code": good_codes()[0]})
    assert not signed_in(client)
    assert client.post(AUTHENTICATE, {"code": code_of(secret)}).status_code == 302
    assert signed_in(client)


def test_with_both_readable_nothing_is_said_and_either_signs_in(client: Client, factors: Any) -> None:
    secret = factors()
    for code in (code_of(secret), good_codes()[0]):
        fresh = Client()
        sign_in(fresh, "viewer")
        assert "can't be checked" not in text(fresh.get(AUTHENTICATE))
        assert fresh.post(AUTHENTICATE, {"code": code}).status_code == 302
        assert signed_in(fresh)


@pytest.mark.parametrize("codes", [None, "another key"])
def test_guesses_at_an_unreadable_factor_are_limited(client: Client, factors: Any, codes: str | None) -> None:
    factors(app="another key", codes=codes)
    sign_in(client, "viewer")
    answers = [client.post(AUTHENTICATE, {"code": "000000"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 429]
    assert "Too many failed attempts. Try again in 5 min." in str(answers[5].context["form"].errors)
    # A right one does not help either, until the window has passed.
    client.post(AUTHENTICATE, {"code": good_codes()[0]})
    assert not signed_in(client)
    Attempts.objects.all().delete()
    assert client.post(AUTHENTICATE, {"code": good_codes()[0]}).status_code == (200 if codes else 302)


@pytest.mark.parametrize(
    "post", [{}, {"credential": "{}"}, {"code": ["1", "2"]}, {"credential": "null", "code": ""}]
)
@pytest.mark.parametrize("app", [None, "another key"])
def test_the_login_takes_odd_forms(client: Client, factors: Any, app: str | None, post: Any) -> None:
    factors(app=app)
    sign_in(client, "viewer")
    assert client.post(AUTHENTICATE, post).status_code == 200
    assert not signed_in(client)


# --- Signed in -----------------------------------------------------------------------------------------------


@pytest.fixture
def person(client: Client, viewer: User, factors: Any) -> Any:
    """``person(app=..., codes=...)``: a client that signed in before the factors became such."""

    def made(**broken: str) -> Client:
        sign_in(client, "viewer")
        assert signed_in(client)
        factors(**broken)
        return client

    return made


@pytest.mark.parametrize(
    ("which", "how"),
    [
        *short(
            (("app", how) for how in BROKEN), ("app", "another key"), ("app", "plain"), ("app", "data null")
        ),
        *short((("codes", how) for how in BROKEN_CODES), *(("codes", how) for how in BRIEFLY)),
        *short(
            (("both", how) for how in ("another key", "data null", "code plain")), ("both", "another key")
        ),
    ],
)
def test_every_page_of_the_second_factor_answers(person: Any, which: str, how: str) -> None:
    app = how if how in BROKEN else "null"
    broken = {"app": {"app": app}, "codes": {"codes": how}, "both": {"app": app, "codes": how}}[which]
    subject = {"app": "Your authenticator app", "codes": "Your recovery codes", "both": "Your second factor"}[
        which
    ]
    client = person(**broken)
    index = client.get(INDEX)
    assert says(index, subject)
    assert ("You can deactivate it below" in text(index)) == ("app" in broken)
    assert ("You can generate new ones below." in text(index)) == (which == "codes")

    # A code of what can't be read confirms nothing.
    assert says(client.get("/accounts/2fa/reauthenticate/"), subject)
    confirmed = client.post("/accounts/2fa/reauthenticate/", {"code": code_of(SECRET)})
    assert says(confirmed, subject)
    assert client.get("/accounts/2fa/totp/deactivate/")["Location"].startswith("/accounts/reauthenticate/")
    # The password does, as before.
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302

    for url in (CODES, f"{CODES}download/"):
        answer = client.get(url)
        if "codes" in broken:
            assert answer["Location"] == INDEX
        else:
            assert good_codes()[0] in answer.content.decode()
    assert text(client.get(f"{CODES}generate/"))
    assert text(client.get("/accounts/2fa/totp/deactivate/"))
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302
    assert text(client.get("/accounts/preferences/"))

    # New codes take the place of those that can't be read.
    assert client.post(f"{CODES}generate/").status_code == 302
    assert len(client.get(CODES).context["unused_codes"]) == 10
    # And the app can be taken off, with the codes.
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("how", ["another key", "data null", "code plain"])
def test_unreadable_codes_without_an_app_answer_too(client: Client, person: Any, how: str) -> None:
    """As an administrator leaves them who removed the app."""
    person(codes=how)
    Authenticator.objects.filter(type="totp").delete()
    index = client.get(INDEX)
    assert says(index, "Your recovery codes")
    assert "You can generate new ones" not in text(index)  # not without an app
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    refused = client.post(f"{CODES}generate/")
    assert "without having two-factor authentication enabled" in text(refused)
    assert client.get(CODES)["Location"] == INDEX


def test_the_log_names_the_factor_and_not_its_secret(
    client: Client, factors: Any, caplog: pytest.LogCaptureFixture
) -> None:
    factors(app="plain")
    sign_in(client, "viewer")
    with caplog.at_level(logging.DEBUG):
        client.get(AUTHENTICATE)
        client.post(AUTHENTICATE, {"code": "654321"})
    factor = Authenticator.objects.get(type="totp")
    assert (
        f"second factor {factor.pk} (totp) of account {factor.user_id} can't be decrypted" in caplog.messages
    )
    for hidden in (SECRET, SEED, "654321"):
        assert hidden not in caplog.text


# --- The way out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", short(["another key", "plain", "number", *DATA], "another key", "number", "data null")
)
def test_an_administrator_removes_it_and_the_person_signs_in(
    client: Client, client_for: Any, factors: Any, how: str
) -> None:
    factors(app=how if how in BROKEN else "null", codes=how)
    admin = client_for("administrator")
    page = admin.get("/admin/mfa/authenticator/")
    assert page.context["cl"].result_count == 2
    for factor in Authenticator.objects.order_by("pk"):
        url = f"/admin/mfa/authenticator/{factor.pk}"
        for shown in (admin.get(f"{url}/change/"), admin.get(f"{url}/history/"), admin.get(f"{url}/delete/")):
            assert text(shown)
        assert admin.post(f"{url}/delete/", {"post": "yes"}).status_code == 302
    assert not Authenticator.objects.exists()
    assert sign_in(client, "viewer")["Location"] == "/"
    assert signed_in(client)


def test_the_admin_removes_a_row_that_python_cannot_read(client_for: Any, viewer: User) -> None:
    factor = Authenticator.objects.create(user=viewer, type="totp", data={})
    with connection.cursor() as cursor:
        json = '{"secret": ' + "9" * 5_000 + "}"
        cursor.execute("UPDATE mfa_authenticator SET data = %s WHERE id = %s", [json, factor.pk])
    admin, url = client_for("administrator"), "/admin/mfa/authenticator/"
    for page in ("", f"{factor.pk}/change/", f"{factor.pk}/history/", f"{factor.pk}/delete/"):
        assert admin.get(url + page).status_code == 200
    assert admin.post(f"{url}{factor.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Authenticator.objects.exists()


def test_the_admin_says_where_the_way_out_is(client_for: Any) -> None:
    """The words that the pages use for it."""
    client = client_for("administrator")
    found = client.get("/admin/").content.decode()
    assert ">Authenticators<" in found
    assert ">Accounts<" in found


def test_the_old_key_brings_it_back(client: Client, factors: Any, settings: Any) -> None:
    secret = factors()
    before, settings.SECRET_KEY = settings.SECRET_KEY, "n" * 50
    sign_in(client, "viewer")
    assert says(client.get(AUTHENTICATE), "Your second factor")
    settings.SECRET_KEY_FALLBACKS = [before]
    assert client.post(AUTHENTICATE, {"code": code_of(secret)}).status_code == 302
    assert signed_in(client)
