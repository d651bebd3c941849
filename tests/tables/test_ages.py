"""The age of the oldest unfinished item: what is read of it, and what the worker publishes."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsportal import aws
from opsportal.dynamo import clients
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from opsportal.operations.tasks import Turns, Worker, registered
from opsportal.tables import ages
from opsportal.tables.ages import oldest
from tests import factories
from tests.samples import next_minute

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def watched(logical: str) -> ages.Watched:
    (found,) = (one for one in ages.watched_tables() if one.logical == logical)
    return found


def put(table: Binding, ident: str, status: str, created: datetime | str, **more: str) -> None:
    """An item of either table, created in the form that its writers use."""
    workflow = table.logical == "workflows"
    stamp = created if isinstance(created, str) else created.strftime("%Y-%m-%dT%H:%M:%S") + "Z" * workflow
    names = ("overallStatus", "createdAt") if workflow else ("status", "created_at")
    item = {table.key: ident, names[0]: status, names[1]: stamp, **more}
    clients.client(*table.location, background=True).put_item(
        TableName=table.name, Item={name: {"S": value} for name, value in item.items()}
    )


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


@pytest.mark.no_moto
@pytest.mark.parametrize("logical", ["workflows", "requests"])
def test_the_oldest_unfinished_item_is_found_in_whatever_status(
    tables: dict[str, Binding], logical: str, settings: Any
) -> None:
    table = tables[logical]
    put(table, "a", "pending", ago(minutes=5))
    put(table, "b", "processing", ago(minutes=20))
    put(table, "c", "Waiting for legal", ago(minutes=90))
    put(table, "d", "completed", ago(days=3))
    put(table, "e", "FAILED", ago(days=2))
    assert oldest(watched(logical), NOW) == 90 * 60
    settings.WORKFLOW_TERMINAL_STATUSES = settings.REQUEST_TERMINAL_STATUSES = ["waiting for LEGAL "]
    assert oldest(watched(logical), NOW) == 20 * 60


def test_everything_finished_is_an_age_of_zero(tables: dict[str, Binding]) -> None:
    put(tables["requests"], "a", "completed", ago(days=3))
    assert oldest(watched("requests"), NOW) == 0


def test_what_is_past_care_or_has_no_time_is_passed_over(tables: dict[str, Binding]) -> None:
    table = tables["requests"]
    put(table, "a", "pending", ago(days=31))
    put(table, "b", "pending", "9999-not-a-time")
    assert oldest(watched("requests"), NOW) == 0
    put(table, "c", "pending", ago(days=29))
    put(table, "d", "pending", "2026-11-01 or so")
    assert oldest(watched("requests"), NOW) == 29 * 86_400


def test_a_clock_that_is_ahead_makes_no_negative_age(tables: dict[str, Binding]) -> None:
    put(tables["requests"], "a", "pending", NOW + timedelta(hours=1))
    assert oldest(watched("requests"), NOW) == 0


def test_what_is_in_no_index_has_an_age_too(tables_without_index: dict[str, Binding]) -> None:
    put(tables_without_index["workflows"], "w", "processing", ago(hours=2))
    put(tables_without_index["workflows"], "done", "completed", ago(hours=9))
    assert oldest(watched("workflows"), NOW) == 2 * 3600
    requests = tables_without_index["requests"]
    put(requests, "indexed", "pending", ago(hours=1))
    assert oldest(watched("requests"), NOW) == 3600
    item = {"request_id": "outside", "status": "pending", "updated_at": f"{ago(hours=3):%Y-%m-%dT%H:%M:%S}"}
    factories.put(requests, factories.raw(item))
    next_minute()
    assert oldest(watched("requests"), NOW) == 3 * 3600


def test_a_look_costs_one_query_for_each_unfinished_status(tables: dict[str, Binding]) -> None:
    for number in range(30):
        put(tables["requests"], f"r-{number}", "pending", ago(minutes=number))
    oldest(watched("requests"), NOW)  # finds the statuses, which stay known for a minute
    with request_budget(None) as account:
        assert oldest(watched("requests"), NOW) == 29 * 60
    assert account.operations == ["Query"] * 3  # pending, processing, executing
    assert account.read_units <= 3  # half a unit each; moto counts a whole one


# --- The worker's task -------------------------------------------------------------------------------------


@pytest.fixture
def cloudwatch(
    engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[Any]:
    settings.PUBLISH_AGES = True
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    yield aws.service("cloudwatch", "us-east-1")
    aws.forget()


def published(client: Any, table: Binding) -> float:
    """The newest: another test may have published the age of a table of that name."""
    answer = client.get_metric_statistics(
        Namespace="OpsPortal",
        MetricName="OldestUnfinishedSeconds",
        Dimensions=[{"Name": "TableName", "Value": table.name}],
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=5),
        Period=60,
        Statistics=["Maximum", "SampleCount"],
    )
    newest = max(answer["Datapoints"], key=lambda one: one["Timestamp"])
    return float(newest["Maximum"])


@pytest.mark.no_moto
def test_the_worker_publishes_the_age_of_each_table_once_a_minute(
    tables: dict[str, Binding], cloudwatch: Any
) -> None:
    created = datetime.now(UTC) - timedelta(minutes=10)
    put(tables["requests"], "a", "pending", created)
    assert Worker([ages.TASK]).once(threading.Event()) == 2
    age = published(cloudwatch, tables["requests"])
    assert 600 <= age < 660
    assert published(cloudwatch, tables["workflows"]) == 0
    assert ages.TASK.every == 60


def test_it_is_off_unless_it_is_switched_on(
    tables: dict[str, Binding], cloudwatch: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLISH_AGES = False
    monkeypatch.setattr(ages, "service", None)
    with request_budget(None) as account:
        assert Worker([registered()["ages"]]).once(threading.Event()) == 0
    assert account.calls == 0


def test_a_refusal_of_cloudwatch_is_logged_once(
    tables: dict[str, Binding],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.PUBLISH_AGES = True
    refused = True

    class Client:
        def put_metric_data(self, **_: Any) -> None:
            if refused:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "PutMetricData")

    monkeypatch.setattr(ages, "service", lambda name, region: Client())
    monkeypatch.setattr(ages, "is_emulated", lambda table: False)
    stop, turns = threading.Event(), Turns(ages.TASK, tables["requests"])
    for _ in range(2):
        turns.take(stop)
    refused = False
    turns.take(stop)
    assert turns.done == 1
    assert [record.getMessage() for record in caplog.records] == [
        "ages of requests in us-east-1: The console's role may not perform cloudwatch:PutMetricData in us-east-1.",
        "ages of requests in us-east-1: works again",
    ]


@pytest.mark.parametrize("why", ["an emulator has no CloudWatch", "no table"])
def test_what_keeps_it_from_publishing_is_said(
    why: str, tables_without_index: dict[str, Binding], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLISH_AGES = True
    if "emulator" not in why:
        monkeypatch.setattr(ages, "is_emulated", lambda table: False)
    if why == "no table":
        missing = settings.DYNAMO_TABLES["workflows"] | {"name": "missing"}
        settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {"workflows": missing}
    turns = next(one for one in Worker([ages.TASK]).turns if one.table.logical == "workflows")
    turns.take(threading.Event())
    assert (turns.done, why in turns.problem) == (0, True)
