"""Signing in: staff only, no sign-up, no way to another host, a limit on guesses, a second factor."""

import time
from typing import Any

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse, reverse_lazy

from tests.conftest import PASSWORD
from tests.pages import Page

LOGIN = "/accounts/login/"


def sign_in(client: Client, login: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"login": login, "password": password, **more})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_staff_sign_in_and_out(client: Client, viewer: User) -> None:
    response = sign_in(client, "viewer")
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert signed_in(client)
    assert client.post("/accounts/logout/")["Location"] == LOGIN
    assert not signed_in(client)


def test_every_cookie_has_a_name_of_this_deployment(client: Client, viewer: User) -> None:
    client.get(LOGIN)
    sign_in(client, "viewer")
    client.post("/accounts/preferences/", {"theme": "dark"})
    names = {django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME}
    others = {django_settings.MESSAGES_COOKIE_NAME, django_settings.DEVICE_COOKIE_NAME}
    assert set(client.cookies) == names | others
    assert all(name.startswith(django_settings.COOKIE_PREFIX) for name in client.cookies)
    assert "Preferences saved." in client.get("/accounts/preferences/").content.decode()


def test_a_link_cannot_sign_anyone_out(client_for: Any) -> None:
    client = client_for("viewer")
    assert client.get("/accounts/logout/").status_code == 200
    assert signed_in(client)


def test_the_email_address_is_a_login_too(client: Client, viewer: User) -> None:
    viewer.email = "viewer@example.com"
    viewer.save()
    assert sign_in(client, "viewer@example.com").status_code == 302
    assert signed_in(client)


def test_a_wrong_password_and_an_unknown_name_look_alike(client: Client, viewer: User) -> None:
    wrong, unknown = sign_in(client, "viewer", "wrong"), sign_in(client, "someone", "wrong")
    assert wrong.context["form"].errors == unknown.context["form"].errors
    assert wrong.status_code == 200
    assert not signed_in(client)


def test_an_account_that_is_not_staff_is_told_so_and_gets_no_session(client: Client, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_staff=False)
    response = sign_in(client, "viewer")
    assert response.status_code == 200
    assert "is not a staff account" in str(response.context["form"].errors)
    assert not signed_in(client)
    # With a wrong password nobody learns it.
    assert "staff" not in str(sign_in(client, "viewer", "wrong").context["form"].errors)


def test_a_deactivated_account_gets_no_session(client: Client, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    sign_in(client, "viewer")
    assert not signed_in(client)


@pytest.mark.parametrize("url", ["/workflows/?status=failed", "/workflows/x~2Fy/"])
def test_login_leads_to_where_one_wanted_to_go(client: Client, viewer: User, url: str) -> None:
    assert sign_in(client, "viewer", next=url)["Location"] == url


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/requests/" + "a" * 4_000 + "/", ""),
        (reverse_lazy("requests:item", args=["\u0436/%~ +" + "\u20ac" * 680]), "tab=raw"),
        ("/requests/", "user=" + "%26" * 1_000 + "%C3%A9" * 100),
        ("/requests/", "user=" + "%FF" * 700),
    ],
)
def test_a_long_address_is_not_forgotten(client: Client, viewer: User, path: str, query: str) -> None:
    address = f"{path}?{query}" if query else str(path)
    login = client.get(address)["Location"]
    assert len(f"GET {login} HTTP/1.1\r\n") <= 8_190
    typed = Page(client.get(login), login).root.one("input", name="next").attrs["value"]
    assert sign_in(client, "viewer", next=typed)["Location"] == address
    poll = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{address}"}
    client.post("/accounts/logout/")
    assert client.get("/requests/", headers=poll)["HX-Redirect"] == login


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http://testserver/x",
        "/" + "\t" * 2_000 + "/evil.example",
        "//evil.example/" + "x" * 3_000,
    ],
)
def test_login_leads_to_no_other_host(client: Client, viewer: User, url: str) -> None:
    assert sign_in(client, "viewer", next=url)["Location"] == "/"
    assert client.get(LOGIN, {"next": url})["Location"] == "/"
    assert client.post("/accounts/logout/", {"next": url})["Location"] == LOGIN


@pytest.mark.parametrize(
    "name",
    ["account_signup", "account_reset_password", "account_email", "account_confirm_email", "socialaccount_signup",
     "socialaccount_connections", "openid_connect_login"],
)  # fmt: skip
def test_pages_that_the_console_does_not_offer_have_no_address(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["signup/", "password/reset/", "email/", "3rdparty/signup/", "confirm-email/"]
)
def test_nobody_signs_up(client: Client, path: str) -> None:
    assert client.get(f"/accounts/{path}").status_code == 404


@pytest.mark.django_db
def test_the_login_page_offers_no_sign_up(client: Client) -> None:
    page = client.get(LOGIN).content.decode().lower()
    assert "sign up" not in page
    assert "signup" not in page
    assert "forgot" not in page


def test_one_changes_ones_password(client_for: Any, viewer: User) -> None:
    client = client_for("viewer")
    new = "another correct staple"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", form | {"oldpassword": "wrong"}).status_code == 200
    assert client.post("/accounts/password/change/", form).status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password(new)


def test_changing_the_password_ends_other_sessions(client_for: Any, viewer: User) -> None:
    client = client_for("viewer")
    viewer.set_password("another correct staple")
    viewer.save()
    assert client.get("/accounts/preferences/").status_code == 302


def test_an_account_without_a_password_is_told_so(client_for: Any, viewer: User) -> None:
    viewer.set_unusable_password()
    viewer.save()
    response = client_for("viewer").get("/accounts/password/change/", follow=True)
    assert response.status_code == 200
    assert "signs in without a password" in response.content.decode()


def test_a_second_factor_is_set_up_and_then_asked_for(client: Client, viewer: User) -> None:
    sign_in(client, "viewer")
    page = client.get("/accounts/2fa/totp/activate/")
    if page.status_code == 302:  # who signed in a while ago proves it is them
        assert page["Location"].startswith("/accounts/reauthenticate/")
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    client.post("/accounts/logout/")

    assert sign_in(client, "viewer")["Location"].startswith("/accounts/2fa/authenticate/")
    assert not signed_in(client)
    assert client.get("/workflows/").status_code == 302
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not signed_in(client)


def code_of(secret: str) -> str:
    counter = int(time.time()) // 30
    return str(totp.format_hotp_value(totp.hotp_value(secret, counter)))


def test_single_sign_on_admits_staff_only(viewer: User, rf: Any) -> None:
    """Other ways in end in `pre_login`, whoever vouches for the person."""
    from allauth.core.exceptions import ImmediateHttpResponse
    from django.contrib.messages.storage.cookie import CookieStorage

    from opsportal.accounts.adapter import StaffAccountAdapter, StaffSocialAccountAdapter

    request = rf.get("/")
    request._messages = CookieStorage(request)
    hooks = dict.fromkeys(["email_verification", "signal_kwargs", "email", "signup", "redirect_url"])
    assert StaffAccountAdapter().pre_login(request, viewer, **hooks) is None
    viewer.is_staff = False
    with pytest.raises(ImmediateHttpResponse) as refused:
        StaffAccountAdapter().pre_login(request, viewer, **hooks)
    assert refused.value.response["Location"] == LOGIN
    assert not StaffSocialAccountAdapter().is_open_for_signup(request, None)
    assert not StaffAccountAdapter().is_open_for_signup(request)


@pytest.mark.django_db
def test_a_nul_in_a_cookie_or_an_address_is_looked_up_nowhere(client_for: Any) -> None:
    """PostgreSQL refuses to look for one, which would be a failure of the console."""
    escaped = f'{django_settings.SESSION_COOKIE_NAME}="\\000{"a" * 31}"'
    with CaptureQueriesContext(connection) as asked:
        answer = Client().get("/requests/", headers={"Cookie": escaped})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")
    assert not [query for query in asked.captured_queries if "django_session" in query["sql"]]
    administrator = client_for("administrator")
    for url in ("/admin/auth/user/?username=%00", "/admin/auth/user/?username=a&username=%00"):
        assert administrator.get(url).status_code == 400
    assert administrator.get("/admin/auth/user/?q=%00").status_code < 500
