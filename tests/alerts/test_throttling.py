"""Throttled tables: by CloudWatch where it can be asked, else by what this worker met, and said so."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from opsportal import aws
from opsportal.alerts import throttling
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.models import Firing, Rule
from opsportal.dynamo import clients
from opsportal.dynamo.calls import Call
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.errors import Throttled, translated
from opsportal.dynamo.tables import binding
from opsportal.tables import metrics
from opsportal.tables.metrics import TableMetrics
from tests.dynamo.fake_aws import error, fake_dynamo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_cloudwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "is_emulated", lambda table: True)
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
    settings.DYNAMO_MAX_ATTEMPTS = 1  # there are pauses between attempts
    with fake_dynamo() as fake:
        settings.DYNAMO_TABLES = {
            logical: {**table, "endpoint": fake.endpoint} for logical, table in settings.DYNAMO_TABLES.items()
        }
        table = binding("requests")
        fake.says(error("ProvisionedThroughputExceededException", "slow down"))
        with pytest.raises(Throttled), translated(table):
            clients.client(*table.location).scan(TableName=table.name)
    evaluated(rule)
    assert not Firing.objects.exists()
    # Throttled twice, and answered in the end.
    throttling.saw(Call("dynamodb", "Query", (table.name,), attempts=3, throttled=2))
    throttling.saw(Call("dynamodb", "Query", (table.name,), attempts=1))
    throttling.saw(Call("sqs", "SendMessage", (table.name,), attempts=1, throttled=9))
    evaluated(rule)
    firing = Firing.objects.get()
    assert (firing.subject, firing.figures) == (
        "requests", {"throttled": 3, "window_minutes": 60.0, "counted_by": "this worker"},
    )  # fmt: skip
    throttling._sightings.clear()  # an hour later
    evaluated(rule)
    assert Firing.objects.get().state == "resolved"


def test_cloudwatch_is_asked_where_it_can_be(
    rule: Rule, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    hours: list[int] = []

    def told(read: list[tuple[datetime, float]], write: float) -> TableMetrics:
        return TableMetrics(2, 3600, hour, read_throttles=tuple(read), write_throttles=((hour, write),))

    answers: dict[str, TableMetrics | Unknown] = {
        "workflows": told([(hour, 1.0)], 4),
        "requests": told([(hour, 0.0)], 1),
        "request_logs": told([(hour - timedelta(hours=2), 50.0)], 0),
        "agents": Unknown("The console's role may not perform cloudwatch:GetMetricData in eu-north-1."),
    }

    def table_metrics(tables: Any, wanted: int) -> dict[str, TableMetrics | Unknown]:
        hours.append(wanted)
        return {table.logical: answers[table.logical] for table in tables}

    monkeypatch.setattr(metrics, "table_metrics", table_metrics)
    evaluated(rule)
    firing = Firing.objects.get()
    assert (firing.subject, firing.since) == ("workflows", hour)
    assert firing.figures == {"throttled": 5, "window_minutes": 60.0, "counted_by": "CloudWatch"}
    assert hours == [2]
    assert rule.note.startswith("CloudWatch: The console's role may not perform cloudwatch:GetMetricData")
    # An hour that began before the rule was made is of the past.
    Rule.objects.update(baseline_at=hour + timedelta(seconds=1))
    evaluated(rule)
    assert Firing.objects.get().state == "resolved"
    Rule.objects.update(filters={"table": "requests"}, threshold=1, baseline_at=hour)
    evaluated(rule)
    assert Firing.objects.get(state="firing").subject == "requests"
    assert not evaluated(rule).note


def test_an_imitation_of_cloudwatch_fires_a_rule(
    rule: Rule, engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "is_emulated", lambda table: False)
    monkeypatch.setattr(metrics, "index_names", lambda table: ("status-index",))
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    table = binding("requests")
    names = (("TableName", table.name), ("GlobalSecondaryIndexName", "status-index"))
    aws.service("cloudwatch", table.region).put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": "WriteThrottleEvents",
                "Dimensions": [{"Name": name, "Value": value} for name, value in names],
                "Timestamp": timezone.now() - timedelta(minutes=30),
                "Value": 7,
            }
        ],
    )
    evaluated(rule)
    firing = Firing.objects.get()
    assert (firing.subject, firing.figures["throttled"], rule.note) == ("requests", 7, "")
    aws.forget()
