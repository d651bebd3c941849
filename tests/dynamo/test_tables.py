"""The tables are as their documents declare them, and where the environment says."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from opsportal.dynamo.tables import Binding, aws_region, bind, binding, bindings, is_loopback
from registry.tables import AGENTS
from requests_app.tables import REQUEST_LOGS, REQUESTS
from tracking.tables import WORKFLOWS

SETTINGS = Path(__file__).resolve().parents[2] / "opsportal" / "settings.py"
SPECS = {"workflows": WORKFLOWS, "requests": REQUESTS, "request_logs": REQUEST_LOGS, "agents": AGENTS}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of AWS's is set, beside what a test sets."""
    for name in (
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch  # fmt: skip


def placed() -> dict[str, Binding]:
    """The tables as the settings, read again, place them."""
    configs: dict[str, Any] = runpy.run_path(str(SETTINGS))["DYNAMO_TABLES"]
    return {logical: bind(SPECS[logical], config) for logical, config in configs.items()}


def gsi(name: str, hash_key: str, range_key: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


def strings(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


# --- What the documents declare ------------------------------------------------------------------------


def test_the_workflow_table_is_as_its_document_says(environment: pytest.MonkeyPatch) -> None:
    table = placed()["workflows"]
    assert table.create_request() == {
        "TableName": "trade-matching-system-processing-status",
        "AttributeDefinitions": strings("sessionId"),
        "KeySchema": [{"AttributeName": "sessionId", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": {"Enabled": True, "SSEType": "KMS"},
        "Tags": [
            {"Key": "Name", "Value": "Orchestrator Processing Status"},
            {"Key": "Component", "Value": "AgentCore"},
            {"Key": "Environment", "Value": "dev"},
            {"Key": "Purpose", "Value": "Real-time workflow status tracking"},
        ],
    }
    assert (table.region, table.ttl_attribute, table.spec.point_in_time_recovery) == (
        "us-east-1",
        "expiresAt",
        True,
    )


def test_the_optional_workflow_index_is_made_only_when_asked_for(environment: pytest.MonkeyPatch) -> None:
    request = placed()["workflows"].create_request(optional_indexes=True)
    assert request["AttributeDefinitions"] == strings("sessionId", "overallStatus", "createdAt")
    assert request["GlobalSecondaryIndexes"] == [
        gsi("overallStatus-createdAt-index", "overallStatus", "createdAt")
    ]


def test_the_requests_table_is_as_its_document_says(environment: pytest.MonkeyPatch) -> None:
    table = placed()["requests"]
    expected = {
        "TableName": "dev-market_intelligence_requests",
        "AttributeDefinitions": strings("request_id", "user_id", "created_at", "project_id", "status", "processing_strategy", "priority"),
        "KeySchema": [{"AttributeName": "request_id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            gsi("user-index", "user_id", "created_at"),
            gsi("project-index", "project_id", "created_at"),
            gsi("status-index", "status", "created_at"),
            gsi("strategy-index", "processing_strategy", "priority"),
        ],
    }  # fmt: skip
    assert table.create_request() == table.create_request(optional_indexes=True) == expected
    assert (table.region, table.ttl_attribute, table.spec.point_in_time_recovery) == (
        "us-east-1",
        "ttl",
        True,
    )


def test_the_logs_table_is_as_its_document_says(environment: pytest.MonkeyPatch) -> None:
    table = placed()["request_logs"]
    assert table.create_request() == {
        "TableName": "dev-request_processing_logs",
        "AttributeDefinitions": strings("log_id", "request_id", "timestamp"),
        "KeySchema": [{"AttributeName": "log_id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [gsi("request-logs-index", "request_id", "timestamp")],
    }
    assert (table.region, table.ttl_attribute, table.spec.point_in_time_recovery) == (
        "us-east-1",
        "ttl",
        False,
    )


def test_the_agents_table_is_as_its_document_says(environment: pytest.MonkeyPatch) -> None:
    table = placed()["agents"]
    assert table.create_request() == {
        "TableName": "AgentRegistry",
        "AttributeDefinitions": strings("agentId"),
        "KeySchema": [{"AttributeName": "agentId", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    assert (table.region, table.ttl_attribute, table.spec.point_in_time_recovery) == ("eu-north-1", "", False)


def test_an_index_is_found_by_its_name() -> None:
    assert REQUESTS.index("user-index").hash_key == "user_id"
    with pytest.raises(KeyError, match="nothing"):
        REQUESTS.index("nothing")


# --- Where the environment places them -----------------------------------------------------------------


@pytest.mark.parametrize("env", ["dev", "eu-qa-2", "prod"])
def test_the_deployment_is_the_prefix_of_the_request_tables(
    environment: pytest.MonkeyPatch, env: str
) -> None:
    environment.setenv("OPSPORTAL_ENV", env)
    environment.setenv("SECRET_KEY", "k4mQ9zX1vB7nL2wE8rT5yU3iO6pA0sDfGhJcVbNqWzRxYtSuKe_-")
    environment.setenv("ALLOWED_HOSTS", "ops.example.com")
    assert {logical: table.name for logical, table in placed().items()} == {
        "workflows": "trade-matching-system-processing-status",
        "requests": f"{env}-market_intelligence_requests",
        "request_logs": f"{env}-request_processing_logs",
        "agents": "AgentRegistry",
    }


def test_the_portals_own_variable_names_the_workflow_table(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DYNAMODB_PROCESSING_STATUS_TABLE", "as-the-portal-says")
    assert placed()["workflows"].name == "as-the-portal-says"
    environment.setenv("DYNAMODB_WORKFLOWS_TABLE", "as-the-console-says")
    assert placed()["workflows"].name == "as-the-console-says"


@pytest.mark.parametrize("logical", list(SPECS))
def test_each_table_has_variables_of_its_own(environment: pytest.MonkeyPatch, logical: str) -> None:
    before = placed()
    for name, value in {
        "TABLE": "my-table",
        "REGION": "ap-south-1",
        "ENDPOINT_URL": "http://127.0.0.1:8001",
        "KEY": "my_key",
        "TTL_ATTRIBUTE": "my_ttl",
    }.items():
        environment.setenv(f"DYNAMODB_{logical.upper()}_{name}", value)
    after = placed()
    table = after.pop(logical)
    assert (table.name, table.region, table.endpoint, table.key, table.ttl_attribute) == (
        "my-table",
        "ap-south-1",
        "http://127.0.0.1:8001",
        "my_key",
        "my_ttl",
    )
    assert table.create_request()["KeySchema"] == [{"AttributeName": "my_key", "KeyType": "HASH"}]
    assert table.location == ("ap-south-1", "http://127.0.0.1:8001")
    before.pop(logical)
    assert after == before


def test_an_empty_key_is_the_documented_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DYNAMODB_WORKFLOWS_KEY", "")
    environment.setenv("DYNAMODB_WORKFLOWS_TTL_ATTRIBUTE", "")
    table = placed()["workflows"]
    assert (table.key, table.ttl_attribute) == ("sessionId", "")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"])
def test_awss_endpoint_variables_place_all_tables(environment: pytest.MonkeyPatch, name: str) -> None:
    assert {table.endpoint for table in placed().values()} == {""}
    environment.setenv(name, "http://127.0.0.1:8000")
    assert {table.endpoint for table in placed().values()} == {"http://127.0.0.1:8000"}
    environment.setenv("DYNAMODB_AGENTS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert placed()["agents"].endpoint == "http://127.0.0.1:9000"


def test_dynamodbs_own_endpoint_variable_comes_first(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8000")
    environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8001")
    assert {table.endpoint for table in placed().values()} == {"http://127.0.0.1:8001"}


PROFILES = "[default]\nregion = sa-east-1\n\n[profile ops]\nregion = eu-west-3\n\n[profile bare]\n"


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "sa-east-1"),
        ({"AWS_PROFILE": "ops"}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "us-west-1"}, "us-west-1"),
        ({"AWS_DEFAULT_REGION": "us-west-1", "AWS_REGION": "us-west-2"}, "us-west-2"),
        ({"AWS_PROFILE": "ops", "AWS_REGION": "us-west-2"}, "us-west-2"),
    ],
    ids=str,
)
def test_the_aws_chain_says_the_region_of_all_tables(
    environment: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], region: str
) -> None:
    config = tmp_path / "config"
    config.write_text(PROFILES)
    environment.setenv("AWS_CONFIG_FILE", str(config))
    for name, value in variables.items():
        environment.setenv(name, value)
    assert aws_region() == region
    assert {table.region for table in placed().values()} == {region}
    assert {table.region for table in bindings()} == {region}
    environment.setenv("DYNAMODB_AGENTS_REGION", "eu-north-1")
    assert (placed()["agents"].region, placed()["workflows"].region) == ("eu-north-1", region)


@pytest.mark.parametrize("profile", ["bare", "nobody"])
def test_a_profile_without_a_region_leaves_each_table_its_own(
    environment: pytest.MonkeyPatch, tmp_path: Path, profile: str
) -> None:
    config = tmp_path / "config"
    config.write_text(PROFILES)
    environment.setenv("AWS_CONFIG_FILE", str(config))
    environment.setenv("AWS_PROFILE", profile)
    assert aws_region() == ""
    assert {logical: table.region for logical, table in placed().items()} == {
        "workflows": "us-east-1",
        "requests": "us-east-1",
        "request_logs": "us-east-1",
        "agents": "eu-north-1",
    }


def test_bindings_come_in_the_order_of_the_settings_and_follow_them(settings: Any) -> None:
    assert [table.logical for table in bindings()] == ["workflows", "requests", "request_logs", "agents"]
    before = binding("agents")
    assert binding("agents") is before  # asked for with every item
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"name": "other"}
    }
    assert binding("agents").name == "other"
    assert binding("agents").fingerprint != before.fingerprint
    with pytest.raises(KeyError, match="nothing"):
        binding("nothing")


def test_a_fingerprint_tells_places_apart() -> None:
    config = {
        "name": "t",
        "region": "a",
        "endpoint": "",
        "key": "",
        "ttl_attribute": "",
        "default_region": "",
    }
    changes: list[dict[str, str]] = [{}, {"name": "u"}, {"region": "b"}, {"endpoint": "http://x"}]
    assert len({bind(AGENTS, config | change).fingerprint for change in changes}) == len(changes)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://localhost:8000", True),
        ("http://LOCALHOST:8000", True),
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000", True),
        ("", False),
        ("https://dynamodb.us-east-1.amazonaws.com", False),
        ("http://127.0.0.1.example.com:8000", False),
        ("http://127.example.com", False),
        ("http://localhost.example.com", False),
        ("http://localhost@example.com", False),
        ("http://10.0.0.1:8000", False),
        ("http://0.0.0.0:8000", False),
        ("localhost:8000", False),
        ("http://[::1", False),
    ],
)
def test_loopback_is_this_machine_and_no_name_that_looks_like_it(endpoint: str, expected: bool) -> None:
    assert is_loopback(endpoint) is expected
