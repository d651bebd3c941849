"""What writers of the workflow table really do, and what the pages make of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsportal.accounts.models import Preferences
from opsportal.dynamo import clients
from tests.cases import each
from tests.factories import MISSING, Typed, ago, put, raw, step, workflow, zulu
from tests.pages import Page, visit
from tests.samples import next_minute


@pytest.fixture
def shown(tables: Any, client_for: Any) -> Any:
    """``shown(item)``: the item's page, after it was put."""

    def page(item: Any, query: str = "") -> Page:
        put(tables["workflows"], item)
        key = item["sessionId"]["S"]
        return visit(client_for("viewer"), f"/workflows/{key}/{query}")

    return page


def step_row(page: Page, label: str) -> list[str]:
    """The cells of a step in the timeline's table: status, start, end, duration, tokens, activity."""
    table = page.root.one("details", class_="tl-table")
    rows = [row for row in table.all("tr") if row.all("th", scope="row")]
    return next([cell.words for cell in row.all("td")] for row in rows if row.one("th").words == label)


def bar(page: Page, label: str) -> str:
    row = next(row for row in page.root.all("li", class_="tl-row") if label in row.one("div").words)
    bars = row.all("g", class_="tl-bar")
    return bars[0].attrs["class"].removeprefix("tl-bar is-") if bars else ""


def test_the_key_attribute_may_have_another_name_than_the_documents_say(
    tables: Any, client_for: Any, settings: Any
) -> None:
    """Point 1."""
    table, client = tables["workflows"], client_for("viewer")
    dynamo = clients.client(*table.location)
    name = f"{table.name}-other-key"
    request = table.create_request(optional_indexes=True) | {"TableName": name}
    request["AttributeDefinitions"][0]["AttributeName"] = "processing_id"
    request["KeySchema"] = [{"AttributeName": "processing_id", "KeyType": "HASH"}]
    dynamo.create_table(**request)
    config = {**settings.DYNAMO_TABLES["workflows"], "name": name}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "workflows": config}
    mismatch = visit(client, "/workflows/p-1/", status=503).problem
    assert mismatch.attrs["data-problem"] == "key_mismatch"
    assert "DYNAMODB_WORKFLOWS_KEY" in mismatch.words
    settings.DYNAMO_TABLES = {
        **settings.DYNAMO_TABLES,
        "workflows": {**config, "key": "processing_id"},
    }
    item = workflow("p-1", key="processing_id")
    dynamo.put_item(TableName=name, Item=item)
    page = visit(client, "/workflows/")
    assert page.ids == ["p-1"]
    assert visit(client, page.links[0]).root.one("h1").words == "p-1"
    assert visit(client, "/workflows/?q=-1&range=all").ids == ["p-1"]
    assert client.get("/api/workflow/p-1/status").json()["overallStatus"] == "processing"
    dynamo.delete_table(TableName=name)


def test_a_finished_step_without_a_start_is_drawn_from_its_duration(shown: Any) -> None:
    """Point 2."""
    end = ago(minutes=3).replace(microsecond=0)
    page = shown(
        workflow(
            pdfAdapter=step(startedAt=MISSING, completedAt=zulu(end), duration=17),
            tradeExtraction=step(startedAt=zulu(end), completedAt=zulu(end + timedelta(seconds=30))),
            tradeMatching=step("in-progress", startedAt=zulu(end), completedAt=MISSING, duration=MISSING),
            exceptionManagement=step(startedAt=MISSING, completedAt=zulu(end), duration=MISSING),
        )
    )
    start = step_row(page, "PDF adapter")[1]
    assert start == f"{end - timedelta(seconds=17):%Y-%m-%d %H:%M:%S} UTC derived"
    assert bar(page, "PDF adapter") == "derived"
    assert "derived" not in step_row(page, "Trade extraction")[1]
    assert bar(page, "Trade extraction") == "recorded"
    assert bar(page, "Trade matching") == "running"
    # Only the end is known: a mark there, no invented start.
    assert step_row(page, "Exception management")[1] == "—"
    assert bar(page, "Exception management") == "derived"


@pytest.mark.no_moto
def test_totals_that_stay_at_zero_are_summed_from_the_steps_and_named(shown: Any) -> None:
    """Point 3."""
    zero = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    page = shown(
        workflow(
            totalTokenUsage=zero,
            totalDuration=0,
            tradeExtraction=step(duration=3, tokenUsage={"totalTokens": 31}),
        )
    )
    assert page.fact("Tokens") == "14,200"
    assert page.fact("Work time") == "20.1 s"
    assert page.findings["token_total"] == "The steps used 14,200 tokens, but the recorded total is 0."
    assert page.findings["duration_total"] == "The steps took 20.095 s, but the recorded total is 0 s."
    missing = shown(workflow(totalTokenUsage=MISSING, totalDuration="long"))
    assert missing.findings["token_total"].endswith("total is none.")
    assert missing.findings["duration_total"].endswith("total is none.")
    huge = {"duration": Typed(N="1E+125"), "tokenUsage": {"totalTokens": Typed(N="1E+125")}}
    large = shown(
        workflow(pdfAdapter=step(**huge), tradeExtraction=step(**huge), totalDuration=Typed(N="1E+124"))
    )
    assert large.findings["duration_total"].startswith("The steps took 2E+125 s, but")
    assert large.findings["token_total"].startswith("The steps used 2E+125 tokens, but")
    agreeing = shown(workflow())
    assert {*agreeing.findings} <= {"waiting"}
    # Where no step recorded any, the recorded total is what there is.
    recorded = shown(workflow(pdfAdapter=step(tokenUsage=MISSING, duration=MISSING, startedAt=MISSING)))
    assert (recorded.fact("Tokens"), recorded.fact("Work time")) == ("14,169", "17.1 s")


CONTRADICTIONS: list[tuple[Callable[[], dict[str, Any]], str, str]] = [
    (lambda: {"pdfAdapter": step("error"), "tradeMatching": step("FAILED")}, "step_failed",
     "PDF adapter and Trade matching failed, but the workflow says processing."),
    (lambda: {"overallStatus": MISSING, "pdfAdapter": step("error")}, "step_failed",
     "PDF adapter failed, but the workflow has no status."),
    (lambda: {"lastUpdated": zulu(ago(minutes=47)), "createdAt": zulu(ago(minutes=50)), "pdfAdapter": MISSING},
     "stuck", "No update for 47 min."),
    (lambda: {"lastUpdated": zulu(ago(days=3, hours=4, minutes=1)), "createdAt": MISSING, "pdfAdapter": MISSING},
     "stuck", "No update for 3 d 4 h."),
    (lambda: {"overallStatus": "failed"}, "no_failed_step", "The workflow failed, but no step says so."),
    (lambda: {"overallStatus": "completed", "pdfAdapter": step("in-progress")}, "still_running",
     "The workflow says completed, but PDF adapter still says in-progress."),
    (lambda: {"overallStatus": MISSING}, "no_status", "The item has no overallStatus."),
]  # fmt: skip


@pytest.mark.no_moto
def test_a_status_that_contradicts_its_steps_is_a_finding(shown: Any, client_for: Any) -> None:
    """Point 4."""
    client = client_for("viewer")
    for values, finding, sentence in CONTRADICTIONS:
        assert shown(workflow("contradictory", **values())).findings[finding] == sentence
        next_minute()
        (listed,) = visit(client, "/workflows/?range=all").rows
        # The list says it too; a failed step comes with its own words there.
        assert (sentence in listed.words) == (finding != "step_failed")


STATUSES = ("loading", "warning", "info", "stopped", "PENDING", "Completed", "success-ish", "\u0130", "完了")


@pytest.mark.no_moto
def test_undocumented_statuses_are_shown_as_they_are(tables: Any, client_for: Any) -> None:
    """Point 5."""
    items = [
        workflow(f"s{number}", overallStatus=status, pdfAdapter=step(status))
        for number, status in enumerate(STATUSES)
    ]
    put(tables["workflows"], *items)
    client = client_for("viewer")
    page = visit(client, "/workflows/")
    assert sorted(page.ids) == sorted(item["sessionId"]["S"] for item in items)
    assert set(STATUSES) <= set(page.partitions)
    tones = {row.one("span", class_="status").words: row.one("span", class_="status") for row in page.rows}
    assert set(tones) == set(STATUSES)
    for unknown in ("info", "success-ish", "完了"):
        assert "tone-unknown" in tones[unknown].attrs["class"]
    assert "tone-waiting" in tones["PENDING"].attrs["class"]
    assert "tone-running" in tones["loading"].attrs["class"]
    for number, status in enumerate(STATUSES):
        # Its own tab leads to it, whatever its spelling.
        tab = visit(client, page.tabs[status])
        assert f"s{number}" in tab.ids
        found = visit(client, f"/workflows/s{number}/")
        assert found.fact("Status") == status
        assert step_row(found, "PDF adapter")[0] == status
        # Unknown is not terminal, so the page goes on looking.
        assert found.polls == (status.lower() not in ("completed",))


@pytest.mark.no_moto
def test_undocumented_attributes_are_shown_and_their_step_maps_are_steps(shown: Any) -> None:
    """Point 6."""
    item = workflow(
        invocationId="inv-77",
        project_request_id="req-9",
        pdfAdapter=step(lastUpdated=zulu(ago(seconds=30)), retryCount=2, model="m-1"),
        zzReporting=step("error", error="quota", activity="Reporting"),
        notAStep={"colour": "red"},
        totalTokenUsage={"status": "x", "totalTokens": 14169},
    )
    page = shown(item)
    labels = [row.one("span", class_="tl-label").words for row in page.root.all("li", class_="tl-row")]
    assert labels == [
        "PDF adapter",
        "Trade extraction",
        "Trade matching",
        "Exception management",
        "zzReporting",
    ]
    unlisted = page.root.all("li", class_="tl-row")[-1]
    assert "unlisted" in unlisted.words
    assert "quota" in unlisted.words
    assert "2 retries" in page.root.all("li", class_="tl-row")[0].words
    assert "model: m-1" in page.words
    assert page.fact("Last update").endswith("s ago")
    assert "zzReporting failed" in page.words
    assert "Error in zzReporting" in shown({**item, "zzReporting": step("success", error="x")}).words
    everything = shown(item, "?tab=raw").root.one("pre", class_="raw").text
    for text in ("inv-77", "req-9", "notAStep", "colour"):
        assert text in everything
    assert '"duration": {\n        "N": "17.095"\n      }' in everything


@each(
    "written",
    [
        "2025-12-24T10:00:00Z", "2025-12-24T10:00:00.000Z", "2025-12-24T10:00:00.5Z",
        "2025-12-24T10:00:00.123456Z", "2025-12-24T10:00:00+00:00", "2025-12-24T11:00:00+01:00",
        "2025-12-24T10:00:00.123456+00:00Z", "2025-12-24T10:00:00", "2025-12-24T10:00:00.250000",
        Typed(N="1766570400"), Typed(N="1766570400000"), "1766570400",
    ],
)  # fmt: skip
@pytest.mark.no_moto
def test_every_form_of_stamp_is_read_as_the_same_time(shown: Any, client_for: Any, written: Any) -> None:
    """Point 7, and the disagreement about ``createdAt``."""
    mistyped = isinstance(written, Typed)  # then it can't be the index's key
    item = workflow(
        "stamped",
        createdAt=MISSING if mistyped else written,
        lastUpdated=written,
        expiresAt=written,
        pdfAdapter=step(startedAt=written, completedAt=MISSING),
    )
    page = shown(item)
    stamps = [page.fact_node(term).one("time").attrs for term in ("Last update", "Expires")]
    if not mistyped:
        stamps.append(page.fact_node("Started").one("time").attrs)
    for stamp in stamps:
        assert stamp["datetime"].startswith("2025-12-24T10:00:00.")
        assert stamp["title"].startswith("2025-12-24 10:00:00.")
    assert step_row(page, "PDF adapter")[1] == "2025-12-24 10:00:00 UTC"
    answer = client_for("viewer").get("/api/workflow/stamped/status").json()
    assert (
        answer["lastUpdated"][:20]
        == answer["agents"]["pdfAdapter"]["startedAt"][:20]
        == "2025-12-24T10:00:00."
    )
    assert answer["lastUpdated"].endswith("Z")
    assert "malformed" not in page.findings


def test_a_workflow_that_lost_all_its_step_writes_is_shown_so(shown: Any) -> None:
    """Point 12."""
    item = raw({"sessionId": "lost", "overallStatus": "completed", "lastUpdated": zulu(ago(minutes=1))})
    page = shown(item)
    assert page.findings == {"nothing_recorded": "Completed, but no step was ever recorded."}
    assert page.fact("Status") == "completed"
    assert page.fact("Ended") == "1 min ago"
    assert (page.fact("Started"), page.fact("Work time"), page.fact("Expires")) == ("—", "—", "—")
    assert [step_row(page, label)[0] for label in ("PDF adapter", "Trade matching")] == ["not recorded"] * 2


def test_what_can_not_be_read_is_shown_as_it_is_written(shown: Any) -> None:
    """Points 10 and 14: nothing is hidden for being of another type."""
    page = shown(
        workflow(
            documentId=["a", "list"],
            totalDuration="long",
            expiresAt="tomorrow",
            totalTokenUsage={"inputTokens": "many", "outputTokens": True, "totalTokens": Typed(SS=["x"])},
            pdfAdapter="done",
            tradeExtraction={"status": ["odd"], "duration": "3 s", "error": Typed(B=b"\x00")},
            tradeMatching={"status": "success", "error": {"code": "E1"}, "tokenUsage": []},
        )
    )
    assert page.fact("Document").endswith('{"L": [{"S": "a"}, {"S": "list"}]}')
    assert page.fact("Expires").endswith('{"S": "tomorrow"}')
    named = page.findings["malformed"]
    for name in ("documentId", "totalDuration", "expiresAt", "PDF adapter", "Trade extraction", "Trade matching",
                 "totalTokenUsage.inputTokens", "totalTokenUsage.totalTokens"):  # fmt: skip
        assert name in named
    rows = {
        row.one("span", class_="tl-label").words: row.words for row in page.root.all("li", class_="tl-row")
    }
    assert 'expected a map, found text: {"S": "done"}' in rows["PDF adapter"]
    for text in ('{"L": [{"S": "odd"}]}', '{"S": "3 s"}', '{"B": "AA=="}'):
        assert text in rows["Trade extraction"]
    assert '{"code": {"S": "E1"}}' in rows["Trade matching"]
    assert step_row(page, "PDF adapter")[0] == 'malformed: {"S": "done"}'


def test_an_expired_item_is_shown_as_awaiting_its_deletion(shown: Any) -> None:
    """The example ``expiresAt`` of seed 000 of docs/data.md lies before its own creation."""
    page = shown(workflow(expiresAt=1735123200))
    assert page.findings["expired"].startswith("Expired, awaiting deletion")
    assert page.fact("Expires").endswith(" d ago") or page.fact("Expires").endswith(" y ago")


@pytest.mark.no_moto
def test_the_ends_of_the_calendar_are_shown_in_every_time_zone(
    shown: Any, viewer: Any, tables: Any, client_for: Any
) -> None:
    """A stamp that a writer made up must not break the page of one who reads it elsewhere."""
    for zone in ("Asia/Tokyo", "America/New_York"):
        Preferences.objects.update_or_create(user=viewer, defaults={"time_zone": zone})
        for stamp in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"):
            made = step(startedAt=stamp, completedAt=stamp, duration=Typed(N="1E+30"), lastUpdated=stamp)
            page = shown(workflow("edge", createdAt=stamp, lastUpdated=stamp, expiresAt=stamp, pdfAdapter=made,
                                  tradeMatching=step("info", startedAt=stamp, completedAt=MISSING, duration=9e20),
                                  tradeExtraction=step(startedAt=MISSING, completedAt=stamp, duration=10)))  # fmt: skip
            assert page.fact_node("Started").one("time").attrs["datetime"][:10] == stamp[:10]
            assert stamp[:4] in step_row(page, "PDF adapter")[1]
            assert visit(client_for("viewer"), "/workflows/?range=all").ids == ["edge"]
        assert (
            client_for("viewer").get("/workflows/?from=0001-01-01T00:00&to=9999-12-31T23:59").status_code
            == 200
        )
