"""CloudWatch alarms: what is declared, what a plan shows, and that only our own are ever touched."""

import itertools
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command

from opsportal import aws
from opsportal.tables import alarms
from opsportal.tables.alarms import AGE, MARK, declared, plan, prefix
from opsportal.tables.overview import shown_tables
from tests.test_docs import assert_printed

TOPIC = "arn:aws:sns:us-east-1:111122223333:ops"
NORTHERN = "arn:aws:sns:eu-north-1:111122223333:ops"
_numbers = itertools.count()


@pytest.fixture
def environment(settings: Any) -> str:
    """A deployment of its own, since moto keeps the alarms of all tests."""
    settings.OPSPORTAL_ENV = f"test{next(_numbers)}"
    return str(settings.OPSPORTAL_ENV)


@pytest.fixture
def cloudwatch(
    environment: str, engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    yield aws.service("cloudwatch", "us-east-1")
    aws.forget()


def told(*arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    out, status = StringIO(), 0
    try:
        call_command("dynamo", "alarms", *arguments, stdout=out)
    except SystemExit as ended:
        status = int(str(ended.code))
    return status, out.getvalue()


def there(region: str = "us-east-1") -> dict[str, dict[str, Any]]:
    """Name -> alarm, of this deployment's."""
    answer = aws.service("cloudwatch", region).describe_alarms(AlarmNamePrefix=prefix())
    return {alarm["AlarmName"].removeprefix(prefix()): alarm for alarm in answer["MetricAlarms"]}


# --- What is declared --------------------------------------------------------------------------------------


def test_each_table_has_alarms_for_throttles_and_system_errors(environment: str) -> None:
    (requests,) = (one for one in shown_tables() if one.key == "requests")
    found = {alarm.name: alarm.arguments for alarm in declared(requests)}
    assert set(found) == {
        f"{environment}-opsportal-requests-{kind}"
        for kind in ("read-throttles", "write-throttles", "system-errors")
    }
    metrics = [arguments["Metrics"][0]["Expression"] for arguments in found.values()]
    name = requests.table.name
    # Summed over what they are published by: indexes, operations.
    assert metrics == [
        f"SELECT SUM(ReadThrottleEvents) FROM \"AWS/DynamoDB\" WHERE TableName = '{name}'",
        f"SELECT SUM(WriteThrottleEvents) FROM \"AWS/DynamoDB\" WHERE TableName = '{name}'",
        f"SELECT SUM(SystemErrors) FROM \"AWS/DynamoDB\" WHERE TableName = '{name}'",
    ]
    for arguments in found.values():
        assert arguments["TreatMissingData"] == "notBreaching"
        assert (arguments["DatapointsToAlarm"], arguments["EvaluationPeriods"]) == (2, 5)
        assert arguments["AlarmDescription"].endswith(MARK)


def test_an_age_has_an_alarm_where_it_is_published(environment: str, settings: Any) -> None:
    settings.PUBLISH_AGES, settings.AGE_ALARM_MINUTES = True, 90
    found = {one.key: {a.name: a.arguments for a in declared(one)} for one in shown_tables()}
    with_age = {key for key, own in found.items() if f"{prefix()}{key}-{AGE}" in own}
    assert with_age == {"workflows", "requests"}
    age = found["requests"][f"{prefix()}requests-age"]
    assert (age["Namespace"], age["MetricName"], age["Threshold"]) == (
        "OpsPortal",
        "OldestUnfinishedSeconds",
        5_400,
    )
    # Nobody who looks is an alarm too.
    assert age["TreatMissingData"] == "breaching"


def test_the_consoles_own_tables_have_alarms_in_each_region(environment: str) -> None:
    names = {alarm.name.removeprefix(prefix()) for one in shown_tables() for alarm in declared(one)}
    assert {"audit-us-east-1-write-throttles", "audit-eu-north-1-write-throttles"} <= names
    assert len(names) == 3 * len(shown_tables())


# --- Created, shown, changed, removed ------------------------------------------------------------------------


def test_alarms_are_created_once_and_shown_after(cloudwatch: Any) -> None:
    some = ("--table", "requests", "--table", "audit-us-east-1", "--table", "agents")
    status, said = told("--yes", "--sns-topic", TOPIC, *some)
    assert status == 0
    assert "created" in said
    assert "New alarms in eu-north-1 send no notifications" in said
    alarm = there()["requests-write-throttles"]
    assert alarm["AlarmActions"] == [TOPIC]
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (1.0, "notBreaching")
    assert there("eu-north-1")["agents-system-errors"]["AlarmActions"] == []
    assert (len(there()), len(there("eu-north-1"))) == (6, 3)

    status, said = told("--yes", *some)
    assert status == 0
    assert "Nothing to do." in said
    assert f"= {prefix()}requests-write-throttles (OK)" in said
    assert there()["requests-write-throttles"]["AlarmActions"] == [TOPIC]  # not taken away


def test_the_page_shows_what_a_plan_prints(cloudwatch: Any, settings: Any) -> None:
    settings.OPSPORTAL_ENV = "dev"
    assert_printed(
        "alarms", "python manage.py dynamo alarms --plan", told("--plan", "--table", "requests")[1]
    )


def test_a_plan_changes_nothing(cloudwatch: Any) -> None:
    status, said = told("--plan")
    assert status == 0
    assert f"+ {prefix()}workflows-read-throttles" in said
    assert "Reads of Workflow status (" in said
    assert MARK not in said
    assert there() == {}


def test_nobody_who_agrees_changes_nothing(cloudwatch: Any) -> None:
    status, said = told("--table", "agents")
    assert status == 1
    assert "Nothing was changed. Use --yes to skip the confirmation." in said
    assert there("eu-north-1") == {}


def test_what_was_changed_by_hand_is_shown_and_put_right(cloudwatch: Any) -> None:
    told("--yes", "--table", "requests")
    client = aws.service("cloudwatch", "us-east-1")
    hand: dict[str, Any] = next(
        dict(change.arguments)
        for region in plan([one for one in shown_tables() if one.key == "requests"], every=False)
        for change in region.changes
    )
    client.put_metric_alarm(**hand | {"Threshold": 50.0, "OKActions": [TOPIC], "ActionsEnabled": False})

    _, said = told("--plan", "--table", "requests")
    assert f"~ {hand['AlarmName']} (OK)" in said
    assert "Threshold: 50 -> 1" in said
    assert said.count("~") == 1

    assert told("--yes", "--table", "requests")[0] == 0
    alarm = there()["requests-read-throttles"]
    assert alarm["Threshold"] == 1.0
    # What others set, and nobody declares, stays.
    assert alarm["OKActions"] == [TOPIC]
    assert alarm["ActionsEnabled"] is False


def test_a_topic_is_changed_where_one_is_given(cloudwatch: Any) -> None:
    told("--yes", "--table", "agents", "--sns-topic", NORTHERN)
    other = NORTHERN.replace(":ops", ":night")
    _, said = told("--yes", "--table", "agents", "--sns-topic", other)
    assert f"AlarmActions: {NORTHERN} -> {other}" in said
    assert there("eu-north-1")["agents-system-errors"]["AlarmActions"] == [other]


def test_removal_takes_ours_and_nothing_else(cloudwatch: Any) -> None:
    told("--yes", "--table", "requests", "--table", "agents")
    common = {
        "Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 60, "Threshold": 1.0,
        "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip
    client = aws.service("cloudwatch", "us-east-1")
    others = {
        f"{prefix()}cpu": f"The console's own CPU. {MARK}",  # no kind of ours
        f"{prefix()}orders-read-throttles": "Somebody's, without our mark",
        "another-opsportal-requests-read-throttles": f"Another deployment's. {MARK}",
    }
    for name, description in others.items():
        client.put_metric_alarm(AlarmName=name, AlarmDescription=description, **common)
    status, said = told("--remove", "--yes")
    assert status == 0
    assert said.count("removed") == 6
    assert set(there()) == {"cpu", "orders-read-throttles"}
    assert there("eu-north-1") == {}
    assert client.describe_alarms(AlarmNames=["another-opsportal-requests-read-throttles"])["MetricAlarms"]
    assert "Nothing to do." in told("--remove", "--yes")[1]


def test_removal_of_one_table_leaves_the_others(cloudwatch: Any) -> None:
    told("--yes", "--table", "requests", "--table", "request_logs")
    assert told("--remove", "--yes", "--table", "requests")[0] == 0
    assert {name.rpartition("-")[0].rpartition("-")[0] for name in there()} == {"request_logs"}


def test_an_alarm_that_is_no_longer_declared_is_removed(cloudwatch: Any, settings: Any) -> None:
    settings.PUBLISH_AGES = True
    told("--yes", "--table", "requests")
    assert "requests-age" in there()
    settings.PUBLISH_AGES = False
    _, said = told("--plan", "--table", "agents")
    assert "requests-age" not in said
    _, said = told("--yes")
    assert f"removed {prefix()}requests-age" in said
    assert "requests-age" not in there()
    assert "requests-read-throttles" in there()


def test_somebody_elses_alarm_under_our_name_is_left_alone(cloudwatch: Any) -> None:
    client = aws.service("cloudwatch", "eu-north-1")
    client.put_metric_alarm(
        AlarmName=f"{prefix()}agents-read-throttles", AlarmDescription="By hand", Namespace="n", MetricName="m",
        Statistic="Sum", Period=60, Threshold=9.0, EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    status, said = told("--yes", "--table", "agents")
    assert status == 1
    assert f"! {prefix()}agents-read-throttles was made by another program, and stays as it is" in said
    assert there("eu-north-1")["agents-read-throttles"]["Threshold"] == 9.0
    assert "agents-write-throttles" in there("eu-north-1")


# --- No CloudWatch, or not for us ------------------------------------------------------------------------------


def test_beside_an_emulator_alarms_are_unknown_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "service", None)
    assert told("--yes") == (0, "us-east-1: unknown here\neu-north-1: unknown here\nNothing to do.\n")


def test_one_emulated_table_among_real_ones_is_passed_over(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "is_emulated", lambda table: table.logical == "workflows")
    _, said = told("--plan")
    assert "workflows: unknown here" in said
    assert "workflows-read-throttles" not in said
    assert "requests-read-throttles" in said


def test_an_engine_without_cloudwatch_is_unknown_here(
    engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("dynoxide").endpoint)
    assert told("--table", "agents") == (0, "eu-north-1: unknown here\nNothing to do.\n")


class Refusing:
    """A CloudWatch without alarms that denies what is done to them, or shows none."""

    def __init__(self, denied: str) -> None:
        self.denied = denied

    def get_paginator(self, _: str) -> "Refusing":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        self._decide("DescribeAlarms")
        return [{"MetricAlarms": []}, {"MetricAlarms": []}]

    def put_metric_alarm(self, **_: Any) -> None:
        self._decide("PutMetricAlarm")

    def _decide(self, operation: str) -> None:
        if operation == self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


@pytest.mark.parametrize("operation", ["DescribeAlarms", "PutMetricAlarm"])
def test_a_denial_names_the_action_and_the_statement(
    environment: str, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(alarms, "is_emulated", lambda table: False)
    monkeypatch.setattr(alarms, "service", lambda name, region: Refusing(operation))
    status, said = told("--yes", "--table", "agents")
    assert status == 1
    assert f"eu-north-1: The console's role may not perform cloudwatch:{operation} in eu-north-1." in said
    assert f'"cloudwatch:{operation}"' in said
    assert "created" not in said


@pytest.mark.parametrize(
    "topic",
    [
        "ops",
        "arn:aws:sns:us-west-2:111122223333:ops",
        "arn:aws:sns:us-east-1:111122223333:ops.fifo",
        "arn:aws:sqs:us-east-1:111122223333:ops",
    ],
)
def test_a_topic_that_no_alarm_can_tell_is_refused(environment: str, topic: str) -> None:
    with pytest.raises(CommandError, match="not the ARN of a standard SNS topic in us-east-1 or eu-north-1"):
        told("--sns-topic", topic)


def test_removals_keep_to_the_size_of_a_call(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    deleted: list[list[str]] = []

    class Client:
        def delete_alarms(self, AlarmNames: list[str]) -> None:  # noqa: N803
            deleted.append(AlarmNames)

    monkeypatch.setattr(alarms, "service", lambda name, region: Client())
    changes = tuple(alarms.Change("remove", f"a-{number}") for number in range(150))
    planned = alarms.RegionPlan("us-east-1", changes)
    assert len(list(alarms.carry_out(planned))) == 150
    assert [len(batch) for batch in deleted] == [100, 50]


def test_a_plan_says_each_number_as_it_is() -> None:
    assert [alarms._text(value) for value in (1_234_567.0, 0.25, 1.0, 3, None)] == [
        "1234567",
        "0.25",
        "1",
        "3",
        "none",
    ]
