"""A list's filters under a name, one's own or shared."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from opsportal.accounts.models import SavedView, normalised_query

URL = "/accounts/views/"


def save(client: Any, name: str = "Failures", **fields: str) -> Any:
    return client.post(URL, {"page": "workflows", "name": name, "query": "status=failed", **fields})


def test_a_view_is_saved_and_opens_its_list(client_for: Any, viewer: User) -> None:
    client = client_for("viewer")
    response = save(
        client, query="?status=failed&q=a%20b&cursor=abc&empty=", next="/workflows/?status=failed"
    )
    assert response["Location"] == "/workflows/?status=failed"
    view = SavedView.objects.get()
    assert (view.owner, view.query, view.shared) == (viewer, "status=failed&q=a+b", False)
    assert view.get_absolute_url() == "/workflows/?status=failed&q=a+b"
    page = client.get(URL).content.decode()
    assert "/workflows/?status=failed&amp;q=a+b" in page


def test_saving_under_the_same_name_replaces_ones_own(client_for: Any) -> None:
    save(client_for("viewer"))
    save(client_for("viewer"), query="status=completed", shared="true")
    save(client_for("operator"))
    assert sorted(SavedView.objects.values_list("owner__username", "query", "shared")) == [
        ("operator", "status=failed", False),
        ("viewer", "status=completed", True),
    ]


def test_one_sees_ones_own_and_the_shared(client_for: Any, viewer: User, operator: User) -> None:
    save(client_for("viewer"), "Private of viewer")
    save(client_for("viewer"), "Shared of viewer", shared="true")
    save(client_for("operator"), "Private of operator")
    page = client_for("operator").get(URL).content.decode()
    assert "Shared of viewer" in page
    assert "Private of operator" in page
    assert "Private of viewer" not in page
    assert SavedView.objects.visible_to(None).count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"page": "nowhere"},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 81},
        {"query": "q=" + "x" * 2000},
        {"query": "&".join(f"q={'ü' * 8}" for _ in range(100))},
    ],
)
def test_nonsense_is_refused_with_the_reason(client_for: Any, fields: dict[str, str]) -> None:
    response = save(client_for("viewer"), **({"name": "n"} | fields))
    assert response.status_code == 422
    assert "The view was not saved." in response.content.decode()
    assert not SavedView.objects.exists()


def test_text_of_a_view_is_only_text(client_for: Any) -> None:
    save(client_for("viewer"), "<script>alert(1)</script>", query="q=<script>", shared="true")
    page = client_for("operator").get(URL).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_owner_deletes_a_view(client_for: Any) -> None:
    save(client_for("viewer"))
    view = SavedView.objects.get()
    response = client_for("viewer").post(f"{URL}{view.pk}/delete/", {"next": "/workflows/"})
    assert response["Location"] == "/workflows/"
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("persona", "shared", "status"),
    [
        ("operator", "true", 403),
        ("operator", "", 404),
        ("administrator", "true", 302),
        ("administrator", "", 404),
    ],
)
def test_others_views_are_deleted_by_administrators_alone(
    client_for: Any, persona: str, shared: str, status: int
) -> None:
    save(client_for("viewer"), **({"shared": shared} if shared else {}))
    url = f"{URL}{SavedView.objects.get().pk}/delete/"
    assert client_for(persona).get(url).status_code == 405
    assert client_for(persona).post(url).status_code == status
    assert SavedView.objects.exists() is (status != 302)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("?", ""),
        ("a=1&a=2", "a=1&a=2"),
        ("cursor=x", ""),
        ("?a=%E2%82%AC", "a=%E2%82%AC"),
        ("a", ""),
        ("a=#b", "a=%23b"),
    ],
)
def test_a_query_is_kept_without_the_position(text: str, kept: str) -> None:
    assert normalised_query(text) == kept


def test_a_query_that_grows_too_long_is_refused() -> None:
    with pytest.raises(ValidationError):
        normalised_query("q=" + "€" * 500)
