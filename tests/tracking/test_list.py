"""The list of workflows: what it finds, with the index and without, and that it always comes to an end."""

from datetime import timedelta
from typing import Any

import pytest

from opsportal.dynamo import clients, pages, sampling
from tests.engines import fresh_tables
from tests.factories import MISSING, ago, put, step, workflow, zulu
from tests.pages import Page, visit


def ids(client: Any, query: str) -> list[str]:
    return visit(client, f"/workflows/{query}").ids


def walk(client: Any, url: str, most: int = 30) -> list[Page]:
    """Every page from `url` on."""
    found = []
    while url:
        found.append(visit(client, url))
        url = found[-1].next_url
        assert len(found) < most, "the list does not end"
    return found


ITEMS = {
    "new": {"overallStatus": "processing", "createdAt": zulu(ago(minutes=10))},
    "hours": {"overallStatus": "Completed", "createdAt": zulu(ago(hours=5)), "sourceType": "COUNTERPARTY"},
    "days": {"overallStatus": "failed", "createdAt": zulu(ago(days=3)), "documentId": "needle.pdf"},
    "weeks": {"overallStatus": "FAILED", "createdAt": zulu(ago(days=20)), "correlationId": "corr-needle"},
    "months": {"overallStatus": "odd one", "createdAt": zulu(ago(days=200))},
    "still": {"createdAt": zulu(ago(days=2)), "lastUpdated": zulu(ago(days=1)), "pdfAdapter": MISSING},
    "left": {"overallStatus": "PENDING", "createdAt": zulu(ago(days=15)), "lastUpdated": MISSING, "pdfAdapter": MISSING},
    "lost": {"overallStatus": "completed", "createdAt": zulu(ago(hours=6)), "pdfAdapter": step("error", error="Boom")},
}  # fmt: skip
DAYS = ["new", "hours", "lost", "still", "days"]
QUERIES = [
    ("", DAYS),
    ("?range=1h", ["new"]),
    ("?range=24h", ["new", "hours", "lost"]),
    ("?range=30d", [*DAYS, "left", "weeks"]),
    ("?range=all", [*DAYS, "left", "weeks", "months"]),
    ("?range=nonsense", DAYS),
    ("?stuck=1", ["still"]),
    ("?stuck=1&range=30d", ["still", "left"]),
    ("?stuck=1&range=30d&status=pending", ["left"]),
    ("?stuck=1&range=24h", []),
    ("?stuck=1&q=stil", ["still"]),
    ("?attention=1&status=completed", ["lost"]),
    ("?attention=1&stuck=1&range=30d", ["still", "left"]),
    ("?range=all&status=failed", ["days", "weeks"]),
    ("?range=all&status=completed", ["hours", "lost"]),
    ("?range=all&status=odd+one", ["months"]),
    ("?range=all&status=nobody", []),
    ("?range=all&source=COUNTERPARTY", ["hours"]),
    ("?range=all&q=needle", ["days", "weeks"]),
    ("?range=all&q=eek", ["weeks"]),
    ("?range=all&q=needle&status=failed&source=BANK", ["days", "weeks"]),
    ("?from=2999-01-01T00:00", []),
    ("?from=2999-01-01T00:00&to=2000-01-01T00:00", []),
    (f"?from={ago(days=4):%Y-%m-%dT%H:%M}&to={ago(days=2, hours=1):%Y-%m-%dT%H:%M}", ["days"]),
    (f"?to={ago(days=2, hours=1):%Y-%m-%dT%H:%M}", ["days", "left", "weeks", "months"]),
]


@pytest.mark.parametrize("index", [True, False])
def test_filters_find_the_same_with_the_index_and_without(
    index: bool, engine: Any, settings: Any, client_for: Any
) -> None:
    with fresh_tables(engine, settings, workflow_index=index) as tables:
        assert_filters_find(tables, client_for("viewer"), index=index)


def assert_filters_find(tables: Any, client: Any, *, index: bool) -> None:
    put(tables["workflows"], *(workflow(name, **values) for name, values in ITEMS.items()))
    for query, expected in QUERIES:
        page = visit(client, f"/workflows/{query}")
        assert page.ids == expected, query
        assert page.root.all("section", data_empty="no_match") == [] or not expected
        reading = page.root.one("div", class_="reading").words
        assert reading.startswith(f"{len(expected)} shown")
        if index:
            # Every item is in the index: no word of what is not.
            assert "sample" not in reading
            assert "in no index" not in page.words
            assert "Query overallStatus-createdAt-index" in reading
            # Nobody chose a status: all partitions are read, the undocumented one too.
            every = "status=" not in query and "stuck=" not in query
            assert ("odd one" in page.partitions) == (every or "odd" in query)
        elif "2999" not in query or "2000" not in query:
            assert "The minute's sample" in reading
            assert "no index on overallStatus and createdAt" in page.words


def test_without_the_index_a_page_scans_a_part_and_goes_on_to_the_end(
    tables_without_index: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, client = tables_without_index["workflows"], client_for("viewer")
    monkeypatch.setattr(sampling, "MAX_ROWS", 100)  # the sample does not hold the whole table
    made = [
        workflow(createdAt=MISSING if number % 7 == 0 else zulu(ago(minutes=number))) for number in range(130)
    ]
    put(table, *made, workflow("needle", documentId="needle.pdf"))
    everything = walk(client, "/workflows/")
    found = [key for page in everything for key in page.ids]
    assert len(found) == len(set(found)) == 131
    assert [len(page.ids) for page in everything] == [50, 50, 31]
    for page in everything:
        # Newest first within the page; what has no time is shown, and comes last.
        times = [
            row.all("td")[3].one("time").attrs["datetime"]
            for row in page.rows
            if row.all("td")[3].all("time")
        ]
        assert times == sorted(times, reverse=True)
        assert page.response.wsgi_request.spending.calls <= 5 + 2
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 10)
    search = walk(client, "/workflows/?q=needle.pdf")
    assert [key for page in search for key in page.ids] == ["needle"]
    empty = next(page for page in search if not page.ids and page.next_url)
    assert empty.empty.attrs["data-empty"] == "not_searched_far"
    assert "not everything was searched" in empty.words
    assert "Search on" in empty.words
    assert all(page.response.wsgi_request.spending.calls <= 5 + 3 for page in search)


@pytest.mark.no_moto  # which reads its whole table with every query
def test_a_page_of_a_large_table_costs_a_bounded_number_of_calls(tables: Any, client_for: Any) -> None:
    begin = ago(hours=3)
    statuses = ("processing", "completed", "failed", "FAILED", "loading")
    put(
        tables["workflows"],
        *(
            workflow(
                f"w{number:03}",
                overallStatus=statuses[number % 5],
                createdAt=zulu(begin + timedelta(seconds=number // 3)),
                pdfAdapter=step(),
            )
            for number in range(300)
        ),
    )
    client = client_for("viewer")
    found = []
    for page in walk(client, "/workflows/?range=24h"):
        assert page.chips == []
        assert "range=24h" in (page.next_url or "range=24h")
        found += page.ids
        spending = page.response.wsgi_request.spending
        # The partitions: six documented, two seen. One call each, a few more to fill up, the first page's
        # skip-scan and DescribeTable.
        assert spending.calls <= 8 + 8 + 7
        calls, units = page.cost
        assert calls == spending.calls == len(spending.operations)
        assert float(units) == float(spending.read_units) > 0
    assert len(found) == 300
    assert found == sorted(found, key=lambda key: int(key[1:]) // 3, reverse=True)
    assert sorted(found) == [f"w{number:03}" for number in range(300)]


def test_a_full_id_opens_its_item_and_a_part_of_it_is_searched(tables: Any, client_for: Any) -> None:
    keys = ["plain-1", " lead", "a/b?c=d#e%2F%", "\u00fc" * 1024, "line\nbreak"]
    put(tables["workflows"], *(workflow(key) for key in keys))
    client = client_for("viewer")
    for key in keys:
        answer = client.get("/workflows/", {"q": key})
        assert answer.status_code == 302
        assert visit(client, answer.url).root.one("h1").words
    assert client.get("/workflows/", {"q": " plain-1 "}).url == "/workflows/plain-1/"
    assert ids(client, "?q=lain-") == ["plain-1"]
    # A refresh of a list stays on the list, though its text has become an id meanwhile.
    refresh = client.get("/workflows/?q=plain-1", headers={"HX-Request": "true"})
    assert refresh.status_code == 200
    assert b"data-row" in refresh.content


def test_items_outside_the_index_are_reachable(tables: Any, client_for: Any) -> None:
    put(
        tables["workflows"],
        workflow("inside"),
        workflow("no-status", overallStatus=MISSING, createdAt=zulu(ago(hours=2))),
        workflow("no-time", createdAt=MISSING),
        {"sessionId": {"S": "nothing-else"}},
    )
    client = client_for("viewer")
    page = visit(client, "/workflows/?range=all")
    # By creation, else by the last update, and last what has no time.
    assert page.ids == ["no-time", "inside", "no-status", "nothing-else"]
    assert page.words.count("no createdAt") == 2
    link = next(a.attrs["href"] for a in page.root.all("a") if "outside" in a.attrs["href"])
    outside = visit(client, link)
    assert sorted(outside.ids) == ["no-status", "no-time", "nothing-else"]
    assert "the minute's sample: " in outside.root.one("div", class_="reading").words
    assert "Scan" not in outside.response.wsgi_request.spending.operations
    assert "no status" in outside.words


def test_an_index_of_another_name_is_found_and_one_that_is_not_usable_is_not(
    tables_without_index: Any, client_for: Any
) -> None:
    table, client = tables_without_index["workflows"], client_for("viewer")
    dynamo = clients.client(*table.location)
    index = table.spec.indexes[0].definition() | {"IndexName": "by-state"}
    dynamo.update_table(
        TableName=table.name,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("overallStatus", "createdAt")
        ],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )
    put(table, workflow("indexed"))
    page = visit(client, "/workflows/")
    assert page.ids == ["indexed"]
    assert "Query by-state" in page.root.one("div", class_="reading").words
