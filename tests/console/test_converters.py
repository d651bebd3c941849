"""Any string is a legal key, and opens its page."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, path, reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsportal.console.access import public
from opsportal.console.converters import RESERVED, quote_key, unquote_key
from registry import urls as registry_urls
from requests_app import urls as requests_urls
from tests.operations.places import get, put, request_item
from tests.shapes import examples
from tracking import urls as tracking_urls


@public
def item(request: HttpRequest, pk: str) -> HttpResponse:
    return HttpResponse(pk.encode())


@public
def logs(request: HttpRequest, pk: str) -> HttpResponse:
    return HttpResponse(b"logs of " + pk.encode())


urlpatterns = [
    path("items/<key:pk>/", item, name="item"),
    path("items/<key:pk>/logs/", logs, name="logs"),
    # What the page of a 404 links to.
    *[path(f"{name}/", item, name=name) for name in ("overview", "account_login")],
]

AWKWARD = [
    "/", "//", ".", "..", "...", "../..", "a/", "/a", "a/b", "x/logs", "logs/", "?", "#", "%", "%2F", "%", "~", "~2F",
    "~~", "~7E", " ", " a ", "a.", "a..", "\n", "\r\n", "\0", "\t", "\\", ";a=b", "&", "+", "é", "日本", "🚀", "\u202e",
    "\ufeff", "<script>", "'\"", "a" * 2048,
]  # fmt: skip


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("key", AWKWARD)
def test_an_awkward_key_opens_its_page(client: Client, key: str) -> None:
    assert client.get(reverse("item", args=[key])).content == key.encode()
    assert client.get(reverse("logs", args=[key])).content == b"logs of " + key.encode()


@pytest.mark.urls(__name__)
@settings(
    deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(min_size=1))
@example("~00")
def test_every_key_opens_its_page(client: Client, key: str) -> None:
    response = client.get(reverse("item", args=[key]))
    assert response.status_code == 200
    assert response.content == key.encode()


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("key", sorted(RESERVED))
def test_an_item_named_like_a_page_has_an_address_of_its_own(client: Client, key: str) -> None:
    assert reverse("item", args=[key]) != f"/items/{key}/"
    assert client.get(reverse("item", args=[key])).content == key.encode()


def test_every_page_beside_those_of_items_is_reserved() -> None:
    """A page added at /requests/<word>/ would hide the item of that id."""
    for urls in (requests_urls, registry_urls, tracking_urls):
        patterns = [str(entry.pattern) for entry in urls.urlpatterns]
        assert any(pattern.startswith("<key:") for pattern in patterns)
        words = {pattern.partition("/")[0] for pattern in patterns if pattern and pattern[0] != "<"}
        assert words <= RESERVED


@given(st.text(min_size=1))
def test_a_quoted_key_is_one_plain_segment(key: str) -> None:
    quoted = quote_key(key)
    assert set(quoted) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:@=+,-~")
    assert quoted.strip(".") != ""
    assert unquote_key(quoted) == key


@pytest.mark.parametrize(
    "key", ["req_1757412789250_a08ac7ad", "test-session-123", "2025-12-24T10:00:00.000Z", "a.b@c"]
)
def test_plain_keys_stay_readable(key: str) -> None:
    assert quote_key(key) == key


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("segment", "key"), [("a%20b", "a b"), ("caf%C3%A9", "café"), ("a~b", "a~b"), ("50%25", "50%")]
)
def test_a_key_pasted_into_the_address_opens_too(client: Client, segment: str, key: str) -> None:
    assert client.get(f"/items/{segment}/").content == key.encode()


@pytest.mark.urls(__name__)
def test_bytes_that_are_no_text_are_not_found(client: Client) -> None:
    assert client.get("/items/~FF/").status_code == 404


@pytest.mark.urls(__name__)
def test_a_lone_surrogate_has_a_link_that_leads_nowhere(client: Client) -> None:
    assert client.get(reverse("item", args=["\ud800"])).status_code == 404


@pytest.mark.urls(__name__)
def test_the_empty_key_has_no_address() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("item", args=[""])


# Escapes that `quote_key` does not write: of a plain letter, in lower case, of a word that is no page, and none.
OTHERS = [
    "~41",
    "~2f",
    "a~2fb",
    "~32",
    "x~6Eew",
    "~6eew",
    "~~",
    "a~",
    "~4",
    "a b",
    ".a",
    "~7e41",
    "50%",
]


@pytest.mark.parametrize("segment", OTHERS)
def test_another_spelling_stands_for_itself(segment: str) -> None:
    assert unquote_key(segment) == segment
    assert unquote_key(quote_key(segment)) == segment


@settings(deadline=None)
@given(st.text("~0123456789ABCDEFabcdef/.\u00e9n", min_size=1) | st.text(min_size=1))
def test_no_two_addresses_are_of_one_item(segment: str) -> None:
    """A segment is the address of its key, or a key that was pasted, whose address is another."""
    try:
        key = unquote_key(segment)
    except ValueError:
        return
    assert quote_key(key) == segment or key == segment


@pytest.mark.no_moto
def test_an_item_opens_and_changes_under_its_own_address_alone(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    """The pairs are an id and what it would be, were its tilde an escape."""
    pairs = {"~41": "A", "a~2fb": "a/b", "~7e32": "~32", "\u00e9~20": "\u00e9 ", ".b": "b", "c d": "c~20d"}
    for key in {*pairs, *pairs.values()}:
        put(tables["requests"], request_item(key))
    viewer, operator = client_for("viewer"), client_for("operator")
    for key, other in pairs.items():
        pasted = quote(key)
        for tail in ("", "logs/"):
            moved = viewer.get(f"/requests/{pasted}/{tail}?until=a%20b&x=~41")
            address = f"/requests/{quote_key(key)}/{tail}?until=a%20b&x=~41"
            assert (moved.status_code, moved["Location"]) == (302, address)
            assert viewer.head(f"/requests/{pasted}/{tail}")["Location"] == address.partition("?")[0]
        page = viewer.get(f"/requests/{pasted}/", follow=True)
        assert page.context["item"].id == key
        assert viewer.get(f"/api/requests/{pasted}").json()["id"] == key
        form = {"action_id": str(uuid.uuid4()), "reason": ""}
        assert operator.post(f"/requests/{pasted}/cancel/", form).status_code == 302
        assert get(tables["requests"], key)["status"] == {"S": "cancelled"}
        assert get(tables["requests"], other)["status"] == {"S": "processing"}


def test_who_may_not_see_an_item_is_not_led_to_its_address(client: Client) -> None:
    assert client.get("/requests/a%20b/")["Location"].startswith("/accounts/login/")
