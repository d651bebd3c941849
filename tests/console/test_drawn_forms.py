"""Whole forms that are open in two tabs: the second save is refused with what changed, and keeps what was typed."""

import html
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from opsportal.accounts.models import Preferences
from opsportal.alerts.models import Rule, Webhook

pytestmark = [pytest.mark.django_db, pytest.mark.no_moto]
ClientFor = Callable[[str], Client]


def drawn(client: Client, url: str) -> dict[str, str]:
    """The values that a browser would send of the page's form."""
    page = client.get(url).text.partition("<main")[2]
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        said = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if said.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        if "name" in said and said["name"] != "csrfmiddlewaretoken":
            found[said["name"]] = said.get("value", "on" if said.get("type") == "checkbox" else "")
    for name, body in re.findall(r'<select[^>]*name="([\w-]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        if chosen := re.search(r'<option value="([^"]*)"[^>]*selected', body):
            found[name] = html.unescape(chosen[1])
    assert found.get("version"), url
    return found


def refused(client: Client, url: str, data: dict[str, str]) -> str:
    before = [str(list(kind.objects.values())) for kind in (Rule, Webhook, Preferences)]
    answer = client.post(url, data)
    assert answer.status_code in (200, 409, 422)
    assert [str(list(kind.objects.values())) for kind in (Rule, Webhook, Preferences)] == before
    return html.unescape(answer.text)


def test_a_rule_that_another_changed_is_not_overwritten(client_for: ClientFor) -> None:
    hook = Webhook(name="pager", url="https://hooks.example.com/")
    hook.new_secret()
    hook.save()
    rule = Rule.objects.create(name="Failed", condition="workflow.failed", window_minutes=60)
    client, url = client_for("administrator"), f"{rule.get_absolute_url()}edit/"
    first, second = drawn(client, url), drawn(client, url)
    assert client.post(url, {**first, "window_minutes": "30", "webhooks": str(hook.pk)}).status_code == 302
    page = refused(client, url, {**second, "name": "Renamed"})
    assert "administrator changed this after you opened the form" in page
    assert "is now “30”, was “60”" in page
    assert "is now “pager”, was empty" in page
    assert 'value="Renamed"' in page
    # With the version of the page that says so it is overwritten, knowingly.
    version = re.search(
        r'name="version" value="([^"]*)"', client.post(url, {**second, "name": "Renamed"}).text
    )
    assert version
    again = {**second, "name": "Renamed", "version": html.unescape(version[1])}
    assert client.post(url, again).status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.window_minutes) == ("Renamed", 60)
    # Nonsense in its place is a form of a program.
    assert client.post(url, {**second, "version": "[["}).status_code == 302


def test_a_webhook_that_another_changed_is_not_overwritten(
    client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.outbound.addresses_of", lambda *_: ["93.184.215.14"])
    hook = Webhook(name="pager", url="https://hooks.example.com/")
    hook.new_secret()
    hook.save()
    client, url = client_for("administrator"), f"{hook.get_absolute_url()}edit/"
    first, second = drawn(client, url), drawn(client, url)
    assert client.post(url, {**first, "url": "https://other.example.com/"}).status_code == 302
    assert "is now “https://other.example.com/”" in refused(client, url, {**second, "name": "bell"})


def test_preferences_of_another_tab_are_not_overwritten(client_for: ClientFor) -> None:
    client, url = client_for("viewer"), reverse("accounts:preferences")
    first, second = drawn(client, url), drawn(client, url)
    assert client.post(url, {**first, "time_zone": "Europe/Zurich"}).status_code == 302
    page = refused(client, url, {**second, "theme": "dark"})
    assert "is now “Europe/Zurich”, was “UTC”" in page
    assert re.search(r'value="dark"[^>]*selected', page)
    # One value alone, as the quick controls send it, touches no other.
    assert client.post(url, {"theme": "dark"}).status_code == 302
    assert Preferences.objects.get().time_zone == "Europe/Zurich"


def test_an_account_that_another_changed_is_not_overwritten(client_for: ClientFor) -> None:
    client_for("viewer")
    account = User.objects.get(username="viewer")
    client, url = client_for("administrator"), f"/admin/auth/user/{account.pk}/change/"
    first, second = drawn(client, url), drawn(client, url)
    assert client.post(url, {**first, "role": "operator"}).status_code == 302
    page = refused(client, url, {**second, "email": "new@example.com"})
    assert "administrator changed this after you opened the form" in page
    assert "is now “operator”, was “viewer”" in page
    assert 'value="new@example.com"' in page
    account.refresh_from_db()
    assert [group.name for group in account.groups.all()] == ["operator"]
