"""Text that is found whatever its letters' case and Unicode form, in both lists, their API, jobs and searches."""

from typing import Any

import pytest

from opsportal.dynamo.folded import folded, holds_text
from opsportal.dynamo.spans import Span
from requests_app import queries as requests
from tests.cases import each
from tests.factories import put, request, workflow
from tests.pages import visit
from tracking import queries as workflows

pytestmark = [pytest.mark.no_moto, pytest.mark.django_db]

ALIKE = [
    ("ICE_681858.pdf", "ice_681858.PDF"),
    ("Hauptstraße", "HAUPTSTRASSE"),
    ("Zürich-desk", "zu\u0308RICH-desk"),
    ("İstanbul", "istanbul"),
    ("ISPARTA", "ısparta"),
    ("ＦＵＬＬ-width", "full-WIDTH"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
]


@each(("written", "typed"), ALIKE)
def test_texts_that_a_reader_takes_for_the_same_are_found_by_one_another(written: str, typed: str) -> None:
    assert folded(written) == folded(typed)
    for hay, needle in ((written, typed), (typed, written)):
        assert holds_text(["a"], needle)({"a": {"S": f"before {hay} after"}})
    assert not holds_text(["a"], "other")({"a": {"S": written}})
    assert not holds_text(["a"], typed)({"a": {"N": "1"}, "b": {"S": written}})


@each(
    ("logical", "items", "query"),
    [
        ("workflows", [workflow("w-1", documentId="ICE_681858.pdf"), workflow("w-2")], "q=ice_681858"),
        ("workflows", [workflow("w-1", correlationId="Zürich"), workflow("w-2")], "q=ZU\u0308RICH&status=processing"),
        ("requests", [request("w-1", project_id="Straße"), request("w-2")], "q=STRASSE"),
        ("requests", [request("w-1", project_id="Straße"), request("w-2")], "q=STRASSE&sort=priority"),
        ("requests", [request("w-1", user_id="Ann", project_id="A"), request("w-2")], "q=a&user=Ann"),
    ],
)  # fmt: skip
def test_a_list_finds_it_where_asked_to_and_otherwise_offers_that(
    tables: Any, client_for: Any, logical: str, items: list[Any], query: str
) -> None:
    put(tables[logical], *items)
    client, url = client_for("viewer"), f"/{logical}/?{query}"
    if "user=" not in query:
        exact = visit(client, url)
        assert exact.ids == []
        state = exact.root.one("section", class_="empty-state")
        assert "The text search is case-sensitive." in state.words
        offered = {link.words: link.attrs["href"] for link in state.all("a")}
        assert {"Ignore case", "Search all time"} <= offered.keys()
        assert "range=all" in offered["Search all time"]
        assert visit(client, offered["Ignore case"]).ids == ["w-1"]
    found = visit(client, f"{url}&anycase=1")
    assert found.ids == ["w-1"]
    assert "checked" in found.root.one("input", name="anycase").attrs
    nothing = visit(client, f"/{logical}/?q=nothing-like-it&anycase=1&range=all")
    assert "case-sensitive" not in nothing.root.words
    api = client.get(f"/api/{logical}?{query.replace('sort=priority', 'sort=newest')}&anycase=true").json()
    assert [item["id"] for item in api["items"]] == ["w-1"]


def test_a_job_and_a_search_in_the_background_choose_the_same(tables: Any) -> None:
    put(tables["workflows"], workflow("w-1", documentId="A.pdf"), workflow("w-2", documentId="b.pdf"))
    put(tables["requests"], request("r-1", project_id="A"), request("r-2", project_id="b"))
    for queries, text, key in ((workflows, "a.PDF", "sessionId"), (requests, "B", "request_id")):
        values = {"q": text, "anycase": "1"}
        walked = [item[key]["S"] for part in queries.walk(values, Span()) for item in part.items]
        step = queries.search(values, Span(), purpose="test")
        expected = ["w-1"] if queries is workflows else ["r-2"]
        assert walked == [item[key]["S"] for item in step.items] == expected


def test_by_priority_it_reads_no_more_than_a_search_may(
    tables: Any, client_for: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("opsportal.dynamo.pages.EVALUATED_PER_CALL", 5)
    put(tables["requests"], *(request(f"r-{n:02}", project_id="hay") for n in range(40)))
    put(tables["requests"], request("needle-1", project_id="NEEDLE"))
    client = client_for("viewer")
    page = visit(client, "/requests/?sort=priority&q=needle&anycase=1&range=all")
    seen = list(page.ids)
    for _ in range(20):
        following = page.root.all("a", rel="next")
        if seen or not following:
            break
        page = visit(client, following[0].attrs["href"])
        seen += page.ids
    assert seen == ["needle-1"]
