"""The overview: what is wrong, in one look, whatever state a table is in."""

from datetime import timedelta
from typing import Any

import pytest

from opsportal.console.panels import tiles
from opsportal.dynamo import clients, partitions
from opsportal.dynamo.partitions import Count
from tests.factories import MISSING, Raw, agent, ago, naive, put, request, step, workflow, zulu
from tests.pages import Page, poll, visit
from tests.samples import later
from tests.trouble import denied, kinds, trouble

PANELS = [
    "panel-failures",
    "panel-workflows",
    "panel-requests",
    "panel-agents",
    "panel-audit",
    "panel-tables",
]


def figures(page: Page) -> dict[str, str]:
    """Each tile's status and count, in order."""
    return {
        tile.one("span", class_="label").words: tile.one("span", class_="figure").words
        for tile in page.root.all("a", class_="tile")
    }


def charts(page: Page) -> dict[str, str]:
    """What stands beside the title of each chart."""
    found = [item for group in page.root.all("ul", class_="charts is-trends") for item in group.all("li")]
    return {item.one("h3").words: " ".join(part.words for part in item.all("p")) for item in found}


def digest(page: Page, title: str) -> list[str]:
    """The lines below a heading of the panel."""
    (body,) = page.root.all("div", class_="panel-body")
    nodes = [child for child in body.children if not isinstance(child, str)]
    at = next(
        number for number, node in enumerate(nodes) if node.tag == "h3" and node.words.startswith(title)
    )
    return [line.words for line in nodes[at + 1].all("li")] or [nodes[at + 1].words]


@pytest.mark.no_moto
def test_the_page_reads_nothing_itself_and_names_the_window(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    page = visit(client, "/")
    assert page.response.wsgi_request.spending.calls == 0
    loading = page.root.all("section", hx_get=None)
    assert [node.attrs["id"] for node in loading] == PANELS
    assert all(node.attrs["hx-trigger"] == "load" for node in loading)
    assert all(node.attrs["hx-get"].endswith("?window=24h&reserved=1") for node in loading)
    chosen = visit(client, "/?window=1h")
    assert all(
        node.attrs["hx-get"].endswith("?window=1h&reserved=1")
        for node in chosen.root.all("section", hx_get=None)
    )
    for node in chosen.root.all("section", hx_get=None):
        panel = visit(client, node.attrs["hx-get"])
        assert panel.is_fragment
        assert panel.region.attrs["id"] == node.attrs["id"]
        assert panel.region.attrs["hx-get"] == node.attrs["hx-get"]
        assert panel.polls
    assert visit(client, "/?window=nonsense").root.one("div", class_="subheading").words == "Last 24 hours"


def test_only_panels_that_one_may_see_are_listed(client_for: Any, django_user_model: Any) -> None:
    client = client_for("anonymous")
    client.force_login(
        django_user_model.objects.create_user("lone", is_staff=True),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    page = visit(client, "/")
    assert [node.attrs["id"] for node in page.root.all("section", hx_get=None)] == ["panel-tables"]
    for name in ("workflows", "requests", "agents"):
        assert client.get(f"/panels/{name}/").status_code == 403
    anonymous = client_for("anonymous").get("/panels/agents/", headers={"HX-Request": "true"})
    assert anonymous.headers["HX-Redirect"].startswith("/accounts/login/")


@pytest.mark.no_moto
def test_workflows_are_counted_with_failures_first(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "COUNT_CAP", 3)
    now = zulu(ago(minutes=5))
    put(
        tables["workflows"],
        *(workflow(f"ok{n}", overallStatus="completed", createdAt=now) for n in range(2)),
        *(workflow(f"run{n}", overallStatus="processing", createdAt=now) for n in range(5)),
        workflow("bad", overallStatus="failed", createdAt=now, pdfAdapter=step("error", error="Disk\nfull")),
        workflow("BAD", overallStatus="FAILED", createdAt=now),
        workflow("odd", overallStatus="mystery", createdAt=now),
        workflow("yesterday", overallStatus="failed", createdAt=zulu(ago(days=3))),
        workflow("stuck", createdAt=zulu(ago(hours=3)), lastUpdated=zulu(ago(hours=2)), pdfAdapter={"status": "x"}),
        workflow("alive", createdAt=zulu(ago(hours=3)), lastUpdated=zulu(ago(minutes=1))),
        workflow("ancient", createdAt=zulu(ago(days=90)), lastUpdated=zulu(ago(days=90)), pdfAdapter={"status": "x"}),
    )  # fmt: skip
    client = client_for("viewer")
    panel = visit(client, "/panels/workflows/?window=24h")
    found = figures(panel)
    assert next(iter(found)) == "failed"
    assert (found["failed"], found["processing"], found["completed"], found["mystery"]) == (
        "2",
        "3+",
        "2",
        "1",
    )
    assert list(found).index("cancelled") < list(found).index("mystery") < list(found).index("processing")
    (stuck,) = digest(panel, "Stuck")
    assert stuck.startswith("stuck processing last update 2 h ago")
    failures = digest(panel, "Newest failures")
    assert len(failures) == 3
    assert failures[2].startswith("yesterday 3 d ago")
    assert any("PDF adapter: Disk…" in line for line in failures)
    put(
        tables["workflows"],
        *(workflow(f"ok{n}", overallStatus="completed", createdAt=now) for n in (2, 3)),
    )
    assert figures(visit(client, "/panels/workflows/?window=24h"))["completed"] == "2"  # at most 10 s old
    later()
    again = visit(client, "/panels/workflows/?window=24h")
    assert figures(again)["completed"] == "3+"
    # The window bounds the counts.
    assert figures(visit(client, "/panels/workflows/?window=7d"))["failed"] == "3"
    tile = next(tile for tile in again.root.all("a", class_="tile") if "failed" in tile.words)
    assert sorted(visit(client, tile.attrs["href"] + "&range=24h").ids) == ["BAD", "bad"]


def ended(key: str, status: str, minutes: float, seconds: float = 30, **values: Any) -> Raw:
    began = ago(minutes=minutes)
    return workflow(
        key,
        overallStatus=status,
        createdAt=zulu(began),
        lastUpdated=zulu(began + timedelta(seconds=seconds)),
        **values,
    )


@pytest.mark.no_moto
def test_the_overview_charts_throughput_failures_and_durations(tables: Any, client_for: Any) -> None:
    put(
        tables["workflows"],
        *(ended(f"ok{n}", "completed", 10 + n / 10, seconds=10 + n) for n in range(10)),
        ended("RETRIED", "COMPLETED", 10, seconds=9000, retryCount=1),
        ended("bad", "failed", 30),
        ended("gone", "cancelled", 36),
        ended("busy", "processing", 42),
        ended("older", "failed", 25 * 60),
    )
    panel = visit(client_for("viewer"), "/panels/workflows/?window=1h")
    found = charts(panel)
    assert found["Throughput"].startswith("14 created an hour"), found
    assert found["Failure rate"] == "8.3 % 1 of 12 ended peak 100 % in 2 min"
    assert found["Median duration"] == "14 s p95 19 s slowest 19 s, of 10"
    group = panel.root.one("ul", class_="charts is-trends")
    drawn = group.all("svg")
    assert [svg.attrs["role"] for svg in drawn] == ["img"] * 3
    said = [svg.attrs["aria-label"].partition(" in ")[0] for svg in drawn]
    assert said == ["Throughput", "Failure rate", "Duration"]
    titles = [node.words for node in drawn[0].all("title")]
    assert 29 <= len(titles) <= 31
    assert any(title.endswith("UTC: 1 created: 1 failed") for title in titles)
    # The same in words, for whom no picture helps; an hour without any is not a row.
    rows = panel.root.one("details", class_="trends").all("tr")[1:]
    cells = [[cell.words for cell in row.all("td")] for row in rows]
    assert sum(int(row[0]) for row in cells) == 14
    assert [sum(int(row[column]) for row in cells) for column in (1, 2, 3, 4)] == [11, 1, 1, 1]


def test_where_not_all_of_a_status_is_read_the_charts_begin_at_its_oldest(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "COUNT_CAP", 3)
    put(
        tables["workflows"],
        *(ended(f"ok{n}", "completed", 5 * (n + 1)) for n in range(8)),
        ended("new", "failed", 7),
        ended("old", "failed", 13),
        ended("unseen", "failed", 50),
    )
    panel = visit(client_for("viewer"), "/panels/workflows/?window=1h")
    assert figures(panel)["completed"] == "3+"
    assert "from the newest 3 of each status" in panel.words
    # Of three completed the oldest, at which what was read ends, lies before the first whole bar.
    assert charts(panel)["Failure rate"].startswith("50.0 % 2 of 4 ended")


def test_requests_are_charted_by_the_duration_that_their_list_shows(tables: Any, client_for: Any) -> None:
    began = ago(minutes=20)
    put(
        tables["requests"],
        *(
            request(f"r{n}", status="completed", created_at=naive(began), started_at=naive(began + timedelta(seconds=60)),
                    completed_at=naive(began + timedelta(seconds=60 + 5 * n)))
            for n in range(1, 6)
        ),
        request("odd", status="completed", created_at=naive(began), started_at="soon", completed_at=naive(began)),
        request("ahead", status="failed", created_at=naive(ago(minutes=-3))),
    )  # fmt: skip
    found = charts(visit(client_for("viewer"), "/panels/requests/?window=1h"))
    assert found["Median duration"].startswith("10 s p95 25 s slowest 25 s, of 6")
    assert found["Failure rate"].startswith("14.3 % 1 of 7")


def test_requests_are_counted_with_failures_first(tables: Any, client_for: Any) -> None:
    now = naive(ago(minutes=5))
    put(
        tables["requests"],
        request("bad", status="FAILED", created_at=now, errors=["2024-01-09T15:43:12.000000: Boom"]),
        request("worse", status="failed", created_at=now, status_message="Said so"),
        request("done", status="completed", created_at=now),
        *(
            request(f"left{n:02}", status="pending", created_at=naive(ago(hours=3) + timedelta(seconds=n)),
                    updated_at=None, started_at=None, progress=None)
            for n in range(25)
        ),
    )  # fmt: skip
    client = client_for("viewer")
    panel = visit(client, "/panels/requests/")
    found = figures(panel)
    assert (next(iter(found)), found["failed"], found["pending"], found["completed"]) == (
        "failed",
        "2",
        "25",
        "1",
    )
    assert charts(panel)["Failure rate"].startswith("66.7 % 2 of 3 ended")
    stuck = digest(panel, "Stuck")
    assert "20+" in next(node.words for node in panel.root.all("h3") if node.words.startswith("Stuck"))
    assert stuck[0].startswith("left24 pending")
    assert len(stuck) == 8
    rest = panel.root.one("details", id="panel-requests-stuck")
    assert rest.one("summary").words == "12 more of the newest 20"
    assert [line.one("a").words for line in rest.all("li")] == [f"left{n:02}" for n in range(16, 4, -1)]
    # The heading and the rest lead to all of them.
    (heading,) = [node for node in panel.root.all("h3") if node.words.startswith("Stuck")]
    url = heading.one("a").attrs["href"]
    assert rest.all("a")[-1].attrs["href"] == url == "/requests/?stuck=1&range=30d"
    assert len(visit(client, url).ids) == 25
    failures = " ".join(digest(panel, "Newest failures"))
    assert "Boom" in failures
    assert "Said so" in failures


@pytest.mark.no_moto
def test_quiet_tables_say_that_all_is_well(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    for name in ("workflows", "requests"):
        panel = visit(client, f"/panels/{name}/")
        assert set(figures(panel).values()) == {"0"}
        assert "Nothing waits longer than 15 minutes." in panel.words
        assert digest(panel, "Newest failures") == ["No failure."]
        assert charts(panel) == {}


def test_without_its_index_the_workflow_table_is_counted_from_the_sample(
    tables_without_index: Any, client_for: Any
) -> None:
    put(
        tables_without_index["workflows"],
        workflow("w"),
        workflow("bare", createdAt=MISSING, lastUpdated=MISSING),
    )
    panel = visit(client_for("viewer"), "/panels/workflows/")
    assert figures(panel)["processing"] == "2"
    assert "no index on overallStatus and createdAt" in panel.words
    assert "With the minute's sample: " in panel.words
    assert "0 RCU, figures from now" in panel.words


def test_a_panel_in_trouble_says_so_and_goes_on_looking(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    tried: list[str] = []
    for name, logical in (("workflows", "workflows"), ("requests", "requests"), ("agents", "agents")):
        table = tables[logical]
        for kind, (fault, words) in kinds(table).items():
            later()
            with trouble(table, fault):
                panel = visit(client, f"/panels/{name}/")
                if (name, kind) != ("workflows", "access_denied"):  # describing is not allowed: not counted
                    assert panel.problem.attrs["data-problem"] == kind
                    assert panel.root.one("h2").words.lower() == name
                    # A panel by itself is no page to come to.
                    again = [link.attrs["href"] for link in panel.problem.all("a")]
                    assert set(again) <= {"/?window=24h"}
                    tried += again
                    assert words in panel.words
                assert panel.polls
                assert poll(client, panel).status == 204 or name == "workflows"
            later()
            recovered = poll(client, panel)
            assert recovered.status == 200
            assert not recovered.root.all("section", data_problem=None)
        clients.client(*table.location).delete_table(TableName=table.name)
        later()
        gone = visit(client, f"/panels/{name}/")
        assert gone.problem.attrs["data-problem"] == "table_missing"
        assert table.name in gone.words
        assert gone.polls
    assert tried
    # The others are as they were: trouble with one table stays in its panel.
    assert "Query" not in visit(client, "/").words


def test_the_tables_panel_names_each_table_and_its_state(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    panel = visit(client, "/panels/tables/")
    for table in tables.values():
        assert f"{table.name} {table.region}" in panel.words
    table = tables["agents"]
    clients.client(*table.location).delete_table(TableName=table.name)
    later()
    gone = visit(client, "/panels/tables/")
    assert "table missing" in gone.words
    assert "DYNAMODB_AGENTS_TABLE" in gone.words


@pytest.mark.no_moto
def test_a_table_that_is_not_as_configured_names_the_setting_that_mends_it(
    tables: Any, client_for: Any, settings: Any
) -> None:
    client, table = client_for("viewer"), tables["workflows"]
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.name}"
    with trouble(table, denied("DescribeTable", arn)):
        assert "may not perform dynamodb:DescribeTable" in visit(client, "/panels/tables/").words
    later()
    other = {**settings.DYNAMO_TABLES["workflows"], "key": "processing_id"}
    # The logs' table in place of the requests': another key, and none of the indexes.
    wrong = {**settings.DYNAMO_TABLES["requests"], "name": tables["request_logs"].name, "key": "log_id"}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "workflows": other, "requests": wrong}
    words = visit(client, "/panels/tables/").words
    assert "has the partition key 'sessionId', but the console is configured for 'processing_id'." in words
    assert "DYNAMODB_WORKFLOWS_KEY=sessionId" in words
    assert "lacks the indexes user-index, project-index, status-index, strategy-index." in words
    assert "python manage.py dynamo migrate --table requests --add-indexes" in words


def test_a_table_that_is_there_under_the_documents_other_spelling_is_suggested(
    tables: Any, client_for: Any
) -> None:
    client, table = client_for("viewer"), tables["requests"]
    dynamo, other = clients.client(*table.location), table.name.replace("_", "-")
    dynamo.delete_table(TableName=table.name)
    alone = visit(client, "/panels/tables/").words
    assert f"There is no table {table.name}" in alone
    assert other not in alone
    dynamo.create_table(**table.create_request() | {"TableName": other})
    later()
    found = visit(client, "/panels/tables/").words
    dynamo.delete_table(TableName=other)
    assert f"There is a table {other}: set DYNAMODB_REQUESTS_TABLE={other}" in found


def test_spellings_of_a_status_are_one_tile() -> None:
    counted = [
        ("completed", Count(5)),
        ("PENDING", Count(1)),
        ("pending", Count(2, more=True)),
        ("odd", Count(1)),
    ]
    assert [(status, str(count), url) for status, count, url in tiles(counted, "u-{}".format)] == [
        ("odd", "1", "u-odd"), ("pending", "3+", "u-pending"), ("completed", "5", "u-completed"),
    ]  # fmt: skip


@pytest.mark.no_moto
def test_each_number_leads_to_the_list_of_as_many_items_in_the_same_window(
    tables: Any, client_for: Any
) -> None:
    ages = {f"{hours}h": ago(hours=hours) for hours in (0.5, 3, 80, 300)}
    put(
        tables["workflows"],
        *(
            workflow(f"{status}-{age}", overallStatus=status, createdAt=zulu(at), lastUpdated=zulu(at), pdfAdapter={"status": "x"})
            for age, at in ages.items() for status in ("failed", "FAILED", "completed", "processing", "a b&c")
        ),
    )  # fmt: skip
    put(
        tables["requests"],
        *(
            request(f"{status}-{age}", status=status, created_at=naive(at), updated_at=naive(at), started_at=None, progress=None)
            for age, at in ages.items() for status in ("failed", "pending", "completed")
        ),
    )  # fmt: skip
    old = int(ago(days=3).timestamp() * 1000)
    put(tables["agents"], agent("up"), agent("down", lastHeartbeat=old), agent("lone", lastHeartbeat=MISSING))
    client, seen = client_for("viewer"), 0
    for window in ("1h", "24h", "7d"):
        for panel in ("workflows", "requests", "agents"):
            page = visit(client, f"/panels/{panel}/?window={window}")
            for tile in page.root.all("a", class_="tile"):
                count, url = tile.one("span", class_="figure").words, tile.attrs["href"]
                assert len(visit(client, url).ids) == int(count), (window, url)
                seen += int(count)
            heading = page.root.one("h2").one("a").attrs["href"]
            assert heading == (f"/{panel}/" if panel == "agents" else f"/{panel}/?range={window}")
            if panel != "agents":
                (stuck,) = [one for one in page.root.all("h3") if one.words.startswith("Stuck")]
                assert stuck.one("a").attrs["href"] == f"/{panel}/?stuck=1&range=30d"
    assert seen > 40
    # The placeholder of a panel that is still loading has the window as well.
    assert "/workflows/?range=1h" in visit(client_for("operator"), "/?window=1h").html


@pytest.mark.no_moto
def test_without_scripts_figures_that_nobody_has_read_are_read_when_asked_for(
    tables: Any, client_for: Any
) -> None:
    put(tables["workflows"], workflow("bad", overallStatus="failed"))
    client = client_for("viewer")
    first = visit(client, "/?window=7d")
    (ask,) = {link.attrs["href"] for link in first.root.all("a") if link.words == "Read the figures now"}
    assert ask == "?window=7d&read=1"
    with trouble(tables["requests"], denied("Query", "table")):
        page = visit(client, f"/{ask}")
    assert figures(page)["failed"] == "1"
    assert page.root.one("section", id="panel-requests").all("section", data_problem="access_denied")
    assert not [link for link in page.root.all("a") if link.words == "Read the figures now"]
