"""Rows chosen on a list for an action on many: who sees the boxes, and what their form sends."""

from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from django.http import QueryDict
from django.test import RequestFactory

from opsportal.console.converters import unquote_key
from opsportal.console.listing import Listing
from opsportal.operations.bulk import all_bulk
from opsportal.operations.selection import MAX_TICKED
from requests_app.views import FILTERS
from tests.cases import each
from tests.factories import agent, put, request, workflow
from tests.pages import Node, Page, visit
from tests.shapes import HARD_KEYS, SCRIPT

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

LISTS = {"requests": request, "workflows": workflow, "agents": agent}


def boxes(page: Page) -> list[Node]:
    return [row.one("input", type="checkbox", name="key~") for row in page.rows]


def form_of(page: Page) -> Node:
    return page.root.one("form", id="select")


def hidden(page: Page, name: str) -> str:
    return form_of(page).one("input", type="hidden", name=name).attrs["value"]


def test_who_may_act_on_many_chooses_rows_and_is_offered_each_action(tables: Any, client_for: Any) -> None:
    for logical, made in LISTS.items():
        put(tables[logical], made("one"))
        page = visit(client_for("viewer"), f"/{logical}/")
        assert page.ids == ["one"]
        assert not page.root.all("input", name="key~")
        assert not page.root.all("form", id="select")
        offered = {f"{logical}.{one.tag.verb}": one for one in all_bulk()[logical].offered}
        refused = {f"{logical}.complete"} & set(offered)  # for administrators
        for role, without in (("operator", refused), ("administrator", set())):
            page = visit(client_for(role), f"/{logical}/")
            form = form_of(page)
            assert (form.attrs["action"], form.attrs["method"]) == ("/jobs/new/", "post")
            assert hidden(page, "csrfmiddlewaretoken")
            assert hidden(page, "logical") == logical
            assert [one.attrs["form"] for one in boxes(page)] == ["select"]
            buttons = form.all("button", name="action")
            assert {one.attrs["value"]: one.words for one in buttons} == {
                name: action.label for name, action in offered.items() if name not in without
            }
            # What the role may not do is there with its reason, and sends nothing.
            dim = form.all("button", aria_disabled="true")
            assert [one.attrs["data-action"] for one in dim] == [offered[name].tag.value for name in without]
            for one in dim:
                assert one.attrs["type"] == "button"
                assert (
                    f"Your role ({role}) may not do this."
                    in form.one("span", id=one.attrs["aria-describedby"]).words
                )
            # No form is inside another one.
            assert not page.root.one("table").all("form")


def test_keys_of_any_characters_are_sent_exactly(tables: Any, client_for: Any) -> None:
    keys = [*HARD_KEYS, SCRIPT, "new", ".", "~0A", "\u200b\ufeff", "é" * 1024, '"quoted" & more']
    keys = [key for key in dict.fromkeys(keys) if len(key.encode()) <= 2048]
    for logical, made in LISTS.items():
        put(tables[logical], *(made(key) for key in keys))
        page = visit(client_for("operator"), f"/{logical}/")
        assert set(page.ids) == set(keys)
        values = [box.attrs["value"] for box in boxes(page)]
        # A browser changes line breaks, and reads a page's carriage returns as others: there are none.
        assert all(value.isascii() and value.isprintable() for value in values)
        assert [unquote_key(value) for value in values] == page.ids
        read = QueryDict(urlencode([("key~", value) for value in values]))
        assert [unquote_key(value) for value in read.getlist("key~")] == page.ids
        # Labels hold markup as text, and show what is invisible.
        assert SCRIPT not in page.html
        labels = {unquote_key(box.attrs["value"]): box.attrs["aria-label"] for box in boxes(page)}
        noun = logical.removesuffix("s")
        assert labels["new"] == f"Choose {noun} new"
        assert labels[SCRIPT] == f"Choose {noun} {SCRIPT}"
        assert labels["\u200b\ufeff"] == f"Choose {noun} ⟦U+200B⟧⟦U+FEFF⟧"
        assert labels["é" * 1024] == f"Choose {noun} {'é' * 47}…"


@each(
    ("url", "query", "words"),
    [
        ("", {"range": "7d"}, ["last 7 days"]),
        ("range=no-such", {"range": "7d"}, ["last 7 days"]),
        ("range=all", {"range": "all"}, []),
        ("status=failed&range=all", {"status": "failed", "range": "all"}, ["status failed", "all time"]),
        (
            "status=failed&from=2026-01-09T10:00Z&range=1h&cursor=x&sort=priority",
            {"status": "failed", "from": "2026-01-09T10:00:00Z", "sort": "priority"},
            ["status failed", "from 2026-01-09 10:00 UTC"],
        ),
        ("q=+two+words+", {"q": "two words", "range": "7d"}, ["text two words", "last 7 days"]),
        (
            "user~=two~0D~0Alines&project=" + "p" * 60,
            {"user": "two\r\nlines", "project": "p" * 60, "range": "7d"},
            ["user two⟦U+000D⟧⟦U+000A⟧lines", f"project {'p' * 40}…", "last 7 days"],
        ),
        ("outside=1&range=7d", {"outside": "1", "range": "7d"}, ["not in the index", "all time"]),
    ],
)
def test_all_that_match_are_said_whole_for_programs_and_people(
    url: str, query: dict[str, str], words: list[str], viewer: Any
) -> None:
    asked = RequestFactory().get(f"/requests/?{url}")
    asked.user = viewer
    listing = Listing(asked, "requests", FILTERS)
    assert parse_qs(listing.whole_query) == {name: [value] for name, value in query.items()}
    assert listing.in_words == words
    # Read again it is the same, wherever no range means all time.
    asked = RequestFactory().get(f"/requests/?{listing.whole_query}")
    asked.user = viewer
    again = Listing(asked, "requests", FILTERS, default_range="all")
    assert again.values == listing.values
    assert (again.time_range.key, again.time_range.query) == (
        listing.time_range.key,
        listing.time_range.query,
    )


def test_the_bar_says_what_all_that_match_are(tables: Any, client_for: Any) -> None:
    client = client_for("operator")
    for url, words, address in (
        ("/requests/", "All that match: last 7 days", "/requests/"),
        ("/requests/?range=all", "All requests", "/requests/?range=all"),
        ("/agents/", "All agents", "/agents/"),
        ("/agents/?health=offline&status=<b>", "All that match: status <b>, health offline", "/agents/?status=%3Cb%3E&health=offline"),
        ("/workflows/?status=failed&cursor=", "All that match: status failed, last 7 days", "/workflows/?status=failed"),
    ):  # fmt: skip
        page = visit(client, url)
        form = form_of(page)
        assert form.one("label").words.replace(" , ", ", ") == words
        assert form.attrs["data-address"] == address
        assert "<b>" not in page.html


def test_a_form_holds_as_many_keys_as_can_be_chosen(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("req_0001", status="failed"))
    client = client_for("operator")
    assert form_of(visit(client, "/requests/")).attrs["data-max"] == str(MAX_TICKED)
    keys = [f"req_{at:04}~0A{'x' * 480}" for at in range(MAX_TICKED)]
    fields = {"logical": "requests", "action": "requests.retry", "query": "range=7d", "key~": keys}
    assert client.post("/jobs/new/", fields).status_code < 400
