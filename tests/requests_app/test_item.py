"""One request: what its page makes of the documented item, and of what deployed writers leave."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.alerts.watches import Question
from opsportal.dynamo import clients
from requests_app import watches
from requests_app.findings import findings
from requests_app.models import IntelligenceRequest
from tests.cases import each
from tests.factories import MISSING, Typed, ago, naive, put, request
from tests.pages import Page, poll, visit
from tests.samples import later


@pytest.fixture
def shown(tables: Any, client_for: Any) -> Any:
    """``shown(item, tab)``: a tab of the request's page, after the item was put."""

    def page(item: Any, tab: str = "") -> Page:
        put(tables["requests"], item)
        key = item["request_id"]["S"]
        return visit(client_for("viewer"), f"/requests/{key}/{'?tab=' + tab if tab else ''}")

    return page


@pytest.mark.no_moto
def test_the_documented_item_is_shown_in_all_its_parts(shown: Any, client_for: Any, tables: Any) -> None:
    began = ago(minutes=10)
    item = request(
        "req_1757412789250_a08ac7ad",
        status="completed",
        status_message="All done",
        started_at=naive(began),
        completed_at=naive(began + timedelta(seconds=252)),
        errors=["2024-01-09T15:43:12.000000: Failed to extract content from URL xyz"],
        warnings=["Low confidence score for source ABC", "Another"],
        results={
            "report_path": "reports/x.json",
            "summary": {"key_findings": ["Finding 1", "Finding 2"], "total_sources": 3},
            "quality_metrics": {"average_confidence": Typed(N="0.85")},
        },
    )
    page = shown(item)
    facts = {name: page.fact(name) for name in ("Status", "Progress", "Stage", "Priority", "Duration")}
    assert facts == {
        "Status": "completed", "Progress": "65.5 %", "Stage": "content_extraction", "Priority": "high",
        "Duration": "4 m 12 s",
    }  # fmt: skip
    assert page.fact("Started") == f"{began:%Y-%m-%d %H:%M:%S} UTC"
    for text in (
        "Failed to extract content from URL xyz",
        "Low confidence score",
        "All done",
        "Errors 1",
        "Warnings 2",
    ):
        assert text in page.words
    assert page.findings == {}
    assert not page.polls
    assert list(page.tabs) == ["Progress", "Logs", "Config", "Results", "History", "Audit", "Raw"]
    client = client_for("viewer")
    config = visit(client, page.tabs["Config"])
    for text in (
        "semaglutide",
        "FDA",
        "https://www.fda.gov",
        "government",
        "https://example.com/other",
        "web",
    ):
        assert text in config.words
    assert (config.fact("quality_threshold"), config.fact("batch_size")) == ("0.7", "5")
    # Addresses of sources are data, not links.
    assert not [a for a in config.root.all("a") if "example.com" in a.attrs.get("href", "")]
    results = visit(client, page.tabs["Results"])
    for text in ("reports/x.json", "Finding 2", "total_sources", "0.85"):
        assert text in results.words
    history = visit(client, page.tabs["History"])
    assert "pending processing Started processing" in history.words
    assert history.fact("test_run") == "yes"
    raw = visit(client, page.tabs["Raw"]).root.one("pre", class_="raw").text
    assert '"percentage": {\n        "N": "65.5"\n      }' in raw
    for name in item:
        assert f'"{name}"' in raw
    assert visit(client, page.url + "?tab=nonsense").current_tab == "Progress"
    assert visit(client, page.tabs["Logs"]).current_tab == "Logs"
    listed = visit(client, "/requests/?range=all")
    assert "4 m 12 s" in listed.rows[0].words
    assert "Failed to extract content from URL xyz" in listed.rows[0].words


@pytest.mark.no_moto
def test_sources_are_read_in_both_of_their_forms(shown: Any) -> None:
    """Point 9."""
    sources = [
        {"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"},
        {"name": "Other", "type": "web", "url": "https://example.com/other"},
        "https://bare.example.com",
        {"name": 5, "base_url": ["x"], "source_type": ""},
        None,
        7,
        ["nested"],
    ]
    page = shown(request("sources", config={"sources": sources, "keywords": ["a", None, {"k": 1}]}), "config")
    rows = [row.words for row in page.root.one("table").all("tr")][1:]
    assert rows[0] == "FDA government https://www.fda.gov"
    assert rows[1] == "Other web https://example.com/other"
    assert rows[2] == "https://bare.example.com — —"
    assert rows[3] == '5 — malformed: {"L": [{"S": "x"}]}'
    assert rows[4] == 'malformed: {"NULL": true}'
    assert rows[5] == "7 — —"
    assert rows[6] == 'malformed: {"L": [{"S": "nested"}]}'
    tags = [tag.words for tag in page.root.one("ul", class_="tags").all("li")]
    assert tags == ["a", 'malformed: {"M": {"k": {"N": "1"}}}']
    for config, text in (("none", '{"S": "none"}'), ({"keywords": 5, "sources": True}, '{"N": "5"}')):
        assert text in shown(request("sources", config=config), "config").words
    assert '{"BOOL": true}' in shown(request("sources", config={"sources": True}), "config").words
    assert "None recorded." in shown(request("sources", config=MISSING), "config").words


@each(
    ("written", "listed", "finding"),
    [
        (Typed(N="65.25"), "65.2 %", ""),
        (65, "65 %", ""),
        ("65", "65 %", ""),
        (140, "140 %", "The progress says 140 %, which is not between 0 and 100 %."),
        (-5, "-5 %", "The progress says -5 %, which is not between 0 and 100 %."),
        (MISSING, "—", ""),
        (None, "—", ""),
        ("about half", 'malformed: {"S": "about half"}', ""),
        ("1E+999999999", 'malformed: {"S": "1E+999999999"}', ""),
        ("NaN", 'malformed: {"S": "NaN"}', ""),
        ([], 'malformed: {"L": []}', ""),
    ],
)
@pytest.mark.no_moto
def test_percentages_are_shown_whatever_they_are(
    shown: Any, client_for: Any, written: Any, listed: str, finding: str
) -> None:
    """Point 10."""
    progress = {"current_stage": "aggregation"} | ({} if written is MISSING else {"percentage": written})
    page = shown(request("percent", progress=progress))
    assert page.fact("Progress") == listed
    assert page.findings.get("percentage", "") == finding
    assert ("malformed" in page.findings) == ("malformed" in listed)
    if "malformed" in listed:
        assert page.findings["malformed"] == "Could not be read as documented: progress.percentage."
    assert listed in visit(client_for("viewer"), "/requests/").rows[0].words


def test_a_cancel_that_a_worker_overwrites_is_never_shown_as_done(tables: Any, client_for: Any) -> None:
    """Point 11: the page shows what is in the table at each look, and goes on looking."""
    table, client = tables["requests"], client_for("viewer")
    from_memory = request("contested", status="processing", marker="kept")
    put(table, from_memory)
    page = visit(client, "/requests/contested/")
    assert (page.fact("Status"), page.polls) == ("processing", True)
    clients.client(*table.location).update_item(
        TableName=table.name,
        Key={"request_id": {"S": "contested"}},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "cancelled"}},
    )
    cancelled = poll(client, page)
    assert (cancelled.status, cancelled.fact("Status"), cancelled.polls) == (200, "cancelled", False)
    put(table, from_memory)  # the worker's unconditional PutItem
    again = poll(client, cancelled)
    assert (again.status, again.fact("Status"), again.polls) == (200, "processing", True)
    assert visit(client, "/requests/?status=cancelled").ids == []


@pytest.mark.no_moto
def test_stamps_without_a_zone_are_utc_and_kept_as_they_are_written(
    shown: Any, client_for: Any, tables: Any
) -> None:
    """Point 7, and the disagreement about request timestamps."""
    page = shown(request("naive", created_at="2024-01-09T15:43:09.250000", updated_at=1704814989250))
    assert page.fact("Created").endswith(" ago") or page.fact("Created").startswith("2024-01-09 15:43:09")
    assert page.root.one("time").attrs["datetime"] == "2024-01-09T15:43:09.250Z"
    assert page.fact("Updated") == "2024-01-09 15:43:09 UTC"
    # The index orders text: a range in the browser's zone finds the zone-less stamp as UTC.
    client = client_for("viewer")
    assert visit(client, "/requests/?from=2024-01-09T15:43:09&to=2024-01-09T15:43:09").ids == ["naive"]
    assert visit(client, "/requests/?from=2024-01-09T16:43:09%2B01:00&to=2024-01-09T15:43:09Z").ids == [
        "naive"
    ]
    assert visit(client, "/requests/?from=2024-01-09T15:43:10&to=2024-01-09T16:00").ids == []


CONTRADICTIONS: list[tuple[Callable[[], dict[str, Any]], str, str]] = [
    (lambda: {"created_at": naive(ago(minutes=50)), "updated_at": naive(ago(minutes=47)), "started_at": MISSING,
              "progress": MISSING}, "stuck", "No update for 47 min."),
    (lambda: {"status": "pending", "created_at": naive(ago(hours=5, minutes=12)), "updated_at": MISSING,
              "started_at": MISSING, "progress": MISSING}, "stuck", "No worker has taken it for 5 h 12 min."),
    (lambda: {"status": "completed"}, "no_results", "Completed, but it has no results."),
    (lambda: {"status": "Failed"}, "no_error", "Failed, but no error was recorded."),
    (lambda: {"status": MISSING}, "no_status", "The item has no status, so it is in no list by status."),
    (lambda: {"created_at": MISSING}, "no_created_at",
     "The item has no created_at text, so it is in no list by time."),
    (lambda: {"config": "x", "errors": [], "progress": [], "completed_at": "soon"}, "malformed",
     "Could not be read as documented: completed_at, config, progress."),
]  # fmt: skip


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kinds", "said"),
    [
        ({"started_at": naive(NOW - timedelta(minutes=30)), "completed_at": naive(NOW - timedelta(minutes=45)),
          "created_at": naive(NOW - timedelta(hours=1))}, ["time_order"], "completed_at is 15 m 0 s before started_at."),
        ({"started_at": naive(NOW - timedelta(minutes=30)), "completed_at": "2026-11-20T12:20:00+01:00"}, ["time_order"],
         "completed_at is 10 m 0 s before started_at"),
        ({"updated_at": naive(NOW - timedelta(hours=3))}, ["time_order"], "updated_at is 2 h 0 m before created_at."),
        ({"created_at": naive(NOW + timedelta(hours=3)), "updated_at": MISSING, "started_at": MISSING},
         ["future"], "created_at by 3 h 0 m."),
        ({"completed_at": naive(NOW + timedelta(minutes=2))}, ["future"], "completed_at by 2 m 0 s."),
        # A worker's clock that is two seconds behind, an end of the run before, and what can't be read.
        ({"updated_at": naive(NOW - timedelta(hours=1, seconds=2))}, [], ""),
        ({"created_at": naive(NOW + timedelta(seconds=3)), "updated_at": MISSING}, [], ""),
        ({"status": "processing", "started_at": naive(NOW), "completed_at": naive(NOW - timedelta(minutes=9))}, [], ""),
        ({"started_at": "soon", "completed_at": naive(NOW - timedelta(minutes=9))}, [], ""),
    ],
)  # fmt: skip
def test_an_impossible_order_of_times_is_a_finding(values: Any, kinds: list[str], said: str) -> None:
    whole = {
        "status": "completed",
        "created_at": naive(NOW - timedelta(hours=1)),
        "updated_at": naive(NOW - timedelta(minutes=1)),
        "started_at": MISSING,
        "completed_at": MISSING,
    }
    found = findings(IntelligenceRequest.from_item(request("r", **{**whole, **values})), NOW)
    of_times = [one for one in found if one.kind in ("time_order", "future")]
    assert [one.kind for one in of_times] == kinds
    assert said in " ".join(one.sentence for one in of_times)


@pytest.mark.no_moto
def test_contradictions_are_findings(shown: Any) -> None:
    for values, kind, sentence in CONTRADICTIONS:
        assert shown(request("found", **values())).findings[kind] == sentence


@pytest.mark.no_moto
@pytest.mark.no_moto
def test_the_status_message_of_a_failed_request_is_its_error(
    shown: Any, tables: Any, client_for: Any
) -> None:
    """Some writers set it alone, and never `errors`."""
    client, at = client_for("viewer"), naive(ago(minutes=1))
    says = "Rate limit\nof the source <b>exceeded</b>"
    for status, errors, message, error in (
        ("FAILED", [], says, says),
        ("failed", MISSING, says, says),
        ("error", None, says, says),
        ("failed", ["", "  "], says, says),
        ("failed", ["first", "second"], says, "first"),
        ("failed", [], Typed(N="429"), "429"),
        ("completed", [], says, None),
        ("processing", [], says, None),
        ("failed", [], "  ", None),
        ("failed", [], None, None),
    ):
        later(61)  # statuses are looked for again
        page = shown(request("r", status=status, errors=errors, status_message=message, completed_at=at))
        panels = page.root.all("section", aria_label="First error")
        assert not page.root.all("section", aria_label="Errors")
        assert (panels[0].one("pre").text if panels else None) == error
        assert ("no_error" in page.findings) == (status.lower() == "failed" and error is None)
        # Said once: where it is the error it is not the subtitle too.
        assert page.words.count("Rate limit") == (message == says)
        document = client.get("/api/requests/r").json()
        assert document["error"] == error
        (row,) = client.get("/api/requests?range=all").json()["items"]
        assert row["error"] == error
        listed = visit(client, "/requests/?range=all").rows[0].one("td", class_="is-error").words
        silent = "Failed, but no error was recorded." if status.lower() == "failed" else ""
        assert listed == (silent if error is None else "Rate limit…" if error == says else error)
        question = Question(now=datetime.now(UTC), baseline=ago(days=1), window=timedelta(days=1))
        facts = watches.ITEMS.failed(question).facts
        assert [fact.error for fact in facts] == (
            [] if status in ("completed", "processing") else [error or ""]
        )
    stamped = [f"2026-01-09T15:43:12.000000: {says}"]
    page = shown(request("r", status="failed", errors=stamped, status_message=says, completed_at=at))
    assert page.words.count("Rate limit") == 1


@pytest.mark.no_moto
def test_what_runs_again_after_its_end_took_no_time_yet(shown: Any, tables: Any, client_for: Any) -> None:
    """A cancel set its end, and a worker that updates single attributes goes on with it."""
    times = {"started_at": naive(ago(minutes=5)), "completed_at": naive(ago(minutes=1))}
    shown(request("r", status="processing", **times))
    row = visit(client_for("viewer"), "/requests/?range=all").rows[0]
    assert row.one("td", data_label="Duration").words == "—"
    shown(request("r", status="cancelled", **times))
    row = visit(client_for("viewer"), "/requests/?range=all").rows[0]
    assert row.one("td", data_label="Duration").words == "4 m 0 s"


def test_what_can_not_be_read_is_shown_as_it_is_written(shown: Any) -> None:
    item = request(
        "bad-types", request_type=["x"], config="none", progress=[], errors="one text, not a list",
        warnings={"a": "map"}, processing_metadata=7, started_at="yesterday", completed_at=True,
        status_message={"k": "v"}, results=Typed(SS=["a", "b"]),
    )  # fmt: skip
    page = shown(item)
    for text in ('{"L": [{"S": "x"}]}', "one text, not a list", '{"M": {"a": {"S": "map"}}}', '{"L": []}',
                 '{"S": "yesterday"}', '{"BOOL": true}', '{"N": "7"}', '{"M": {"k": {"S": "v"}}}'):  # fmt: skip
        assert text in page.words
    assert "a, b" in shown(item, "results").words or '"a"' in shown(item, "results").words
    history = [
        "failed", None, {"timestamp": 1, "new_status": ["x"], "message": Typed(B=b"\x01")},
        {"timestamp": 1704814989.5, "old_status": "a", "new_status": "b", "message": "m"},
    ]  # fmt: skip
    rows = [row.words for row in shown(request("h", processing_metadata={"status_history": history, "x": {"y": 1}}),
                                       "history").root.one("table").all("tr")][1:]  # fmt: skip
    assert rows[0] == 'malformed: {"S": "failed"}'
    assert rows[1] == 'malformed: {"NULL": true}'
    assert rows[2].endswith('no status malformed: {"L": [{"S": "x"}]} malformed: {"B": "AQ=="}')
    assert rows[3] == "2024-01-09 15:43:09 UTC a b m"
    whole = (
        shown(request("h", processing_metadata={"status_history": "x"}), "history").root.one("table").words
    )
    assert whole.endswith('malformed: {"S": "x"}')
    assert (
        "No change of status was recorded."
        in shown(request("h", processing_metadata=MISSING), "history").words
    )


@pytest.mark.no_moto
def test_results_are_shown_in_whatever_form_they_have(shown: Any) -> None:
    for results, text in (
        ({"summary": {"a": Typed(N="1.50")}}, '"a": 1.5'),
        ('{"from": ["text", 1]}', '"text",'),
        ([1, "two"], '"two"'),
        ("see the report", 'malformed: {"S": "see the report"}'),
        ("[" * 900 + "]" * 900, 'malformed: {"S": "[[[['),
        (5, "5"),
    ):
        assert text in shown(request("r", results=results), "results").words
    # DynamoDB returns the members of a map in another order each time.
    parts = {"b": 1, "a": {"d": 2, "c": 3}}
    page = shown(request("r", results=parts), "results")
    assert [panel.one("h2").words for panel in page.root.all("section", class_="panel")] == ["a", "b"]
    assert page.words.index('"c": 3') < page.words.index('"d": 2')
    assert "They are written when the request completes." in shown(request("r"), "results").words
    assert "No results" in shown(request("r", status="failed"), "results").words


def test_a_request_that_is_gone_is_a_404_that_leads_to_its_logs(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    page = visit(client, "/requests/gone~2Fbefore/", status=404)
    assert page.empty.attrs["data-empty"] == "gone"
    assert "gone/before" in page.words
    assert any(a.attrs["href"] == "/requests/gone~2Fbefore/logs/" for a in page.root.all("a"))
    # Bytes that are no UTF-8 are the text %FF to Django: a literal key, which is redirected to its one address.
    assert client.get("/requests/%ff/", follow=True).redirect_chain == [("/requests/~25FF/", 302)]
    assert client.get("/requests/~25FF/").status_code == 404
    assert client.get("/requests/" + "k" * 3000 + "/").status_code == 404
