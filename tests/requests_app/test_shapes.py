"""Whatever a request or a log line holds: lists, pages, logs and downloads show it, and never fail."""

import json
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console.templatetags.lists import ident_text
from opsportal.console.text import readable
from requests_app.findings import findings
from requests_app.models import IntelligenceRequest
from tests.factories import delete, log, put, request
from tests.pages import visit
from tests.samples import next_minute
from tests.shapes import derived, few, items, members

WHOLE = {
    **request("x", results={"summary": {"key_findings": ["Finding 1"]}}, errors=["boom"], warnings=["hm"]),
}
PROGRESS = WHOLE["progress"]["M"]
HISTORY = {
    "timestamp": "2024-01-09T15:43:09.250000",
    "old_status": "pending",
    "new_status": "x",
    "message": "m",
}
NESTED = {
    "progress": members(dict.fromkeys(PROGRESS, 1)),
    "config": members(
        {"keywords": ["a"], "sources": [{"name": "FDA", "base_url": "x"}, 5, None], "batch_size": 5}
    ),
    "processing_metadata": members({"status_history": [HISTORY, "failed", None]}),
}
INDEXED = ("user_id", "project_id", "status", "created_at", "priority", "processing_strategy")
ORDERS = ("?range=all", "?outside=1", "?range=all&sort=priority")


def unique(drawn: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[Any]:
    return st.lists(drawn, min_size=1, max_size=3, unique_by=lambda item: item[key]["S"])


@pytest.mark.no_moto  # of pages: see tests/engines.py
@few
@given(drawn=unique(items(WHOLE, "request_id", indexed=INDEXED, nested=NESTED), "request_id"))
def test_any_shape_of_item_is_listed_and_opens(tables: Any, client_for: Any, drawn: Any) -> None:
    table, client = tables["requests"], client_for("viewer")
    put(table, *drawn)
    next_minute()  # statuses seen, and items in no index, are not looked for again before
    lists = [visit(client, f"/requests/{query}") for query in ORDERS]
    rows = {key: row for page in lists for key, row in zip(page.ids, page.rows, strict=True)}
    for item in drawn:
        key = item["request_id"]["S"]
        if {"priority", "processing_strategy"} <= set(item):
            assert key in lists[2].ids
        link = rows[key].one("a", data_row_link=None)
        assert link.text == ident_text(key, 48)
        assert link.words
        page = visit(client, link.attrs["href"])
        assert page.root.one("h1").text.strip() == ident_text(key)
        for url in page.tabs.values():
            assert client.get(url).status_code == 200
    visit(client, "/panels/requests/")
    delete(table, *(item["request_id"]["S"] for item in drawn))


@derived
@given(drawn=items(WHOLE, "request_id", nested=NESTED))
def test_no_shape_breaks_what_is_derived_from_it(drawn: Any) -> None:
    found = IntelligenceRequest.from_item(drawn)
    assert found.id == drawn["request_id"]["S"]
    assert all(finding.sentence for finding in findings(found))
    assert found.elapsed is None or found.elapsed.total_seconds() >= 0
    # Nothing that is there counts as nothing.
    assert (found.results is None) == ("results" not in drawn or "NULL" in drawn["results"]
                                       or drawn["results"] == {"S": "null"})  # fmt: skip
    for name in ("errors", "warnings"):
        there = name in drawn and "NULL" not in drawn[name] and drawn[name] not in ({"L": []}, {"S": ""})
        assert bool(found.messages[name]) == there


LINE = {**log("r", stage="x"), "timestamp": {"S": "2024-01-09T15:43:09.250000"}}


@pytest.mark.no_moto  # of pages: see tests/engines.py
@few
@given(drawn=unique(items(LINE, "log_id", indexed=("request_id", "timestamp")), "log_id"))
def test_any_shape_of_log_line_is_shown_and_downloaded(tables: Any, client_for: Any, drawn: Any) -> None:
    table, client = tables["request_logs"], client_for("viewer")
    drawn = [{**line, "request_id": {"S": "r/1"}} for line in drawn]
    put(table, *drawn)
    url = reverse("requests:logs", args=["r/1"])
    in_index = [line for line in drawn if "timestamp" in line]
    page = visit(client, url, status=200 if in_index else 404)
    shown = page.root.all("div", data_log_line=None)
    assert len(shown) == len(in_index)
    text = visit_text(client, f"{url}?format=txt")
    lines = [json.loads(line) for line in visit_text(client, f"{url}?format=ndjson").split("\n")[:-1]]
    assert {line["log_id"] for line in lines} == {line["log_id"]["S"] for line in in_index}
    for line in in_index:
        message = line.get("message", {}).get("S", "")
        if len(message) < 100:
            assert readable(message) in page.root.text
            assert readable(message).replace("\n", "\n    ") in text
        link = page.root.all("a", class_="log-time")[0].attrs["href"]
        assert link.partition("#")[2] in visit(client, link.partition("#")[0]).html
    delete(table, *(line["log_id"]["S"] for line in drawn))


def visit_text(client: Any, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return bytes(response.getvalue()).decode()
