"""The list of requests: every filter, both orders, paging, and that no request falls out of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsportal.dynamo import pages
from tests.cases import each
from tests.factories import MISSING, ago, naive, put, request
from tests.pages import Page, visit

ITEMS = {
    "r-new": {"status": "pending", "priority": "low", "user_id": "ann", "created_at": naive(ago(minutes=10))},
    "r-urgent": {"status": "FAILED", "priority": "urgent", "user_id": "bob", "processing_strategy": "sqs",
                 "created_at": naive(ago(hours=5))},
    "r-high": {"status": "completed", "priority": "high", "user_id": "ann", "project_id": "p/2?",
               "created_at": naive(ago(days=2))},
    "r-medium": {"status": "failed", "priority": "medium", "request_type": "other", "processing_strategy": "sqs",
                 "created_at": naive(ago(days=3))},
    "r-HIGH": {"status": "executing", "priority": "HIGH", "user_id": "cem", "created_at": naive(ago(days=20))},
    "r-batch": {"status": "processing", "priority": "low", "processing_strategy": "batch",
                "created_at": naive(ago(days=4))},
    "r-none": {"status": "cancelled", "priority": MISSING, "created_at": naive(ago(days=5))},
}  # fmt: skip
TIME = ["r-new", "r-urgent", "r-high", "r-medium", "r-batch", "r-none", "r-HIGH"]
PRIORITY = ["r-HIGH", "r-high", "r-medium", "r-batch", "r-new", "r-urgent"]
QUERIES = [
    ("", TIME[:-1]),
    ("?range=all", TIME),
    ("?range=1h", ["r-new"]),
    ("?range=24h", ["r-new", "r-urgent"]),
    ("?range=nonsense&sort=nonsense", TIME[:-1]),
    (f"?from={ago(days=4, hours=1):%Y-%m-%dT%H:%M}&to={ago(days=2, hours=1):%Y-%m-%dT%H:%M}", ["r-medium", "r-batch"]),
    ("?from=0001-01-01T00:00&to=9999-12-31T23:59", TIME),
    ("?from=2026-13-45&to=yesterday", TIME[:-1]),
    ("?from=2999-01-01T00:00&to=2000-01-01T00:00", []),
    ("?from=2999-01-01T00:00&to=2000-01-01T00:00&sort=priority", []),
    ("?range=all&status=failed", ["r-urgent", "r-medium"]),
    ("?range=all&status=FAILED", ["r-urgent", "r-medium"]),
    ("?range=all&status=pending", ["r-new"]),
    ("?range=all&status=nobody", []),
    ("?range=all&user=ann", ["r-new", "r-high"]),
    ("?range=24h&user=ann", ["r-new"]),
    ("?range=all&user=ann&status=completed", ["r-high"]),
    ("?range=all&project=p%2F2%3F", ["r-high"]),
    ("?range=all&project=p%2F2%3F&user=ann&type=semaglutide_intelligence", ["r-high"]),
    ("?range=all&project=p%2F2%3F&user=bob", []),
    ("?range=all&type=other", ["r-medium"]),
    ("?range=all&strategy=sqs&sort=newest", ["r-urgent", "r-medium"]),
    ("?range=all&strategy=sqs", ["r-medium", "r-urgent"]),
    ("?range=all&strategy=batch", ["r-batch"]),
    ("?range=all&strategy=nobody", []),
    ("?range=all&strategy=nobody&priority=nobody", []),
    ("?range=all&priority=high", ["r-HIGH", "r-high"]),
    ("?range=all&priority=urgent", ["r-urgent"]),
    ("?range=all&priority=nobody", []),
    ("?range=all&priority=low&strategy=table", ["r-new"]),
    ("?range=all&priority=low&status=pending", ["r-new"]),
    ("?range=all&sort=priority", [*PRIORITY, "r-none"]),
    ("?range=24h&sort=priority", ["r-new", "r-urgent"]),
    ("?range=all&sort=priority&status=failed", ["r-medium", "r-urgent"]),
    ("?range=all&sort=priority&type=other&status=failed&strategy=sqs", ["r-medium"]),
    ("?range=all&sort=priority&user=ann", ["r-new", "r-high"]),
    ("?range=all&q=urg", ["r-urgent"]),
    ("?range=all&q=-h", ["r-high"]),
    ("?range=all&q=cem", ["r-HIGH"]),
    ("?range=all&q=r-&user=ann&priority=high", ["r-high"]),
    ("?range=all&q=igh&sort=priority", ["r-high"]),
    ("?range=all&user=" + "\U0001f680" * 3000, []),
    ("?range=all&status=" + "\u00fc" * 3000, []),
    ("?range=all&priority=" + "k" * 2048, []),
    ("?range=all&q=%ED%A0%80%00", []),
]  # fmt: skip


def test_every_filter_order_and_range_finds_what_it_says(tables: Any, client_for: Any) -> None:
    put(tables["requests"], *(request(name, **values) for name, values in ITEMS.items()))
    client = client_for("viewer")
    for query, expected in QUERIES:
        page = visit(client, f"/requests/{query}")
        # Within one priority and strategy there is no order.
        assert page.ids == expected, query
        assert bool(page.root.all("section", data_empty="no_match")) == (not expected)
        assert page.root.one("div", class_="reading").words.startswith(f"{len(expected)} shown")
        assert page.response.wsgi_request.spending.calls <= 45


def test_an_undocumented_status_and_priority_are_in_every_list_they_belong_to(
    tables: Any, client_for: Any
) -> None:
    put(
        tables["requests"],
        request("documented"),
        request("odd", status="FAILED", priority="urgent", processing_strategy="table"),
    )
    client = client_for("viewer")
    everything = visit(client, "/requests/")
    assert sorted(everything.ids) == ["documented", "odd"]
    assert everything.partitions == [
        "pending", "processing", "executing", "completed", "failed", "cancelled", "FAILED",
    ]  # fmt: skip
    assert next(iter(everything.tabs)) == "All"
    # Spellings share a tab, written as the items have it.
    assert list(everything.tabs)[1:] == [
        "pending", "processing", "executing", "completed", "FAILED", "cancelled",
    ]  # fmt: skip
    tab = visit(client, everything.tabs["FAILED"])
    assert (tab.ids, tab.current_tab) == (["odd"], "FAILED")
    assert tab.chips == ["Status FAILEDRemove"] or tab.chips == ["Status FAILED"]
    by_priority = visit(client, "/requests/?sort=priority")
    assert by_priority.ids == ["documented", "odd"]
    labels = by_priority.partitions
    assert labels[:2] == ["high · sqs", "high · table"]
    assert labels[-1] == "urgent · table"
    assert "Ordered by priority (high, medium, low, others)" in by_priority.words
    assert "Of one user or project" in visit(client, "/requests/?sort=priority&user=test-user-123").words


def walk(client: Any, url: str, most: int = 12) -> list[Page]:
    found = []
    while url:
        found.append(visit(client, url))
        url = found[-1].next_url
        assert len(found) < most, "the list does not end"
    return found


PRIORITIES = ("low", "high", "medium", "urgent")
RANKED = ("high", "medium", "low", "urgent")
# (query, what a link to the next page must keep, the index read, which numbers are in it).
PAGED: list[tuple[str, str, str, Callable[[int], bool]]] = [
    ("range=24h", "range=24h", "status-index", lambda n: True),
    ("range=24h&status=failed", "status=failed", "status-index", lambda n: n % 3 > 0),
    ("user=u1&range=24h", "user=u1", "user-index", lambda n: n % 2 == 1),
    ("project=p&type=a+b", "type=a", "project-index", lambda n: n % 2 == 1),
    ("sort=priority&range=all", "sort=priority", "strategy-index", lambda n: True),
    ("strategy=table&q=r0&range=all", "q=r0", "strategy-index", lambda n: n < 100),
    ("outside=1", "outside=1", "The minute's sample", lambda n: n % 5 % 2 == 0),
]


STILL = {"updated_at": naive(ago(days=3, minutes=5)), "started_at": None, "progress": None}
OLD = {"created_at": naive(ago(days=4)), **STILL}
TROUBLES = {
    "left": {"status": "executing", "errors": ["Boom"], "user_id": "ann", **OLD},
    "waits": {"status": "PENDING", "priority": "low", **OLD},
    "weeks": {"status": "pending", **OLD, "created_at": naive(ago(days=20))},
    "broke": {"status": "failed", "errors": ["Boom"], **OLD},
    "silent": {"status": "failed", **OLD},
    "odd": {"status": "completed", **OLD, "progress": {"percentage": 130}},
    "unknown": {"status": "somewhere", **OLD},
    "done": {"status": "completed", **OLD},
    "runs": {"status": "executing", "created_at": naive(ago(hours=3))},
    "undated": {"status": "pending", "created_at": MISSING, **STILL},
    "fresh": {"status": "pending", "created_at": MISSING, "started_at": None, "progress": None},
}  # fmt: skip
STUCK = ["undated", "left", "waits"]


def test_the_list_says_what_is_wrong_and_shows_only_that_where_it_is_asked_to(
    tables: Any, client_for: Any
) -> None:
    put(tables["requests"], *(request(name, **values) for name, values in TROUBLES.items()))
    client = client_for("operator")
    page = visit(client, "/requests/?range=30d")
    said = {key: row.one("td", class_="is-error").words for key, row in zip(page.ids, page.rows, strict=True)}
    outside = "The item has no created_at text, so it is in no list by time."
    assert said == {
        "left": "No update for 3 d 0 h.",
        "waits": "No worker has taken it for 3 d 0 h.",
        "weeks": "No worker has taken it for 3 d 0 h.",
        "broke": "Boom",
        "silent": "Failed, but no error was recorded.",
        "odd": "The progress says 130 %, which is not between 0 and 100 %.",
        "unknown": "", "done": "", "runs": "",
        "undated": "No worker has taken it for 3 d 0 h.",
        "fresh": outside,
    }  # fmt: skip
    for query, expected in {
        "stuck=1": STUCK,
        "stuck=1&range=30d": [*STUCK, "weeks"],
        "stuck=1&range=1h": [],
        "stuck=1&status=pending": ["undated", "waits"],
        "stuck=1&status=completed": [],
        "stuck=1&user=ann": ["left"],
        "stuck=1&priority=low": ["waits"],
        "stuck=1&priority=low&sort=priority": ["waits"],
        "stuck=1&sort=priority": STUCK,
        "attention=1": [key for key, words in said.items() if words and key != "weeks"],
        "attention=1&stuck=1": STUCK,
        "stuck=0&attention=false": [key for key in page.ids if key != "weeks"],
    }.items():
        found = visit(client, f"/requests/?{query}")
        assert sorted(found.ids) == sorted(expected), query
        if "stuck=1" in query and "user" not in query and "sort" not in query and "status" not in query:
            assert set(found.partitions) == {"pending", "PENDING", "processing", "executing"}, query
        assert found.response.wsgi_request.spending.calls <= 40
    # The filters show whether they are on, and lead to the other state; the others stay.
    shown = visit(client, "/requests/?stuck=1&status=pending")
    stuck, attention = shown.root.one("nav", class_="toggles").all("a")
    assert (stuck.words, stuck.attrs["href"], stuck.attrs.get("aria-current")) == (
        "Stuck", "/requests/?status=pending", "true",
    )  # fmt: skip
    assert (attention.words, attention.attrs.get("aria-current")) == ("Needs attention", None)
    assert "stuck=1" in attention.attrs["href"]
    assert "attention=1" in attention.attrs["href"]
    assert shown.chips == ["Status pendingRemove"] or shown.chips == ["Status pending"]
    assert "status pending, stuck, last 7 days" in shown.words


def test_pages_hold_every_request_once_keep_the_filter_and_cost_little(tables: Any, client_for: Any) -> None:
    begin, statuses, many = ago(hours=6), ("pending", "failed", "FAILED"), 130
    made = [
        request(
            f"r{number:03}",
            status=statuses[number % 3],
            priority=PRIORITIES[number % 4],
            user_id=f"u{number % 2}",
            project_id="p",
            request_type="a b" if number % 2 else "c",
            created_at=naive(begin + timedelta(seconds=number // 4)) if number % 5 % 2 else MISSING,
        )
        for number in range(many)
    ]
    put(tables["requests"], *made)
    client = client_for("viewer")
    for query, parameter, index, expected in PAGED:
        found = walk(client, f"/requests/?{query}")
        keys = [key for page in found for key in page.ids]
        assert sorted(keys) == [f"r{number:03}" for number in range(many) if expected(number)], query
        for page in found:
            assert page.next_url == "" or parameter in page.next_url
            assert index in page.root.one("div", class_="reading").words
            spending = page.response.wsgi_request.spending
            assert spending.calls <= 25
            assert page.cost[0] == spending.calls
            assert float(page.cost[1]) == float(spending.read_units)
            assert spending.read_units > 0
            if index != "strategy-index":  # at the end of which the others come
                assert "the minute's sample: " in page.root.one("div", class_="reading").words
        if parameter == "sort=priority":
            ranks = [RANKED.index(PRIORITIES[int(key[1:]) % 4]) for key in keys]
            assert ranks == sorted(ranks)
        elif index in ("status-index", "user-index", "project-index"):
            # What has no created_at stands by its last update, which is later.
            dated = [key for key in keys if int(key[1:]) % 5 % 2]
            assert dated == sorted(dated, key=lambda key: -(int(key[1:]) // 4))
            assert keys[-len(dated) :] == dated
        if len(found) > 1:
            first = found[1].root.one("a", rel="first").attrs["href"]
            assert visit(client, first).ids == found[0].ids


@each("query", ["", "?sort=priority", "?outside=1", "?user=u"])
@pytest.mark.no_moto
def test_a_cursor_that_is_not_this_lists_is_a_page_that_says_so(
    tables: Any, client_for: Any, query: str
) -> None:
    client = client_for("viewer")
    put(tables["requests"], *(request() for _ in range(60)))
    stolen = visit(client, "/requests/?status=processing").next_url.partition("cursor=")[2]
    for cursor in ("x", "e30:1abc:xyz", "\u00e9", "9" * 4000, stolen[:-3], stolen):
        page = visit(client, f"/requests/{query or '?'}&cursor={cursor}", status=400)
        assert page.problem.attrs["data-problem"] == "malformed_cursor"
        assert "Start from the first page" in page.words
    fragment = client.get(f"/requests/{query or '?'}&cursor=x", headers={"HX-Request": "true"})
    assert fragment.status_code == 400
    assert b"<html" not in fragment.content


def test_a_search_says_how_far_it_got_and_goes_on(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.dynamo.merge.FILTERED_CHUNK", 10)
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 10)
    begin = ago(hours=6)
    made = [request(f"r{n:03}", created_at=naive(begin + timedelta(seconds=n))) for n in range(200)]
    put(tables["requests"], *made, request("zz-needle", created_at=naive(begin - timedelta(hours=1))))
    client = client_for("viewer")
    for query in ("?q=needl", "?q=needl&sort=priority"):
        first = visit(client, f"/requests/{query}")
        if not first.ids:  # by priority the order within one priority is the engine's own
            assert first.empty.attrs["data-empty"] == "not_searched_far"
            assert "not everything was searched" in first.words
            assert "searched to 20" in first.words or "sort" in query
        assert first.next_url
        assert [key for page in walk(client, f"/requests/{query}", most=40) for key in page.ids] == [
            "zz-needle"
        ]


def test_a_full_id_opens_its_request_and_the_outside_is_reachable(tables: Any, client_for: Any) -> None:
    put(
        tables["requests"],
        request("a/b?c#%2F \U0001f680"),
        request("no-status", status=MISSING),
        request("no-time", created_at=MISSING, priority="low"),
        {"request_id": {"S": "bare"}},
    )
    client = client_for("viewer")
    answer = client.get("/requests/", {"q": "a/b?c#%2F \U0001f680", "status": "failed"})
    assert answer.status_code == 302
    assert visit(client, answer.url).root.one("h1").words == "a/b?c#%2F \U0001f680"
    page = visit(client, "/requests/?range=all&user=x")
    link = next(a.attrs["href"] for a in page.root.all("a") if "outside" in a.attrs["href"])
    outside = visit(client, link)
    assert sorted(outside.ids) == ["bare", "no-status", "no-time"]
    for url in outside.links:
        assert visit(client, url).findings
    # By priority the ones without a time are listed too.
    assert visit(client, "/requests/?range=all&sort=priority").ids == [
        "a/b?c#%2F \U0001f680",
        "no-status",
        "no-time",
        "bare",
    ]
    assert visit(client, "/requests/?range=all").ids[-1] == "bare"


def test_cells_filter_on_click_and_chips_take_the_filter_away(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("one", user_id="u&x=1", project_id="p q"), request("two", user_id="v"))
    client = client_for("viewer")
    page = visit(client, "/requests/?range=24h")
    row = next(row for row in page.rows if "u&x=1" in row.words)
    links = {a.attrs.get("title", ""): a.attrs["href"] for a in row.all("a", class_="cell-filter")}
    for title in ("Only this user", "Only this project"):
        found = visit(client, links[title])
        assert found.ids == ["one"]
        assert len(found.chips) == 1
        assert visit(client, found.root.one("a", class_="filter-chip").attrs["href"]).ids == page.ids
    assert (
        visit(client, links["Only this user"]).root.one("input", id="filter-user").attrs["value"] == "u&x=1"
    )
