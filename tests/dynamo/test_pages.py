"""Pages that no merge makes: every item once, a bounded number of calls, and a way to go on."""

from collections.abc import Callable
from typing import Any

import pytest

from opsportal.dynamo import cursors, pages
from opsportal.dynamo.errors import AccessDenied, IndexMissing, MalformedCursor
from opsportal.dynamo.expressions import AnyOf, Clause, Expressions, Filter
from opsportal.dynamo.pages import SEARCH_CALLS, Page, Part, scan_page, sequence_page, stream
from opsportal.dynamo.reads import items_of
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, Index
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.rows import ids, put_all, request

STRATEGY = Index("strategy-index", "processing_strategy", "priority")


@pytest.fixture
def table(tables: dict[str, Binding]) -> Binding:
    return tables["requests"]


def walk(page_at: Callable[[str], Page], *, most: int = 100) -> list[Page]:
    """Every page from the first on."""
    found, cursor = [], ""
    for _ in range(most):
        found.append(page_at(cursor))
        cursor = found[-1].cursor
        if not cursor:
            return found
    raise AssertionError("the list does not end")


def part(strategy: str, priority: str) -> Part:
    return Part(
        f"{priority} · {strategy}",
        (Clause("processing_strategy", "=", (strategy,)), Clause("priority", "=", (priority,))),
    )


# --- Scans ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 23, 24, 100])
def test_a_scan_shows_every_item_once_over_its_pages(table: Binding, limit: int) -> None:
    put_all(table, [request(n) for n in range(23)])
    found = walk(lambda cursor: scan_page(table, purpose="x", cursor=cursor, limit=limit))
    assert sorted(key for page in found for key in ids(page.items)) == [f"r{n:03}" for n in range(23)]
    assert all(len(page.items) == limit for page in found[:-1] if page.cursor)
    assert all(page.complete for page in found)
    assert found[0].how == f"Scan {table.name}"


def test_a_scanned_page_without_filters_reads_no_more_than_it_shows(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    fake.says(
        Answer({"Items": [request(n) for n in range(50)], "LastEvaluatedKey": {"request_id": {"S": "r049"}}})
    )
    found = scan_page(requests_table, purpose="x")
    assert len(found.items) == 50
    ((_, arguments),) = fake.asked
    assert arguments["Limit"] == 50


@pytest.mark.no_moto
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_a_filtered_scan_shows_every_match_once(
    table: Binding, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 10)
    put_all(table, [request(n, "failed" if n % 3 else "pending") for n in range(60)])
    filters = (Clause("status", "=", ("pending",)),)

    def page_at(cursor: str) -> Page:
        with request_budget(None) as account:
            found = scan_page(table, purpose="x", cursor=cursor, limit=limit, filters=filters)
        assert account.calls <= SEARCH_CALLS
        assert len(found.items) <= limit
        assert found.complete is (len(found.items) == limit or not found.cursor)
        return found

    found = [key for page in walk(page_at) for key in ids(page.items)]
    assert sorted(found) == [f"r{n:03}" for n in range(0, 60, 3)]


def test_what_no_expression_can_say_is_kept_by_a_function(
    table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 10)
    put_all(table, [request(n) for n in range(40)])

    def is_even(raw: dict[str, Any]) -> bool:
        return int(raw["request_id"]["S"][1:]) % 2 == 0

    found = walk(lambda cursor: scan_page(table, purpose="x", cursor=cursor, limit=6, keep=is_even))
    assert sorted(key for page in found for key in ids(page.items)) == [f"r{n:03}" for n in range(0, 40, 2)]


def test_a_search_that_finds_nothing_stops_after_its_calls_and_can_go_on(
    table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 4)
    put_all(table, [request(n) for n in range(30)])
    nothing: Filter = (Clause("status", "=", ("nothing",)),)
    with request_budget(None) as account:
        first = scan_page(table, purpose="x", filters=nothing)
    assert (first.items, first.complete, account.calls) == ([], False, SEARCH_CALLS)
    assert first.cursor
    second = scan_page(table, purpose="x", cursor=first.cursor, filters=nothing)
    assert (second.items, second.complete, second.cursor) == ([], True, "")


def test_a_projection_need_not_name_the_key_that_the_next_page_starts_from(
    table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_all(table, [request(n) for n in range(9)])
    filters = (Clause("status", "=", ("pending",)),)
    found = walk(
        lambda cursor: scan_page(
            table, purpose="x", cursor=cursor, limit=4, filters=filters, projection=["priority"]
        )
    )
    assert sorted(key for page in found for key in ids(page.items)) == [f"r{n:03}" for n in range(9)]
    assert set(found[0].items[0]) == {"request_id", "priority"}


def test_a_scan_that_is_refused_says_so(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(error("AccessDeniedException", "no"))
    with pytest.raises(AccessDenied):
        scan_page(requests_table, purpose="x")


# --- Partitions one after the other --------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 5, 6, 11, 100])
def test_a_sequence_shows_every_item_once_part_by_part(table: Binding, limit: int) -> None:
    priorities = ["low", "high", "medium"]
    put_all(table, [request(n, priority=priorities[n % 3]) for n in range(18)])
    parts = [part("table", "high"), part("sqs", "high"), part("table", "medium"), part("table", "low")]

    def page_at(cursor: str) -> Page:
        with request_budget(None) as account:
            found = sequence_page(table, STRATEGY, parts, purpose="x", cursor=cursor, limit=limit)
        assert account.calls <= len(parts) + SEARCH_CALLS
        return found

    found = walk(page_at)
    rows = [item for page in found for item in page.items]
    assert sorted(ids(rows)) == [f"r{n:03}" for n in range(18)]
    assert [row["priority"]["S"] for row in rows] == ["high"] * 6 + ["medium"] * 6 + ["low"] * 6
    assert found[0].how == "Query strategy-index"
    assert found[0].partitions == ["high · table", "high · sqs", "medium · table", "low · table"]
    assert all(len(page.items) == limit for page in found[:-1] if page.cursor and len(page.items) < limit)


@pytest.mark.parametrize("limit", [1, 3, 4, 50])
def test_a_filtered_sequence_shows_every_match_once(
    table: Binding, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 4)
    put_all(
        table,
        [
            request(n, "failed" if n % 4 else "pending", priority="low" if n % 2 else "high")
            for n in range(48)
        ],
    )
    parts = [part("table", "high"), part("table", "low")]
    found = walk(
        lambda cursor: sequence_page(
            table, STRATEGY, parts, purpose="x", cursor=cursor, limit=limit,
            filters=(Clause("status", "=", ("pending",)),), projection=["status"],
        )
    )  # fmt: skip
    rows = [item for page in found for item in page.items]
    assert sorted(ids(rows)) == [f"r{n:03}" for n in range(0, 48, 4)]
    assert set(rows[0]) == {"request_id", "processing_strategy", "priority", "status"}


def test_a_sequence_stops_after_its_calls_and_can_go_on(
    table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 2)
    put_all(table, [request(n) for n in range(30)])
    parts = [part("table", "high")]
    nothing: Filter = (Clause("status", "=", ("nothing",)),)
    with request_budget(None) as account:
        first = sequence_page(table, STRATEGY, parts, purpose="x", filters=nothing)
    assert (first.items, first.complete) == ([], False)
    assert account.calls == len(parts) + SEARCH_CALLS
    rest = walk(
        lambda cursor: sequence_page(
            table, STRATEGY, parts, purpose="x", cursor=cursor or first.cursor, filters=nothing
        )
    )
    assert (rest[-1].items, rest[-1].complete) == ([], True)


def test_a_sequence_of_nothing_reads_nothing(fake: FakeDynamo, requests_table: Binding) -> None:
    found = sequence_page(requests_table, STRATEGY, [], purpose="x")
    assert (found.items, found.cursor, found.complete, fake.asked) == ([], "", True, [])


def test_an_index_without_a_range_key_can_be_gone_on_from(fake: FakeDynamo, requests_table: Binding) -> None:
    index = Index("other-index", "status")
    key = (Clause("status", "=", ("pending",)),)
    fake.says(Answer({"Items": [request(n) for n in range(9)]}))
    first = sequence_page(
        requests_table, index, [Part("all", key)], purpose="x", limit=5, filters=(Clause("a", "=", ("b",)),)
    )
    assert len(first.items) == 5
    sequence_page(requests_table, index, [Part("all", key)], purpose="x", cursor=first.cursor)
    assert fake.asked[-1][1]["ExclusiveStartKey"] == {"status": {"S": "pending"}, "request_id": {"S": "r004"}}


def test_a_part_that_vanished_from_the_list_is_a_malformed_cursor(table: Binding) -> None:
    put_all(table, [request(n) for n in range(9)])
    both = [part("sqs", "low"), part("table", "high")]
    first = sequence_page(table, STRATEGY, both, purpose="x", limit=5)
    assert first.cursor
    with pytest.raises(MalformedCursor, match="The list changed"):
        sequence_page(table, STRATEGY, both[:1], purpose="x", cursor=first.cursor, limit=5)
    # One that came does not matter.
    more = sequence_page(table, STRATEGY, [part("table", "new"), *both], purpose="x", cursor=first.cursor)
    assert len(more.items) == 4


def test_a_sequence_over_a_missing_index_says_so(table: Binding) -> None:
    with pytest.raises(IndexMissing):
        sequence_page(
            table,
            Index("nothing-index", "status"),
            [Part("a", (Clause("status", "=", ("x",)),))],
            purpose="x",
        )


# --- Cursors -------------------------------------------------------------------------------------------


def test_a_cursor_is_for_its_own_list_and_unchanged(table: Binding) -> None:
    put_all(table, [request(n) for n in range(9)])
    cursor = scan_page(table, purpose="mine", limit=5).cursor
    assert len(scan_page(table, purpose="mine", cursor=cursor).items) == 4
    attempts = [
        cursor[:-1] + ("A" if cursor[-1] != "A" else "B"),
        cursor[3:],
        "x" + cursor,
        "é",
        "{}",
        ":",
        "x" * 5000,
    ]
    for changed in attempts:
        with pytest.raises(MalformedCursor) as raised:
            scan_page(table, purpose="mine", cursor=changed)
        assert raised.value.fix == "Start again from the first page."
    with pytest.raises(MalformedCursor):
        scan_page(table, purpose="another", cursor=cursor)


def test_a_cursor_keeps_what_it_was_given() -> None:
    position = {"key": {"id": {"S": "ü\u202e☃" * 50}}, "part": "high · table"}
    text = cursors.dump(position, purpose="x")
    assert text.isascii()
    assert cursors.load(text, purpose="x") == position


def test_a_cursor_outlives_a_change_of_secret_key_as_long_as_the_old_one_is_a_fallback(settings: Any) -> None:
    text = cursors.dump({"key": "x"}, purpose="x")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert cursors.load(text, purpose="x") == {"key": "x"}
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(MalformedCursor):
        cursors.load(text, purpose="x")


def test_a_cursor_from_before_the_key_was_renamed_is_malformed(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    cursor = cursors.dump({"key": {"processing_id": {"S": "x"}}}, purpose="x")
    fake.says(
        error(
            "ValidationException",
            "The provided starting key is invalid: The provided key element does not match the schema",
        )
    )
    with pytest.raises(MalformedCursor):
        scan_page(requests_table, purpose="x", cursor=cursor)


# --- Downloads -----------------------------------------------------------------------------------------


# moto reads and measures the whole table for each query.
@pytest.mark.no_moto
def test_a_stream_goes_over_many_pages_of_a_megabyte_in_order(table: Binding) -> None:
    put_all(table, [request(n, filler="x" * 60_000, note=str(n)) for n in range(40)])
    key = (Clause("status", "=", ("pending",)),)
    with request_budget(None) as account:
        found = stream(table, "status-index", key)
        assert next(found)["request_id"] == {"S": "r000"}
        assert account.calls == 1  # nothing is read ahead
        assert ids(list(found)) == [f"r{n:03}" for n in range(1, 40)]
        assert account.calls >= 3
        filtered = stream(table, "status-index", key, filters=(Clause("note", "=", ("7",)),))
        assert ids(list(filtered)) == ["r007"]
    backwards = stream(table, "status-index", key, ScanIndexForward=False)
    assert next(backwards)["request_id"] == {"S": "r039"}


def test_a_stream_goes_on_after_an_empty_page(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(
        Answer({"Items": [], "LastEvaluatedKey": {"request_id": {"S": "a"}}}),
        Answer({"Items": [request(1)], "LastEvaluatedKey": {"request_id": {"S": "b"}}}),
        Answer({"Items": []}),
    )
    assert ids(list(stream(requests_table, "status-index", ()))) == ["r001"]
    assert [arguments.get("ExclusiveStartKey") for _, arguments in fake.asked] == [
        None,
        {"request_id": {"S": "a"}},
        {"request_id": {"S": "b"}},
    ]


def test_a_stream_that_is_refused_says_so(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.says(error("AccessDeniedException", "no"))
    with pytest.raises(AccessDenied):
        list(stream(requests_table, "status-index", ()))


# --- Expressions ---------------------------------------------------------------------------------------


def test_no_text_of_a_reader_is_part_of_an_expression() -> None:
    evil = "x) OR attribute_exists(a"
    arguments = Expressions().arguments(
        key=(Clause(evil, "=", (evil,)),),
        filters=(
            AnyOf((Clause("status", "contains", (evil,)), Clause("a.b", "not text"))),
            Clause("status", "in", (evil, "y")),
            Clause("created_at", "between", ("1", "2")),
        ),
        projection=("status", "status", "errors[0]"),
    )
    assert arguments == {
        "KeyConditionExpression": "#n0 = :v0",
        "FilterExpression": "(contains(#n1, :v1) OR (NOT attribute_type(#n2, :v2))) AND #n1 IN (:v3, :v4) AND #n3 BETWEEN :v5 AND :v6",
        "ProjectionExpression": "#n1, errors[0]",
        "ExpressionAttributeNames": {"#n0": evil, "#n1": "status", "#n2": "a.b", "#n3": "created_at"},
        "ExpressionAttributeValues": {f":v{n}": {"S": text} for n, text in enumerate((evil, evil, "S", evil, "y", "1", "2"))},
    }  # fmt: skip
    assert Expressions().arguments() == {}
    with pytest.raises(ValueError, match="unknown operator 'like'"):
        Expressions().render(Clause("a", "like", ("b",)))


@pytest.mark.parametrize(
    ("operator", "matches"), [("<", "0"), ("<=", "01"), (">", "2"), (">=", "12"), ("=", "1")]
)
def test_comparisons_compare(table: Binding, operator: str, matches: str) -> None:
    put_all(table, [request(n, text=str(n)) for n in range(3)])
    found = scan_page(table, purpose="x", filters=(Clause("text", operator, ("1",)),))
    assert sorted(item["text"]["S"] for item in found.items) == list(matches)


def test_items_without_an_answer_are_named_and_a_hundred_are_asked_for_at_once(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    name = requests_table.name
    asked = [requests_table.key_of(f"r{n:03}") for n in range(130)]
    unanswered = {name: {"Keys": [asked[7].wire]}}
    fake.says(
        Answer({"Responses": {name: [request(1)]}, "UnprocessedKeys": unanswered}),
        Answer({"Responses": {name: [request(101)]}, "UnprocessedKeys": {}}),
    )
    found, left = items_of(requests_table, asked)
    assert (ids(found), left) == (["r001", "r101"], [asked[7]])
    calls = [arguments["RequestItems"][name]["Keys"] for _, arguments in fake.asked]
    assert [len(keys) for keys in calls] == [100, 30]
