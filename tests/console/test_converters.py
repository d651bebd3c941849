"""Any string is a legal key, and opens its page."""

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
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
