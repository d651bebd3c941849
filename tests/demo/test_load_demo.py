"""The demo's items: what `load_demo` puts, that it repeats harmlessly, and where it refuses to write."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest
from django.core.management import CommandError, call_command

from opsportal.demo import agents, malformed, request_logs, requests, workflows
from opsportal.demo.place import attribute_value, attribute_values, is_loopback
from opsportal.dynamo.clients import client
from tests.demo.reading import item_of, items_of
from tests.factories import put
from tests.pages import visit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_logs, "LONG_LOG", 100)  # 2,000 puts take seconds


@pytest.mark.no_moto
def test_a_second_load_changes_nothing_and_counts_what_is_there(
    tables: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("load_demo")
    first = {name: items_of(table) for name, table in tables.items()}
    assert ", 0 already there" in capsys.readouterr().out
    requests_table = tables["requests"]
    client(requests_table.region, requests_table.endpoint).delete_item(
        TableName=requests_table.name, Key={requests_table.key: {"S": requests.SAMPLE_ID}}
    )
    call_command("load_demo")
    said = capsys.readouterr().out
    assert f"{requests_table.name}: 1 added" in said
    assert f"{tables['workflows'].name}: 0 added, {len(first['workflows'])} already there" in said
    assert {name: items_of(table) for name, table in tables.items()} == first


@pytest.mark.no_moto  # the first load shows that moto takes the same items
def test_what_is_there_is_what_an_operator_is_promised(tables: dict[str, Any]) -> None:
    call_command("load_demo")
    statuses = Counter(
        item.get("overallStatus", {}).get("S") for item in items_of(tables["workflows"]).values()
    )
    documented = {"initializing", "processing", "completed", "failed", "cancelled"}
    assert documented | {"PENDING", "loading", "warning", "info", "stopped"} <= set(statuses)
    assert sum(statuses.values()) >= 60
    found = items_of(tables["requests"]).values()
    assert {"pending", "processing", "executing", "completed", "failed", "cancelled", "FAILED"} <= {
        item["status"]["S"] for item in found if "status" in item
    }
    assert {item["processing_strategy"]["S"] for item in found if "processing_strategy" in item} == {
        "table",
        "sqs",
    }
    lines = Counter(
        item["request_id"]["S"] for item in items_of(tables["request_logs"]).values() if "request_id" in item
    )
    assert max(lines.values()) == 100
    assert len(items_of(tables["agents"])) >= 15


@pytest.mark.no_moto  # as above
def test_the_sample_request_is_the_one_of_the_documents(tables: dict[str, Any]) -> None:
    call_command("load_demo")
    sample = item_of(tables["requests"], "req_1757412789250_a08ac7ad")
    assert Decimal(sample["progress"]["M"]["percentage"]["N"]) == 65
    assert sample["status_message"] == {"NULL": True}
    assert len(sample["config"]["M"]["keywords"]["L"]) == 8
    assert sample["results"]["M"]["execution_summary"]["M"]["success_rate"] == {"N": "94.6"}
    assert sample["created_at"] == {"S": "2024-01-09T15:43:09.250000"}
    assert item_of(tables["request_logs"], "log_1757412789250_001") == {
        "log_id": {"S": "log_1757412789250_001"},
        "request_id": {"S": "req_1757412789250_a08ac7ad"},
        "timestamp": {"S": "2024-01-09T15:43:09.250000"},
        "log_level": {"S": "INFO"},
        "message": {"S": "Request processing started"},
        "stage": {"S": "initialization"},
        "metadata": {
            "M": {"worker_id": {"S": "table_processor_001"}, "processing_node": {"S": "node-1"}},
        },
    }
    test_item = item_of(tables["workflows"], "test-session-123")
    assert test_item["expiresAt"] == {"N": "1735123200"}
    assert item_of(tables["agents"], "persist-test-001")["name"] == {"S": "Persistence Test"}


@pytest.mark.no_moto  # of pages
def test_agents_work_the_steps_of_the_workflows_and_one_is_not_what_it_says(
    tables: dict[str, Any], client_for: Any, settings: Any
) -> None:
    now, steps = datetime.now(UTC), settings.WORKFLOW_STEPS
    put(tables["workflows"], *map(attribute_values, workflows.build("sessionId", steps, now)))
    put(tables["agents"], *map(attribute_values, agents.alive("agentId", now)))
    client = client_for("viewer")
    compared = {}
    for key, agent in (
        ("pdfAdapter", "pdf_adapter_agent_01"),
        ("tradeExtraction", "trade_extraction_agent_01"),
        ("tradeMatching", "trade-matching-agent"),
        ("exceptionManagement", "exception_management_agent_01"),
    ):
        page = visit(client, f"/agents/{agent}/")
        url = page.root.one("div", id="guest-step").one("div").attrs["hx-get"]
        assert url.startswith(f"/workflows/steps/{key}/?")
        rows = visit(client, url).root.one("table", class_="compare").all("tr")[1:]
        compared[agent] = {row.one("th").words: row.all("td")[2].words for row in rows}
    assert compared.pop("trade_extraction_agent_01") == {
        "Newest run": ANY, "Last success": "—", "Last failure": "—", "Success": "less than declared",
        "Errors": "more than declared", "Average": "slower than declared", "Response, p95": "—",
    }  # fmt: skip
    for found in compared.values():
        assert not [said for said in found.values() if said.startswith(("less", "more", "slower"))]
    assert compared["trade-matching-agent"]["Success"] == "no less than declared"
    assert compared["trade-matching-agent"]["Response, p95"] == "as promised"
    assert compared["pdf_adapter_agent_01"]["Average"] == "no slower than declared"


def test_one_log_is_long_enough_to_need_paging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    made = requests.build("request_id", NOW)
    lines = Counter(item["request_id"] for item in request_logs.build("k", "request_id", made))
    assert max(lines.values()) == 2_000


def test_ids_are_the_same_on_every_run() -> None:
    def ids(now: datetime) -> list[list[str]]:
        made = requests.build("request_id", now)
        return [
            [item["k"] for item in workflows.build("k", STEPS, now)],
            [item["request_id"] for item in made],
            [item["k"] for item in request_logs.build("k", "request_id", made)],
            [item["k"] for item in agents.build("k", now)],
        ]

    first, later = ids(NOW), ids(NOW + timedelta(days=3))
    assert first == later
    assert all(len(some) == len(set(some)) for some in first)


STEPS = [
    {"key": "plan", "label": "Plan", "waiting": "Waiting"},
    {"key": "act", "label": "Act", "waiting": "-"},
]


def test_workflows_follow_the_catalogue_and_the_key_of_the_deployment() -> None:
    items = {item["processing_id"]: item for item in workflows.build("processing_id", STEPS, NOW)}
    assert items["demo-failed-act-0"]["act"]["status"] == "error"
    assert items["demo-failed-act-0"]["plan"]["status"] == "success"
    assert workflows.build("k", STEPS[:1], NOW)


def test_the_totals_of_an_ordinary_workflow_are_those_of_its_steps() -> None:
    for item in workflows.build("k", STEPS, NOW):
        if item["k"].startswith(("demo-completed-0", "demo-failed")):
            done = [step for step in (item["plan"], item["act"]) if "duration" in step]
            assert Decimal(str(item["totalDuration"])) == sum(Decimal(str(step["duration"])) for step in done)
            assert item["totalTokenUsage"]["totalTokens"] == sum(s["tokenUsage"]["totalTokens"] for s in done)


def test_the_oddities_are_what_their_names_say() -> None:
    items = {item["k"]: item for item in workflows.build("k", STEPS, NOW)}
    assert "startedAt" not in items["demo-steps-without-start"]["plan"]
    assert items["demo-expired"]["expiresAt"] < NOW.timestamp()
    assert items["demo-totals-zero"]["totalDuration"] == 0
    assert items["demo-double-zone-stamps"]["createdAt"].endswith("+00:00Z")
    assert not items["demo-naive-stamps"]["createdAt"].endswith("Z")
    assert set(items["demo-no-step-recorded"]) == {"k", "overallStatus", "lastUpdated"}
    assert items["demo-step-failed-but-processing"]["act"]["status"] == "error"


@pytest.mark.no_moto  # the first load shows that moto takes the same items
def test_malformed_items_reach_the_tables_with_their_keys(tables: dict[str, Any]) -> None:
    call_command("load_demo")
    for name in ("workflows", "requests", "agents"):
        assert set(malformed.HARD_KEYS) | {"bad-types"} <= set(items_of(tables[name]))
    error = item_of(tables["workflows"], "error-of-300-kb")["pdfAdapter"]["M"]["error"]["S"]
    assert len(error) > 290_000


@pytest.mark.parametrize(
    "endpoint",
    ["", "https://dynamodb.us-east-1.amazonaws.com", "http://127.example.com:8000", "http://10.0.0.1"],
)
def test_load_demo_refuses_an_endpoint_that_is_not_this_machine(settings: Any, endpoint: str) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"endpoint": endpoint}
    }
    with pytest.raises(CommandError, match="only writes to an engine on this machine"):
        call_command("load_demo")


def test_load_demo_refuses_a_strict_environment(settings: Any) -> None:
    settings.OPSPORTAL_ENV = "qa"
    with pytest.raises(CommandError, match="load_demo is for dev and local; OPSPORTAL_ENV is qa"):
        call_command("load_demo")


def test_load_demo_says_what_to_do_without_a_table(tables: dict[str, Any]) -> None:
    table = tables["workflows"]
    client(table.region, table.endpoint).delete_table(TableName=table.name)
    with pytest.raises(CommandError, match="dynamo migrate"):
        call_command("load_demo")


@pytest.mark.parametrize(
    ("endpoint", "is_here"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.2:1", True),
        ("http://[::1]:8000", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_an_address_and_not_a_name_that_looks_like_one(endpoint: str, is_here: bool) -> None:
    assert is_loopback(endpoint) is is_here


def test_values_become_attribute_values() -> None:
    assert attribute_value({"a": [True, None, 1, 2.5, "t", b"b", {"x"}]}) == {
        "M": {
            "a": {
                "L": [
                    {"BOOL": True},
                    {"NULL": True},
                    {"N": "1"},
                    {"N": "2.5"},
                    {"S": "t"},
                    {"B": b"b"},
                    {"SS": ["x"]},
                ]
            }
        }
    }
