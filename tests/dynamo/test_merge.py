"""The merge of partitions: nothing lost, nothing doubled, newest first, whatever the stamps are."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.dynamo import clients, merge
from opsportal.dynamo.errors import MalformedCursor
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.spending import request_budget

STATUSES = ["pending", "processing", "FAILED", "completed"]


def put(table, rows):
    client = clients.client(*table.location)
    for at in range(0, len(rows), 25):
        client.batch_write_item(
            RequestItems={
                table.name: [
                    {
                        "PutRequest": {
                            "Item": {
                                "request_id": {"S": key},
                                "status": {"S": status},
                                "created_at": {"S": stamp},
                                "priority": {"S": "high" if number % 3 else "low"},
                                "processing_strategy": {"S": "table"},
                            }
                        }
                    }
                    for number, (key, status, stamp) in enumerate(rows[at : at + 25], at)
                ]
            }
        )


def walk(table, *, limit=10, filters=(), span=None, most=200, between=None):
    """Every page of the list, as lists of (id, stamp)."""
    pages, cursor = [], ""
    for _ in range(most):
        found = Merge(
            table,
            table.spec.index("status-index"),
            STATUSES,
            limit=limit,
            filters=filters,
            span=span,
            projection=["request_id"],
        ).page(purpose="test", cursor=cursor)
        pages.append([(row["request_id"]["S"], row["created_at"]["S"]) for row in found.items])
        cursor = found.cursor
        if not cursor:
            return pages
        if between:
            between()
    raise AssertionError("the list does not end")


stamps = st.integers(0, 12).map(lambda hour: f"2026-11-20T{hour:02}:00:00")
rows_of = st.lists(st.tuples(st.sampled_from(STATUSES), stamps), max_size=60)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=rows_of, limit=st.integers(1, 20))
def test_pages_hold_every_item_once_newest_first(tables, drawn, limit):
    table = tables["requests"]
    client = clients.client(*table.location)
    rows = [(f"r{number}", status, stamp) for number, (status, stamp) in enumerate(drawn)]
    put(table, rows)
    found = [entry for page in walk(table, limit=limit) for entry in page]
    for key, _, _ in rows:
        client.delete_item(TableName=table.name, Key={"request_id": {"S": key}})
    assert sorted(key for key, _ in found) == sorted(key for key, _, _ in rows)
    assert [stamp for _, stamp in found] == sorted((stamp for _, stamp in found), reverse=True)


def test_more_items_of_one_stamp_than_a_cursor_can_name_are_all_found(tables):
    table = tables["requests"]
    rows = [(f"r{number}", STATUSES[number % 2], "2026-11-20T10:00:00") for number in range(330)]
    put(table, [*rows, ("older", "pending", "2026-11-20T09:00:00")])
    pages = walk(table, limit=40)
    found = [key for page in pages for key, _ in page]
    assert len(found) == len(set(found)) == 331
    assert found[-1] == "older"


def test_an_item_that_moves_between_partitions_is_neither_lost_nor_doubled(tables):
    table = tables["requests"]
    client = clients.client(*table.location)
    rows = [(f"r{number:02}", "pending", f"2026-11-20T10:{number:02}:00") for number in range(30)]
    put(table, rows)
    moving = iter(range(0, 30, 2))

    def move():
        for _ in range(5):
            number = next(moving, None)
            if number is not None:
                put(table, [(f"r{number:02}", "completed", f"2026-11-20T10:{number:02}:00")])

    found = [key for page in walk(table, limit=7, between=move) for key, _ in page]
    assert found == [f"r{number:02}" for number in reversed(range(30))]
    assert client.get_item(TableName=table.name, Key={"request_id": {"S": "r00"}})["Item"]["status"] == {
        "S": "completed"
    }


def test_a_page_costs_a_bounded_number_of_calls_however_many_items_there_are(tables):
    table = tables["requests"]
    put(table, [(f"r{n}", STATUSES[n % 4], f"2026-11-20T10:{n // 60:02}:{n % 60:02}") for n in range(400)])
    with request_budget(None) as spending:
        found = Merge(table, table.spec.index("status-index"), STATUSES, limit=50).page(purpose="x")
    assert len(found.items) == 50
    assert spending.calls <= 2 * len(STATUSES)
    assert spending.read_units > 0


def test_a_filter_that_no_index_serves_says_how_far_it_searched_and_goes_on(tables, monkeypatch):
    monkeypatch.setattr(merge, "FILTERED_CHUNK", 10)
    table = tables["requests"]
    put(table, [(f"r{n}", "pending", f"2026-11-20T10:{n // 60:02}:{n % 60:02}") for n in range(240)])
    needle = (Clause("priority", "=", ("medium",)),)
    listing = Merge(table, table.spec.index("status-index"), STATUSES, limit=50, filters=needle)
    first = listing.page(purpose="x")
    assert (first.items, first.complete) == ([], False)
    assert first.searched_to.startswith("2026-11-20T10:0")
    assert first.cursor
    assert walk(table, limit=50, filters=needle)[-1] == []
    lows = [
        key for page in walk(table, limit=5, filters=(Clause("priority", "=", ("low",)),)) for key, _ in page
    ]
    assert len(lows) == len(set(lows)) == 80


def test_rows_that_came_later_are_counted_and_left_out(tables):
    table = tables["requests"]
    put(table, [(f"r{n:03}", STATUSES[n % 4], f"2026-11-20T10:00:{n:02}") for n in range(30)])
    listing = Merge(table, table.spec.index("status-index"), STATUSES, limit=10)
    page = listing.page(purpose="x", anchor="2026-11-20T10:00:19")
    assert (page.newer, page.newer_more) == (10, False)
    assert [row["request_id"]["S"] for row in page.items] == [f"r{n:03}" for n in range(19, 9, -1)]


def test_very_many_later_rows_do_not_empty_the_list(tables):
    table = tables["requests"]
    put(table, [(f"r{n:03}", STATUSES[n % 4], f"2026-11-20T1{n // 60}:00:{n % 60:02}") for n in range(200)])
    page = Merge(table, table.spec.index("status-index"), STATUSES, limit=10).page(
        purpose="x", anchor="2026-11-20T10:00:19"
    )
    assert (page.newer, page.newer_more) == (merge.MAX_NEWER, True)
    assert [row["request_id"]["S"] for row in page.items] == [f"r{n:03}" for n in range(19, 9, -1)]


def test_a_span_bounds_the_list_and_an_empty_one_reads_nothing(tables):
    table = tables["requests"]
    put(table, [(f"r{n}", "pending", f"2026-11-20T10:00:{n:02}") for n in range(20)])
    span = Span("2026-11-20T10:00:05", "2026-11-20T10:00:09")
    assert [key for page in walk(table, limit=2, span=span) for key, _ in page] == [
        "r9",
        "r8",
        "r7",
        "r6",
        "r5",
    ]
    assert walk(table, span=Span("2026-11-20T12", "2026-11-20T11")) == [[]]


def test_a_cursor_of_another_list_or_changed_is_refused(tables):
    table = tables["requests"]
    put(table, [(f"r{n}", "pending", f"2026-11-20T10:00:{n:02}") for n in range(20)])
    listing = Merge(table, table.spec.index("status-index"), STATUSES, limit=5)
    cursor = listing.page(purpose="mine").cursor
    with pytest.raises(MalformedCursor):
        listing.page(purpose="another", cursor=cursor)
    with pytest.raises(MalformedCursor):
        listing.page(purpose="mine", cursor=cursor[:-2] + "xx")
