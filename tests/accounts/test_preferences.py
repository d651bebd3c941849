"""Theme, time zone and refresh: saved whole from the page, one by one from the shell."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User

from opsportal.accounts.models import Preferences, preferences_of, time_zones

URL = "/accounts/preferences/"


def values(user: User) -> tuple[str, str, int]:
    saved = Preferences.objects.get(user=user)
    return saved.theme, saved.time_zone, saved.refresh_seconds


def test_the_page_saves_all_three(client_for: Any, viewer: User) -> None:
    client = client_for("viewer")
    assert "Europe/Berlin" in client.get(URL).content.decode()
    response = client.post(URL, {"theme": "dark", "time_zone": "Europe/Berlin", "refresh_seconds": "5"})
    assert response["Location"] == URL
    assert values(viewer) == ("dark", "Europe/Berlin", 5)
    assert "Preferences saved." in client.get(URL).content.decode()


def test_one_setting_leaves_the_others(client_for: Any, viewer: User) -> None:
    Preferences.objects.create(user=viewer, theme="dark", time_zone="Asia/Tokyo", refresh_seconds=2)
    client = client_for("viewer")
    response = client.post(URL, {"refresh_seconds": "0", "next": "/workflows/?status=failed"})
    assert response["Location"] == "/workflows/?status=failed"
    assert values(viewer) == ("dark", "Asia/Tokyo", 0)


def test_htmx_is_told_nothing_but_that_it_worked(client_for: Any, viewer: User) -> None:
    response = client_for("viewer").post(URL, {"theme": "light"}, headers={"HX-Request": "true"})
    assert (response.status_code, response.content) == (204, b"")
    assert values(viewer) == ("light", "UTC", 30)


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_saving_leads_to_no_other_host(client_for: Any, url: str) -> None:
    assert client_for("viewer").post(URL, {"theme": "light", "next": url})["Location"] == URL


@pytest.mark.parametrize(
    ("field", "value"),
    [("theme", "pink"), ("time_zone", "Mars/Olympus"), ("time_zone", "../../etc/passwd"), ("refresh_seconds", "1"),
     ("refresh_seconds", "-1"), ("refresh_seconds", "abc"), ("time_zone", "")],
)  # fmt: skip
def test_values_out_of_bounds_are_refused_beside_their_field(
    client_for: Any, viewer: User, field: str, value: str
) -> None:
    response = client_for("viewer").post(URL, {field: value})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    # What was refused does not show in the page around the form.
    assert response.context["shell"].preferences.theme == "system"
    assert not Preferences.objects.exists()


def test_defaults_need_no_row(viewer: User, django_assert_num_queries: Any) -> None:
    user = User.objects.get(pk=viewer.pk)
    with django_assert_num_queries(1):
        found = preferences_of(user)
        assert preferences_of(user) is found
    assert (found.theme, found.time_zone, found.refresh_seconds) == ("system", "UTC", 30)
    assert not Preferences.objects.exists()


def test_anonymous_people_have_the_defaults_without_a_query() -> None:
    for user in (None, AnonymousUser()):
        assert preferences_of(user).theme == "system"


def test_each_person_has_their_own(client_for: Any, viewer: User, operator: User) -> None:
    client_for("viewer").post(URL, {"theme": "dark"})
    client_for("operator").post(URL, {"theme": "light", "user": str(viewer.pk)})
    assert (values(viewer)[0], values(operator)[0]) == ("dark", "light")


def test_time_zones_are_the_databases_with_utc_first() -> None:
    assert time_zones()[0] == "UTC"
    assert "America/New_York" in time_zones()
    assert len(time_zones()) == len(set(time_zones()))
