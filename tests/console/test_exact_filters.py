"""A filter finds exactly what it was made from, also after a form; what is pasted into a search box is forgiven."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings

from opsportal.console import pasted
from opsportal.console.text import exact
from tests.factories import agent, put, request, workflow
from tests.pages import Node, Page, visit

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

VALUES = (
    "bob", " bob", "bob ", "  bob", "deep  dive", "deep dive", "two\nlines", "two\r\nlines", "two\rlines", "twolines",
    "tab\there", "tab here", "bob\u00a0", "bob\u200b", "\ufeffbob", "~0A", "two~0Alines", "\x00bob", " ", "\n", "ﬁ", "a&b=c#d+e%20",
)  # fmt: skip


def sent(form: Node, **typed: str) -> str:
    """What a browser sends of a form: a line box has no line breaks, and all others are CRLF."""
    fields = []
    for node in form.all("input"):
        if node.attrs.get("type") == "checkbox" and "checked" not in node.attrs:
            continue
        value = typed.get(node.attrs.get("id", ""), node.attrs.get("value", ""))
        if node.attrs.get("type", "text") in ("text", "search"):
            value = value.replace("\r", "").replace("\n", "")
        lines = value.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        fields.append((node.attrs["name"], "\r\n".join(lines)))
    return urlencode(fields)


def forms(page: Page) -> list[Node]:
    """Of the list itself, not of the search over all tables."""
    return [
        form
        for form in page.root.all("form", method="get")
        if form.all("input") and "action" not in form.attrs
    ]


def opened(client: Any, url: str) -> Page:
    """Where the form leads: that for a range of one's own to the range's own address."""
    answer = client.get(url)
    return visit(client, answer.headers["Location"] if answer.status_code == 302 else url)


def test_a_cell_lists_the_items_of_its_value_and_no_others(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    for place, value in enumerate(VALUES):
        put(tables["requests"], request(f"r{place}", user_id=value, project_id=value, request_type=value, priority=value,
            processing_strategy=value))  # fmt: skip
        put(tables["workflows"], workflow(f"w{place}", sourceType=value))
        put(tables["agents"], agent(f"a{place}", capabilities=[value], status=f"active{value}"))
    for path, columns, prefix in (("/requests/", 5, "r"), ("/workflows/", 1, "w"), ("/agents/", 1, "a")):
        page = visit(client, f"{path}?range=all")
        rows = dict(zip(page.ids, page.rows, strict=True))
        for place, value in enumerate(VALUES):
            cells = rows[f"{prefix}{place}"].all("a", class_="tagged" if prefix == "a" else "cell-filter")
            assert len(cells) == columns
            for cell in cells if place < 4 else cells[-1:]:
                assert exact(value)[:20] in cell.text
                listed = visit(client, cell.attrs["href"])
                assert listed.ids == [f"{prefix}{place}"], (path, value, cell.attrs["href"])
                assert any(
                    exact(value)[:20] in chip.text for chip in listed.root.all("a", class_="filter-chip")
                )
            # The last column's filter, through each form of its page; of the other lists for some values, since their
            # forms are made as those are.
            for form in forms(listed) if place % (2 if prefix == "r" else 4) == 0 else []:
                again = opened(client, f"{path}?{sent(form)}")
                assert again.ids == [f"{prefix}{place}"], (path, value, sent(form))
                assert again.chips == listed.chips
    other = visit(client, "/requests/?" + urlencode({"project": "two\nlines"}))
    with_user = next(form for form in forms(other) if form.all("input", id="filter-user"))
    both = visit(client, f"/requests/?{sent(with_user, **{'filter-user': 'bob'})}")
    assert both.ids == []
    assert both.chips == ["User bob", "Project two⟦U+000A⟧lines"]


@pytest.mark.parametrize(
    "around",
    [
        " {} ", "\u200b{}\ufeff", "`{}`", "\u201c{}\u201d", "'{}'.", "({})", "<{}>", "\u00a0{}\r\n", "[{}],", "«{}»", "\u2060'{}'\u200d",
        "http://console.example/workflows/{}/", "https://c.example/ops/workflows/{}/?tab=raw#x", "/workflows/{}/cancel/",
        "<https://c.example/workflows/{}>", "https://c.example/api/workflows/{}",
    ],
)  # fmt: skip
def test_a_pasted_id_is_found_whatever_came_with_it(around: str) -> None:
    assert "case-1" in pasted.keys(around.format("case-1"), "/workflows/")
    assert pasted.keys(around.format("case-1"), "/workflows/")[0] == around.format("case-1")


def test_no_other_text_is_taken_for_an_address(client_for: Any, tables: Any) -> None:
    assert pasted.keys("http://console.example/requests/case-1/", "/workflows/") == [
        "http://console.example/requests/case-1/"
    ]
    assert pasted.keys("/workflows/", "/workflows/") == ["/workflows/"]
    assert pasted.keys("http://c.example/workflows/~FF/", "/workflows/")
    client = client_for("viewer")
    put(tables["workflows"], workflow("`case 1`"), workflow("case 1"), workflow("a/b c"))
    for typed, found in (("`case 1`", "/workflows/~60case~201~60/"), ("\u200bcase 1 ", "/workflows/case~201/"),
                         ("see http://x.example/workflows/a~2Fb~20c/?tab=raw", "/workflows/a~2Fb~20c/")):  # fmt: skip
        assert client.get("/workflows/", {"q": typed}).headers["Location"] == found


KEY = re.compile(
    r"\{\{ ((?:[\w.]*\.)?(?:id|key|target|subject)|what)(?:\|default:\"[^\"]*\")?\|(?:excerpt|shown|first_line)"
)
# The console's own.
OWN_IDS = {"entry.actor.id"}


def test_no_template_shows_keys_so_that_two_look_alike() -> None:
    """`ident` gives a sign to space at an end, to doubled space and to line breaks."""
    templates = Path(settings.BASE_DIR, "templates").rglob("*.html")
    assert {key for path in templates for key in KEY.findall(path.read_text())} <= OWN_IDS
