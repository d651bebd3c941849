"""The merge of partitions: nothing lost, nothing doubled, newest first, whatever the stamps are."""

import threading
from dataclasses import replace

import pytest
from django.core.cache import caches
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.dynamo import clients, merge, pages, sampling, shares
from opsportal.dynamo.errors import MalformedCursor
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.lists import List
from opsportal.dynamo.lookup import Found
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.spending import request_budget
from requests_app.queries import SAMPLED
from tests.dynamo.rows import ids, put_all, request
from tests.samples import forget
from tests.shapes import examples

STATUSES = ["pending", "processing", "FAILED", "completed"]


PADDING = {}


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
                                **PADDING,
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
shares_of = st.dictionaries(st.sampled_from([*STATUSES, "gone"]), st.integers(0, 60))
rows_of = st.lists(st.tuples(st.sampled_from(STATUSES), stamps), max_size=60)


@pytest.mark.no_moto
@hypothesis_settings(
    max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=rows_of, limit=st.integers(1, 20), wrong=shares_of, searched=st.booleans())
def test_pages_hold_every_item_once_newest_first(tables, monkeypatch, drawn, limit, wrong, searched):
    """Also where the last page's shares are another's ({} is a process that read none), and of a search of pages that
    end for their cost."""
    monkeypatch.setattr(pages, "SEARCH_UNITS", 6.0)
    monkeypatch.setattr(merge, "SEARCH_UNITS", 6.0)
    filters = (Clause("priority", "=", ("low",)),) if searched else ()
    table = tables["requests"]
    caches["process"].clear()
    shares.remember(table, table.spec.index("status-index"), STATUSES, wrong)
    client = clients.client(*table.location)
    rows = [(f"r{number}", status, stamp) for number, (status, stamp) in enumerate(drawn)]
    put(table, rows)
    listed = walk(table, limit=limit, filters=filters)
    found = [entry for page in listed for entry in page]
    for key, _, _ in rows:
        client.delete_item(TableName=table.name, Key={"request_id": {"S": key}})
    # One in three has the priority low, see `put`.
    assert sorted(key for key, _ in found) == sorted(key for key, _, _ in (rows[::3] if searched else rows))
    assert [stamp for _, stamp in found] == sorted((stamp for _, stamp in found), reverse=True)
    # No page of a list without a filter ends for want of calls.
    assert searched or all(len(page) == limit for page in listed[:-1])


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


@pytest.mark.no_moto
def test_a_page_costs_a_bounded_number_of_calls_however_many_items_there_are(tables):
    table = tables["requests"]
    put(table, [(f"r{n}", STATUSES[n % 4], f"2026-11-20T10:{n // 60:02}:{n % 60:02}") for n in range(400)])
    with request_budget(None) as spending:
        found = Merge(table, table.spec.index("status-index"), STATUSES, limit=50).page(purpose="x")
    assert len(found.items) == 50
    assert spending.calls <= 2 * len(STATUSES)
    assert spending.read_units > 0


MANY = [f"s{number:02}" for number in range(13)]


class Waves:
    """Calls to the engine as they are sent. The first ones wait for one another, so many as `at_once`."""

    def __init__(self, table, monkeypatch, at_once):
        self.sizes, self.barrier = [], threading.Barrier(at_once)
        self.left, self.lock = at_once, threading.Lock()
        self.events = clients.client(*table.location).meta.events
        gather = merge.gather

        def counted(calls):
            self.sizes.append(len(calls))
            return gather(calls)

        monkeypatch.setattr(merge, "gather", counted)

    def sent(self, **_):
        with self.lock:
            self.left -= 1
            waits = self.left >= 0
        if waits:
            self.barrier.wait(timeout=60)

    def __enter__(self):
        self.events.register("before-send.dynamodb", self.sent)
        return self

    def __exit__(self, *_):
        self.events.unregister("before-send.dynamodb", self.sent)


@pytest.mark.no_moto
def test_a_page_of_many_partitions_waits_at_most_twice_and_reads_little_more_than_it_shows(
    tables, monkeypatch
):
    table = tables["requests"]
    index = table.spec.index("status-index")
    # Six of 13 partitions hold items of about 1.6 KB, one of them most.
    of = [*["s00"] * 14, "s01", "s01", "s02", "s03", "s04", "s05"]
    rows = [(f"r{n:03}", of[n * 7 % 20], f"2026-11-20T1{n // 60}:{n % 60:02}:00") for n in range(300)]
    monkeypatch.setattr("tests.dynamo.test_merge.PADDING", {"padding": {"S": "x" * 1400}})
    put(table, rows)
    newest = [key for key, _, _ in reversed(rows)]

    def page(cursor=""):
        with request_budget(None) as spending:
            found = Merge(table, index, MANY).page(purpose="x", cursor=cursor)
        return [row["request_id"]["S"] for row in found.items], found.cursor, spending

    with Waves(table, monkeypatch, at_once=13) as waves:
        shown, cursor, spending = page()
        assert shown == newest[:50]
        assert len(waves.sizes) <= 2
        assert waves.sizes[0] == 13
        assert spending.calls == sum(waves.sizes) == len(spending.operations) == spending.attempts
        # By what each gave: no top-up, and hardly a row more than is shown.
        waves.sizes.clear()
        again, _, spending = page()
        assert again == shown
        assert waves.sizes == [13]
        assert spending.read_units <= 20
        waves.sizes.clear()
        older, _, spending = page(cursor)
        assert older == newest[50:100]
        assert len(waves.sizes) <= 2
        assert spending.read_units <= 20
        # All wrong: another partition gives everything.
        shares.remember(table, index, MANY, {"s12": 50})
        waves.sizes.clear()
        again, _, _ = page()
        assert again == shown
        assert len(waves.sizes) == 2


@pytest.mark.no_moto
def test_a_search_ends_at_its_read_units_and_goes_on_from_there(tables, monkeypatch):
    table = tables["requests"]
    monkeypatch.setattr("tests.dynamo.test_merge.PADDING", {"padding": {"S": "x" * 8000}})
    monkeypatch.setattr(pages, "SEARCH_UNITS", 20.0)
    monkeypatch.setattr(merge, "SEARCH_UNITS", 20.0)
    put(table, [(f"r{n:03}", STATUSES[n % 4], f"2026-11-20T10:{n // 60:02}:{n % 60:02}") for n in range(200)])
    needle, cursor, covered = (Clause("priority", "=", ("medium",)),), "", "~"
    listing = Merge(table, table.spec.index("status-index"), STATUSES, filters=needle)
    steps = 0
    while True:
        steps += 1
        with request_budget(None) as spending:
            found = listing.page(purpose="x", cursor=cursor)
        assert spending.read_units <= 25
        assert spending.calls <= len(STATUSES) + 4
        if not found.cursor:
            break
        assert found.searched_to < covered
        cursor, covered = found.cursor, found.searched_to
    assert 9 <= steps < 26


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


@pytest.mark.no_moto
def test_a_list_keeps_what_no_expression_can_hold_wherever_it_reads(tables, monkeypatch):
    """From the index and the sample of what is outside it, from a sample that is the whole table, and by Scans."""
    for module in (pages, merge):
        monkeypatch.setattr(module, "SEARCH_UNITS", 3.0)
    table, client = tables["requests"], clients.client(*tables["requests"].location)
    items = [request(number, STATUSES[number % 4]) for number in range(60)]
    for item in items[::5]:
        del item["status" if "0" in item["request_id"]["S"][-1] else "created_at"]
    put_all(table, items)
    odd = {id for id in ids(items) if int(id[1:]) % 3 == 1}
    outside = odd & set(ids(items[::5]))
    assert len(outside) == 4

    def keep(item):
        return item["request_id"]["S"] in odd

    def shown(listing, read):
        found, cursor, calls = [], "", 0
        while cursor or not calls:
            calls += 1
            page = read(listing, cursor)
            found += ids(page.items)
            cursor = page.cursor
        return found

    def paged(listing, cursor):
        return listing.page(purpose="test", cursor=cursor)

    unindexed = Found(None, "There is none.")
    without = replace(SAMPLED, found=lambda: unindexed)
    for spec, found, max_rows in (
        (SAMPLED, SAMPLED.found(), 2_000),
        (without, unindexed, 2_000),
        (without, unindexed, 5),
    ):
        monkeypatch.setattr(sampling, "MAX_ROWS", max_rows)
        forget()
        caches["process"].clear()
        listing = List(spec, found, STATUSES, keep=keep, limit=7)
        assert sorted(shown(listing, paged)) == sorted(odd)
        assert sorted(id for walked in listing.walk() for id in ids(walked.items)) == sorted(odd)
        if found.index:
            only = shown(listing, lambda listed, cursor: listed.outside(purpose="test", cursor=cursor))
            assert sorted(only) == sorted(outside)
            # The sample is a minute old, what is chosen by it is as it is now.
            moved = sorted(outside)[0]
            client.update_item(
                TableName=table.name, Key={"request_id": {"S": moved}},
                UpdateExpression="SET user_id = :n", ExpressionAttributeValues={":n": {"S": "maria"}},
            )  # fmt: skip
            untouched = replace(listing, keep=lambda item: keep(item) and "user_id" not in item)
            assert sorted(shown(untouched, paged)) == sorted(odd - {moved})
