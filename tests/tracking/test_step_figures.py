"""What the newest workflows show of a step: counts, ends, durations, and the comparison with what is declared."""

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.console.numbers import nearest_rank
from opsportal.dynamo import sampling
from tests.factories import MISSING, Typed, ago, put, step, typed, workflow, zulu
from tests.pages import Page, poll, visit
from tests.samples import later, next_minute
from tests.shapes import derived, items, members
from tests.trouble import refused, trouble
from tracking import figures
from tracking.declared import Declared, rows
from tracking.figures import figures_of
from tracking.models import Workflow

FRAGMENT = {"HX-Request": "true"}
URL = "/workflows/steps/pdfAdapter/"


def done(seconds: float = 10, status: str = "success", **values: Any) -> Any:
    return step(status, duration=Typed(N=str(seconds)), **values)


def table_of(page: Page) -> dict[str, list[str]]:
    """Row's name -> declared, observed, compared."""
    found = {}
    for row in page.root.one("table", class_="compare").all("tr")[1:]:
        found[row.one("th").words] = [cell.words for cell in row.all("td")]
    return found


def test_a_step_is_counted_timed_and_linked_to_its_newest_ends(tables: Any, client_for: Any) -> None:
    newest = ago(minutes=2)
    put(
        tables["workflows"],
        *(workflow(f"ok-{n}", pdfAdapter=done(n, completedAt=zulu(ago(hours=n)))) for n in range(1, 21)),
        workflow("bad", overallStatus="failed", pdfAdapter=done(500, "ERROR", completedAt=zulu(newest))),
        workflow("busy", pdfAdapter=step("in-progress", completedAt=MISSING, duration=MISSING)),
        workflow("odd", pdfAdapter=step("warning")),
        workflow("waiting", pdfAdapter=step("pending")),
        workflow("without", pdfAdapter=MISSING),
    )
    client = client_for("viewer")
    page = visit(client, URL)
    assert page.root.one("h1").words == "PDF adapter"
    found = table_of(page)
    assert found["Newest run"][1].startswith("ERROR 2 min ago")
    assert found["Newest run"][2] == "1 running"
    assert found["Last success"] == ["—", "1 h ago", "—"]
    assert found["Last failure"] == ["—", "2 min ago", "—"]
    assert found["Success"] == ["—", "95.2 %: 20 of 21 that ended", "—"]
    assert found["Errors"] == ["—", "4.8 %: 1 of 21 that ended", "—"]
    # Of those that succeeded alone: the failure took 500 s.
    assert found["Average"] == ["—", "10.5 s over 20", "—"]
    assert found["Response, p95"] == ["—", "19 s over 20; median 10 s", "—"]
    links = [link.attrs["href"] for link in page.root.one("table", class_="compare").all("a")]
    assert links == ["/workflows/bad/", "/workflows/ok-1/", "/workflows/bad/"]
    assert "23 of all 25 workflows, created since" in page.words
    assert "They do not record which agent ran it." in page.words


@pytest.mark.no_moto
def test_what_is_declared_stands_beside_it_and_is_compared(tables: Any, client_for: Any) -> None:
    put(
        tables["workflows"],
        *(workflow(pdfAdapter=done(2)) for _ in range(9)),
        workflow(pdfAdapter=done(2, "error")),
    )
    client = client_for("viewer")

    def compared(query: str) -> dict[str, list[str]]:
        return table_of(visit(client, f"{URL}?{query}"))

    found = compared("success=0.98&errors=0.02&average_ms=1240.5&fastest_ms=300&slowest_ms=5000")
    assert found["Success"] == ["98.0 %", "90.0 %: 9 of 10 that ended", "less than declared"]
    assert found["Errors"] == ["2.0 %", "10.0 %: 1 of 10 that ended", "more than declared"]
    assert found["Average"] == ["1.2 s", "2 s over 9", "slower than declared"]
    assert found["Response, p95"] == [
        "300 ms to 5 s",
        "2 s over 9; median 2 s",
        "slower than the fastest tier promises",
    ]
    found = compared("success=0.5&errors=0.5&average_ms=2000&fastest_ms=9000&slowest_ms=9000")
    assert [found[name][2] for name in ("Success", "Errors", "Average", "Response, p95")] == [
        "no less than declared", "no more than declared", "no slower than declared", "as promised",
    ]  # fmt: skip
    assert found["Response, p95"][0] == "9 s"
    assert compared("fastest_ms=1&slowest_ms=2")["Response, p95"][2] == "slower than every tier promises"
    assert compared("slowest_ms=2")["Response, p95"][2] == "slower than promised"
    # What is no number in its range is not there.
    found = compared("success=7&errors=-1&average_ms=soon&fastest_ms=NaN&slowest_ms=%3Cscript%3E")
    assert [found[name][0] for name in ("Success", "Errors", "Average", "Response, p95")] == ["—"] * 4


def test_of_fewer_than_five_no_rate_and_no_percentile_is_given(tables: Any, client_for: Any) -> None:
    put(
        tables["workflows"],
        *(workflow(pdfAdapter=done()) for _ in range(3)),
        workflow(pdfAdapter=done(9, "error")),
    )
    client = client_for("viewer")
    found = table_of(visit(client, f"{URL}?success=1&fastest_ms=1&slowest_ms=1"))
    assert found["Success"] == ["100.0 %", "no rate: 4 ended, fewer than 5", "—"]
    assert found["Errors"][1] == "no rate: 4 ended, fewer than 5"
    assert found["Response, p95"] == ["1 ms", "not given: 3 measured, fewer than 5", "—"]
    page = visit(client, "/workflows/steps/tradeMatching/")
    assert table_of(page)["Newest run"][1] == "none ended"
    assert table_of(page)["Last success"][1] == "none"
    assert table_of(page)["Average"][1] == "not given: none measured, fewer than 5"
    assert "None of all 4 workflows" in page.words


def test_a_step_that_no_catalogue_lists_has_figures_too(tables: Any, client_for: Any) -> None:
    put(tables["workflows"], *(workflow(**{"risk/check": done(3)}) for _ in range(5)))
    page = visit(client_for("viewer"), "/workflows/steps/risk~2Fcheck/")
    assert page.root.one("h1").words == "risk/check"
    assert table_of(page)["Response, p95"][1] == "3 s over 5; median 3 s"


def test_ends_without_a_time_are_counted_and_said_to_have_none(tables: Any, client_for: Any) -> None:
    bare = Typed(M=typed({"status": "success"})["M"])
    put(tables["workflows"], *(workflow(pdfAdapter=bare) for _ in range(5)))
    found = table_of(visit(client_for("viewer"), URL))
    assert found["Newest run"][1] == "without a time"
    assert found["Last success"][1] == "without a time"
    assert found["Success"][1] == "100.0 %: 5 of 5 that ended"


def test_only_the_newest_are_read_whatever_the_table_holds_and_kept_a_while(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "SAMPLE", 7)
    put(
        tables["workflows"],
        *(
            workflow(
                f"w{n:02}",
                overallStatus=("completed", "failed", "processing")[n % 3],
                createdAt=zulu(ago(hours=n)),
                pdfAdapter=done(n),
            )
            for n in range(40)
        ),
    )
    client = client_for("viewer")
    page = visit(client, URL)
    assert "7 of the newest 7 workflows" in page.words
    assert table_of(page)["Average"][1] == "3 s over 7"
    put(tables["workflows"], workflow("newer", pdfAdapter=done(900)))
    again = visit(client, "/workflows/steps/tradeMatching/")
    assert again.response.wsgi_request.spending.calls == 0
    assert "for all steps and readers, kept for a minute" in again.words
    reading = page.root.one("div", class_="reading").words
    assert "Query " in reading
    assert " RCU" in reading


def test_without_the_index_it_says_where_its_workflows_come_from(
    tables_without_index: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "SAMPLE", 3)
    put(tables_without_index["workflows"], *(workflow(pdfAdapter=done()) for _ in range(5)))
    page = visit(client_for("viewer"), URL)
    assert "newest 3 workflows, created since" in page.words
    assert "The minute's sample" in page.root.one("div", class_="reading").words
    next_minute()
    monkeypatch.setattr(sampling, "MAX_ROWS", 2)  # then the sample does not hold the whole table
    visit(client_for("viewer"), "/workflows/")
    later(61)
    page = visit(client_for("viewer"), URL)
    assert "3 of 3 workflows in no order, created since" in page.words
    assert "This table has no index on overallStatus and createdAt" in page.words
    assert "Scan " in page.root.one("div", class_="reading").words


@pytest.mark.no_moto  # the fault is put in before an engine is asked
def test_a_table_problem_is_a_state_of_the_panel_and_a_page_of_its_own(
    tables: Any, client_for: Callable[[str], Client]
) -> None:
    client, fault = client_for("viewer"), refused("ThrottlingException", "Rate exceeded")
    with trouble(tables["workflows"], fault, "Query", "Scan"):
        panel = visit(client, URL, **FRAGMENT)
        assert panel.is_fragment
        assert panel.problem.attrs["data-problem"] == "throttled"
        assert visit(client, URL, status=503).problem
        assert poll(client, panel).status == 204
    well = poll(client, panel)
    assert (well.status, well.is_fragment, well.root.all("section", data_problem=None)) == (200, True, [])
    assert poll(client, well).status == 204


def test_a_workflow_that_is_called_steps_has_its_own_page(tables: Any, client_for: Any) -> None:
    put(tables["workflows"], workflow("steps"))
    (link,) = visit(client_for("viewer"), "/workflows/?range=all").links
    assert visit(client_for("viewer"), link).root.one("h1").words == "steps"


@derived
@given(values=st.lists(st.integers(0, 50), min_size=1, max_size=40), percent=st.integers(1, 100))
def test_the_nearest_rank_is_the_least_value_that_covers_the_share(values: list[int], percent: int) -> None:
    ordered = sorted(map(Decimal, values))
    found = nearest_rank(ordered, percent)
    need = math.ceil(len(values) * percent / 100)
    assert sum(value <= found for value in ordered) >= need
    assert sum(value < found for value in ordered) < need


STEP = members(
    {"status": "success", "startedAt": "2025-12-24T10:00:00Z", "completedAt": "2025-12-24T10:00:05Z", "duration": 5,
     "lastUpdated": 1, "error": "x"}
)  # fmt: skip
WORKFLOWS = items(workflow("x"), "sessionId", nested={"pdfAdapter": STEP})


@hypothesis_settings(derived, max_examples=12)
@given(drawn=st.lists(WORKFLOWS, max_size=4), declared=st.text(max_size=50))
def test_no_shape_of_workflow_breaks_the_figures(drawn: Any, declared: str) -> None:
    found = figures_of([Workflow.from_item(raw) for raw in drawn])
    for one in found.values():
        assert one.ended + one.running + one.others == one.seen > 0
        assert len(one.durations) <= one.succeeded
        assert one.newest is None or one.newest.at >= max(
            end.at for end in (one.last_success, one.last_failure) if end
        )
        names = Declared.__dataclass_fields__
        shown = rows(Declared.of(dict.fromkeys(names, declared)), one)
        assert len(shown) == 6


def test_the_ends_are_ordered_by_their_own_stamps() -> None:
    at = ago(hours=1)
    found = figures_of(
        Workflow.from_item(
            workflow(key, pdfAdapter=done(status=status, completedAt=zulu(at + timedelta(minutes=minutes))))
        )
        for key, status, minutes in (
            ("a", "success", 5),
            ("b", "error", 9),
            ("c", "success", 7),
            ("d", "error", 1),
        )
    )["pdfAdapter"]
    ends = (found.newest, found.last_success, found.last_failure)
    assert [end and end.session_id for end in ends] == [
        "b",
        "c",
        "b",
    ]
