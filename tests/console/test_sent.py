"""Forms sent with a session or a token that has ended: nothing is done, it is said, and what was typed is kept."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from opsportal.accounts.models import SavedView
from tests.conftest import PASSWORD
from tests.pages import Node, Page

OWN = {"Sec-Fetch-Site": "same-origin"}
LOGIN = "/accounts/login/"
VIEWS = "/accounts/views/"
TYPED = {
    "page": "requests",
    "name": 'night "shift" <b>',
    "query": "status=failed&q=two%0Alines",
    "shared": "on",
}


def strict(user: Any = None) -> Client:
    """A client whose forms need their token, signed in as `user`."""
    client = Client(enforce_csrf_checks=True)
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def kept(response: Any) -> tuple[Node, dict[str, str]]:
    """The page, and what its form to send again would send."""
    root = Page(response, "").root
    fields = root.one("form", class_="send-again").all("input")
    return root, {field.attrs["name"]: field.attrs.get("value", "") for field in fields}


def test_what_was_typed_outlives_the_session_and_is_sent_again(viewer: Any) -> None:
    client = strict()
    client.get(LOGIN)
    token = client.cookies[django_settings.CSRF_COOKIE_NAME].value
    response = client.post(f"{VIEWS}?a=b", TYPED | {"csrfmiddlewaretoken": token}, headers=OWN)
    assert response.status_code == 401
    assert "Cookie realm=" in response["WWW-Authenticate"]
    root, fields = kept(response)
    assert "You were signed out" in root.words
    assert "Nothing was done" in root.words
    assert root.one("form", class_="send-again").attrs["action"] == f"{VIEWS}?a=b"
    assert root.one("a", target="_blank").attrs["href"] == LOGIN
    # Signed in, without scripts: the token of that page is out of date, which costs one more page.
    assert client.get("/accounts/session/").json()["user"] == ""
    login = {"login": "viewer", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post(LOGIN, login, headers=OWN).status_code == 302
    assert client.get("/accounts/session/").json()["user"] == "viewer"
    response = client.post(VIEWS, fields, headers=OWN)
    assert response.status_code == 403
    root, fields = kept(response)
    assert "signed in or out" in root.words
    assert SavedView.objects.count() == 0
    assert client.post(VIEWS, fields, headers=OWN).status_code == 302
    view = SavedView.objects.get()
    assert (view.name, view.shared) == (TYPED["name"], True)


def test_the_token_of_now_is_what_the_button_needs(viewer: Any) -> None:
    client = strict(viewer)
    token = client.get("/accounts/session/").json()["token"]
    assert client.post(VIEWS, TYPED | {"csrfmiddlewaretoken": token}, headers=OWN).status_code == 302
    assert "Access-Control-Allow-Origin" not in client.get("/accounts/session/")


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {}],
)
def test_what_another_site_filled_in_is_not_offered(viewer: Any, headers: dict[str, str]) -> None:
    for client in (strict(), strict(viewer)):
        response = client.post(VIEWS, TYPED, headers=headers)
        assert response.status_code in (401, 403)
        assert "night" not in response.content.decode()
        assert 'class="send-again"' not in response.content.decode()


def test_a_form_over_plain_http_is_known_by_its_origin() -> None:
    _, fields = kept(strict().post(VIEWS, TYPED, headers={"Origin": "http://testserver"}))
    assert fields["name"] == TYPED["name"]


def test_no_password_is_written_into_a_page(viewer: Any) -> None:
    typed = {"login": "viewer", "password": "correct horse", "next": "/requests/?q=a%20b"}
    response = strict().post(LOGIN, typed, headers=OWN)
    _, fields = kept(response)
    assert "correct horse" not in response.content.decode()
    assert (fields["login"], fields["password"], fields["next"]) == ("viewer", "", typed["next"])
    client = strict()
    client.get(LOGIN)
    token = client.cookies[django_settings.CSRF_COOKIE_NAME].value
    form = {"oldpassword": "one secret", "password1": "two secret", "csrfmiddlewaretoken": token}
    response = client.post("/accounts/password/change/", form, headers=OWN)
    assert (response.status_code, kept(response)[1]["password1"]) == (401, "")
    assert "secret" not in response.content.decode()


def test_the_second_tab_of_the_login_leads_on(viewer: Any) -> None:
    client = strict(viewer)
    typed = {"login": "viewer", "password": PASSWORD, "next": "/accounts/tokens/?a=b"}
    response = client.post(LOGIN, typed | {"csrfmiddlewaretoken": "a" * 64}, headers=OWN)
    assert (response.status_code, response["Location"]) == (302, typed["next"])
    assert "signed in already, as viewer" in client.get(typed["next"]).content.decode()
    for elsewhere in ("//evil.example", "https://evil.example/"):
        assert client.post(LOGIN, typed | {"next": elsewhere}, headers=OWN)["Location"] == "/"
    # Signing out twice is no error either.
    assert strict().post("/accounts/logout/", headers=OWN)["Location"] == LOGIN


def test_the_dialog_keeps_its_form_and_gets_what_to_do(viewer: Any) -> None:
    dialog = {**OWN, "HX-Request": "true"}
    signed_out = Client().post("/requests/a/cancel/", {"reason": "slow"}, headers=dialog)
    stale = strict(viewer).post("/requests/a/cancel/", {"reason": "slow"}, headers=dialog)
    for response, status, sentence in (
        (signed_out, 401, "You were signed out"),
        (stale, 403, "not accepted"),
    ):
        text = response.content.decode()
        assert (response.status_code, text[:8]) == (status, "<section")
        assert sentence in text
        assert "data-send-again-here" in text
    assert "Sign in in a new tab" in signed_out.content.decode()


@pytest.mark.django_db
def test_what_was_typed_is_said_in_the_labels_of_its_form() -> None:
    def typed(path: str, **fields: Any) -> list[tuple[str, str]]:
        root, _ = kept(strict().post(path, fields, headers=OWN))
        facts = root.one("form", class_="send-again").one("dl")
        return [
            (name.words, value.words) for name, value in zip(facts.all("dt"), facts.all("dd"), strict=True)
        ]

    new = {"project_id": "p1", "keyword": ["a", "b"], "source_url": "https://x.example", "source_own": "{}", "action_id": "1",
           "max_retries": "2", "extra_name": "team", "extra_kind": "S", "extra_value": "core", "do": "submit", "like": "", "reason": ""}  # fmt: skip
    assert typed("/requests/new/", **new) == [
        ("Project", "p1"), ("Keyword", "a"), ("Keyword", "b"), ("Address of the source", "https://x.example"), ("Max. retries", "2"),
        ("Other attribute", "team"), ("Value of the other attribute", "core"),
    ]  # fmt: skip
    registered = {"agent_id": "a", "tiered_pricing": "{}", "extra-S-cost_centre": "7", "dialect": "x"}
    assert typed("/agents/register/", **registered) == [
        ("Id", "a"), ("Tiered pricing", "{}"), ("cost_centre", "7"),
    ]  # fmt: skip
    rule = {"name": "r", "hold_minutes": "1", "filter_source_type": "bob", "version": "{}", "<b>\u200b": "x"}
    assert typed("/alerts/rules/new/?watch=workflow.failed", **rule) == [
        ("Name", "r"), ("Pending for (minutes)", "1"), ("Only this source type", "bob"), ("<b>⟦U+200B⟧", "x"),
    ]  # fmt: skip
    root, fields = kept(strict().post("/accounts/password/change/", {"oldpassword": "secret"}, headers=OWN))
    assert "Current password (not kept)" in root.words
    assert fields == {"csrfmiddlewaretoken": fields["csrfmiddlewaretoken"], "oldpassword": ""}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("origin", "says", "never"),
    [
        ("https://testserver", ["https://testserver", "http://testserver", "TRUST_X_FORWARDED_PROTO"], "Host on"),
        ("https://ops.example.com:8443", ["CSRF_TRUSTED_ORIGINS", "https://ops.example.com:8443", "Host on"], "PROTO"),
        ("null", ["does not say which page"], "CSRF_TRUSTED_ORIGINS"),
    ],
)  # fmt: skip
def test_an_origin_that_is_not_trusted_is_named_with_the_setting(
    viewer: Any, origin: str, says: list[str], never: str
) -> None:
    headers = {"Origin": origin, **OWN}
    for client, path in ((strict(viewer), VIEWS), (strict(), LOGIN), (strict(), VIEWS)):
        response = client.post(path, TYPED, headers=headers)
        words = Page(response, "").root.words
        assert response.status_code == 403
        for text in says:
            assert text in words
        assert never not in words
        assert "Reload" not in words
        assert kept(response)[1]["name"] == TYPED["name"]


def test_a_form_over_https_without_origin_and_referer_says_so(viewer: Any) -> None:
    response = strict(viewer).post(VIEWS, TYPED, headers=OWN, secure=True)
    assert (response.status_code, kept(response)[1]["name"]) == (403, TYPED["name"])
    words = Page(response, "").root.words
    assert "Neither the header Origin nor Referer says that the form comes from https://testserver" in words


@pytest.mark.django_db
def test_no_cookie_over_http_names_https(settings: Any) -> None:
    settings.CSRF_COOKIE_SECURE = True
    text = strict().post(LOGIN, {"login": "x"}, headers=OWN).content.decode()
    assert "HTTPS only" in text
    settings.CSRF_COOKIE_SECURE = False
    assert "Allow cookies" in strict().post(LOGIN, {"login": "x"}, headers=OWN).content.decode()


def test_a_role_that_was_taken_away_takes_no_text_with_it(viewer: Any) -> None:
    client = strict(viewer)
    token = client.get("/accounts/session/").json()["token"]
    typed = {"reason": "wrong keywords", "steps": ["one", "two"], "csrfmiddlewaretoken": token}
    response = client.post("/requests/a/cancel/", typed, headers=OWN)
    assert response.status_code == 403
    root, fields = kept(response)
    assert fields["reason"] == "wrong keywords"
    assert [field.attrs["value"] for field in root.all("input", name="steps")] == ["one", "two"]
