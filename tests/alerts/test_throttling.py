"""Throttled tables: by CloudWatch where it can be asked, else by what this worker met, and said so."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from django.utils import timezone

from opsportal.alerts import throttling
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.models import Firing, Rule
from opsportal.dynamo import clients
from opsportal.dynamo.errors import Throttled, translated
from opsportal.dynamo.tables import binding
from tests.dynamo.fake_aws import Answer, error, fake_dynamo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_cloudwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opsportal.tables.metrics", None)
    throttling._sightings.clear()


@pytest.fixture
def rule(rule_of: Callable[..., Rule]) -> Rule:
    return rule_of("table.throttled", threshold=2, baseline_at=timezone.now() - timedelta(hours=3))


def evaluated(rule: Rule) -> Rule:
    Rule.objects.update(next_at=timezone.now())
    assert evaluate_next()
    rule.refresh_from_db()
    assert not rule.trouble
    return rule


def test_what_this_worker_met_itself_is_counted_and_said_so(rule: Rule, settings: Any) -> None:
    assert "Only throttling that this worker met itself" in evaluated(rule).note
    assert not Firing.objects.exists()
    settings.DYNAMO_MAX_ATTEMPTS = 2
    with fake_dynamo() as fake:
        settings.DYNAMO_TABLES = {
            logical: {**table, "endpoint": fake.endpoint} for logical, table in settings.DYNAMO_TABLES.items()
        }
        fake.says(
            error("ProvisionedThroughputExceededException", "slow down"), Answer({"Items": [], "Count": 0})
        )
        table = binding("requests")
        clients.client(*table.place).scan(TableName=table.name)  # the second attempt was answered
        evaluated(rule)
        assert not Firing.objects.exists()
        fake.says(error("ProvisionedThroughputExceededException", "slow down"))
        with pytest.raises(Throttled), translated(table):
            clients.client(*table.place).scan(TableName=table.name)
    evaluated(rule)
    firing = Firing.objects.get()
    assert (firing.subject, firing.figures) == (
        "requests", {"throttled": 3, "window_minutes": 60.0, "counted_by": "this worker"},
    )  # fmt: skip
    throttling._sightings.clear()  # an hour later
    evaluated(rule)
    assert Firing.objects.get().state == "resolved"


@dataclass
class Metrics:
    """As `opsportal.tables.metrics` answers."""

    read_throttles: tuple[tuple[datetime, float], ...] = ()
    write_throttles: tuple[tuple[datetime, float], ...] = ()


@dataclass
class Unknown:
    why: str = "The console's role may not perform cloudwatch:GetMetricData."


def test_cloudwatch_is_asked_where_it_can_be(
    rule: Rule, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    asked: list[Any] = []
    answers: dict[str, Any] = {
        "workflows": Metrics(((hour, 1.0),), ((hour, 4.0),)),
        "requests": Metrics(((hour, 0.0),), ((hour, 1.0),)),
        "request_logs": Metrics(((hour - timedelta(hours=2), 50.0), (hour, 0.0))),
        "agents": Unknown(),
    }

    def table_metrics(tables: Any, hours: int) -> dict[str, Any]:
        asked.append(([table.logical for table in tables], hours))
        return {table.logical: answers[table.logical] for table in tables}

    module = ModuleType("opsportal.tables.metrics")
    module.__dict__.update(table_metrics=table_metrics, TableMetrics=Metrics)
    monkeypatch.setitem(sys.modules, "opsportal.tables.metrics", module)
    evaluated(rule)
    firing = Firing.objects.get()
    assert (firing.subject, firing.since) == ("workflows", hour)
    assert firing.figures == {"throttled": 5, "window_minutes": 60.0, "counted_by": "CloudWatch"}
    assert asked == [(["workflows", "requests", "request_logs", "agents"], 2)]
    assert rule.note.startswith("The console's role may not perform cloudwatch:GetMetricData.")
    # An hour that began before the rule was made is of the past.
    Rule.objects.update(baseline_at=hour + timedelta(seconds=1))
    evaluated(rule)
    assert Firing.objects.get().state == "resolved"
    Rule.objects.update(filters={"table": "requests"}, threshold=1, baseline_at=hour)
    evaluated(rule)
    assert Firing.objects.get(state="firing").subject == "requests"
    assert asked[-1][0] == ["requests"]
