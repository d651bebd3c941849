"""How often one may fail to sign in: no more than the limit, however it is tried, and a stranger locks nobody out."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from opsportal.accounts import throttle
from opsportal.accounts.throttle import Attempts
from tests.conftest import PASSWORD

LOGIN, CODE = "/accounts/login/", "/accounts/2fa/authenticate/"
ADDRESS, OTHER = "198.51.100.7", "198.51.100.8"


def tried(
    login: str, password: str = "wrong", *, client: Client | None = None, address: str = ADDRESS
) -> Any:
    return (client or Client()).post(LOGIN, {"login": login, "password": password}, REMOTE_ADDR=address)


def said(answer: Any) -> str:
    return str(answer.context["form"].errors)


@pytest.fixture
def person(viewer: User) -> User:
    viewer.email = "olga@example.com"
    viewer.save()
    return viewer


def test_five_failures_lock_a_name_for_an_address_and_say_for_how_long(person: User) -> None:
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as clock:
        # However the account is written.
        names = ["viewer", "VIEWER", "olga@example.com", "Olga@Example.com", "Viewer"]
        assert [tried(name).status_code for name in names] == [200] * 5
        clock.shift(50)
        refused = tried("viewer", PASSWORD)
        assert (refused.status_code, refused["Retry-After"]) == (429, "250")
        assert "Too many failed attempts. Try again in 4 min 10 s." in said(refused)
        assert refused.context["form"]["login"].value() == "viewer"
        # From elsewhere the right password is as good as ever, and its owner needs no tries of a stranger's.
        assert tried("viewer", PASSWORD, address=OTHER).status_code == 302
        clock.shift(250)
        assert tried("viewer", PASSWORD).status_code == 302


def test_an_unknown_name_is_limited_as_a_known_one(person: User) -> None:
    for name in ("viewer", "nobody", "nobody@example.com"):
        Attempts.objects.all().delete()
        answers = [tried(name) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert "Too many failed attempts. Try again in" in said(answers[5])


def test_one_address_is_limited_whatever_names_it_tries(person: User) -> None:
    assert [tried(f"user{number}").status_code for number in range(11)] == [200] * 10 + [429]
    assert tried("viewer", address=OTHER).status_code == 200
    for number in range(11):  # a network of IPv6 is one address
        answer = tried(f"user{number}", address=f"2001:db8::{number:x}")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60


def test_a_session_tries_no_more_passwords_than_a_login(person: User) -> None:
    """On the page that changes one, and with those of the login together."""
    client = Client()
    client.force_login(person)

    def change(old: str) -> Any:
        form = {
            "oldpassword": old,
            "password1": "another correct staple",
            "password2": "another correct staple",
        }
        return client.post("/accounts/password/change/", form, REMOTE_ADDR=ADDRESS)

    with time_machine.travel("2026-11-20T10:00:00Z", tick=False):
        assert [change("wrong").status_code for _ in range(3)] == [200] * 3
        assert [tried("viewer").status_code for _ in range(2)] == [200] * 2
        refused = change(PASSWORD)
        assert (refused.status_code, refused["Retry-After"]) == (429, "300")
        assert "Too many failed attempts. Try again in 5 min." in said(refused)
        assert tried("viewer", PASSWORD).status_code == 429
    Attempts.objects.all().delete()
    assert change(PASSWORD).status_code == 302


def test_right_passwords_count_for_nothing(person: User) -> None:
    assert [tried("viewer", PASSWORD).status_code for _ in range(12)] == [302] * 12


@pytest.mark.parametrize("kind", ["password", "code"])
def test_attempts_count_before_they_are_evaluated(
    kind: str, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sixty at once do it: each evaluation meets all further attempts, as if it took that long."""
    client, evaluated, left = Client(), 0, iter(range(60))
    if kind == "code":
        totp.TOTP.activate(person, "JBSWY3DPEHPK3PXPCANARY22")
        tried("viewer", PASSWORD, client=client)

    def attempt() -> None:
        if kind == "password":
            tried("viewer")
        else:
            client.post(CODE, {"code": "000000"}, REMOTE_ADDR=ADDRESS)

    def slow(_: Any, given: str) -> bool:
        nonlocal evaluated
        evaluated += bool(given)  # "": whether the factor can be read
        if not given:
            return False
        for _ in left:
            attempt()
        return False

    if kind == "password":
        monkeypatch.setattr("django.contrib.auth.models.User.check_password", slow)
        per_attempt = 2  # two backends look at it
    else:
        monkeypatch.setattr("allauth.mfa.totp.internal.auth.TOTP.validate_code", slow)
        per_attempt = 1
    attempt()
    assert 0 < evaluated <= 5 * per_attempt
    assert next(left, None) is None


def test_a_browser_that_signed_in_before_is_kept_out_by_no_strangers(person: User) -> None:
    """Thirty failures of many addresses within an hour lock a name for browsers that never signed in to it."""
    known, another = Client(), Client()
    answer = tried("viewer", PASSWORD, client=known)
    cookie = answer.cookies[settings.DEVICE_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert PASSWORD not in cookie.value
    User.objects.create_user("ivan", password=PASSWORD, is_staff=True)
    tried("ivan", PASSWORD, client=another)
    for client in (known, another):
        client.post("/accounts/logout/")  # which leaves that cookie
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as clock:
        answers = [tried("viewer", address=f"203.0.113.{number // 5}") for number in range(31)]
        assert [answer.status_code for answer in answers] == [200] * 30 + [429]
        assert answers[30]["Retry-After"] == "3600"
        assert "Try again in 60 min." in said(answers[30])
        assert "A browser that has signed in to this account before can still do so." in said(answers[30])
        assert tried("viewer", PASSWORD, address=OTHER).status_code == 429
        # The cookie of another account helps nobody, nor does a made-up one.
        assert tried("viewer", PASSWORD, client=another, address=OTHER).status_code == 429
        forged = Client()
        forged.cookies[settings.DEVICE_COOKIE_NAME] = f"user {person.pk} x:1:y"
        assert tried("viewer", PASSWORD, client=forged, address=OTHER).status_code == 429
        assert tried("viewer", PASSWORD, client=known).status_code == 302
        # It is no way to guess more: the browser has five tries as any other.
        known.post("/accounts/logout/")
        assert [tried("viewer", client=known).status_code for _ in range(6)] == [200] * 5 + [429]
        clock.shift(timedelta(hours=1))
        assert tried("viewer", PASSWORD, address=OTHER).status_code == 302


def test_strangers_at_one_s_own_address_keep_nobody_out_who_signed_in_before(person: User) -> None:
    """As all are where a proxy is not declared, or behind one router."""
    known = Client()
    tried("viewer", PASSWORD, client=known)
    known.post("/accounts/logout/")
    assert [tried(f"user{number}").status_code for number in range(11)] == [200] * 10 + [429]
    assert tried("viewer", PASSWORD, client=known).status_code == 302


def test_what_is_over_is_deleted(person: User) -> None:
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as clock:
        tried("viewer")
        assert Attempts.objects.count() == 3
        clock.shift(throttle.FORGET_EVERY + 1)
        tried("someone")
        assert Attempts.objects.count() == 3


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer(person: User) -> None:
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as clock:
        assert [tried("viewer").status_code for _ in range(6)] == [200] * 5 + [429]
        clock.move_to("2026-11-20T09:59:30Z")  # by less than a minute: still the same window
        assert tried("viewer", PASSWORD)["Retry-After"] == "330"
        clock.move_to("2026-11-01T10:00:00Z")
        assert [tried("viewer").status_code for _ in range(6)] == [200] * 5 + [429]


def test_no_name_is_kept(person: User) -> None:
    tried("viewer\N{ZERO WIDTH SPACE}'; --")
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM accounts_attempts")
        assert all(len(key) == 64 and int(key, 16) for (key,) in cursor.fetchall())
