"""Each kind of rule on real tables: it fires, it says what is needed, and it is over."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from opsportal.alerts import watches as registered
from opsportal.alerts.evaluation import evaluate, evaluate_next
from opsportal.alerts.models import Firing, Rule
from tests.factories import MISSING, agent, ago, delete, naive, put, request, step, workflow, zulu
from tests.iam import declared, judged
from tests.samples import later, next_minute

RuleOf = Callable[..., Rule]
pytestmark = [pytest.mark.django_db, pytest.mark.no_moto]


@pytest.fixture
def old(rule_of: RuleOf) -> RuleOf:
    """Rules that were made an hour ago."""
    return lambda condition, **values: rule_of(condition, baseline_at=ago(hours=1), **values)


def evaluated() -> dict[str, str]:
    """Evaluate every rule; subject to state."""
    Rule.objects.update(next_at=timezone.now())
    later(61)
    while evaluate_next():
        pass
    troubles = [rule.trouble for rule in Rule.objects.all() if rule.trouble]
    assert not troubles, troubles
    return dict(Firing.objects.order_by("first_seen_at").values_list("subject", "state"))


def failed_workflow(session: str, **values: Any) -> Any:
    error = step("error", error="ValidationError: no\nsecond line", completedAt=zulu(ago(minutes=2)))
    given = {"overallStatus": "failed", "tradeMatching": error, "lastUpdated": zulu(ago(minutes=2))}
    return workflow(session, **{**given, **values})


def test_every_condition_says_what_it_does() -> None:
    names = [watch.name for watch in registered.watches()]
    assert names == [
        "agent.stale", "case.unacknowledged", "message.undelivered", "request.failed", "request.failure_rate", "request.stuck", "table.throttled",
        "workflow.failed", "workflow.failure_rate", "workflow.stuck",
    ]  # fmt: skip
    for watch in registered.watches():
        assert watch.label
        assert watch.explained.endswith(".")
        assert watch.over.endswith(".")


def test_failed_workflows_fire_until_they_are_retried_or_purged(tables: Any, old: RuleOf) -> None:
    rule = old("workflow.failed")
    long_ago = zulu(ago(hours=2))
    put(
        tables["workflows"],
        failed_workflow("fresh"),
        failed_workflow("loud", overallStatus="FAILED"),
        # It was created before the rule and failed after.
        failed_workflow("late", createdAt=long_ago),
        workflow("fine", overallStatus="completed"),
        workflow(
            "past", overallStatus="failed", createdAt=long_ago, lastUpdated=long_ago, pdfAdapter=MISSING
        ),
    )
    assert evaluated() == {"fresh": "firing", "loud": "firing", "late": "firing"}
    firing = Firing.objects.get(subject="fresh")
    assert (firing.title, firing.figures) == ("Workflow fresh failed", {"step": "tradeMatching"})
    assert firing.error.startswith("ValidationError: no")
    assert firing.path == "/workflows/fresh/"
    assert abs(firing.since - ago(minutes=2)) < timedelta(seconds=5)
    put(tables["workflows"], workflow("fresh", overallStatus="processing"))
    delete(tables["workflows"], "late")
    assert evaluated() == {"fresh": "resolved", "loud": "firing", "late": "resolved"}
    put(tables["workflows"], failed_workflow("fresh"))
    assert evaluated()["loud"] == "firing"
    assert Firing.objects.filter(subject="fresh").count() == 2  # it failed again
    rule.refresh_from_db()
    assert 0 < rule.calls < 20


def test_failed_workflows_are_narrowed_by_source_and_step(tables: Any, old: RuleOf) -> None:
    old("workflow.failed", filters={"source_type": "COUNTERPARTY", "step": "tradeMatching"})
    other = {"pdfAdapter": step("error", error="x"), "tradeMatching": step()}
    put(
        tables["workflows"],
        failed_workflow("bank"),
        failed_workflow("counter", sourceType="COUNTERPARTY"),
        failed_workflow("other step", sourceType="COUNTERPARTY", **other),
    )
    assert evaluated() == {"counter": "firing"}


def test_without_an_index_a_part_is_read_and_the_rule_says_so(
    tables_without_index: Any, old: RuleOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, rate = old("workflow.failed"), old("workflow.failure_rate", minimum=1)
    table = tables_without_index["workflows"]
    put(
        table,
        failed_workflow("w"),
        workflow("x", overallStatus="completed"),
        failed_workflow("y", createdAt=MISSING),
    )
    assert evaluated() == {"w": "firing", "y": "firing", "": "firing"}
    monkeypatch.setattr("opsportal.dynamo.sampling.MAX_ROWS", 1)
    delete(table, "w")
    put(table, workflow("y", overallStatus="processing"))
    next_minute()
    # Of a part nothing follows for what is not in it; each is looked at by its key.
    assert evaluated()["w"] == "resolved"
    assert Firing.objects.get(subject="").state == "firing"
    for rule in (failed, rate):
        rule.refresh_from_db()
        assert "has no index" in rule.note


def test_the_failure_rate_of_workflows_needs_a_volume(tables: Any, old: RuleOf) -> None:
    old("workflow.failure_rate", threshold=50, minimum=4)
    put(
        tables["workflows"],
        failed_workflow("a"),
        failed_workflow("b"),
        workflow("c", overallStatus="completed"),
    )
    assert evaluated() == {}
    put(
        tables["workflows"],
        workflow("d", overallStatus="completed"),
        workflow("e", overallStatus="processing"),
    )
    assert evaluated() == {"": "firing"}
    firing = Firing.objects.get()
    assert firing.figures == {"failed": 2, "ended": 4, "percent": 50.0, "window_minutes": 60.0}
    assert firing.title == "Workflows: 50 % of 4 failed"
    assert firing.path.startswith("/workflows/?status=failed")
    put(tables["workflows"], workflow("f", overallStatus="completed"))
    assert evaluated() == {"": "resolved"}


def test_of_many_the_rate_is_that_of_the_newest(
    tables: Any, old: RuleOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.alerts.item_watches.MAX_FACTS", 4)
    rule = old("request.failure_rate", threshold=60, minimum=2)
    times = [naive(ago(minutes=minutes)) for minutes in range(1, 9)]
    put(
        tables["requests"],
        *[
            request(f"r{n}", status="failed" if n < 3 else "completed", created_at=at)
            for n, at in enumerate(times)
        ],
    )
    assert evaluated() == {"": "firing"}
    assert Firing.objects.get().figures == {"failed": 3, "ended": 4, "percent": 75.0, "window_minutes": 4}
    rule.refresh_from_db()
    assert "the rate of the newest 4" in rule.note


def test_stuck_workflows_fire_when_they_become_so(tables: Any, old: RuleOf, settings: Any) -> None:
    settings.WORKFLOW_STUCK_MINUTES = 30
    settings.WORKFLOW_EXTRA_STATUSES, settings.WORKFLOW_TERMINAL_STATUSES = ["Queued"], ["succeeded"]
    old("workflow.stuck")
    at = {name: zulu(ago(minutes=minutes)) for name, minutes in (("h", 45), ("q", 20), ("d", 300))}
    quiet: dict[str, Any] = {"pdfAdapter": MISSING}
    put(
        tables["workflows"],
        workflow("stuck", createdAt=at["h"], lastUpdated=at["h"], **quiet),
        workflow("waits", createdAt=at["h"], lastUpdated=at["q"], **quiet),
        workflow("over", createdAt=at["h"], lastUpdated=at["h"], overallStatus="completed", **quiet),
        workflow("named", createdAt=at["h"], lastUpdated=at["h"], overallStatus="SUCCEEDED", **quiet),
        # Which nobody names.
        workflow("running", createdAt=at["h"], lastUpdated=at["h"], overallStatus="running", **quiet),
        workflow("long", createdAt=at["d"], lastUpdated=at["d"], **quiet),  # before the rule was made
    )
    assert evaluated() == {"stuck": "firing"}
    firing = Firing.objects.get()
    assert firing.figures == {"minutes_without_update": 45, "status": "processing"}
    assert abs(firing.since - ago(minutes=15)) < timedelta(seconds=5)
    put(tables["workflows"], workflow("stuck", createdAt=at["h"], **quiet))
    assert evaluated() == {"stuck": "resolved"}
    listed = workflow("listed", createdAt=at["h"], lastUpdated=at["h"], overallStatus="queued", **quiet)
    put(tables["workflows"], listed)
    assert evaluated() == {"stuck": "resolved", "listed": "firing"}
    put(tables["workflows"], {**listed, "overallStatus": {"S": "running"}})
    assert evaluated() == {"stuck": "resolved", "listed": "resolved"}
    Rule.objects.update(threshold=15)
    assert evaluated() == {"stuck": "resolved", "listed": "resolved", "waits": "firing"}


def test_failed_requests_fire_of_one_project_or_user(tables: Any, old: RuleOf) -> None:
    old("request.failed", filters={"project": "p1"})
    old("request.failed", filters={"user": "u2", "request_type": "audit"})
    done = {"status": "failed", "completed_at": naive(ago(minutes=3))}
    put(
        tables["requests"],
        request("r1", project_id="p1", errors=["2024-01-09T15:43:12.000000: no content"], **done),
        request("r2", project_id="p1", status="completed"),
        request("r3", project_id="p2", user_id="u2", request_type="audit", **done),
        request("r4", project_id="p2", user_id="u2", **done),
    )
    assert evaluated() == {"r1": "firing", "r3": "firing"}
    firing = Firing.objects.get(subject="r1")
    assert (firing.error, firing.path) == ("no content", "/requests/r1/")
    assert firing.figures == {"project": "p1", "user": "test-user-123", "stage": "content_extraction"}
    put(tables["requests"], request("r1", project_id="p1", status="pending"))
    delete(tables["requests"], "r3")
    assert evaluated() == {"r1": "resolved", "r3": "resolved"}


def test_stuck_requests_fire_until_they_move(tables: Any, old: RuleOf, settings: Any) -> None:
    settings.REQUEST_STUCK_MINUTES = 30
    settings.REQUEST_EXTRA_STATUSES, settings.REQUEST_TERMINAL_STATUSES = ["Queued"], ["Archived"]
    old("request.stuck", filters={"strategy": "table"})
    at = naive(ago(minutes=40))
    still: dict[str, Any] = {"created_at": at, "updated_at": at, "started_at": at, "progress": {}}
    put(
        tables["requests"],
        request("r1", status="pending", **still),
        request("r2", processing_strategy="sqs", **still),
        request("r3", status="completed", **still),
        request("r4", status="queued", **still),
        request("r5", status="archived", **still),
        request("r6", status="running", **still),  # which nobody names
    )
    assert evaluated() == {"r1": "firing", "r4": "firing"}
    put(tables["requests"], request("r1", status="processing", created_at=at))
    put(tables["requests"], request("r4", status="running", **still))
    assert evaluated() == {"r1": "resolved", "r4": "resolved"}


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def test_silent_agents_fire_until_they_send_a_heartbeat(tables: Any, old: RuleOf, settings: Any) -> None:
    settings.AGENT_OFFLINE_SECONDS = 600
    old("agent.stale", filters={"capability": "nutrition_planning"})
    silent = milliseconds(ago(minutes=20))
    put(
        tables["agents"],
        agent("a1", name="Anna", lastHeartbeat=silent),
        agent("a2"),
        agent("a3", lastHeartbeat=silent, status="inactive"),
        agent("a4", lastHeartbeat=silent, capabilities={"other"}),
        agent("a5", lastHeartbeat=milliseconds(ago(hours=9))),  # before the rule was made
        agent("a6", lastHeartbeat=MISSING, registeredAt=silent),  # never spoke
        agent("a7", lastHeartbeat=MISSING, registeredAt=MISSING),
    )
    assert evaluated() == {"a1": "firing", "a6": "firing"}
    firing = Firing.objects.get(subject="a1")
    assert firing.title == "Agent Anna sends no heartbeats"
    assert firing.figures["name"] == "Anna"
    assert 1190 < firing.figures["seconds_without_heartbeat"] < 1260
    put(tables["agents"], agent("a1"), agent("a6", status="inactive", lastHeartbeat=silent))
    assert evaluated() == {"a1": "resolved", "a6": "resolved"}


def test_of_a_large_registry_a_part_is_read_and_the_rest_looked_at(
    tables: Any, old: RuleOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = old("agent.stale", threshold=60)
    silent = milliseconds(ago(minutes=20))
    put(tables["agents"], *[agent(f"a{number}", lastHeartbeat=silent) for number in range(5)])
    assert len(evaluated()) == 5
    monkeypatch.setattr("registry.watches.MAX_PAGES", 1)
    monkeypatch.setattr("registry.watches.PAGE_SIZE", 2)
    put(tables["agents"], agent("a0"))
    assert evaluated() == {"a0": "resolved", **{f"a{number}": "firing" for number in range(1, 5)}}
    rule.refresh_from_db()
    assert "larger: only 2" in rule.note


def test_a_missing_table_is_a_problem_of_its_rules_alone(tables: Any, old: RuleOf, settings: Any) -> None:
    old("agent.stale")
    settings.DYNAMO_TABLES = {
        logical: {**table, "name": "nowhere" if logical == "agents" else table["name"]}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    assert evaluate_next()
    rule = Rule.objects.get()
    assert "There is no table nowhere" in rule.trouble
    assert rule.next_at > timezone.now()


def test_trying_a_rule_shows_the_past_and_changes_nothing(tables: Any, rule_of: RuleOf) -> None:
    rule = rule_of("workflow.failed")
    put(tables["workflows"], failed_workflow("w"))
    look = evaluate(rule, timezone.now())
    assert [fact.subject for fact in look.reading.facts] == ["w"]
    assert not Firing.objects.exists()
    assert evaluated() == {}


def test_what_rules_read_is_in_the_policy(tables: Any, old: RuleOf, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [old(watch.name) for watch in registered.watches()]
    rules += [old("request.failed", filters={"user": "u"}), old("request.stuck", filters={"project": "p"})]
    for iam in judged(monkeypatch):
        iam.awake = True
        evaluated()
        for rule in rules:
            if rule.watch and rule.watch.still:
                assert rule.watch.still(rule.question(timezone.now()), "nobody") is None
        iam.awake = False
        assert ("dynamodb:GetItem", "agents", "") in iam.asked
        assert not iam.asked - set().union(*declared("operator").values())
