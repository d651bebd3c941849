"""No item is lost for want of an index: lists, counts, failures, stuck items and rules, over HTTP on a real engine."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.alerts.watches import Question
from opsportal.dynamo import clients, samples, sampling
from opsportal.dynamo.tables import binding
from opsportal.operations import outbox
from tests.console.test_overview import digest, figures
from tests.dynamo.calls import calls_on
from tests.engines import Engine
from tests.factories import MISSING, Typed, ago, delete, naive, put, request, workflow, zulu
from tests.field import resource_table
from tests.field.writer_a import StatusWriter
from tests.field.writer_b import WriterB, writer_b
from tests.operations.places import scan, trail
from tests.pages import Page, poll, visit
from tests.samples import next_minute
from tests.shapes import examples, few
from tests.trouble import denied, refused, trouble
from tracking import queries, watches

__all__ = ["writer_b"]


def walk(client: Any, url: str) -> list[Page]:
    found = []
    while url:
        found.append(visit(client, url))
        url = found[-1].next_url
        assert len(found) < 12, "the list does not end"
    return found


def keys(client: Any, url: str) -> list[str]:
    return [key for page in walk(client, url) for key in page.ids]


# --- Writer A on a table with the index ------------------------------------------------------------------


def question(**values: Any) -> Question:
    now = datetime.now(UTC)
    return Question(now, now - timedelta(days=2), window=timedelta(days=1), **values)


def test_workflows_without_createdat_are_everywhere(tables: Any, client_for: Any, settings: Any) -> None:
    table, client = tables["workflows"], client_for("viewer")
    writer = StatusWriter(resource_table(table))
    for number in range(4):
        writer.initialize(f"bad-{number}")
        writer.begin(f"bad-{number}", "pdfAdapter")
        writer.fail(f"bad-{number}", "pdfAdapter", f"quota exceeded {number}")
    for number in range(3):
        writer.begin(f"running-{number}", "pdfAdapter")
    for number in range(2):
        writer.begin(f"done-{number}", "pdfAdapter")
        writer.succeed(f"done-{number}", "pdfAdapter")
        writer.complete(f"done-{number}")
    put(table, workflow("indexed", overallStatus="failed", createdAt=zulu(ago(hours=1))))
    everything = {f"bad-{n}" for n in range(4)} | {f"running-{n}" for n in range(3)} | {"done-0", "done-1"}

    page = visit(client, "/workflows/")
    assert set(page.ids) == everything | {"indexed"}
    assert len(page.ids) == 10
    assert page.words.count("no createdAt") == 9
    assert page.ids[-1] == "indexed", "they stand at their last update"
    assert set(visit(client, "/workflows/?status=failed").ids) == {f"bad-{n}" for n in range(4)} | {"indexed"}
    assert set(visit(client, "/workflows/?q=bad-").ids) == {f"bad-{n}" for n in range(4)}
    assert visit(client, "/workflows/?range=1h&status=completed").ids in (
        ["done-0", "done-1"],
        ["done-1", "done-0"],
    )
    assert set(visit(client, "/workflows/?outside=1").ids) == everything
    answer = client.get("/api/workflows?range=all").json()
    assert {item["id"] for item in answer["items"]} == everything | {"indexed"}
    # A poll is answered with nothing as long as nothing has changed, and the list does not jump.
    assert poll(client, page).status == 204

    panel = visit(client, "/panels/workflows/")
    assert figures(panel)["failed"] == "5"
    assert figures(panel)["processing"] == "3"
    assert len([line for line in digest(panel, "Newest failures") if "quota exceeded" in line]) == 4
    assert "With the minute's sample: " in panel.words
    assert {fact.subject for fact in watches.ITEMS.failed(question()).facts} == {
        f"bad-{n}" for n in range(4)
    } | {"indexed"}
    rate = watches.ITEMS.failure_rate(question(threshold=50, minimum=5))
    assert rate.facts[0].figures == {"failed": 5, "ended": 7, "percent": 71.4, "window_minutes": 1440}

    settings.WORKFLOW_STUCK_MINUTES = 0
    caches["process"].clear()
    stuck = queries.stuck(queries.READS.figures(), datetime.now(UTC) + timedelta(minutes=1))
    assert {raw["sessionId"]["S"] for raw in stuck} == {f"running-{n}" for n in range(3)}
    later = Question(datetime.now(UTC) + timedelta(minutes=9), datetime.now(UTC), threshold=5)
    assert {fact.subject for fact in watches.ITEMS.stuck(later).facts} == {f"running-{n}" for n in range(3)}
    step = visit(client, "/workflows/steps/pdfAdapter/")
    assert "10 workflows" in step.words
    assert "4" in step.words


# --- Writer B on the tables of its own migrations --------------------------------------------------------


def test_tables_with_the_primary_key_only_work_everywhere(writer_b: WriterB, client_for: Any) -> None:
    begun = [writer_b.submit(created_at=naive(ago(minutes=n)), project_id=f"p-{n % 2}") for n in (3, 2, 1)]
    running = writer_b.take()
    assert running
    writer_b.progress(running, "serp_discovery", 20, urls_found=4)
    failed = writer_b.submit(status="FAILED", status_message="no quota", priority="low")
    client = client_for("administrator")

    page = visit(client, "/requests/")
    assert page.ids[0] == failed
    assert set(page.ids) == {*begun, failed}
    assert [key for key in page.ids if key != running.request_id][1:] == [
        key for key in reversed(begun) if key != running.request_id
    ], "newest first"
    assert "no index on status and created_at" in page.words
    assert "Scan" not in page.response.wsgi_request.spending.operations, (
        "the sample is not on the page's account"
    )
    assert "the minute's sample: " in page.root.one("div", class_="reading").words
    assert visit(client, "/requests/?status=failed").ids == [failed]
    assert set(visit(client, "/requests/?project=p-1").ids) == {begun[0], begun[2]}
    assert set(visit(client, "/requests/?user=analyst-7").ids) == {*begun, failed}
    by_priority = visit(client, "/requests/?sort=priority")
    assert set(by_priority.ids) == {*begun, failed}
    assert "So these are newest first" in by_priority.words
    assert set(visit(client, "/requests/?outside=1").ids) == {*begun, failed}
    document = client.get("/api/requests").json()
    assert {item["id"] for item in document["items"]} == {*begun, failed}
    assert any("no index" in note for note in document["notes"])

    panel = visit(client, "/panels/requests/")
    assert figures(panel)["FAILED"] == "1"
    assert figures(panel)["pending"] == "2"
    assert failed in " ".join(digest(panel, "Newest failures"))
    form = visit(client, "/requests/new/")
    offered = {option.attrs.get("value") for option in form.root.all("option")}
    assert {"p-0", "p-1"} <= offered

    url = f"/requests/{running.request_id}/logs/"
    logs = visit(client, url)
    lines = [line.words for line in logs.root.all("div", data_log_line=None)]
    assert len(lines) == 2
    assert "Request processing started" in lines[0], "oldest at the top"
    assert "no index on request_id and timestamp" in logs.words
    assert "look for such lines" not in logs.words
    with calls_on(binding("request_logs")) as calls:
        assert poll(client, logs).status == 204
    assert "Scan" not in calls, "a tail is not searched for again at each poll"
    assert visit(client, f"{url}?level=ERROR").root.all("div", data_log_line=None) == []
    text = b"".join(client.get(f"{url}?format=txt").streaming_content).decode()
    assert text.count("\n") == 2
    assert "not complete" not in text
    assert len(client.get(f"/api/requests/{running.request_id}/logs").json()["items"]) == 2
    assert visit(client, f"/requests/{failed}/logs/").words.count("No log lines") == 1


def test_a_list_without_an_index_shows_what_was_done_since_the_sample(
    writer_b: WriterB, client_for: Any
) -> None:
    """A person who cancels one must not see it pending for a minute, and what workers write is live."""
    waiting, cancelled, gone, failed = (
        writer_b.submit(created_at=naive(ago(minutes=n))) for n in (4, 3, 2, 1)
    )
    client, table = client_for("administrator"), binding("requests")
    assert visit(client, "/requests/").ids == [failed, gone, cancelled, waiting]
    put(table, request(failed, status="failed", created_at=naive(ago(minutes=1))))
    delete(table, gone)
    assert client.post(f"/requests/{cancelled}/cancel/", {"action_id": str(uuid.uuid4())}).status_code == 302
    with calls_on(table) as calls:
        page = visit(client, "/requests/")
    assert [call for call in calls if call != "DescribeTable"] == ["BatchGetItem"]
    assert page.ids == [failed, cancelled, waiting]
    assert "failed" in page.rows[0].words
    assert "cancelled" in page.rows[1].words
    assert visit(client, "/requests/?status=pending").ids == [waiting]
    with trouble(table, denied("BatchGetItem", table.name), "BatchGetItem"):
        page = visit(client, "/requests/")
    assert page.ids == [failed, gone, cancelled, waiting]
    assert "What is in no index is as the minute's sample found it: " in page.words
    assert "dynamodb:BatchGetItem" in page.words


def test_the_logs_of_a_purged_request_go_without_an_index_too(
    writer_b: WriterB, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests_app.outgoing.PAGES_PER_MESSAGE", 1)
    purged, other = writer_b.submit(), writer_b.submit()
    taken = writer_b.take()
    assert taken
    for number in range(5):  # two pages of the table, so two messages
        writer_b.log(taken, f"{number} " + "x" * 300_000)
    kept = writer_b.get(other)
    assert kept
    writer_b.log(kept, "another's")
    client = client_for("administrator")
    sent = {"action_id": str(uuid.uuid4()), "confirm": purged, "reason": "test"}
    assert client.post(f"/requests/{purged}/purge/", sent).status_code == 302
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        assert outbox.deliver_due(binding("requests")) == 1
        assert outbox.deliver_due(binding("requests")) == 1
        assert outbox.deliver_due(binding("requests")) == 0
    left = {item["request_id"]["S"] for item in scan(binding("request_logs"))}
    assert left == {other}
    (entry,) = [e for e in trail(binding("requests")) if e["action"]["S"] == "request:purge_logs"]
    assert int(entry["count"]["N"]) == 6


def test_a_download_of_logs_without_an_index_says_where_it_ended(
    writer_b: WriterB, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests_app.logs.DOWNLOAD_PAGES", 1)
    request_id = writer_b.submit()
    taken = writer_b.take()
    assert taken
    for number in range(5):
        writer_b.log(taken, f"{number} " + "x" * 300_000)
    client = client_for("viewer")
    for form in ("txt", "ndjson"):
        text = b"".join(client.get(f"/requests/{request_id}/logs/?format={form}").streaming_content).decode()
        last = text.splitlines()[-1]
        why = (
            json.loads(last)["incomplete"]
            if form == "ndjson"
            else last.removeprefix("# This file is not complete: ")
        )
        assert "Only the first 1 MB" in why
    nothing = b"".join(client.get(f"/requests/{writer_b.submit()}/logs/?format=txt").streaming_content)
    assert b"not complete" in nothing


def test_each_index_may_be_missing_by_itself(
    engine: Engine, tables: Any, settings: Any, client_for: Any
) -> None:
    table, client = tables["requests"], client_for("viewer")
    made = [
        request("a", user_id="u", project_id="p", priority="low", created_at=naive(ago(minutes=3))),
        request(
            "b",
            user_id="u",
            project_id="q",
            priority="high",
            created_at=naive(ago(minutes=2)),
            status="failed",
        ),
        request("c", user_id="v", project_id="p", priority=MISSING, created_at=naive(ago(minutes=1))),
        request(
            "d",
            user_id="u",
            project_id="p",
            created_at=MISSING,
            updated_at=naive(ago(minutes=9)),
            priority="low",
        ),
    ]
    lists = {
        "": "cbad",
        "user=u": "bad",
        "project=p": "cad",
        "user=u&status=failed": "b",
        "status=processing": "cad",
    }
    arguments = table.create_request()
    for missing in range(4):
        name = f"{table.name}-{missing}"
        indexes = [index for n, index in enumerate(arguments["GlobalSecondaryIndexes"]) if n != missing]
        used = {"request_id"} | {part["AttributeName"] for index in indexes for part in index["KeySchema"]}
        definitions = [one for one in arguments["AttributeDefinitions"] if one["AttributeName"] in used]
        client_ = clients.client(*table.location, background=True)
        client_.create_table(
            **arguments
            | {"TableName": name, "GlobalSecondaryIndexes": indexes, "AttributeDefinitions": definitions}
        )
        try:
            settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
                "requests": settings.DYNAMO_TABLES["requests"] | {"name": name}
            }
            put(binding("requests"), *made)
            for query, expected in lists.items():
                assert "".join(visit(client, f"/requests/?{query}").ids) == expected, (missing, query)
            by_priority = visit(client, "/requests/?sort=priority")
            assert "".join(by_priority.ids) == ("cbad" if missing == 3 else "badc"), missing
            panel = visit(client, "/panels/requests/")
            assert figures(panel)["processing"] == "3", missing
            assert visit(client, "/requests/new/", status=403).status == 403
        finally:
            client_.delete_table(TableName=name)


def test_without_the_right_to_describe_the_index_is_tried(
    tables: Any, writer_b: WriterB, client_for: Any, settings: Any
) -> None:
    client = client_for("viewer")
    bare = binding("requests")
    writer_b.submit("r-1")
    put(tables["workflows"], workflow("w", createdAt=zulu(ago(minutes=1))))
    with (
        trouble(bare, denied("DescribeTable", "arn"), "DescribeTable"),
        trouble(tables["workflows"], denied("DescribeTable", "arn"), "DescribeTable"),
    ):
        page = visit(client, "/requests/")
        assert page.ids == ["r-1"]
        assert "is not known: The console's role may not perform dynamodb:DescribeTable" in page.words
        indexed = visit(client, "/workflows/")
        assert indexed.ids == ["w"]
        assert "Query overallStatus-createdAt-index" in indexed.root.one("div", class_="reading").words
        assert figures(visit(client, "/panels/requests/"))["pending"] == "1"


def test_an_item_is_in_the_list_and_on_the_overview_within_90_seconds(tables: Any, client_for: Any) -> None:
    """At the refresh that a person has who has chosen none: 30 s after the sample is a minute old."""
    table, client, begin = tables["workflows"], client_for("viewer"), datetime.now(UTC)
    put(table, workflow("before", createdAt=MISSING, overallStatus="failed"))
    with time_machine.travel(begin, tick=False):
        assert visit(client, "/workflows/").ids == ["before"]
        put(table, workflow("after", createdAt=MISSING, overallStatus="failed"))
    # Everything that keeps anything is filled as late as can be.
    with time_machine.travel(begin + timedelta(seconds=59.5), tick=False):
        assert visit(client, "/workflows/").ids == ["before"]
        assert figures(visit(client, "/panels/workflows/"))["failed"] == "1"
    with time_machine.travel(begin + timedelta(seconds=60.1), tick=False):
        assert figures(visit(client, "/panels/workflows/"))["failed"] == "2"
        assert set(visit(client, "/workflows/").ids) == {"before", "after"}


# --- The sample itself -----------------------------------------------------------------------------------


def test_a_large_table_is_covered_minute_by_minute(engine: Engine, tables: Any, client_for: Any) -> None:
    table, client = tables["workflows"], client_for("viewer")
    filler = {"unlistedText": "x" * 50_000}
    # An engine may scan in the order of the keys: they are spread over it.
    out = [f"{6 * n:02}-out" for n in range(10)]
    put(
        table,
        *(
            workflow(name, createdAt=MISSING, lastUpdated=zulu(ago(minutes=n + 1)), **filler)
            for n, name in enumerate(out)
        ),
        *(workflow(f"{n:02}-in", createdAt=zulu(ago(hours=n + 1)), **filler) for n in range(60) if n % 6),
    )

    first = visit(client, "/workflows/?range=all")
    listed = {key for key in keys(client, "/workflows/?range=all") if key in out}
    assert 0 < len(listed) < 10
    assert "of the items" in first.words
    assert "have no overallStatus or createdAt and are in no index" in first.words
    assert "those that it has not read yet are missing here" in first.words
    sample = samples.for_table(queries.SAMPLED)
    assert sample.calls <= 2  # and DescribeTable, where that was not known
    # moto bills any Scan as one unit.
    assert engine.kind == "moto" or 100 <= sample.units <= 130, "one Scan of 1 MB"
    assert 0.2 < (sample.covered or 0) < 0.6

    minutes = 1
    while not (samples.for_table(queries.SAMPLED).certain):
        next_minute()
        minutes += 1
        assert minutes < 6
    assert minutes == 3, "3 MB"
    page = visit(client, "/workflows/?range=all")
    assert [key for key in keys(client, "/workflows/?range=all") if key in out] == out
    assert "those that it has not read yet" not in page.words
    assert len(keys(client, "/workflows/?range=all")) == 60
    kept = samples.for_table(queries.SAMPLED).kept
    assert kept
    assert len(kept.packed) < 20_000

    # What is not finished is read again by its key each minute, before the Scan comes to it.
    delete(table, out[3])
    moved = {"createdAt": MISSING, "overallStatus": "failed", "lastUpdated": zulu(ago(minutes=5)), **filler}
    put(table, workflow(out[4], **moved))
    next_minute()
    assert visit(client, "/workflows/?status=failed").ids == [out[4]]
    found = keys(client, "/workflows/?range=all")
    assert out[3] not in found
    assert found.count(out[4]) == 1
    # All else goes with the pass that does not find it.
    delete(table, out[4])
    for _ in range(6):
        next_minute()
        samples.for_table(queries.SAMPLED)
    assert visit(client, "/workflows/?status=failed").ids == []


def test_what_is_kept_is_bounded_and_nothing_is_lost_for_it(
    tables_without_index: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, client = tables_without_index["workflows"], client_for("viewer")
    put(
        table,
        *(workflow(f"w-{n:03}", createdAt=zulu(ago(minutes=n)), documentId="d" * 3_000) for n in range(70)),
    )
    assert keys(client, "/workflows/") == [f"w-{n:03}" for n in range(70)]
    for cap, value in (("MAX_ROWS", 20), ("MAX_BYTES", 5_000)):
        monkeypatch.setattr(sampling, cap, value)
        next_minute()
        kept = samples.for_table(queries.SAMPLED)
        assert [row.item["sessionId"]["S"] for row in kept.rows] == [
            f"w-{n:03}" for n in range(len(kept.rows))
        ]
        assert 0 < len(kept.rows) <= 20
        # A Scan, in no order, has the others.
        pages = walk(client, "/workflows/")
        assert sorted(key for page in pages for key in page.ids) == [f"w-{n:03}" for n in range(70)]
        assert "a part of it is scanned, in no order" in pages[0].words
        assert figures(visit(client, "/panels/workflows/"))["processing"] == "70"


def test_however_many_viewers_cost_one_scan_a_minute(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    put(tables["workflows"], workflow("out", createdAt=MISSING))
    put(tables["requests"], request("out", created_at=MISSING))
    urls = (
        "/workflows/",
        "/requests/",
        "/panels/workflows/",
        "/panels/requests/",
        "/api/workflows",
        "/api/requests",
    )
    scans: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        if "IndexName" not in str(params["body"]):
            scans.append(str(params["body"]))

    found = [
        clients.client(*table.location).meta.events for table in (tables["workflows"], tables["requests"])
    ]
    registries = list({id(events): events for events in found}.values())
    for events in registries:
        events.register("before-call.dynamodb.Scan", note)
    try:
        for number in range(36):
            if number % 10 == 0:
                caches["process"].clear()  # another process
            assert client.get(urls[number % len(urls)]).status_code == 200
        assert len(scans) == 2, "one of each table"
        next_minute()
        for url in urls:
            client.get(url)
        assert len(scans) == 4
    finally:
        for events in registries:
            events.unregister("before-call.dynamodb.Scan", note)


def test_trouble_of_the_sample_leaves_what_the_index_has(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    put(
        tables["workflows"],
        workflow("in", createdAt=zulu(ago(minutes=1))),
        workflow("out", createdAt=MISSING),
    )
    put(tables["requests"], request("in"), request("out", created_at=MISSING))
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{tables['requests'].name}"
    for name, fault, words in (
        ("requests", denied("Scan", arn), "may not perform dynamodb:Scan"),
        (
            "workflows",
            refused("ThrottlingException", "Rate exceeded"),
            "gets more requests than it is allowed",
        ),
    ):
        with trouble(tables[name], fault, "Scan"):
            page = visit(client, f"/{name}/")
            assert page.ids == ["in"]
            assert "Items that are in no index are missing here" in page.words
            assert words in page.words
            assert ("IAM policy statement" in page.words) == (name == "requests")
            panel = visit(client, f"/panels/{name}/")
            assert figures(panel)["processing"] == "1"
            assert words in panel.words
            document = client.get(f"/api/{name}").json()
            assert any(words in note for note in document["notes"])
        caches["process"].clear()
        assert sorted(visit(client, f"/{name}/").ids) == ["in", "out"]
        next_minute()
        with trouble(tables[name], fault, "Scan"):
            page = visit(client, f"/{name}/")
            assert sorted(page.ids) == ["in", "out"], "as of the minute before"
            assert "could not be renewed" in page.words
        caches["process"].clear()


def test_forms_of_stamps_are_said_with_how_far_they_put_the_order_off(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    at = ago(minutes=5)
    put(tables["workflows"], *(workflow(createdAt=zulu(at)) for _ in range(2)))
    assert "forms" not in visit(client, "/workflows/").words
    put(tables["workflows"], workflow(createdAt=f"{at + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}+02:00"))
    next_minute()
    page = visit(client, "/workflows/")
    assert "createdAt has 2 forms (ISO, 3 decimals, Z; ISO, seconds, +0200)" in page.words
    assert "From page to page the order may be off by 2 h." in page.words


# --- Each item in exactly one place ----------------------------------------------------------------------

CREATED = (
    MISSING, Typed(S="2026-11-20T10:00:00.000Z"), Typed(S="2026-11-20T10:00:00"), Typed(S="2026-11-21T10:00:00+02:00"),
    Typed(N="1795168800"), Typed(S="not a time"), Typed(NULL=True), Typed(M={}),
)  # fmt: skip
STATUS = (MISSING, Typed(S="failed"), Typed(S="processing"), Typed(S="FAILED"), Typed(N="5"), Typed(L=[]))
UPDATED = (MISSING, Typed(S="2026-11-20T10:00:00.000Z"), Typed(S="2026-11-22T11:11:11"), Typed(BOOL=True))
PRIORITY = (MISSING, Typed(S="high"), Typed(S="low"), Typed(N="1"))


@hypothesis_settings(few, max_examples=examples(2))
@given(
    drawn=st.lists(
        st.tuples(*(st.sampled_from(values) for values in (CREATED, STATUS, UPDATED, PRIORITY))),
        min_size=60,
        max_size=130,
    )
)
def test_each_item_stands_in_exactly_one_place(
    tables: Any, writer_b: WriterB, client_for: Any, settings: Any, drawn: Any
) -> None:
    client, names = client_for("viewer"), [f"k-{number:03}" for number in range(len(drawn))]
    configured = settings.DYNAMO_TABLES

    def text(value: Any) -> Any:
        """An index would refuse other types."""
        return value if value is MISSING or "S" in value else MISSING

    rows = list(zip(names, drawn, strict=True))
    bare, indexed = binding("requests"), tables["requests"]
    for table, kept in ((bare, lambda value: value), (indexed, text)):
        put(
            table,
            *(
                request(
                    name,
                    created_at=kept(created),
                    status=kept(status),
                    priority=kept(priority),
                    updated_at=updated,
                    progress=MISSING,
                    started_at=MISSING,
                )
                for name, (created, status, updated, priority) in rows
            ),
        )
    put(
        tables["workflows"],
        *(
            workflow(name, createdAt=text(c), overallStatus=text(s), lastUpdated=u, pdfAdapter=MISSING)
            for name, (c, s, u, _) in rows
        ),
    )
    for table, urls in (
        (bare, ("/requests/?range=all", "/requests/?range=all&sort=priority")),
        (indexed, ("/requests/?range=all", "/requests/?range=all&sort=priority", "/workflows/?range=all")),
    ):
        settings.DYNAMO_TABLES = configured | {"requests": configured["requests"] | {"name": table.name}}
        next_minute()
        for url in urls:
            pages = walk(client, url)
            assert sorted(key for page in pages for key in page.ids) == names, url
            assert all(len(page.ids) == 50 for page in pages[:-1]), url
    settings.DYNAMO_TABLES = configured
    for table in (bare, indexed, tables["workflows"]):
        delete(table, *names)
