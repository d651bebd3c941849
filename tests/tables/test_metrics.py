"""CloudWatch's metrics of the tables: what is asked, what is summed, and what is said when there is no answer."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.cache import caches

from opsportal import aws
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.tables import Binding, binding, bindings
from opsportal.tables import metrics
from opsportal.tables.metrics import TableMetrics, table_metrics, total

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class FakeCloudWatch:
    """A client that answers GetMetricData as a test tells it to, and remembers what it was asked, per region."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.says: Answer = lambda arguments: {
            "MetricDataResults": [point(query) for query in arguments["MetricDataQueries"]]
        }

    def service(self, _name: str, region: str) -> Any:
        fake = self

        class Client:
            def get_metric_data(self, **arguments: Any) -> dict[str, Any]:
                fake.asked.append((region, dict(arguments)))
                return fake.says(arguments)

        return Client()

    def queries(self, region: str) -> list[tuple[str, dict[str, str]]]:
        """(metric, dimensions) of all that was asked there."""
        found = []
        for where, arguments in self.asked:
            for query in arguments["MetricDataQueries"] if where == region else ():
                metric = query["MetricStat"]["Metric"]
                found.append((metric["MetricName"], {d["Name"]: d["Value"] for d in metric["Dimensions"]}))
        return found


def point(query: dict[str, Any], *values: float, status: str = "Complete") -> dict[str, Any]:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    moments = [hour - timedelta(hours=number) for number in reversed(range(len(values)))]
    return {"Id": query["Id"], "Timestamps": moments, "Values": list(values), "StatusCode": status}


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> FakeCloudWatch:
    """In place of CloudWatch, beside tables that nobody describes."""
    fake = FakeCloudWatch()
    monkeypatch.setattr(metrics, "service", fake.service)
    monkeypatch.setattr(metrics, "is_emulated", lambda table: False)
    declared = lambda table: tuple(index.name for index in table.spec.indexes)  # noqa: E731
    monkeypatch.setattr(metrics, "index_names", declared)
    return fake


def told(found: TableMetrics | Unknown) -> TableMetrics:
    assert isinstance(found, TableMetrics)
    return found


# --- Against an imitation of CloudWatch ------------------------------------------------------------------


@pytest.fixture
def moto(engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", endpoint)
    yield aws.service("cloudwatch", "us-east-1")
    aws.forget()


def publish(client: Any, metric: str, value: float, hours_ago: float = 0.5, **dimensions: str) -> None:
    """The table's name first: moto tells dimensions by their order."""
    client.put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [
                    {"Name": name, "Value": text}
                    for name, text in sorted(dimensions.items(), key=lambda d: d[0] != "TableName")
                ],
                "Timestamp": datetime.now(UTC) - timedelta(hours=hours_ago),
                "Value": value,
            }
        ],
    )


def test_consumption_throttles_and_errors_are_summed_over_indexes_and_operations(moto: Any) -> None:
    table = replace(binding("requests"), name="metrics-of-requests")
    name = {"TableName": table.name}
    publish(moto, "ConsumedWriteCapacityUnits", 5, **name)
    publish(moto, "ConsumedWriteCapacityUnits", 7, hours_ago=5, **name)
    publish(moto, "ConsumedWriteCapacityUnits", 3, GlobalSecondaryIndexName="status-index", **name)
    publish(moto, "ConsumedReadCapacityUnits", 2.5, GlobalSecondaryIndexName="user-index", **name)
    publish(moto, "WriteThrottleEvents", 4, GlobalSecondaryIndexName="user-index", **name)
    publish(moto, "ReadThrottleEvents", 1, **name)
    publish(moto, "SystemErrors", 1, Operation="Query", **name)
    publish(moto, "SystemErrors", 2, Operation="TransactWriteItems", **name)
    publish(moto, "ConsumedWriteCapacityUnits", 99, TableName="another-table")
    publish(moto, "ConsumedWriteCapacityUnits", 99, hours_ago=30, **name)

    found = told(table_metrics([table], background=True)["requests"])
    assert (total(found.writes[""]), total(found.writes["status-index"])) == (12, 3)
    assert (total(found.write), total(found.read)) == (15, 2.5)
    assert (total(found.read_throttles), total(found.write_throttles)) == (1, 4)
    assert total(found.system_errors) == 3
    assert found.complete
    assert not found.silent


def test_a_table_that_cloudwatch_never_heard_of_is_silent(moto: Any) -> None:
    found = told(table_metrics([replace(binding("agents"), name="unheard-of")], background=True)["agents"])
    assert found.silent
    assert len(found.read) == 24
    assert total(found.read) == 0


def test_an_engine_without_cloudwatch_is_unknown_here(
    engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("dynoxide").endpoint)
    assert table_metrics([binding("agents")], background=True) == {"agents": Unknown("unknown here")}


def test_the_real_cloudwatch_is_not_asked_about_an_emulators_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "service", None)
    assert table_metrics(bindings()) == {table.logical: Unknown("unknown here") for table in bindings()}


# --- What is asked -----------------------------------------------------------------------------------------


def test_each_region_is_asked_once_for_all_its_tables(cloudwatch: FakeCloudWatch) -> None:
    found = table_metrics(bindings(), background=True)
    assert set(found) == {"workflows", "requests", "request_logs", "agents"}
    assert sorted(region for region, _ in cloudwatch.asked) == ["eu-north-1", "us-east-1"]


def test_metrics_are_asked_by_the_dimensions_that_dynamodb_publishes(cloudwatch: FakeCloudWatch) -> None:
    table = binding("request_logs")
    table_metrics([table], background=True)
    name = {"TableName": table.name}
    index = name | {"GlobalSecondaryIndexName": "request-logs-index"}
    asked = cloudwatch.queries("us-east-1")
    for metric in (
        "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents",
    ):  # fmt: skip
        assert [dimensions for one, dimensions in asked if one == metric] == [name, index]
    operations = [dimensions for one, dimensions in asked if one == "SystemErrors"]
    assert name | {"Operation": "TransactWriteItems"} in operations
    assert len(operations) == 10
    assert [dimensions for one, dimensions in asked if one == "UserErrors"] == [{}]


def test_no_call_asks_for_more_than_cloudwatch_allows(
    cloudwatch: FakeCloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MAX_QUERIES", 20)
    table_metrics([binding("requests")], background=True)
    sizes = [len(arguments["MetricDataQueries"]) for _, arguments in cloudwatch.asked]
    assert sizes == [20, 11]
    ids = [query["Id"] for _, arguments in cloudwatch.asked for query in arguments["MetricDataQueries"]]
    assert len(set(ids)) == 31


@pytest.mark.parametrize(
    ("hours", "asked", "period", "points"),
    [(24, 0, 3_600, 24), (168, 0, 86_400, 7), (720, 0, 86_400, 30), (720, 3_600, 3_600, 720)],
)
def test_a_day_is_told_by_the_hour_and_longer_by_the_day_unless_asked_otherwise(
    cloudwatch: FakeCloudWatch, hours: int, asked: int, period: int, points: int
) -> None:
    found = told(table_metrics([binding("agents")], hours, background=True, period=asked)["agents"])
    assert (found.period, len(found.write)) == (period, points)
    (_, arguments), *_ = cloudwatch.asked
    start, end = arguments["StartTime"], arguments["EndTime"]
    assert end - start == timedelta(hours=hours)
    assert start < datetime.now(UTC) < end
    assert start.timestamp() % period == 0
    assert found.write[0][0] == start


def test_further_pages_are_read_and_joined(cloudwatch: FakeCloudWatch) -> None:
    pages = iter([("PartialData", 3.0, {"NextToken": "more"}), ("Complete", 4.0, {})])

    def says(arguments: dict[str, Any]) -> dict[str, Any]:
        status, value, more = next(pages)
        back = 1 if more else 0
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=back)
        results = [
            {"Id": query["Id"], "Timestamps": [hour], "Values": [value], "StatusCode": status}
            for query in arguments["MetricDataQueries"]
        ]
        return {"MetricDataResults": results, **more}

    cloudwatch.says = says
    found = told(table_metrics([binding("agents")], background=True)["agents"])
    assert [value for _, value in found.read[-2:]] == [3.0, 4.0]
    assert found.complete
    assert cloudwatch.asked[1][1]["NextToken"] == "more"


def test_a_part_of_an_answer_says_so(cloudwatch: FakeCloudWatch) -> None:
    cloudwatch.says = lambda arguments: {
        "MetricDataResults": [
            point(query, 1.0, status="InternalError") for query in arguments["MetricDataQueries"]
        ]
    }
    found = told(table_metrics([binding("agents")], background=True)["agents"])
    assert not found.complete
    assert total(found.read) == 1


# --- No answer -----------------------------------------------------------------------------------------------


def refuse(code: str, message: str = "") -> Answer:
    def says(_: dict[str, Any]) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetMetricData")

    return says


def test_a_denial_is_a_state_with_its_statement(cloudwatch: FakeCloudWatch) -> None:
    cloudwatch.says = refuse("AccessDenied", "is not authorized to perform: cloudwatch:GetMetricData")
    found = table_metrics([binding("agents")])["agents"]
    assert isinstance(found, Unknown)
    assert found.denied
    assert "cloudwatch:GetMetricData" in found.statement


def test_an_endpoint_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "nowhere")
    found = table_metrics([binding("agents")])["agents"]
    assert "The endpoint nowhere is not a URL." in str(found)


def test_trouble_in_one_region_leaves_the_other_alone(cloudwatch: FakeCloudWatch) -> None:
    fine = cloudwatch.says

    def says(arguments: dict[str, Any]) -> dict[str, Any]:
        return refuse("Throttling")(arguments) if cloudwatch.asked[-1][0] == "eu-north-1" else fine(arguments)

    cloudwatch.says = says
    found = table_metrics([binding("agents"), binding("requests")], background=True)
    assert isinstance(found["requests"], TableMetrics)
    assert str(found["agents"]) == "cloudwatch:GetMetricData in eu-north-1: Throttling"


# --- A page does not wait ------------------------------------------------------------------------------------


def test_what_is_known_is_not_asked_again(cloudwatch: FakeCloudWatch, settings: Any) -> None:
    first = table_metrics([binding("agents")])
    assert table_metrics([binding("agents")]) == first
    caches["process"].clear()  # another process has the shared cache
    assert table_metrics([binding("agents")]) == first
    assert len(cloudwatch.asked) == 1


def test_trouble_is_not_shared_and_soon_asked_again(cloudwatch: FakeCloudWatch) -> None:
    fine = cloudwatch.says
    cloudwatch.says = refuse("Throttling")
    assert isinstance(table_metrics([binding("agents")])["agents"], Unknown)
    cloudwatch.says = fine
    assert isinstance(table_metrics([binding("agents")])["agents"], Unknown)
    caches["process"].clear()
    assert isinstance(table_metrics([binding("agents")])["agents"], TableMetrics)


def test_a_page_does_not_wait_for_a_slow_answer_and_shows_it_at_its_next_look(
    cloudwatch: FakeCloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, fine = threading.Event(), cloudwatch.says

    def says(arguments: dict[str, Any]) -> dict[str, Any]:
        assert go_on.wait(5)
        return fine(arguments)

    cloudwatch.says = says
    monkeypatch.setattr(metrics, "PAGE_WAIT", 0.05)
    for _ in range(2):  # the second page joins the first
        found = table_metrics([binding("agents")])["agents"]
        assert str(found).startswith("CloudWatch has not answered yet")
    go_on.set()
    monkeypatch.setattr(metrics, "PAGE_WAIT", 5)
    assert isinstance(table_metrics([binding("agents")])["agents"], TableMetrics)
    assert len(cloudwatch.asked) == 1


def test_indexes_are_those_deployed_or_else_those_declared(tables: dict[str, Binding]) -> None:
    assert metrics.index_names(tables["workflows"]) == ("overallStatus-createdAt-index",)
    missing = replace(tables["request_logs"], name="missing")
    assert metrics.index_names(missing) == ("request-logs-index",)
