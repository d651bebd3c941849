"""Single sign-on as docs/sign-in.md sets it up, from the button to the session, with a provider on loopback."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth.models import User
from django.test import Client

from tests.deploy.identity import CLIENT, SECRET, Provider, provider
from tests.test_docs import text_of

SIGN_IN = text_of("docs/sign-in.md")


def example() -> dict[str, str]:
    """The variables of the document's example."""
    found = re.search(r"<!-- single sign-on -->\n```sh\n(.*?)^```$", SIGN_IN, re.DOTALL | re.MULTILINE)
    assert found
    return dict(re.findall(r"^([A-Z_]+)='?(.*?)'?$", found[1], re.MULTILINE))


@pytest.fixture
def company(settings: Any) -> Iterator[Provider]:
    """The provider, configured as in the document but for its address and our id there."""
    with provider() as made:
        said = json.loads(example()["SOCIALACCOUNT_PROVIDERS"])
        (app,) = said["openid_connect"]["APPS"]
        app |= {"client_id": CLIENT, "secret": SECRET}
        app["settings"]["server_url"] = made.issuer
        settings.SOCIALACCOUNT_PROVIDERS = said
        settings.SECURE_CSP = settings.SECURE_CSP | {"form-action": ["'self'", made.issuer]}
        sys.modules.pop("tests.deploy.sso_urls", None)
        settings.ROOT_URLCONF = "tests.deploy.sso_urls"
        yield made


def come_back(client: Client, company: Provider) -> Any:
    """From the login page to the provider and back: the console's last answer."""
    page = client.get("/accounts/login/").content.decode()
    (button,) = re.findall(r'href="(/accounts/oidc/[^"]+)"', page)
    assert "Company login" in page
    question = client.get(button.replace("&amp;", "&"))
    assert company.issuer in question["Content-Security-Policy"]
    sent = client.post(button.replace("&amp;", "&"))
    assert sent.status_code == 302, sent.content
    back = urlsplit(company.authorize(sent["Location"]))
    return client.get(f"{back.path}?{back.query}")


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


PERSON = {"sub": "7", "email": "olga@example.com", "email_verified": True, "name": "Olga"}


@pytest.mark.django_db
def test_a_person_with_an_account_signs_in_with_the_company(
    client: Client, company: Provider, operator: User
) -> None:
    User.objects.filter(pk=operator.pk).update(email="olga@example.com")
    company.person = PERSON
    answer = come_back(client, company)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(operator.pk)
    assert len(company.exchanged) == 1
    # Whoever had set it before the address was known to be theirs is kept out.
    operator.refresh_from_db()
    assert not operator.has_usable_password()
    assert 'href="/accounts/3rdparty/"' in client.get("/accounts/preferences/").content.decode()
    assert "Company login" in client.get("/accounts/3rdparty/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "claims",
    [
        PERSON | {"email": "nobody@example.com"},
        # Anyone can claim an address at a provider that does not check it.
        PERSON | {"email_verified": False},
        {"sub": "7"},
    ],
)
def test_whoever_has_no_account_gets_none(
    client: Client, company: Provider, operator: User, claims: dict[str, Any]
) -> None:
    User.objects.filter(pk=operator.pk).update(email="olga@example.com")
    company.person = claims
    answer = come_back(client, company)
    assert answer.status_code in (200, 302)
    assert not signed_in(client)
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_second_factor_is_asked_for_after_the_provider_too(
    client: Client, company: Provider, operator: User
) -> None:
    User.objects.filter(pk=operator.pk).update(email="olga@example.com")
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(operator, secret)
    company.person = PERSON
    answer = come_back(client, company)
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert not signed_in(client)
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    code = totp.format_hotp_value(totp.hotp_value(secret, counter))
    assert client.post("/accounts/2fa/authenticate/", {"code": code})["Location"] == "/"
    assert signed_in(client)


@pytest.mark.django_db
def test_an_account_that_is_not_staff_stays_out(client: Client, company: Provider, operator: User) -> None:
    User.objects.filter(pk=operator.pk).update(email="olga@example.com", is_staff=False)
    company.person = PERSON
    answer = come_back(client, company)
    assert answer["Location"] == "/accounts/login/"
    assert not signed_in(client)


@pytest.mark.django_db
def test_a_token_for_another_application_is_refused(
    client: Client, company: Provider, operator: User
) -> None:
    User.objects.filter(pk=operator.pk).update(email="olga@example.com")
    company.person, company.audience = PERSON, "another"
    come_back(client, company)
    assert not signed_in(client)


@pytest.mark.django_db
def test_an_answer_that_nobody_asked_for_is_refused(client: Client, company: Provider) -> None:
    answer = client.get("/accounts/oidc/sso/login/callback/?code=code-0&state=made-up")
    assert answer.status_code in (200, 400, 401, 403)
    assert not signed_in(client)
    assert company.exchanged == []
