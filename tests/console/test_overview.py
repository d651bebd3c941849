"""The overview: what is wrong, in one look, whatever state a table is in."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches

from opsportal.console.panels import failure_rate, tiles
from opsportal.dynamo import clients, partitions
from opsportal.dynamo.partitions import Count
from tests.factories import agent, ago, naive, put, request, step, workflow, zulu
from tests.pages import Page, poll, visit
from tests.trouble import denied, kinds, trouble

PANELS = ["panel-workflows", "panel-requests", "panel-agents", "panel-audit", "panel-tables"]


def figures(page: Page) -> dict[str, str]:
    """Each tile's status and count, in order."""
    return {
        tile.one("span", class_="label").words: tile.one("span", class_="figure").words
        for tile in page.root.all("a", class_="tile")
    }


def digest(page: Page, title: str) -> list[str]:
    """The lines below a heading of the panel."""
    (body,) = page.root.all("div", class_="panel-body")
    nodes = [child for child in body.children if not isinstance(child, str)]
    at = next(
        number for number, node in enumerate(nodes) if node.tag == "h3" and node.words.startswith(title)
    )
    return [line.words for line in nodes[at + 1].all("li")] or [nodes[at + 1].words]


def test_the_page_reads_nothing_itself_and_names_the_window(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    page = visit(client, "/")
    assert page.response.wsgi_request.spending.calls == 0
    loading = page.root.all("section", hx_get=None)
    assert [node.attrs["id"] for node in loading] == PANELS
    assert all(node.attrs["hx-trigger"] == "load" for node in loading)
    assert all(node.attrs["hx-get"].endswith("?window=24h") for node in loading)
    chosen = visit(client, "/?window=1h")
    assert all(
        node.attrs["hx-get"].endswith("?window=1h") for node in chosen.root.all("section", hx_get=None)
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
    assert "50.0 % of those that ended have failed." in panel.words
    (stuck,) = digest(panel, "Stuck")
    assert stuck.startswith("stuck processing last update 2 h ago")
    failures = digest(panel, "Newest failures")
    assert len(failures) == 3
    assert failures[2].startswith("yesterday 3 d ago")
    assert any("PDF adapter: Disk…" in line for line in failures)
    # A capped count makes no rate.
    put(
        tables["workflows"],
        *(workflow(f"ok{n}", overallStatus="completed", createdAt=now) for n in (2, 3)),
    )
    assert figures(visit(client, "/panels/workflows/?window=24h"))["completed"] == "2"  # at most 10 s old
    caches["process"].clear()
    again = visit(client, "/panels/workflows/?window=24h")
    assert figures(again)["completed"] == "3+"
    assert "% of those that ended" not in again.words
    # The window bounds the counts.
    assert figures(visit(client, "/panels/workflows/?window=7d"))["failed"] == "3"
    tile = next(tile for tile in again.root.all("a", class_="tile") if "failed" in tile.words)
    assert sorted(visit(client, tile.attrs["href"] + "&range=24h").ids) == ["BAD", "bad"]


def test_requests_are_counted_with_failures_first(tables: Any, client_for: Any) -> None:
    now = naive(ago(minutes=5))
    put(
        tables["requests"],
        request("bad", status="FAILED", created_at=now, errors=["2024-01-09T15:43:12.000000: Boom"]),
        request("worse", status="failed", created_at=now, status_message="Said so"),
        request("done", status="completed", created_at=now),
        *(
            request(f"left{n}", status="pending", created_at=naive(ago(hours=3) + timedelta(seconds=n)),
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
    assert "66.7 % of those that ended have failed." in panel.words
    stuck = digest(panel, "Stuck")
    assert "20+" in next(node.words for node in panel.root.all("h3") if node.words.startswith("Stuck"))
    assert stuck[0].startswith("left24 pending")
    assert len(stuck) <= 20
    failures = " ".join(digest(panel, "Newest failures"))
    assert "Boom" in failures
    assert "Said so" in failures
    assert panel.response.wsgi_request.spending.calls <= 40


def test_quiet_tables_say_that_all_is_well(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    for name in ("workflows", "requests"):
        panel = visit(client, f"/panels/{name}/")
        assert set(figures(panel).values()) == {"0"}
        assert "Nothing waits longer than 15 minutes." in panel.words
        assert digest(panel, "Newest failures") == ["No failure."]
        assert "% of those" not in panel.words


def test_without_its_index_the_workflow_table_is_not_counted(
    tables_without_index: Any, client_for: Any
) -> None:
    put(tables_without_index["workflows"], workflow("w"))
    panel = visit(client_for("viewer"), "/panels/workflows/")
    assert "counting it would read all of it" in panel.words
    assert panel.response.wsgi_request.spending.operations == ["DescribeTable"]


def test_a_panel_in_trouble_says_so_and_goes_on_looking(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    for name, logical in (("workflows", "workflows"), ("requests", "requests"), ("agents", "agents")):
        table = tables[logical]
        for kind, (fault, words) in kinds(table).items():
            caches["process"].clear()
            with trouble(table, fault):
                panel = visit(client, f"/panels/{name}/")
                if (name, kind) != ("workflows", "access_denied"):  # describing is not allowed: not counted
                    assert panel.problem.attrs["data-problem"] == kind
                    assert words in panel.words
                assert panel.polls
                assert poll(client, panel).status == 204 or name == "workflows"
            caches["process"].clear()
            recovered = poll(client, panel)
            assert recovered.status == 200
            assert not recovered.root.all("section", data_problem=None)
        clients.client(*table.place).delete_table(TableName=table.name)
        caches["process"].clear()
        gone = visit(client, f"/panels/{name}/")
        assert gone.problem.attrs["data-problem"] == "table_missing"
        assert table.name in gone.words
        assert gone.polls
    # The others are as they were: trouble with one table stays in its panel.
    assert "Query" not in visit(client, "/").words


def test_the_tables_panel_names_each_table_and_its_state(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    panel = visit(client, "/panels/tables/")
    for table in tables.values():
        assert f"{table.name} {table.region}" in panel.words
    table = tables["agents"]
    clients.client(*table.place).delete_table(TableName=table.name)
    caches["process"].clear()
    gone = visit(client, "/panels/tables/")
    assert "table missing" in gone.words
    assert "DYNAMODB_AGENTS_TABLE" in gone.words


def test_a_table_that_is_not_as_configured_names_the_setting_that_mends_it(
    tables: Any, client_for: Any, settings: Any
) -> None:
    client, table = client_for("viewer"), tables["workflows"]
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.name}"
    with trouble(table, denied("DescribeTable", arn)):
        assert "may not perform dynamodb:DescribeTable" in visit(client, "/panels/tables/").words
    caches["process"].clear()
    other = {**settings.DYNAMO_TABLES["workflows"], "key": "processing_id"}
    # The logs' table in place of the requests': another key, and none of the indexes.
    wrong = {**settings.DYNAMO_TABLES["requests"], "name": tables["request_logs"].name, "key": "log_id"}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "workflows": other, "requests": wrong}
    words = visit(client, "/panels/tables/").words
    assert "Its partition key is 'sessionId', but the console is configured for 'processing_id'." in words
    assert "DYNAMODB_WORKFLOWS_KEY=sessionId" in words
    assert "It lacks user-index, project-index, status-index, strategy-index" in words


def test_a_table_that_is_there_under_the_documents_other_spelling_is_suggested(
    tables: Any, client_for: Any
) -> None:
    client, table = client_for("viewer"), tables["requests"]
    dynamo, other = clients.client(*table.place), table.name.replace("_", "-")
    dynamo.delete_table(TableName=table.name)
    alone = visit(client, "/panels/tables/").words
    assert f"There is no table {table.name}" in alone
    assert other not in alone
    dynamo.create_table(**table.create_request() | {"TableName": other})
    caches["process"].clear()
    found = visit(client, "/panels/tables/").words
    dynamo.delete_table(TableName=other)
    assert f"There is a table {other}: set DYNAMODB_REQUESTS_TABLE={other}" in found


def test_figures_are_shared_for_some_seconds_and_not_between_windows(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    put(tables["requests"], request("r"))
    first = visit(client, "/panels/requests/")
    assert first.response.wsgi_request.spending.calls > 6
    second = visit(client_for("operator"), "/panels/requests/")
    assert second.response.wsgi_request.spending.calls == 0
    assert poll(client, first).status == 204
    assert visit(client, "/panels/requests/?window=1h").response.wsgi_request.spending.calls > 6
    put(tables["agents"], agent("a"))


def test_spellings_of_a_status_are_one_tile_and_shares_of_capped_counts_are_not_told() -> None:
    counted = [
        ("completed", Count(5)),
        ("PENDING", Count(1)),
        ("pending", Count(2, more=True)),
        ("odd", Count(1)),
    ]
    assert [(status, str(count), url) for status, count, url in tiles(counted, "u-{}".format)] == [
        ("odd", "1", "u-odd"), ("pending", "3+", "u-pending"), ("completed", "5", "u-completed"),
    ]  # fmt: skip
    assert failure_rate([("failed", Count(1)), ("Error", Count(1)), ("completed", Count(2))]) == "50.0 %"
    assert failure_rate([("failed", Count(1)), ("completed", Count(2, more=True))]) is None
    assert failure_rate([("processing", Count(1))]) is None
