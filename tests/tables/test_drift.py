"""A table that is deployed wrong is reported, point by point, with what fixes it; a right one is not."""

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from opsportal.dynamo.deployed import Deployed, Unknown, deployed
from opsportal.dynamo.descriptions import DeployedIndex, Units
from opsportal.dynamo.fixes import aws
from opsportal.dynamo.ledger import ledger_of
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.tables import AUDIT, audit_table_for, jobs_table_for
from opsportal.tables.drift import Difference, differences, points
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.tables.deployments import (
    Deployments,
    Request,
    add_sort_key,
    deployments,
    drop_index,
    index_of,
    keep_used,
    provision,
    rename_key,
    retype,
    set_recovery,
    set_ttl,
)


@pytest.fixture
def at(engine: Any, settings: Any) -> Iterator[Deployments]:
    with deployments(engine, settings) as made:
        yield made


def only(table: Binding) -> Difference:
    """The one difference of a table that is right but for one thing; what can't be told here aside."""
    found = told(table)
    assert len(found) == 1, found
    return found[0]


def told(table: Binding) -> list[Difference]:
    return [difference for difference in differences(table, deployed(table)) if not difference.unknown]


@pytest.mark.parametrize("logical", ["workflows", "requests", "request_logs", "agents"])
def test_a_rightly_deployed_table_has_no_difference(at: Deployments, logical: str) -> None:
    table = binding(logical)
    at.deploy(table)
    found = deployed(table)
    unknown = [difference.point for difference in differences(table, found)]
    asked = at.engine.kind != "moto" and table.spec.point_in_time_recovery
    assert unknown == (["point-in-time recovery"] if asked else [])
    assert {point.point for point in points(table, found)} >= {
        "state", "partition key", "billing", "TTL", "encryption", *(f"index {index.name}" for index in table.spec.indexes)
    }  # fmt: skip


def test_the_consoles_own_tables_have_no_difference(at: Deployments) -> None:
    for table in (audit_table_for(binding("requests")), jobs_table_for(binding("requests"))):
        at.deploy(table)
        assert told(table) == []
    ledger = ledger_of(binding("requests"))
    at.deploy(ledger)
    assert told(ledger) == []


def test_a_workflow_table_without_the_optional_index_is_right(at: Deployments) -> None:
    table = binding("workflows")

    def as_documented(request: Request) -> None:
        request.clear()
        request.update(table.create_request())

    at.deploy(table, as_documented)
    assert told(table) == []
    (index,) = [point for point in points(table, deployed(table)) if point.point.startswith("index ")]
    assert "reads the table by a bounded scan" in index.deployed
    assert index.deployed.endswith("python manage.py dynamo migrate --table workflows --add-indexes")


@pytest.mark.parametrize("logical", ["workflows", "request_logs"])
def test_an_index_of_another_name_is_the_index(at: Deployments, logical: str) -> None:
    table = binding(logical)
    at.deploy(table, lambda request: request["GlobalSecondaryIndexes"][0].update(IndexName="theirs"))
    assert told(table) == []
    (index,) = [point for point in points(table, deployed(table)) if point.point.startswith("index ")]
    assert index.deployed.endswith(", under the name theirs")


def other_range(request: Request) -> None:
    index = index_of(request, "status-index")
    index["KeySchema"][1]["AttributeName"] = "priority"


def keys_only(request: Request) -> None:
    index_of(request, "user-index")["Projection"] = {"ProjectionType": "KEYS_ONLY"}


def include(request: Request) -> None:
    index_of(request, "user-index")["Projection"] = {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["status"],
    }


def no_range(request: Request) -> None:
    del index_of(request, "strategy-index")["KeySchema"][1]
    keep_used(request)


@pytest.mark.parametrize(
    ("change", "point", "declared", "found", "fix"),
    [
        (lambda r: rename_key(r, "id"), "partition key", "request_id", "id", "set DYNAMODB_REQUESTS_KEY=id"),
        (lambda r: retype(r, "request_id"), "type of request_id", "S", "N", "set DYNAMODB_REQUESTS_TABLE"),
        (lambda r: add_sort_key(r, "created_at"), "sort key", "none", "created_at", "--table requests"),
        (lambda r: drop_index(r, "project-index"), "index project-index", "project_id, created_at", "none", "python manage.py dynamo migrate --table requests --add-indexes"),
        (other_range, "keys of status-index", "status, created_at", "status, priority", '"Delete": {"IndexName": "status-index"}'),
        (no_range, "keys of strategy-index", "processing_strategy, priority", "processing_strategy", '"Delete"'),
        (keys_only, "projection of user-index", "ALL", "KEYS_ONLY", '"Delete": {"IndexName": "user-index"}'),
        (include, "projection of user-index", "ALL", "INCLUDE", '"Delete": {"IndexName": "user-index"}'),
        (lambda r: retype(r, "priority"), "type of priority in strategy-index", "S", "N", '"Delete": {"IndexName": "strategy-index"}'),
    ],
    ids=["wrong key", "key is a number", "sort key", "missing index", "other range", "no range", "keys only", "include", "index key is a number"],
)  # fmt: skip
@pytest.mark.no_moto
def test_what_breaks_the_console_says_so(
    at: Deployments, change: Callable[[Request], object], point: str, declared: str, found: str, fix: str
) -> None:
    table = binding("requests")
    at.deploy(table, change)
    difference = only(table)
    assert (difference.point, difference.declared, difference.deployed) == (point, declared, found)
    assert difference.breaks
    assert fix.lower() in difference.fix.lower()


def test_the_deployed_key_is_named_with_the_setting(at: Deployments) -> None:
    table = binding("workflows")
    at.deploy(table, lambda request: rename_key(request, "processing_id"))
    difference = only(table)
    assert difference.fix == "The deployed key is processing_id: set DYNAMODB_WORKFLOWS_KEY=processing_id"
    assert told(at.configure("workflows", key="processing_id")) == []


@pytest.mark.no_moto
def test_a_key_that_is_wrong_by_its_type_too_is_not_one_to_be_set(at: Deployments) -> None:
    def another_programs(request: Request) -> None:
        rename_key(request, "id")
        retype(request, "id")

    table = binding("workflows")
    at.deploy(table, another_programs)
    differences = told(table)
    assert [difference.point for difference in differences] == ["type of id", "partition key"]
    assert not any("DYNAMODB_WORKFLOWS_KEY" in difference.fix for difference in differences)


def test_a_key_that_a_shell_would_read_is_quoted(at: Deployments) -> None:
    table = binding("agents")
    at.deploy(table, lambda request: rename_key(request, "id; rm -rf ~"))
    assert only(table).fix.endswith("set DYNAMODB_AGENTS_KEY='id; rm -rf ~'")


def test_a_command_names_an_endpoint_only_where_there_is_one(settings: Any) -> None:
    settings.DYNAMO_TABLES = {
        logical: table | {"endpoint": "", "region": "eu-north-1"}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    assert aws(binding("agents"), "describe-table") == (
        "aws dynamodb describe-table --table-name AgentRegistry --region eu-north-1"
    )
    assert aws(binding("agents"), "list-tags-of-resource", "--resource-arn", "arn:x") == (
        "aws dynamodb list-tags-of-resource --region eu-north-1 --resource-arn arn:x"
    )


@pytest.mark.no_moto
def test_another_programs_table_of_an_own_ones_name_is_told_nothing_else_to_change(at: Deployments) -> None:
    table = audit_table_for(binding("requests"))

    def another_programs(request: Request) -> None:
        rename_key(request, "id")
        request["GlobalSecondaryIndexes"].clear()
        keep_used(request)
        del request["GlobalSecondaryIndexes"], request["SSESpecification"]

    at.deploy(table, another_programs)
    difference = only(table)
    assert difference.point == "partition key"
    assert "move what has this name away" in difference.fix


def test_an_own_table_with_a_wrong_key_has_no_setting(at: Deployments) -> None:
    table = audit_table_for(binding("requests"))
    at.deploy(table, lambda request: rename_key(request, "id"))
    difference = only(table)
    assert difference.breaks
    assert "DYNAMODB_" not in difference.fix
    assert "python manage.py dynamo migrate" in difference.fix


def test_an_index_that_lacks_one_of_the_included_attributes_names_it(at: Deployments) -> None:
    table = audit_table_for(binding("requests"))

    def without_actor(request: Request) -> None:
        index_of(request, "target-index")["Projection"]["NonKeyAttributes"].remove("actor")

    at.deploy(table, without_actor)
    difference = only(table)
    assert difference.deployed == "INCLUDE, without actor"
    assert difference.breaks
    assert difference.declared.startswith(f"INCLUDE {AUDIT.indexes[0].include[0]}")


def test_the_command_that_adds_the_missing_index_does(at: Deployments) -> None:
    table = audit_table_for(binding("requests"))  # of the console's own: the others have --add-indexes
    client = at.deploy(table, lambda request: drop_index(request, "actor-index"))
    words = shlex.split(only(table).fix)
    assert words[:3] == ["aws", "dynamodb", "update-table"]
    arguments = dict(zip(words[3::2], words[4::2], strict=False))
    assert (arguments["--table-name"], arguments["--region"]) == (table.name, "us-east-1")
    assert arguments["--endpoint-url"] == table.endpoint
    definitions = words[
        words.index("--attribute-definitions") + 1 : words.index("--global-secondary-index-updates")
    ]
    client.update_table(
        TableName=table.name,
        AttributeDefinitions=[dict(part.split("=") for part in text.split(",")) for text in definitions],
        GlobalSecondaryIndexUpdates=json.loads(words[-1]),
    )  # fmt: skip
    assert told(table) == []


def test_the_command_that_adds_an_index_to_a_provisioned_table_gives_it_capacity(at: Deployments) -> None:
    table = jobs_table_for(binding("requests"))

    def change(request: Request) -> None:
        drop_index(request, "kind-index")
        provision(request)
        del request["GlobalSecondaryIndexes"]

    at.deploy(table, change)
    missing, billing = sorted(told(table), key=lambda difference: not difference.breaks)
    assert billing.point == "billing"
    assert json.loads(shlex.split(missing.fix)[-1])[0]["Create"]["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 5,
        "WriteCapacityUnits": 4,
    }


# --- Notes: nothing breaks ---------------------------------------------------------------------------------


def extra_index(request: Request) -> None:
    request["GlobalSecondaryIndexes"].append(
        {
            "IndexName": "theirs",
            "KeySchema": [{"AttributeName": "priority", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    )


def no_tag(request: Request) -> None:
    request["Tags"] = [tag for tag in request["Tags"] if tag["Key"] != "Component"]


def other_tag(request: Request) -> None:
    request["Tags"][2]["Value"] = "staging 'one'"


def optional_keys(request: Request) -> None:
    request["GlobalSecondaryIndexes"][0]["KeySchema"].pop()
    keep_used(request)


@pytest.mark.parametrize(
    ("logical", "change", "point", "declared", "found", "fix"),
    [
        ("requests", extra_index, "index theirs", "none", "priority (KEYS_ONLY)", "does not read it"),
        ("requests", provision, "billing", "PAY_PER_REQUEST", "PROVISIONED (5 RCU, 4 WCU)", "--billing-mode PAY_PER_REQUEST"),
        ("workflows", lambda r: r.pop("SSESpecification"), "encryption", "KMS", "AWS owned key", "Enabled=true,SSEType=KMS"),
        ("workflows", no_tag, "tag Component", "AgentCore", "none", "tag-resource"),
        ("workflows", other_tag, "tag Environment", "dev", "staging 'one'", '"Value": "dev"'),
        ("workflows", optional_keys, "keys of overallStatus-createdAt-index", "overallStatus, createdAt", "overallStatus", "Delete"),
    ],
    ids=["undeclared index", "provisioned", "no encryption", "missing tag", "other tag", "optional index with other keys"],
)  # fmt: skip
@pytest.mark.no_moto
def test_what_breaks_nothing_is_a_note(
    at: Deployments, logical: str, change: Callable[[Request], object], point: str, declared: str, found: str, fix: str
) -> None:  # fmt: skip
    table = binding(logical)
    at.deploy(table, change)
    difference = only(table)
    assert (difference.point, difference.declared, difference.deployed) == (point, declared, found)
    assert not difference.breaks
    assert fix in difference.fix


@pytest.mark.no_moto
def test_the_documents_tag_is_as_declared_where_the_environments_name_says_production(
    at: Deployments,
) -> None:
    at.settings.OPSPORTAL_ENV = "eu-prod"
    table = binding("workflows")
    assert table.tags["Environment"] == "eu-prod"
    at.deploy(table, lambda request: request["Tags"][2].update(Value="production"))
    assert told(table) == []
    at.settings.OPSPORTAL_ENV = "qa"
    difference = only(table)
    assert (difference.declared, difference.deployed, difference.breaks) == ("qa", "production", False)


def test_caps_table_class_and_local_indexes_are_notes_with_what_they_do(at: Deployments) -> None:
    """None of the engines has them all: they are put into what an engine said."""
    table = binding("request_logs")
    at.deploy(table)
    found = deployed(table)
    (index,) = found.indexes
    keys = (("log_id", "HASH"), ("level", "RANGE"))
    other = replace(
        found,
        table_class="STANDARD_INFREQUENT_ACCESS",
        maximum=Units(1_500, 0),
        indexes=(replace(index, maximum=Units(0, 40), keys=(*index.keys, ("level", "RANGE"))),),
        local_indexes=(DeployedIndex("by-level", "log_id", "level", "ALL", usable=True, keys=keys),),
    )
    said = {one.point: one for one in differences(table, other) if not one.unknown}
    assert {point: one.deployed for point, one in said.items()} == {
        "keys of request-logs-index": "request_id, timestamp, level",
        "local index by-level": "log_id, level (ALL)",
        "maximum throughput": "1,500 read units/s",
        "maximum throughput of request-logs-index": "40 write units/s",
        "table class": "STANDARD_INFREQUENT_ACCESS",
    }
    assert [point for point, one in said.items() if one.breaks] == ["keys of request-logs-index"]
    assert "throttled" in said["maximum throughput of request-logs-index"].fix
    assert "MaxReadRequestUnits=-1" in said["maximum throughput"].fix
    assert "--table-class STANDARD" in said["table class"].fix


def test_ttl_that_is_off_or_on_another_attribute_is_a_note(at: Deployments) -> None:
    table = binding("workflows")
    client = at.deploy(table)
    set_ttl(client, table.name, "expiresAt", enabled=False)
    off = only(table)
    assert (off.point, off.declared, off.deployed, off.breaks) == (
        "TTL",
        "expiresAt",
        "off",
        False,
    )
    assert off.fix.endswith("Enabled=true,AttributeName=expiresAt")
    set_ttl(client, table.name, "until")
    other = only(table)
    assert other.deployed == "until (ENABLED)"
    assert other.fix == "The deployed attribute is until: set DYNAMODB_WORKFLOWS_TTL_ATTRIBUTE=until"
    assert told(at.configure("workflows", ttl_attribute="until")) == []


def test_ttl_that_the_settings_do_not_know_of_is_a_note(at: Deployments) -> None:
    table = binding("agents")
    client = at.deploy(table)
    set_ttl(client, table.name, "gone")
    assert only(table).declared == "off"
    assert only(table).fix.endswith("set DYNAMODB_AGENTS_TTL_ATTRIBUTE=gone")


def test_recovery_that_is_off_is_a_note_and_unknown_where_the_engine_has_none(at: Deployments) -> None:
    table = binding("requests")
    client = at.deploy(table)
    if at.engine.kind == "moto":
        set_recovery(client, table.name, enabled=False)
    (difference,) = differences(table, deployed(table))
    assert (difference.point, difference.declared, difference.breaks) == (
        "point-in-time recovery",
        "on",
        False,
    )
    if at.engine.kind == "moto":
        assert (difference.deployed, difference.unknown) == ("off", False)
        assert "PointInTimeRecoveryEnabled=true" in difference.fix
    else:
        assert (difference.deployed, difference.unknown, difference.fix) == ("unknown here", True, "")


# --- What no engine answers --------------------------------------------------------------------------------

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/t"


def described(fake: FakeDynamo, logical: str, **fields: Any) -> tuple[Binding, Deployed]:
    """The table as declared, with other fields in its description."""
    table = binding(logical)
    request = table.create_request()
    description = {
        "TableName": table.name,
        "TableStatus": "ACTIVE",
        "TableArn": ARN,
        "KeySchema": request["KeySchema"],
        "AttributeDefinitions": request["AttributeDefinitions"],
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "GlobalSecondaryIndexes": request.get("GlobalSecondaryIndexes", []),
    } | fields
    parts: dict[str, Any] = {
        "DescribeTable": {"Table": description},
        "DescribeTimeToLive": {
            "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLING", "AttributeName": table.ttl_attribute}
        },
    }
    fake.answer = lambda operation, _: Answer(parts.get(operation, {}))
    return table, deployed(table)


@pytest.mark.parametrize(
    ("state", "breaks", "fix"),
    [
        ("UPDATING", False, ""),
        ("CREATING", True, "Wait"),
        ("DELETING", True, "migrate"),
        ("ARCHIVED", True, "restore"),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", True, "KMS key"),
        ("SOMETHING_NEW", True, "AWS console"),
    ],
)
def test_a_table_that_is_not_active_breaks_the_console(
    fake: FakeDynamo, state: str, breaks: bool, fix: str
) -> None:
    found = differences(*described(fake, "request_logs", TableStatus=state))
    assert [(difference.point, difference.breaks) for difference in found] == [("state", True)] * breaks
    assert all(difference.deployed == state and fix in difference.fix for difference in found)


def test_an_index_that_is_being_filled_is_to_be_waited_for(fake: FakeDynamo) -> None:
    table = binding("request_logs")
    index = table.create_request()["GlobalSecondaryIndexes"][0] | {"IndexStatus": "CREATING"}
    (difference,) = differences(*described(fake, "request_logs", GlobalSecondaryIndexes=[index]))
    assert (difference.point, difference.breaks) == ("state of request-logs-index", True)
    assert difference.fix.startswith("Wait")


def test_ttl_that_is_being_switched_on_is_on_and_off_is_off(fake: FakeDynamo) -> None:
    table, _ = described(fake, "request_logs")
    assert differences(table, deployed(table)) == []
    parts = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLING", "AttributeName": "ttl"}}
    before = fake.answer
    fake.answer = lambda operation, arguments: (
        Answer(parts) if operation == "DescribeTimeToLive" else before(operation, arguments)
    )
    (difference,) = differences(table, deployed(table))
    assert difference.deployed == "ttl (DISABLING)"
    assert "up to an hour" in difference.fix


def test_dynamodb_local_tells_nothing_of_encryption(fake: FakeDynamo) -> None:
    arn = "arn:aws:dynamodb:ddblocal:000000000000:table/t"
    found = {point.point: point for point in differences(*described(fake, "workflows", TableArn=arn))}
    assert found["encryption"].unknown


def test_what_iam_refuses_is_unknown_with_the_statement(fake: FakeDynamo) -> None:
    table, _ = described(fake, "workflows")
    before = fake.answer
    fake.answer = lambda operation, arguments: (
        before(operation, arguments)
        if operation == "DescribeTable"
        else error(
            "AccessDeniedException", f"not authorized to perform: dynamodb:{operation} on resource: {ARN}"
        )
    )
    found = [difference for difference in differences(table, deployed(table)) if difference.unknown]
    assert [difference.point for difference in found] == ["TTL", "point-in-time recovery", "tags"]
    for difference, action in zip(
        found, ("DescribeTimeToLive", "DescribeContinuousBackups", "ListTagsOfResource"), strict=True
    ):
        assert f'"dynamodb:{action}"' in difference.fix
        assert not difference.breaks
    assert isinstance(deployed(table).tags, Unknown)
