"""What every list and item shares: its state in the URL, and the answers to its polls."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from django.test import Client, RequestFactory

from opsportal.accounts.models import Preferences, SavedView
from opsportal.console.listing import Listing, seen_token
from opsportal.console.parameters import stamp_shown
from tests.cases import each
from tests.factories import MISSING, Raw, agent, ago, delete, log, naive, put, request, workflow, zulu
from tests.pages import poll, visit
from tests.samples import next_minute
from tests.shapes import HARD_KEYS

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

# (URL, logical table, item, what changes of it so that the page must change).
POLLED: list[tuple[str, str, Callable[[], Raw], Raw]] = [
    ("/workflows/", "workflows", lambda: workflow("w"), {"overallStatus": {"S": "failed"}}),
    ("/workflows/w/", "workflows", lambda: workflow("w"), {"documentId": {"S": "another"}}),
    ("/workflows/w/?tab=raw", "workflows", lambda: workflow("w"), {"unheard": {"S": "of"}}),
    ("/workflows/?outside=1", "workflows", lambda: {"sessionId": {"S": "w"}}, {"sourceType": {"S": "A"}}),
    ("/requests/", "requests", lambda: request("r"), {"status": {"S": "executing"}}),
    ("/requests/?sort=priority", "requests", lambda: request("r"), {"status_message": {"S": "Now"}}),
    ("/requests/r/", "requests", lambda: request("r"), {"errors": {"L": [{"S": "boom"}]}}),
    ("/requests/r/?tab=history", "requests", lambda: request("r"), {"processing_metadata": {"M": {}}}),
    ("/agents/", "agents", lambda: agent("a"), {"status": {"S": "inactive"}}),
    ("/agents/a/", "agents", lambda: agent("a"), {"reputationScore": {"N": "3"}}),
]


@each(("url", "logical", "made", "change"), POLLED)
def test_a_poll_gets_nothing_or_the_changed_fragment(
    tables: Any, client_for: Any, url: str, logical: str, made: Any, change: Raw
) -> None:
    table, client, before = tables[logical], client_for("viewer"), made()
    put(table, before)
    page = visit(client, url)
    assert not page.is_fragment
    assert page.polls
    assert page.region.attrs["hx-get"] == url
    assert set(page.response.headers["Vary"].split(", ")) >= {"HX-Request", "Cookie"}
    assert page.response.headers["Cache-Control"] == "no-store"
    unchanged = poll(client, page)
    assert (unchanged.status, unchanged.html) == (204, "")
    put(table, {**before, **change})
    if "outside" in url:
        next_minute()
    changed = poll(client, page)
    assert (changed.status, changed.is_fragment) == (200, True)
    assert changed.region.attrs["id"] == page.region.attrs["id"]
    assert changed.live["X-Seen"] != page.live["X-Seen"]
    assert poll(client, changed).status == 204
    # A fragment without X-Seen, as after switching the refresh on, is always sent.
    assert poll(client, changed, **{"X-Seen": ""}).status == 200
    # Back and forward get the whole page, and so does a boosted link.
    for header in ("HX-History-Restore-Request", "HX-Boosted"):
        whole = poll(client, changed, **{header: "true"})
        assert (whole.status, whole.is_fragment) == (200, False)
    # Gone: the old state must not stay, so it is a 200 that says so.
    delete(table, before[table.key]["S"])
    if "outside" in url:
        next_minute()
    gone = poll(client, changed)
    assert (gone.status, gone.is_fragment) == (200, True)
    assert gone.empty.attrs["data-empty"] in ("gone", "nothing_yet", "no_match")
    if gone.empty.attrs["data-empty"] == "gone":
        # The entry of a purge may be in the index a moment later.
        assert gone.polls
        assert poll(client, gone).status == 204
        assert visit(client, url, status=404).empty.attrs["data-empty"] == "gone"


@each(
    ("url", "logical", "running", "ended"),
    [
        ("/workflows/", "workflows", lambda: workflow("w"), {"overallStatus": {"S": "completed"}}),
        ("/workflows/w/", "workflows", lambda: workflow("w"), {"overallStatus": {"S": "CANCELLED"}}),
        ("/requests/", "requests", lambda: request("r"), {"status": {"S": "failed"}}),
        ("/requests/r/", "requests", lambda: request("r", status="odd"), {"status": {"S": "completed"}}),
        ("/requests/r/logs/", "requests", lambda: request("r"), {"status": {"S": "cancelled"}}),
    ],
)
def test_polling_ends_by_itself_when_all_that_is_shown_is_terminal(
    tables: Any, client_for: Any, url: str, logical: str, running: Any, ended: Any
) -> None:
    client, before = client_for("viewer"), running()
    put(tables[logical], before)
    put(tables["request_logs"], log("r"))
    page = visit(client, url)
    assert page.polls
    assert page.region.attrs["data-live"] == "on"
    put(tables[logical], {**before, **ended})
    over = poll(client, page) if "logs" not in url else visit(client, url)
    assert not over.polls
    assert over.region.attrs["data-live"] == "finished"
    # An action's event still refreshes it.
    assert "console:refresh from:body" in over.region.attrs["hx-trigger"]


def test_the_operators_interval_is_the_polls(tables: Any, client_for: Any, viewer: Any) -> None:
    put(tables["workflows"], workflow("w"))
    client = client_for("viewer")
    assert visit(client, "/workflows/").region.attrs["hx-trigger"].startswith("every 30s, ")
    Preferences.objects.create(user=viewer, refresh_seconds=2)
    assert visit(client, "/workflows/").region.attrs["hx-trigger"].startswith("every 2s, ")
    Preferences.objects.update(refresh_seconds=0)
    off = visit(client, "/workflows/")
    assert (off.polls, off.region.attrs["data-live"]) == (False, "off")


@pytest.mark.parametrize(
    ("url", "logical", "made"),
    [
        ("/workflows/", "workflows", lambda key, at: workflow(key, createdAt=zulu(at))),
        ("/requests/?status=processing", "requests", lambda key, at: request(key, created_at=naive(at))),
        ("/requests/?user=test-user-123", "requests", lambda key, at: request(key, created_at=naive(at))),
    ],
)
def test_new_rows_are_counted_and_do_not_move_the_list(
    tables: Any, client_for: Any, url: str, logical: str, made: Any
) -> None:
    begin, table, client = ago(minutes=30), tables[logical], client_for("viewer")
    put(table, *(made(f"old-{number}", begin + timedelta(seconds=number)) for number in range(5)))
    page = visit(client, url)
    assert page.ids == [f"old-{number}" for number in (4, 3, 2, 1, 0)]
    put(table, *(made(f"new-{number}", begin + timedelta(minutes=1, seconds=number)) for number in range(3)))
    refreshed = poll(client, page)
    assert refreshed.ids == page.ids
    pill = refreshed.root.one("a", class_="new-rows")
    assert pill.words == "3 new"
    assert refreshed.live["X-Anchor"] == page.live["X-Anchor"]
    assert poll(client, refreshed).status == 204
    put(
        table, *(made(f"more-{number}", begin + timedelta(minutes=2, seconds=number)) for number in range(60))
    )
    assert poll(client, refreshed).root.one("a", class_="new-rows").words == "50+ new"
    opened = visit(client, pill.attrs["href"])
    assert opened.ids[0] == "more-59"
    assert not opened.root.all("a", class_="new-rows")
    # Further pages have no anchor: they do not change at their top.
    older = visit(client, opened.next_url)
    assert len(older.ids) == 18
    assert poll(client, older, **{"X-Anchor": quote("1999")}).status == 204


def test_an_anchor_of_any_text_travels_in_a_header(tables: Any, client_for: Any) -> None:
    """Headers hold Latin-1 and no line breaks; a browser would refuse to send others at all."""
    odd = "zz \u5b8c\u4e86\r\n\U0001f680%41+"
    put(tables["requests"], request("r", created_at=odd))
    client = client_for("viewer")
    page = visit(client, "/requests/")
    assert page.live["X-Anchor"].isascii()
    assert page.live["X-Anchor"].isprintable()
    assert poll(client, page).status == 204
    put(tables["requests"], request("s", created_at=odd + "newer"))
    refreshed = poll(client, page)
    assert (refreshed.ids, refreshed.root.one("a", class_="new-rows").words) == (["r"], "1 new")
    assert poll(client, page, **{"X-Anchor": "%ff%00" * 2000}).status == 200


def test_an_expired_session_leads_the_whole_page_to_the_login(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    put(tables["requests"], request("r"))
    page = visit(client, "/requests/?status=processing")
    client.logout()
    answer = poll(client, page, **{"HX-Current-URL": "http://testserver/requests/?status=processing"})
    assert answer.html == ""
    assert answer.response.headers["HX-Redirect"] == "/accounts/login/?next=/requests/%3Fstatus%3Dprocessing"
    assert client.get("/requests/?status=processing").url.startswith("/accounts/login/?next=/requests/")


def test_every_key_is_listed_so_that_it_can_be_seen_and_opens_by_its_link(
    tables: Any, client_for: Any
) -> None:
    client = client_for("viewer")
    for turn, (logical, url, made) in enumerate(
        (
            ("workflows", "/workflows/?range=all", workflow),
            ("requests", "/requests/?range=all", request),
            ("agents", "/agents/", lambda key: agent(key, name=MISSING)),
        )
    ):
        put(tables[logical], *(made(key) for key in HARD_KEYS))
        page = visit(client, url)
        assert sorted(page.ids) == sorted(HARD_KEYS)
        for key, row, link in zip(page.ids, page.rows, page.links, strict=True):
            # A segment of plain characters, that no browser or proxy resolves or decodes.
            assert re.fullmatch(r"/[a-z]+/[A-Za-z0-9_:@=+,~-][A-Za-z0-9_.:@=+,~-]*/", link)
            assert row.one("a", data_row_link=None).words
            if HARD_KEYS.index(key) % 3 != turn:  # each opens in one of the lists, whose links are made alike
                continue
            item = visit(client, link)
            assert item.root.one("h1").words
            assert key in [button.attrs["data-copy"] for button in item.root.all("button", data_copy=None)]


@each(
    "query",
    [
        "range=999999d", "from=" + "9" * 5000, "to=\x00", "from=2026-11-20T99:99", "status=" + "%00" * 50,
        "sort=drop+table", "outside=maybe", "tab=../../etc", "window=1000y", "limit=999999999", "range[]=7d",
        "status=a&status=b", "q=%E2%80%AE%00", "from=-0001-01-01", "to=9999-12-31T23:59:59-14:00",
        "from=0001-01-01T00:00:00%2B14:00", "level=" + "x" * 3000,
    ],
)  # fmt: skip
def test_no_parameter_of_a_url_breaks_or_widens_a_page(tables: Any, client_for: Any, query: str) -> None:
    client = client_for("viewer")
    put(tables["workflows"], workflow("w"))
    put(tables["requests"], request("r"))
    put(tables["agents"], agent("a"))
    items = ("/workflows/w/", "/requests/r/", "/agents/a/") if query.startswith("tab") else ()
    overview = ("/", "/panels/requests/") if query.startswith("window") else ()
    for url in ("/workflows/", "/requests/", "/requests/r/logs/", "/agents/", *items, *overview):
        page = visit(client, f"{url}?{query}")
        assert page.response.wsgi_request.spending.calls <= 30
        assert len(page.html) < 150_000


def test_an_empty_table_says_how_things_get_there(tables: Any, client_for: Any, settings: Any) -> None:
    client = client_for("viewer")
    for url, noun in (
        ("/workflows/?range=all", "workflows"),
        ("/requests/?range=all", "requests"),
        ("/agents/", "agents"),
    ):
        page = visit(client, url)
        assert page.empty.attrs["data-empty"] == "nothing_yet"
        assert f"No {noun} yet" in page.words
        assert "python manage.py load_demo" in page.words
        # A box of spaces is no filter.
        assert (
            visit(client, url + ("&" if "?" in url else "?") + "q=+++").empty.attrs["data-empty"]
            == "nothing_yet"
        )
    bounded = visit(client, "/requests/")
    assert bounded.empty.attrs["data-empty"] == "no_match"
    assert "No requests in the last 7 days" in bounded.words
    assert visit(client, bounded.empty.one("a").attrs["href"]).empty.attrs["data-empty"] == "nothing_yet"
    assert visit(client, "/requests/?user=nobody").empty.attrs["data-empty"] == "no_match"
    settings.OPSPORTAL_ENV = "prod"
    assert "load_demo" not in visit(client, "/agents/").words


def test_a_view_is_saved_with_its_filters_and_listed(
    tables: Any, client_for: Any, viewer: Any, operator: Any
) -> None:
    client = client_for("viewer")
    page = visit(client, "/requests/?status=failed&range=24h&cursor=")
    form = page.root.one("details", class_="saved-views").one("form")
    fields = {field.attrs["name"]: field.attrs.get("value", "") for field in form.all("input", type="hidden")}
    assert (fields["page"], fields["query"]) == ("requests", "status=failed&range=24h")
    SavedView.objects.create(owner=operator, page="requests", name="Ours", query="status=failed", shared=True)
    SavedView.objects.create(owner=operator, page="requests", name="Theirs", query="", shared=False)
    SavedView.objects.create(owner=operator, page="agents", name="Agents", query="", shared=True)
    menu = visit(client, "/requests/").root.one("details", class_="saved-views")
    names = [link.words for link in menu.one("ul").all("a")]
    assert names == ["Ours shared by operator"]


def listing(query: str, **headers: str) -> Listing:
    made = RequestFactory().get(f"/requests/?{query}", headers=headers)
    return Listing(made, "requests", {"status": "Status", "q": "Text", "outside": ""})


@pytest.mark.django_db
def test_cursors_are_bound_to_the_filters_and_not_to_the_instant() -> None:
    assert listing("status=a").purpose == listing("status=a&cursor=x&unknown=1").purpose
    assert listing("status=a").purpose != listing("status=b").purpose
    assert listing("range=7d").purpose != listing("range=1h").purpose


@pytest.mark.django_db
def test_urls_keep_what_is_known_and_drop_the_cursor() -> None:
    found = listing("status=a%26b&cursor=x&unknown=1&range=24h")
    assert found.url() == "/requests/?status=a%26b&range=24h"
    assert found.url(status=None) == "/requests/?range=24h"
    assert found.url(status=None, range="") == "/requests/"
    assert found["status"] == "a&b"
    with pytest.raises(KeyError):
        found["unknown"]
    assert len(listing("status=" + "\u00fc" * 3000)["status"].encode()) == 2048
    assert listing("q=+a+").keys_typed == [" a ", "a"]
    assert listing("q=+a+&cursor=x").keys_typed == []


def test_how_far_a_search_got_is_a_time_or_the_text_that_it_is() -> None:
    assert stamp_shown("") is None
    assert str(stamp_shown("2024-01-09T15:43:09.250000")) == "2024-01-09 15:43:09.250000+00:00"
    assert stamp_shown("not a time") == "not a time"
    assert stamp_shown("0001-01-01T00:00:00+14:00") == "0001-01-01T00:00:00+14:00"


def test_what_is_kept_of_the_frame_has_each_pages_token_and_address_and_follows_preferences(
    tables: Any, client_for: Any, viewer: Any
) -> None:
    client = client_for("viewer")
    first, second = visit(client, "/agents/?q=%22%3Cb"), visit(client, "/requests/?range=all")
    for page, address in ((first, "/agents/?q=%22%3Cb"), (second, "/requests/?range=all")):
        menus = [page.root.one("form", class_="live-control")]
        menus += [page.root.one("details", class_=name) for name in ("user-menu", "saved-views")]
        for menu in menus:
            assert {field.attrs["value"] for field in menu.all("input", name="next")} == {address}
            assert (
                menu.one("input", name="csrfmiddlewaretoken").attrs["value"]
                in page.html.split("X-CSRFToken")[1]
            )
        assert "\0" not in page.html
    saved = {}
    for address in ("/agents/?q=%22%3Cb", "/agents/?status=active", "/requests/?user=%22%3Cb&range=all"):
        menu = visit(client, address).root.one("details", class_="saved-views")
        saved[address] = (
            menu.one("input", name="page").attrs["value"],
            parse_qs(menu.one("input", name="query").attrs["value"]),
        )
    assert saved == {
        "/agents/?q=%22%3Cb": ("agents", {"q": ['"<b']}),
        "/agents/?status=active": ("agents", {"status": ["active"]}),
        "/requests/?user=%22%3Cb&range=all": ("requests", {"user": ['"<b'], "range": ["all"]}),
    }
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    token = (
        visit(checked, "/agents/")
        .root.one("form", class_="live-control")
        .one("input", name="csrfmiddlewaretoken")
    )
    data = {
        "refresh_seconds": "2",
        "theme": "dark",
        "csrfmiddlewaretoken": token.attrs["value"],
        "next": "/agents/",
    }
    assert checked.post("/accounts/preferences/", data).status_code == 302
    page = visit(client, "/agents/")
    assert page.root.one("select", name="refresh_seconds").one("option", selected=None).attrs["value"] == "2"
    assert page.root.one("button", aria_pressed="true").attrs["value"] == "dark"


def test_a_token_is_of_what_is_shown_and_not_of_the_order_of_attributes() -> None:
    one = {"status": {"S": "a"}, "step": {"M": {"status": {"S": "b"}, "activity": {"N": "1"}}}}
    other = {"step": {"M": {"activity": {"N": "1"}, "status": {"S": "b"}}}, "status": {"S": "a"}}
    assert seen_token([one]) == seen_token([other])
    assert seen_token([one]) != seen_token([one | {"status": {"S": "b"}}])
