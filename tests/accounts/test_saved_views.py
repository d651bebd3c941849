"""A list's filters under a name, one's own or shared."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from opsportal.accounts import views
from opsportal.accounts.models import SavedView, normalised_query
from opsportal.console.text import exact
from tests.pages import Page, visit

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


def asked(client: Any, **fields: str) -> tuple[Page, dict[str, str]]:
    """The question, and what its form sends."""
    page = Page(save(client, **fields), URL)
    assert page.status == 409
    form = page.root.one("form", class_="action-form")
    sent = {one.attrs["name"]: one.attrs.get("value", "") for one in form.all("input")}
    sent.pop("csrfmiddlewaretoken", None)
    return page, sent


def test_ones_own_view_is_replaced_after_a_question_that_shows_what_changes(client_for: Any) -> None:
    client = client_for("viewer")
    save(client)
    page, sent = asked(client, query="status=completed", shared="true", next="/workflows/?status=completed")
    form = page.root.one("form", class_="action-form")
    assert form.one("h2").words == "Replace your view “Failures”?"
    assert "status=failed" in form.words
    assert "status=completed shared with the team from now on" in form.words
    assert form.one("a", class_="btn").attrs["href"] == "/workflows/?status=completed"
    assert SavedView.objects.get().query == "status=failed", "nothing is replaced by asking"
    # Saved in another tab meanwhile: what would be replaced is another one, so it asks again.
    (_, other) = asked(client, query="status=cancelled")
    assert client.post(URL, other).status_code == 302
    again = Page(client.post(URL, sent), URL)
    assert again.status == 409
    assert "status=cancelled" in again.root.one("form", class_="action-form").words
    sent["replace"] = again.root.one("input", name="replace").attrs["value"]
    assert client.post(URL, sent)["Location"] == "/workflows/?status=completed"
    view = SavedView.objects.get()
    assert (view.query, view.shared) == ("status=completed", True)
    # Deleted meanwhile: it is saved as a new one.
    (_, sent) = asked(client, query="status=failed")
    view.delete()
    assert client.post(URL, sent).status_code == 302
    assert SavedView.objects.get().query == "status=failed"


def test_a_view_that_another_shares_is_replaced_by_administrators_alone(
    client_for: Any, operator: User
) -> None:
    save(client_for("viewer"), shared="true")
    refused = Page(save(client_for("operator"), query="status=completed"), URL)
    assert refused.status == 422
    assert "viewer shares a view of this name. Choose another name." in refused.words
    assert not refused.root.all("input", name="replace")
    page, sent = asked(client_for("administrator"), query="status=completed")
    assert "Replace the view of viewer “Failures”?" in page.words
    assert client_for("operator").post(URL, sent).status_code == 422, (
        "an answer to a question that was not asked"
    )
    assert client_for("administrator").post(URL, sent).status_code == 302
    view = SavedView.objects.get()
    assert (view.owner.username, view.query, view.shared) == ("viewer", "status=completed", True)
    # A private one is nobody's business, and of another page it is another one.
    save(client_for("viewer"), "Mine")
    assert save(client_for("operator"), "Mine").status_code == 302
    assert save(client_for("operator"), page="requests").status_code == 302
    # Of two that one sees, one's own is meant.
    SavedView.objects.create(owner=operator, page="workflows", name="Failures")
    page, _ = asked(client_for("operator"))
    assert "Replace your view “Failures”?" in page.words


def test_one_made_by_another_tab_at_the_same_time_is_asked_about(
    client_for: Any, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = views._save_view

    def other_tab_is_quicker(request: Any) -> Any:
        monkeypatch.setattr(views, "_save_view", saves)
        SavedView.objects.create(owner=viewer, page="workflows", name="Failures", query="status=pending")
        raise IntegrityError

    monkeypatch.setattr(views, "_save_view", other_tab_is_quicker)
    page, _ = asked(client_for("viewer"))
    assert "status=pending" in page.words


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


def test_views_that_look_alike_are_told_apart(client_for: Any, tables: Any) -> None:
    names = ("a b", "a  b", "a\u200bb", "a\u00a0b")
    client = client_for("viewer")
    for name in names:
        answer = save(client, name, shared="true", next=URL)
        message = visit(client, answer["Location"]).root.one("p", class_="message").words
        assert message == f"View “{exact(name)}” saved."
    for persona, said in (("viewer", "shared"), ("operator", "shared by viewer")):
        menu = visit(client_for(persona), "/workflows/").root.all("li", class_="saved-view")
        assert sorted(one.words for one in menu) == sorted(f"{exact(name)} {said}" for name in names)
    listed = [link.words for link in visit(client_for("viewer"), URL).root.one("table").all("a")]
    assert sorted(listed) == sorted(exact(name) for name in names)


def test_a_view_of_a_page_that_is_gone_is_offered_nowhere(client_for: Any, viewer: User, tables: Any) -> None:
    for page in ("reports", "workflows"):
        SavedView.objects.create(owner=viewer, page=page, name=page)
    menu = visit(client_for("viewer"), "/workflows/").root.all("li", class_="saved-view")
    assert [one.words for one in menu] == ["workflows"]


def test_what_no_database_or_parser_takes_is_refused_at_its_field(client_for: Any) -> None:
    client = client_for("viewer")
    for fields, sentence in (
        ({"name": "a\x00b"}, "Name: Null characters are not allowed."),
        ({"page": "\x00"}, "Page: Select a valid choice. ⟦U+0000⟧ is not"),
        ({"query": "&" * 1_999}, "Query: These filters are too long to be saved."),
    ):
        page = Page(save(client, **{"name": "n", **fields}), URL)
        assert page.status == 422
        assert sentence in page.root.one("div", class_="alert").words
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
