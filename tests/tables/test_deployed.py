"""A table is told as deployed, on engines that know all of it and on those that do not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.deployed import Recovery, Ttl, Unknown, deployed
from opsportal.dynamo.errors import AccessDenied, TableMissing
from opsportal.dynamo.tables import Binding, binding
from tests.dynamo.fake_aws import Answer, FakeDynamo, error


@pytest.fixture
def workflows(tables: dict[str, Binding]) -> Binding:
    return tables["workflows"]


def test_a_table_is_told_as_deployed(tables: dict[str, Binding], engine: Any) -> None:
    table = tables["requests"]
    found = deployed(table)
    assert (found.name, found.state, found.region) == (table.name, "ACTIVE", "us-east-1")
    assert (found.key, found.range_key, found.billing_mode) == ("request_id", "", "PAY_PER_REQUEST")
    assert found.attribute_types["created_at"] == "S"
    assert {(index.name, index.projection, index.usable) for index in found.indexes} == {
        (name, "ALL", True) for name in ("user-index", "project-index", "status-index", "strategy-index")
    }
    assert found.created_at is not None
    assert abs((datetime.now(UTC) - found.created_at).total_seconds()) < 3600
    assert (found.encryption, found.kms_key, found.deletion_protection) == ("", "", False)
    assert found.ttl == Ttl("DISABLED")
    assert found.tags == {}
    assert found.recovery == (Recovery(enabled=False) if engine.kind == "moto" else Unknown("unknown here"))


def test_ttl_recovery_encryption_and_tags_are_told(workflows: Binding, engine: Any) -> None:
    client = clients.client(*workflows.location, background=True)
    client.update_time_to_live(
        TableName=workflows.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expiresAt"}
    )
    if engine.kind == "moto":
        client.update_continuous_backups(
            TableName=workflows.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    found = deployed(workflows)
    client.update_time_to_live(
        TableName=workflows.name, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"}
    )
    assert isinstance(found.ttl, Ttl)
    assert (found.ttl.on, found.ttl.attribute) == (True, "expiresAt")
    assert found.encryption == "KMS"
    assert ":key/" in found.kms_key
    assert found.tags == workflows.tags
    if engine.kind == "moto":
        assert isinstance(found.recovery, Recovery)
        assert found.recovery.enabled
        assert found.recovery.earliest is not None
        assert found.recovery.earliest.tzinfo is UTC
    else:
        assert not found.recovery


def test_capacity_is_told_of_a_provisioned_table(engine: Any, settings: Any) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"name": "provisioned", "endpoint": engine.endpoint}
    }
    table = binding("agents")
    client = clients.client(*table.location, background=True)
    request = table.create_request() | {
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 3},
    }
    client.create_table(**request)
    found = deployed(table)
    client.delete_table(TableName=table.name)
    assert (found.billing_mode, found.read_capacity, found.write_capacity) == ("PROVISIONED", 5, 3)


def test_a_missing_table_is_an_error(workflows: Binding, settings: Any) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"name": "nothing-there"}
    }
    with pytest.raises(TableMissing, match="nothing-there"):
        deployed(binding("agents"))


# --- What no engine answers ---------------------------------------------------------------------------

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/t"
TABLE = {"Table": {"TableName": "t", "TableStatus": "ACTIVE", "TableArn": ARN}}


def refused(operation: str) -> Answer:
    return error(
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: dynamodb:{operation} on "
        f"resource: {ARN} because no identity-based policy allows the action",
    )


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("DescribeTimeToLive", "ttl"),
        ("DescribeContinuousBackups", "recovery"),
        ("ListTagsOfResource", "tags"),
    ],
)
def test_a_refused_part_is_unknown_and_says_which_permission_tells_it(
    fake: FakeDynamo, operation: str, part: str
) -> None:
    fake.answer = lambda asked, _: (
        refused(asked) if asked == operation else Answer(TABLE if asked == "DescribeTable" else {})
    )
    found = deployed(binding("workflows"))
    unknown = getattr(found, part)
    assert isinstance(unknown, Unknown)
    assert unknown.denied
    assert f"dynamodb:{operation} on {ARN}" in str(unknown)
    assert json.loads(unknown.statement)["Action"] == [f"dynamodb:{operation}"]
    others = {"ttl", "recovery", "tags"} - {part}
    assert not any(isinstance(getattr(found, other), Unknown) for other in others)


def test_what_a_table_that_is_described_does_not_tell_of_yet_is_not_said_to_be_missing(
    fake: FakeDynamo,
) -> None:
    """DynamoDB describes a table that is CREATING, and does not find it for anything else."""
    missing = error("ResourceNotFoundException", "Requested resource not found")
    fake.answer = lambda asked, _: Answer(TABLE) if asked == "DescribeTable" else missing
    found = deployed(binding("workflows"))
    assert [str(part) for part in (found.ttl, found.recovery, found.tags)] == [
        "the table is being created or deleted"
    ] * 3


def test_a_part_that_fails_is_unknown_with_the_reason(fake: FakeDynamo) -> None:
    fake.answer = lambda asked, _: (
        Answer(TABLE)
        if asked == "DescribeTable"
        else error("InternalServerError", "of DynamoDB's own", status=400)
    )
    found = deployed(binding("workflows"))
    assert isinstance(found.ttl, Unknown)
    assert not found.ttl.denied
    assert "of DynamoDB's own" in found.ttl.why


def test_a_refused_description_is_an_error(fake: FakeDynamo) -> None:
    fake.says(refused("DescribeTable"))
    with pytest.raises(AccessDenied):
        deployed(binding("workflows"))
    assert fake.operations == ["DescribeTable"]


def test_a_sparse_description_is_told_as_dynamodb_means_it(fake: FakeDynamo) -> None:
    """DynamoDB leaves out what is as it was by default years ago."""
    fake.answer = lambda asked, _: Answer(TABLE if asked == "DescribeTable" else {})
    found = deployed(binding("workflows"))
    assert (found.billing_mode, found.encryption, found.created_at) == ("PROVISIONED", "", None)
    assert (found.ttl, found.recovery, found.tags) == (Ttl("DISABLED"), Recovery(enabled=False), {})


def test_encryption_being_switched_off_is_none(fake: FakeDynamo) -> None:
    for status, encryption in {"ENABLED": "KMS", "UPDATING": "KMS", "DISABLING": "", "DISABLED": ""}.items():
        table = {"Table": TABLE["Table"] | {"SSEDescription": {"Status": status, "SSEType": "KMS"}}}
        fake.answer = lambda asked, _, table=table: Answer(table if asked == "DescribeTable" else {})
        assert deployed(binding("workflows")).encryption == encryption


def test_all_pages_of_tags_are_read(fake: FakeDynamo) -> None:
    pages = [
        {"Tags": [{"Key": "a", "Value": "1"}], "NextToken": "more"},
        {"Tags": [{"Key": "b", "Value": "2"}]},
    ]

    def answer(asked: str, arguments: dict[str, Any]) -> Answer:
        if asked == "DescribeTable":
            return Answer(TABLE)
        return Answer(pages[1 if arguments.get("NextToken") else 0] if asked == "ListTagsOfResource" else {})

    fake.answer = answer
    assert deployed(binding("workflows")).tags == {"a": "1", "b": "2"}
