"""The demo's items: what `load_demo` puts, that it repeats harmlessly, and where it refuses to write."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from unittest.mock import ANY

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from opsportal.alerts import evaluation
from opsportal.alerts.leases import take
from opsportal.alerts.models import Change, Firing, Rule
from opsportal.demo import agents, requests, trades, traffic, workflows
from opsportal.demo.hostile import malformed, oddities, samples
from opsportal.demo.place import attribute_value, attribute_values, is_loopback
from opsportal.demo.roster import Roster
from opsportal.dynamo.clients import client
from opsportal.dynamo.tables import internal_table
from opsportal.failures import store
from opsportal.operations import undo
from opsportal.operations.entries import Actor, new_action_id, read_entry
from opsportal.operations.tables import AUDIT
from tests.demo.reading import item_of, items_of
from tests.factories import put
from tests.pages import visit

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oddities, "LONG_LOG", 100)


def trail(tables: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of the audit trail, the oldest first."""
    found: dict[str, Any] = {}
    for table in tables.values():
        found |= items_of(internal_table(AUDIT, table))
    entries = (item for item in found.values() if "action" in item)
    return sorted(entries, key=lambda item: str(item["at"]["S"]))


@pytest.mark.no_moto
def test_a_second_load_changes_nothing_and_counts_what_is_there(
    tables: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("load_demo")
    first = {name: items_of(table) for name, table in tables.items()}
    entries, changes = trail(tables), Change.objects.count()
    said = capsys.readouterr().out
    assert ", 0 already there" in said
    assert "Audit trail: 11 actions of 3 people\n" in said
    cases = {case.id: case for case in store.active()}
    assert said.endswith(f"Failures: {sum(case.count for case in cases.values())} counted in cases\n")
    requests_table = tables["requests"]
    lost = next(key for key, item in first["requests"].items() if item["status"]["S"] == "completed")
    client(requests_table.region, requests_table.endpoint).delete_item(
        TableName=requests_table.name, Key={requests_table.key: {"S": lost}}
    )
    call_command("load_demo")
    said = capsys.readouterr().out
    assert f"{requests_table.name}: 1 added" in said
    assert f"{tables['workflows'].name}: 0 added" in said
    assert {name: items_of(table) for name, table in tables.items()} == first
    assert (trail(tables), Change.objects.count()) == (entries, changes)
    # What failed has a trend from the first page on, and is counted once.
    assert {case.id: case for case in store.active()} == cases
    assert {case.logical for case in cases.values()} == {"workflows", "requests"}
    assert len({hour // 24 for case in cases.values() for hour in case.hours}) >= 3
    failed = {
        name: [key for key, item in first[name].items() if {"S": "failed"} in item.values()]
        for name in tables
    }
    for name in ("workflows", "requests"):
        of_table = sum(case.count for case in cases.values() if case.logical == name)
        assert len(failed[name]) - 3 <= of_table <= len(failed[name])


@pytest.mark.no_moto  # that moto takes the same items is shown below
def test_people_have_acted_by_real_actions_in_the_past_and_their_rules_have_fired(
    tables: dict[str, Any], client_for: Any
) -> None:
    before = datetime.now(UTC)
    call_command("load_demo")
    entries = trail(tables)
    assert len(entries) >= 8
    assert {entry["actor"]["S"] for entry in entries} == {"maria.lindqvist", "j.okafor", "chen.wei"}
    assert len({entry["action"]["S"] for entry in entries}) >= 6
    times = [datetime.fromisoformat(entry["at"]["S"]) for entry in entries]
    assert before - timedelta(days=1) < times[0] < before - timedelta(hours=12)
    assert times[-1] < datetime.now(UTC)
    assert all(later - earlier > timedelta(minutes=1) for earlier, later in pairwise(times))
    # Each item is as its action and the worker after it have left it.
    for entry in entries:
        key, action = entry["target"]["S"], entry["action"]["S"]
        if action == "workflow:cancel":
            item = item_of(tables["workflows"], key)
            assert item["overallStatus"] == {"S": "cancelled"}
            assert item["cancelledBy"] == entry["actor"]
            assert datetime.fromisoformat(item["lastUpdated"]["S"]) > datetime.fromisoformat(entry["at"]["S"])
            words = visit(client_for("viewer"), f"/workflows/{key}/").words
            assert "seen by the worker" in words
        elif action == "request:cancel":
            words = visit(client_for("viewer"), f"/requests/{key}/").words
            assert "seen by the worker" in words
        elif action == "request:retry":
            item = item_of(tables["requests"], key)
            assert item["status"]["S"] in ("pending", "completed", "failed")
            assert item["processing_metadata"]["M"]["retry_count"] == {"N": "1"}
    found = next(entry for entry in entries if entry["action"]["S"] == "agent:edit")
    edit = read_entry(found["action_id"]["S"], tables["agents"])
    assert edit
    assert "agreed on" in item_of(tables["agents"], edit.target.id)["description"]["S"]
    undo.undo(edit, by=Actor("olga", "operator", "user:1001"), reason="", action_id=new_action_id())
    assert "agreed on" not in item_of(tables["agents"], edit.target.id)["description"]["S"]

    _alerts_are_one_firing_and_one_resolved(client_for)


def _alerts_are_one_firing_and_one_resolved(client_for: Any) -> None:
    assert Rule.objects.kept().count() == 2
    states = {
        name: set(Firing.objects.filter(rule__name=name).values_list("state", flat=True))
        for name in Rule.objects.values_list("name", flat=True)
    }
    assert states == {"Workflows without progress": {"firing"}, "Requests failing": {"resolved"}}
    over = Firing.objects.get(state="resolved")
    assert over.fired_at
    assert over.resolved_at
    assert over.fired_at < over.resolved_at < timezone.now() - timedelta(minutes=30)
    assert over.figures["failed"] == len(requests.DENIED_AT)
    acknowledged = Firing.objects.get(acknowledged_by="j.okafor")
    # The worker finds them as they are.
    for rule in Rule.objects.all():
        evaluation.settle(*held(rule))
    assert {
        name: set(Firing.objects.filter(rule__name=name).values_list("state", flat=True)) for name in states
    } == states
    words = visit(client_for("operator"), "/alerts/").words
    assert acknowledged.title in words


def held(rule: Rule) -> tuple[Rule, evaluation.EvaluationResult, datetime]:
    """The rule under a lease, what an evaluation of now reads, and when."""
    now = timezone.now()
    mine = take(Rule.objects.filter(pk=rule.pk), now, evaluation.LEASE)
    assert mine
    return mine, evaluation.evaluate(mine, now), now


@pytest.mark.no_moto
def test_without_accounts_the_items_are_loaded_and_the_rest_is_said(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*args: Any, **options: Any) -> None:
        raise OperationalError("no such table: auth_user")

    monkeypatch.setattr("opsportal.demo.history._person", missing)
    call_command("load_demo")
    assert "Run manage.py migrate, then load_demo again.\n" in capsys.readouterr().out
    assert items_of(tables["workflows"])
    assert trail(tables) == []


@pytest.mark.no_moto
def test_those_at_work_are_left_to_the_simulator_and_those_that_hang_are_not(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = (timedelta(days=2), timedelta(seconds=30), timedelta(seconds=9))
    monkeypatch.setattr(traffic, "arrivals", lambda now, *args: (now - age for age in ages))
    call_command("load_demo")
    items = items_of(tables["workflows"])
    left = {key for key, item in items.items() if item["overallStatus"] == {"S": "processing"}}
    roster = set(Roster.read().of("workflows"))
    assert len(roster) == 2
    assert len(left - roster) == len(workflows.HANGING_SINCE)


# --- Hostile items -----------------------------------------------------------------------------------


def test_hostile_items_are_loaded_on_demand_only(tables: dict[str, Any]) -> None:
    call_command("load_demo")
    for name in ("workflows", "requests", "agents"):
        assert not set(malformed.HARD_KEYS) & set(items_of(tables[name]))
    call_command("load_demo", hostile=True)
    for name in ("workflows", "requests", "agents"):
        assert set(malformed.HARD_KEYS) | {"bad-types"} <= set(items_of(tables[name]))
    statuses = {item.get("overallStatus", {}).get("S") for item in items_of(tables["workflows"]).values()}
    assert {"initializing", "PENDING", "loading", "warning", "info", "stopped", "Failed"} <= statuses
    error = item_of(tables["workflows"], "error-of-300-kb")["pdfAdapter"]["M"]["error"]["S"]
    assert len(error) > 290_000
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
    lines = Counter(
        item["request_id"]["S"] for item in items_of(tables["request_logs"]).values() if "request_id" in item
    )
    assert lines[samples.REQUEST] >= oddities.LONG_LOG


@pytest.mark.no_moto  # of pages
def test_agents_work_the_steps_of_the_workflows_and_one_is_not_what_it_says(
    tables: dict[str, Any], client_for: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflows, "FAILURE_RATE", 0)  # of few, one failure is many
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
        "Errors": "more than declared", "Average": "no slower than declared", "Response, p95": "—",
    }  # fmt: skip
    for found in compared.values():
        assert not [said for said in found.values() if said.startswith(("less", "more", "slower"))]
    assert compared["trade-matching-agent"]["Success"] == "no less than declared"
    assert compared["trade-matching-agent"]["Response, p95"] == "as promised"
    assert compared["pdf_adapter_agent_01"]["Average"] == "no slower than declared"


STEPS = [
    {"key": "plan", "label": "Plan", "waiting": "Waiting"},
    {"key": "act", "label": "Act", "waiting": "-"},
]


def test_workflows_follow_the_catalogue_and_the_key_of_the_deployment() -> None:
    items = [item for item in workflows.build("processing_id", STEPS, NOW) if item["processing_id"]]
    throttled = [item for item in items if item.get("act", {}).get("error") == trades.THROTTLED]
    assert len(throttled) == len(workflows.THROTTLED_AT)
    assert {item["plan"]["status"] for item in throttled} == {"success"}
    assert workflows.build("k", STEPS[:1], NOW)


def test_the_totals_of_an_ordinary_workflow_are_those_of_its_steps() -> None:
    for item in workflows.build("k", STEPS, NOW):
        done = [step for step in (item["plan"], item["act"]) if "duration" in step]
        assert Decimal(str(item["totalDuration"])) == sum(Decimal(str(step["duration"])) for step in done)
        spent = [step["tokenUsage"]["totalTokens"] for step in done if "tokenUsage" in step]
        assert item["totalTokenUsage"]["totalTokens"] == sum(spent)


def test_the_oddities_are_what_their_names_say() -> None:
    items = {item["k"]: item for item in oddities.workflows("k", STEPS, NOW)}
    assert list(items) == [item["k"] for item in oddities.workflows("k", STEPS, NOW + timedelta(days=3))]
    assert items["demo-failed-act-0"]["act"]["status"] == "error"
    assert "startedAt" not in items["demo-steps-without-start"]["plan"]
    assert items["demo-expired"]["expiresAt"] < NOW.timestamp()
    assert items["demo-totals-zero"]["totalDuration"] == 0
    assert items["demo-double-zone-stamps"]["createdAt"].endswith("+00:00Z")
    assert not items["demo-naive-stamps"]["createdAt"].endswith("Z")
    assert set(items["demo-no-step-recorded"]) == {"k", "overallStatus", "lastUpdated"}
    assert items["demo-step-failed-but-processing"]["act"]["status"] == "error"


# --- Where it refuses --------------------------------------------------------------------------------


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
    with pytest.raises(CommandError, match="Sample data is for dev and local; OPSPORTAL_ENV is qa"):
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
