"""Whatever a workflow item holds: its list, its pages and its API answer show it, and never fail."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console.templatetags.lists import ident_text
from tests.factories import MISSING, delete, put, step, workflow
from tests.pages import Node, Page, visit
from tests.samples import next_minute
from tests.shapes import derived, few, items, members
from tracking.findings import findings
from tracking.models import Workflow
from tracking.timeline import timeline

WHOLE = {**workflow("x"), "tradeExtraction": step("in-progress"), "otherStep": step("error", error="boom")}
STEP = step(error="boom", retryCount=2, lastUpdated="2025-12-24T10:00:00Z")["M"]
NESTED = {
    "pdfAdapter": members(STEP),
    "tradeExtraction": members(STEP),
    "otherStep": members(STEP),
    "totalTokenUsage": members({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}),
}


def shapes(*indexed: str) -> st.SearchStrategy[Any]:
    drawn = items(WHOLE, "sessionId", indexed=indexed, nested=NESTED)
    return st.lists(drawn, min_size=1, max_size=3, unique_by=lambda item: item["sessionId"]["S"])


def rows_of(*pages: Page) -> dict[str, Node]:
    return {key: row for page in pages for key, row in zip(page.ids, page.rows, strict=True)}


def assert_pages_show(client: Any, rows: dict[str, Node], key: str) -> None:
    link = rows[key].one("a", data_row_link=None)
    assert link.text == ident_text(key, 48)
    assert link.words
    page = visit(client, link.attrs["href"])
    assert page.root.one("h1").text.strip() == ident_text(key)
    assert client.get(link.attrs["href"] + page.tabs["Raw"]).status_code == 200
    answer = client.get(f"/api{link.attrs['href']}status".replace("/workflows/", "/workflow/"))
    assert answer.status_code == 200


@pytest.mark.no_moto  # of pages: see tests/engines.py
@few
@given(drawn=shapes("overallStatus", "createdAt"))
def test_any_shape_of_item_is_listed_and_opens(tables: Any, client_for: Any, drawn: Any) -> None:
    table, client = tables["workflows"], client_for("viewer")
    put(table, *drawn)
    next_minute()  # statuses seen a minute ago are not looked for again
    rows = rows_of(visit(client, "/workflows/?range=all"))
    for item in drawn:
        assert_pages_show(client, rows, item["sessionId"]["S"])
    visit(client, "/panels/workflows/")
    delete(table, *(item["sessionId"]["S"] for item in drawn))


@few
@given(drawn=shapes())
def test_without_an_index_even_its_key_attributes_may_be_anything(
    tables_without_index: Any, client_for: Any, drawn: Any
) -> None:
    table, client = tables_without_index["workflows"], client_for("viewer")
    put(table, *drawn)
    next_minute()
    for query in ("?range=all", ""):
        rows = rows_of(visit(client, f"/workflows/{query}"))
        if query:
            for item in drawn:
                assert_pages_show(client, rows, item["sessionId"]["S"])
    delete(table, *(item["sessionId"]["S"] for item in drawn))


@pytest.mark.parametrize(
    ("odd", "kind", "said"),
    [
        ({"startedAt": "2026-03-02T09:04:00Z", "completedAt": "2026-03-02T09:02:00Z"}, "time_order",
         "completedAt of Odd is 2 m 0 s before its startedAt."),
        ({"startedAt": "2026-03-02T10:04:00+01:00", "completedAt": "2026-03-02T09:02:00Z"}, "time_order", "2 m 0 s before"),
        ({"startedAt": "1970-01-01T00:00:00Z", "completedAt": "2026-03-02T09:02:00Z"}, "time_order",
         "startedAt of Odd is 20514 d 9 h before createdAt."),
        ({"startedAt": "2026-03-02T09:02:00Z", "completedAt": "9999-12-31T23:59:59Z"}, "future", "completedAt of Odd by"),
        ({"startedAt": "2126-03-02T09:02:00Z"}, "future", "startedAt of Odd by 36523 d 23 h"),
    ],
)  # fmt: skip
def test_an_impossible_time_is_a_finding_and_not_on_the_axis(
    settings: Any, odd: dict[str, str], kind: str, said: str
) -> None:
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    settings.WORKFLOW_STEPS = [{"key": "good", "label": "Good"}, {"key": "odd", "label": "Odd"}]
    good = step(startedAt="2026-03-02T09:01:00Z", completedAt="2026-03-02T09:03:00Z", duration=120)
    moved = {
        "createdAt": "2026-03-02T09:00:00Z",
        "lastUpdated": "2026-03-02T09:05:00Z",
        "pdfAdapter": MISSING,
    }
    times = {"startedAt": MISSING, "completedAt": MISSING, "duration": MISSING, **odd}
    for retried in ({}, {"retryCount": 1}):
        found = Workflow.from_item(
            workflow("w", good=good, odd=step(**times), overallStatus="completed", **moved, **retried)
        )
        (noticed,) = (one for one in findings(found, now) if one.kind in ("time_order", "future"))
        assert noticed.kind == kind
        assert said in noticed.sentence
        drawn = timeline(found, now)
        assert [row.bar and (row.bar.x, row.bar.width) for row in drawn.rows] == [(0, 100), None]
        assert drawn.ticks[-1][1] == "2 m"
        assert not any(row.earlier for row in drawn.rows)


def test_the_order_of_an_items_own_times_is_a_finding_too() -> None:
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)

    def kinds(**values: Any) -> list[str]:
        found = findings(Workflow.from_item(workflow("w", pdfAdapter=MISSING, **values)), now)
        return [one.kind for one in found if one.kind in ("time_order", "future")]

    ordered = {"createdAt": "2026-03-02T09:00:00Z", "lastUpdated": "2026-03-02T09:05:00Z"}
    assert kinds(**ordered) == []
    assert kinds(**ordered | {"lastUpdated": "2026-03-02T08:59:58Z"}) == []
    assert kinds(**ordered | {"lastUpdated": "2026-03-02T08:50:00Z"}) == ["time_order"]
    assert kinds(createdAt="2026-03-02T13:00:00Z", lastUpdated="2026-03-02T13:00:00Z") == ["future"]
    # A step that runs again still has the end of its last run.
    again = step("in-progress", startedAt="2026-03-02T09:04:00Z", completedAt="2026-03-02T09:02:00Z")
    assert kinds(**ordered, otherStep=again) == []


@derived
@given(drawn=items(WHOLE, "sessionId", nested=NESTED))
def test_no_shape_breaks_what_is_derived_from_it(drawn: Any) -> None:
    found = Workflow.from_item(drawn)
    assert found.id == drawn["sessionId"]["S"]
    assert all(finding.sentence for finding in findings(found))
    for row in timeline(found).rows:
        assert row.bar is None or (0 <= row.bar.x <= 100 and 0 < row.bar.width <= 100)
    assert found.seconds is None or found.seconds.is_finite()
    if found.first_error is not None:
        label, error, _ = found.first_error
        assert str(label)
        assert str(error)
    if found.ended_at is not None:
        assert found.is_terminal
    began = [one.began_at for one in found.steps if one.began_at]
    assert found.started_at in ([found.created_at] if found.created_at else began or [None])
    # What the item holds of a step is shown: as read, or as malformed with its raw form.
    for one in found.steps:
        assert one.present == (one.key in drawn and "NULL" not in drawn[one.key])
        if one.present and "M" not in drawn[one.key]:
            assert one.problems
            assert one.status_text == "malformed"
