"""The tables' pages: each part by itself, in every state, and nothing on them that changes a table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import get_resolver

from opsportal import aws
from opsportal.dynamo import clients
from opsportal.dynamo.deployed import Deployed, Recovery, Ttl, Unknown
from opsportal.dynamo.descriptions import DeployedIndex, Replica, Units
from opsportal.dynamo.migrations import MigrationState
from opsportal.dynamo.tables import Binding, binding
from opsportal.tables import overview, rights, views
from opsportal.tables.metrics import TableMetrics
from opsportal.tables.overview import shown_tables
from tests.operations.places import dump
from tests.pages import Page, poll, visit
from tests.tables.retained import disable_ttl, enable_ttl
from tests.trouble import denied, refused, trouble

PARTS = ("row", "deployed", "glance", "load", "permissions", "migrations")
# DescribeTable, DescribeTimeToLive, DescribeContinuousBackups, ListTagsOfResource; or the ledger's Scan.
MAX_CALLS = {"row": 4, "deployed": 4, "glance": 4, "load": 4, "permissions": 0, "migrations": 1}

# Its reads are those of test_deployed.py and test_drift.py, which run on both engines.
pytestmark = pytest.mark.no_moto


@pytest.fixture
def client(client_for: Callable[[str], Client]) -> Client:
    return client_for("operator")


def part(client: Client, name: str, key: str = "requests") -> Page:
    """A fragment as htmx gets it, and nothing of a cache in it."""
    caches["process"].clear()
    return visit(client, f"/tables/{key}/{name}/", **{"HX-Request": "true"})


def calls(page: Page) -> list[str]:
    return list(page.response.wsgi_request.spending.operations)


def statuses(page: Page) -> list[str]:
    return [node.words for node in page.root.all("span", class_="status")]


def deployed_as(table: Binding, **changes: Any) -> Deployed:
    """A table as declared, but for `changes`."""
    values: dict[str, Any] = {
        "name": table.name,
        "state": "ACTIVE",
        "key": table.key,
        "range_key": "",
        "indexes": tuple(
            DeployedIndex(index.name, index.hash_key, index.range_key, "ALL", usable=True)
            for index in table.spec.indexes
        ),
        "items": 1_234_567,
        "size": 5 * 1024**3,
        "arn": f"arn:aws:dynamodb:{table.region}:111122223333:table/{table.name}",
        "region": table.region,
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
        "billing_mode": "PAY_PER_REQUEST",
        "read_capacity": 0,
        "write_capacity": 0,
        "attribute_types": {},
        "encryption": "",
        "kms_key": "",
        "deletion_protection": False,
        "ttl": Ttl("ENABLED", "ttl"),
        "recovery": Recovery(True, datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)),
        "tags": {"Team": "matching"},
    }
    return Deployed(**{**values, **changes})


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``found(state="CREATING")``: the requests table is deployed so."""

    def set_up(**changes: Any) -> None:
        monkeypatch.setattr(
            overview, "deployed", lambda table, *, background: deployed_as(binding("requests"), **changes)
        )

    return set_up


# --- The pages, and who may see them ---------------------------------------------------------------------------


def test_the_pages_themselves_ask_nothing_and_load_their_parts(
    tables: dict[str, Any], client: Client
) -> None:
    listed = visit(client, "/tables/")
    assert calls(listed) == []
    rows = [row.attrs["hx-get"] for row in listed.root.all("tr", hx_get=None)]
    assert rows == [f"/tables/{shown.key}/row/" for shown in shown_tables()]
    assert len(rows) == 4 + 2 * 3
    page = visit(client, "/tables/requests/")
    assert calls(page) == []
    loaded = [node.attrs["hx-get"] for node in page.root.all("section", hx_get=None)]
    assert loaded == [f"/tables/requests/{name}/" for name in PARTS if name not in ("row", "glance")]


@pytest.mark.parametrize("name", PARTS)
def test_each_part_costs_a_bounded_number_of_calls(tables: dict[str, Any], client: Client, name: str) -> None:
    for key in ("requests", "agents", "audit-us-east-1", "jobs-eu-north-1", "migrations-us-east-1"):
        page = part(client, name, key)
        assert page.is_fragment
        assert len(calls(page)) <= MAX_CALLS[name], calls(page)
        assert page.region.attrs["hx-get"] == page.url


def test_without_scripts_each_part_is_a_page(tables: dict[str, Any], client: Client) -> None:
    for name in PARTS:
        page = visit(client, f"/tables/requests/{name}/")
        assert page.root.one("h1").words == "Market intelligence requests"


def test_the_navigation_and_the_panel_lead_here_for_those_who_may(
    tables: dict[str, Any], client_for: Any
) -> None:
    for role, may in (("viewer", False), ("operator", True)):
        page = visit(client_for(role), "/")
        assert ("/tables/" in [link.attrs["href"] for link in page.root.all("a")]) is may
        caches["process"].clear()
        panel = visit(client_for(role), "/panels/tables/")
        assert ("/tables/requests/" in [link.attrs["href"] for link in panel.root.all("a")]) is may


def test_what_is_no_table_is_not_found(client: Client) -> None:
    for url in ("/tables/nothing/", "/tables/nothing/row/", "/tables/audit-mars-1/load/"):
        assert client.get(url).status_code == 404
    assert client.post("/tables/nothing/probe/").status_code == 404


def test_nothing_here_can_change_or_delete_a_table(
    tables: dict[str, Any], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all routes one takes a POST, and none makes a call that changes a table or an item."""
    asked: list[str] = []
    client.get("/tables/")
    for table in tables.values():
        clients.client(*table.location).meta.events.register(
            "before-call.dynamodb", lambda model, **_: asked.append(model.name), unique_id="page-watch"
        )
    before = dump(tables)
    routes = [pattern.name for pattern in get_resolver("opsportal.tables.urls").url_patterns]
    assert sorted(routes) == sorted(["list", "item", "probe", *PARTS])
    for name in PARTS:
        caches["process"].clear()
        client.post(f"/tables/requests/{name}/")
    assert client.get("/tables/requests/probe/").status_code == 405
    client.post("/tables/requests/probe/")
    for table in tables.values():
        clients.client(*table.location).meta.events.unregister("before-call.dynamodb", unique_id="page-watch")
    assert dump(tables) == before
    changing = {"PutItem", "UpdateItem", "DeleteItem"}  # the probes', under a condition that nothing meets
    assert {name for name in asked if not name.startswith(("Describe", "List"))} <= {
        "GetItem",
        "BatchGetItem",
        "Query",
        "Scan",
    } | changing


# --- As deployed ----------------------------------------------------------------------------------------------


def test_a_table_as_declared_is_told_with_the_age_of_its_figures(
    tables: Any, client: Client, found: Any
) -> None:
    found()
    page = part(client, "deployed")
    assert statuses(page)[0] == "ACTIVE"
    assert page.fact("Items, up to 6 h old") == "1,234,567"
    assert page.fact("Size, up to 6 h old") == "5.0 GB"
    assert "As declared" in page.words
    assert page.fact("Time to live") == "ttl"
    assert page.fact("Point-in-time recovery").startswith("on, to any moment from 2026-01-02")
    assert "Team = matching" in page.fact("Tags")
    assert not page.polls
    assert "none" in part(client, "row").words


def test_what_is_still_changing_is_looked_at_again(tables: Any, client: Client, found: Any) -> None:
    half = DeployedIndex("status-index", "status", "created_at", "ALL", usable=False, items=300_000)
    found(state="UPDATING", indexes=(half,))
    page = part(client, "deployed")
    assert "being built, about 24 %" in page.words
    assert page.polls
    row = part(client, "row")
    assert "building 24 %" in row.words
    assert row.polls
    found(indexes=(half,), items=0)
    assert "being built" in part(client, "deployed").words


def test_differences_come_with_what_mends_them(tables: Any, client: Client, found: Any) -> None:
    found(key="id", ttl=Ttl("DISABLED"), recovery=Unknown())
    page = part(client, "deployed")
    (table,) = page.root.all("table", class_="drift")
    key, _ = (next(row for row in table.all("tr") if word in row.words) for word in ("partition key", "TTL"))
    assert "breaks the console" in key.words
    assert "set DYNAMODB_REQUESTS_KEY=id" in key.one("button", data_copy=None).attrs["data-copy"]
    assert "aws dynamodb update-time-to-live" in table.words
    assert "unknown here" in table.words
    row = part(client, "row")
    assert any("breaking" in status for status in statuses(row))


def test_a_part_that_iam_denies_is_told_with_its_statement(tables: Any, client: Client, found: Any) -> None:
    why = "The console's role may not perform dynamodb:DescribeTimeToLive."
    found(
        ttl=Unknown(why, denied=True, statement='{"Effect": "Allow"}'), tags=Unknown("slow"), state="ARCHIVED"
    )
    page = part(client, "deployed")
    assert "not allowed" in page.words
    assert why in page.words
    assert page.root.one("pre").text == '{"Effect": "Allow"}'
    assert page.fact("Tags") == "unknown because slow"


def test_what_copies_and_protects_a_table_is_shown_of_every_one(
    tables: Any, client: Client, found: Any
) -> None:
    """Seed 004's (docs/data.md) third question, whose answer DescribeTable has; on the list and on the table's page."""
    for key in ("agents", "workflows", "jobs-us-east-1"):
        row, page = part(client, "row", key), part(client, "deployed", key)
        assert "deletion protection off no stream no replicas STANDARD" in row.words
        assert "recovery unknown here" in row.words
        assert (page.fact("Stream"), page.fact("Table class")) == ("off", "STANDARD")
        assert page.fact("Replicas").startswith("none: the table is in ")
        assert page.fact("Maximum throughput") == "no cap"
    why = "The console's role may not perform dynamodb:DescribeContinuousBackups."
    local = DeployedIndex(
        "by-level", "id", "level", "ALL", usable=True, keys=(("id", "HASH"), ("level", "RANGE"))
    )
    keys = (("a", "HASH"), ("b", "HASH"), ("c", "RANGE"))
    found(
        stream="NEW_AND_OLD_IMAGES",
        replicas=(Replica("eu-west-1", "ACTIVE"), Replica("ap-south-1", "CREATING")),
        witnesses=("us-west-2",),
        consistency="STRONG",
        table_class="STANDARD_INFREQUENT_ACCESS",
        maximum=Units(1_500, 0),
        deletion_protection=True,
        indexes=(DeployedIndex("i", "a", "c", "ALL", usable=True, keys=keys),),
        local_indexes=(local,),
        recovery=Unknown(why, denied=True, statement='{"Effect": "Allow"}'),
    )
    row, page = part(client, "row"), part(client, "deployed")
    said = "deletion protection on stream NEW_AND_OLD_IMAGES 2 replicas: eu-west-1, ap-south-1 STANDARD_INFREQUENT_ACCESS"
    assert said in row.words
    # In the text, not in a title that no finger can reach.
    assert f"recovery not allowed unknown, because {why}" in row.words
    assert page.fact("Point-in-time recovery") == f"not allowed unknown, because {why}"
    assert page.fact("Stream") == "on, NEW_AND_OLD_IMAGES"
    assert (
        page.fact("Replicas")
        == "eu-west-1 active, ap-south-1 creating, witness in us-west-2 (strong consistency)"
    )
    assert page.fact("Table class") == "STANDARD_INFREQUENT_ACCESS"
    assert page.fact("Maximum throughput") == "1,500 read units/s"
    assert page.fact("Deletion protection") == "on"
    (listed,) = page.root.all("table", class_="indexes")
    first, second = (line.words for line in listed.all("tr")[1:])
    assert first.startswith("i a, b c ALL")
    assert second.startswith("by-level local id level ALL")


def test_what_the_engine_does_not_know_is_unknown_here(tables: dict[str, Any], client: Client) -> None:
    page = part(client, "deployed")
    assert page.fact("Point-in-time recovery") == "unknown here"
    row = part(client, "row")
    assert "unknown here" in row.words
    # It is no state of the table's: nothing to look at.
    assert "unknown here" not in statuses(row)


def test_a_missing_table_offers_the_command_and_where_it_may_be(
    tables: dict[str, Any], client: Client, settings: Any
) -> None:
    requests = settings.DYNAMO_TABLES["requests"]
    table = binding("requests")
    other = f"{table.name}-x_y"
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {"requests": requests | {"name": other}}
    page = part(client, "deployed")
    command = "python manage.py dynamo migrate --table requests"
    assert command in [button.attrs["data-copy"] for button in page.root.all("button", data_copy=None)]
    assert page.root.one("div", data_problem="table_missing")
    assert page.polls, "it may be created any moment"
    assert command in part(client, "row").words
    engine = clients.client(*table.location, background=True)
    hyphens = {**binding("requests").create_request(), "TableName": other.replace("_", "-")}
    engine.create_table(**hyphens)
    try:
        page = part(client, "deployed")
        assert f"DYNAMODB_REQUESTS_TABLE={hyphens['TableName']}" in page.words
    finally:
        engine.delete_table(TableName=hyphens["TableName"])
    settings.OWN_TABLE_PREFIX = "nobodys_"
    own = part(client, "row", "audit-us-east-1").words
    assert "python manage.py dynamo migrate" in own
    assert "--table" not in own


@pytest.mark.parametrize("name", ["row", "deployed", "load", "glance"])
def test_trouble_is_a_state_of_its_part(tables: dict[str, Any], client: Client, name: str) -> None:
    table = tables["requests"]
    arn = f"arn:aws:dynamodb:{table.region}:123456789012:table/{table.name}"
    with trouble(table, denied("DescribeTable", arn), "DescribeTable"):
        page = part(client, name)
    if name in ("deployed", "load"):
        assert "dynamodb:DescribeTable" in page.root.one("pre").text
    with trouble(table, refused("InternalServerError", "oh no", 500)):
        page = part(client, name)
    assert page.status == 200
    assert part(client, name, "agents").root.all("div", data_problem=None) == []


def test_a_place_that_is_away_holds_up_no_other(
    tables: dict[str, Any], client: Client, settings: Any
) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"endpoint": "http://127.0.0.1:9"}
    }
    settings.DYNAMO_MAX_ATTEMPTS = 1
    assert "unreachable" in part(client, "row", "agents").words
    assert part(client, "migrations", "agents").root.one("div", data_problem="unreachable")
    assert statuses(part(client, "row"))[0] == "ACTIVE"
    assert part(client, "migrations").root.all("div", data_problem=None) == []


def test_a_look_that_changes_nothing_gets_no_content(
    tables: dict[str, Any], client: Client, found: Any
) -> None:
    found()
    for name in ("row", "deployed", "permissions", "migrations"):
        page = part(client, name)
        assert poll(client, page).status == 204, name


# --- Load and cost --------------------------------------------------------------------------------------------


def day(*values: float) -> Any:
    """Points of an hour, the last one now."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return tuple((now - timedelta(hours=len(values) - 1 - at), value) for at, value in enumerate(values))


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """What CloudWatch tells of every table."""

    def set_up(told: Any) -> None:
        monkeypatch.setattr(views, "table_metrics", lambda tables: {table.logical: told for table in tables})

    return set_up


def test_load_is_drawn_with_a_text_and_priced(tables: Any, client: Client, found: Any, metrics: Any) -> None:
    found()
    zero, some = day(0, 0, 0), day(5, 0, 2.5)
    metrics(
        TableMetrics(
            24, 3600, datetime.now(UTC), {"": some, "status-index": some}, {"": day(1e6, 1e6, 1e6)},
            read_throttles=zero, write_throttles=day(0, 7, 0), system_errors=zero, user_errors=day(1, 0, 0),
        )
    )  # fmt: skip
    page = part(client, "load")
    charts = {item.one("h3").words: item for item in page.root.all("ul", class_="charts")[0].all("li")}
    assert [item.one("span", class_="figure").words for item in charts.values()] == [
        "15", "3,000,000", "0", "7", "0", "1",
    ]  # fmt: skip
    drawn = charts["Read capacity consumed"].one("svg")
    assert drawn.attrs["role"] == "img"
    assert drawn.attrs["aria-label"].startswith("Read capacity consumed: ")
    assert drawn.attrs["aria-label"].endswith(" UTC 5")
    assert "of all tables of the account" in charts["User errors"].words
    assert "style" not in page.html
    (costs,) = page.root.all("table", class_="costs")
    assert [row.one("th").words for row in costs.all("tr")[1:]] == [
        "writes",
        "reads",
        "storage",
        "recovery",
        "total",
    ]
    glance = part(client, "glance").words
    assert "15 RCU, 3,000,000 WCU" in glance
    assert "7 throttled" in glance
    assert "a month" in glance


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Unknown(), "unknown here"),
        (Unknown("The role may not.", denied=True, statement='{"Action": "x"}'), "not allowed"),
        (Unknown("CloudWatch has not answered yet."), "no answer"),
    ],
)
def test_cloudwatch_that_tells_nothing_is_a_state_of_its_own(
    tables: Any, client: Client, found: Any, metrics: Any, told: Unknown, words: str
) -> None:
    found()
    metrics(told)
    page = part(client, "load")
    assert words in page.root.one("div", data_metrics="unknown").words
    assert (told.statement == "") == (page.root.all("pre") == [])
    # What the table holds has its price all the same.
    assert "total of what is known" in page.words
    assert page.root.all("ul", class_="charts") == []
    assert any(word in part(client, "glance").words for word in ("unknown here", "not allowed", "no answer"))


def test_what_cloudwatch_holds_of_the_table_reaches_the_page(
    tables: dict[str, Any], client: Client, engines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    name = {"Name": "TableName", "Value": tables["requests"].name}
    point = {
        "MetricName": "ConsumedReadCapacityUnits", "Dimensions": [name], "Value": 41.0,
        "Timestamp": datetime.now(UTC) - timedelta(hours=2),
    }  # fmt: skip
    aws.service("cloudwatch", "us-east-1").put_metric_data(Namespace="AWS/DynamoDB", MetricData=[point])
    try:
        page = part(client, "load")
    finally:
        aws.forget()
    assert page.root.all("span", class_="figure")[0].words == "41"


def test_what_has_no_price_says_so_and_how_to_give_one(
    tables: Any, client: Client, settings: Any, found: Any
) -> None:
    """In the region's own part, whatever else is unknown; a price file that can't be read breaks no page."""
    found(region="mars-north-1")
    page = part(client, "load")
    assert "storage 5 GB no price" in page.words
    assert (
        "No prices for mars-north-1 in prices.toml: copy that file, add them under [mars-north-1]"
        in page.words
    )
    found()
    assert "Prices of 5 June 2025." in part(client, "load").words
    settings.DYNAMO_PRICES_FILE = "/nowhere/prices.toml"
    page = part(client, "load")
    assert (page.status, "Prices of" in page.words) == (200, False)
    assert "The price file /nowhere/prices.toml can't be read" in page.words
    assert part(client, "glance").status == 200


# --- Permissions ----------------------------------------------------------------------------------------------


def test_permissions_are_probed_when_asked_and_kept(tables: dict[str, Any], client: Client) -> None:
    enable_ttl(tables["requests"])
    assert "Not probed in the last 15 minutes" in part(client, "permissions").words
    before = dump(tables)
    page = Page(client.post("/tables/requests/probe/", headers={"HX-Request": "true"}), "")
    assert dump(tables) == before
    assert page.is_fragment
    (table,) = page.root.all("table", class_="rights")
    said = [row.words for row in table.all("tr")[1:]]
    assert any(row.startswith("Query status-index allowed lists") for row in said)
    assert any(row.startswith("UpdateItem the table allowed") for row in said)
    assert "1 of" in page.words
    assert "unknown" in page.words
    again = part(client, "permissions")
    assert calls(again) == []
    assert len(again.root.all("table", class_="rights")) == 1
    disable_ttl(tables["requests"])


def test_a_denial_is_named_with_its_statement_and_a_second_click_asks_nothing(
    tables: dict[str, Any], client: Client
) -> None:
    table = tables["agents"]
    arn = f"arn:aws:dynamodb:{table.region}:123456789012:table/{table.name}"
    with trouble(table, denied("UpdateItem", arn), "UpdateItem") as met:
        assert client.post("/tables/agents/probe/")["Location"] == "/tables/agents/permissions/"
        client.post("/tables/agents/probe/")
    assert met == ["UpdateItem"]
    page = part(client, "permissions", "agents")
    assert "1 of" in page.words
    assert "denied" in page.words
    assert "dynamodb:UpdateItem" in page.root.one("pre").text


def test_the_probes_of_a_table_are_those_of_the_declared_permissions(tables: dict[str, Any]) -> None:
    found = [right.probe for right in rights.probe_now(tables["request_logs"]).found]
    asked = [(probe.action, probe.location.index) for probe in found]
    assert ("dynamodb:Query", "request-logs-index") in asked
    assert ("dynamodb:BatchWriteItem", "") in asked
    assert len(asked) == len(set(asked))
    assert all(probe.location.table == tables["request_logs"] for probe in found)
    own = next(one.table for one in shown_tables() if one.key == "audit-us-east-1")
    assert "dynamodb:PutItem" in [right.probe.action for right in rights.probe_now(own).found]
    assert not any(action.endswith("DeleteTable") for action, _ in asked)


# --- Migrations -----------------------------------------------------------------------------------------------


def test_migrations_are_shown_as_the_ledger_has_them(
    tables: dict[str, Any], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = part(client, "migrations")
    assert "migration_20241201_122000_create_market_intelligence_requests_table" in page.words
    table = tables["requests"]
    at = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    told = [
        MigrationState(
            "requests_app", "m1", table, False, applied_at=at, applied_by="anna@host", pending=False
        ),
        MigrationState("requests_app", "m2", table, False, begun_at=at, begun_by="bo@host"),
        MigrationState("requests_app", "m3", table, False, removing_at=at, removing_by="cy@host"),
        MigrationState("requests_app", "m4", table, False, rolled_back_at=at),
        MigrationState("registry", "of another table", tables["agents"], False),
    ]
    monkeypatch.setattr(views, "states", lambda location: told)
    words = part(client, "migrations").words
    for line in (
        "m1 applied",
        "anna@host",
        "m2 begun",
        "bo@host",
        "m3 removing",
        "cy@host",
        "m4 pending rolled back",
    ):
        assert line in words
    assert "of another table" not in words


def test_a_ledger_that_can_not_be_read_says_why(tables: dict[str, Any], client: Client) -> None:
    ledger = next(one.table for one in shown_tables() if one.key == "migrations-us-east-1")
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{ledger.name}"
    with trouble(ledger, denied("Scan", arn)):
        page = part(client, "migrations")
    assert "dynamodb:Scan" in page.root.one("pre").text


def test_two_endpoints_of_one_region_have_two_names(tables: dict[str, Any], settings: Any) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"region": "us-east-1", "endpoint": "http://127.0.0.1:9"}
    }
    keys = [shown.key for shown in shown_tables()]
    assert {"audit-us-east-1", "audit-us-east-1-2"} <= set(keys)
    assert len(set(keys)) == len(keys)
