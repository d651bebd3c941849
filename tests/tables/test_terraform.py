"""The exported Terraform, read by a parser of its language and compared with what the console itself creates."""

import json
import re
from dataclasses import replace
from io import StringIO
from typing import Any

import hcl2
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from opsportal.console.text import visible
from opsportal.dynamo import clients
from opsportal.dynamo.deployed import Deployed, Recovery, Ttl, Unknown
from opsportal.dynamo.descriptions import DeployedIndex, Units
from opsportal.dynamo.tables import Binding, binding
from opsportal.tables import terraform as exporting
from opsportal.tables.hcl import Block, document, quoted
from opsportal.tables.overview import Shown, shown_tables
from opsportal.tables.terraform import Exported, look, terraform
from tests.dynamo.fake_aws import Answer, FakeDynamo, error


def plain(value: Any) -> Any:
    """What the parser makes of it, without its marks and the quotes of strings."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and value.startswith('"'):
        # Beyond the first plane JSON writes two halves. An escaped backslash begins nothing.
        value = re.sub(r"(\\\\)|\\U([0-9a-f]{8})", lambda found: found[1] or chr(int(found[2], 16)), value)
        return json.loads(value).replace("$${", "${").replace("%%{", "%{")
    return value


def parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = plain(hcl2.loads(text))
    return found


def resources(text: str) -> dict[str, dict[str, Any]]:
    """Label -> arguments and blocks of each table."""
    found = {}
    for resource in parsed(text)["resource"]:
        ((kind, labelled),) = resource.items()
        assert kind == "aws_dynamodb_table"
        found |= labelled
    return found


def exported(*shown: Shown) -> str:
    return terraform(look(shown or shown_tables(), offline=True))


def deployed(table: Binding, **more: Any) -> Deployed:
    fields: dict[str, Any] = {
        "name": table.name, "state": "ACTIVE", "key": table.key, "range_key": "", "indexes": (), "items": 1,
        "size": 1, "arn": "", "region": table.region, "created_at": None, "billing_mode": "PAY_PER_REQUEST",
        "read_capacity": 0, "write_capacity": 0, "attribute_types": {table.key: "S"}, "encryption": "",
        "kms_key": "", "deletion_protection": False, "ttl": Ttl("DISABLED"),
        "recovery": Recovery(enabled=False), "tags": {},
    }  # fmt: skip
    return Deployed(**fields | more)


# --- As declared -------------------------------------------------------------------------------------------


def create_request_of(resource: dict[str, Any]) -> dict[str, Any]:
    """CreateTable's arguments, as Terraform's provider would make them of a resource."""

    def schema(block: dict[str, Any]) -> list[dict[str, str]]:
        keys = [("hash_key", "HASH"), ("range_key", "RANGE")]
        return [{"AttributeName": block[name], "KeyType": kind} for name, kind in keys if name in block]

    def projection(block: dict[str, Any]) -> dict[str, Any]:
        included = {"NonKeyAttributes": block["non_key_attributes"]} if "non_key_attributes" in block else {}
        return {"ProjectionType": block["projection_type"], **included}

    request: dict[str, Any] = {
        "TableName": resource["name"],
        "AttributeDefinitions": [
            {"AttributeName": one["name"], "AttributeType": one["type"]} for one in resource["attribute"]
        ],
        "KeySchema": schema(resource),
        "BillingMode": resource["billing_mode"],
    }
    if "global_secondary_index" in resource:
        request["GlobalSecondaryIndexes"] = [
            {"IndexName": one["name"], "KeySchema": schema(one), "Projection": projection(one)}
            for one in resource["global_secondary_index"]
        ]
    if "server_side_encryption" in resource:
        assert resource["server_side_encryption"] == [{"enabled": True}]
        request["SSESpecification"] = {"Enabled": True, "SSEType": "KMS"}
    if "tags" in resource:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in resource["tags"].items()]
    return request


def test_every_table_is_what_the_console_itself_would_create() -> None:
    found = resources(exported())
    assert len(found) == len(shown_tables()) == 10
    for one in shown_tables():
        resource = found[one.key.replace("-", "_")]
        assert create_request_of(resource) == one.table.create_request()
        declared = one.table.spec
        ttl = (
            [{"attribute_name": one.table.ttl_attribute, "enabled": True}] if declared.ttl_attribute else None
        )
        assert resource.get("ttl") == ttl
        assert resource["point_in_time_recovery"] == [{"enabled": declared.point_in_time_recovery}]
        assert resource["lifecycle"] == [{"prevent_destroy": True}]
        assert resource["provider"] == f"${{aws.{one.table.region.replace('-', '_')}}}"


def test_each_region_has_a_provider() -> None:
    providers = [one["aws"] for one in parsed(exported())["provider"]]
    assert providers == [
        {"alias": "us_east_1", "region": "us-east-1"},
        {"alias": "eu_north_1", "region": "eu-north-1"},
    ]


def test_the_same_tables_give_the_same_file() -> None:
    assert exported() == exported()


@pytest.mark.parametrize(("environment", "protected"), [("local", False), ("uat", True)])
def test_tables_outside_development_are_protected_from_deletion(
    settings: Any, environment: str, protected: bool
) -> None:
    settings.OPSPORTAL_ENV = environment
    assert all(one["deletion_protection_enabled"] is protected for one in resources(exported()).values())


def test_two_endpoints_of_a_region_are_one_to_aws(settings: Any) -> None:
    elsewhere = settings.DYNAMO_TABLES["requests"] | {"endpoint": "http://127.0.0.1:7"}
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {"requests": elsewhere}
    names = [(one["provider"], one["name"]) for one in resources(exported()).values()]
    assert len(set(names)) == len(names) == 10


# --- As deployed -------------------------------------------------------------------------------------------


def test_a_table_that_exists_is_imported() -> None:
    table = binding("requests")
    text = terraform([Exported("requests", table, deployed(table)), Exported("agents", binding("agents"))])
    assert parsed(text)["import"] == [{"to": "${aws_dynamodb_table.requests}", "id": table.name}]


def test_what_only_the_deployment_has_is_kept() -> None:
    table = binding("agents")
    mine = DeployedIndex("by-status", "status", "seen", "INCLUDE", usable=True, non_key_attributes=("a", "b"))
    found = deployed(
        table,
        indexes=(mine,),
        attribute_types={"agentId": "S", "status": "S", "seen": "N"},
        ttl=Ttl("ENABLED", "gone_at"),
        recovery=Recovery(enabled=True),
        encryption="KMS",
        kms_key="arn:aws:kms:eu-north-1:1:key/k",
        deletion_protection=True,
        tags={"team": "ops"},
    )
    (resource,) = resources(terraform([Exported("agents", table, found)])).values()
    assert resource["global_secondary_index"] == [
        {
            "name": "by-status",
            "hash_key": "status",
            "range_key": "seen",
            "projection_type": "INCLUDE",
            "non_key_attributes": ["a", "b"],
        }
    ]
    assert {one["name"]: one["type"] for one in resource["attribute"]} == found.attribute_types
    assert resource["ttl"] == [{"attribute_name": "gone_at", "enabled": True}]
    assert resource["point_in_time_recovery"] == [{"enabled": True}]
    assert resource["server_side_encryption"] == [{"enabled": True, "kms_key_arn": found.kms_key}]
    assert resource["deletion_protection_enabled"] is True
    assert resource["tags"] == {"team": "ops"}


def test_tags_are_the_environments_and_those_of_the_deployment_stay(settings: Any) -> None:
    settings.OPSPORTAL_ENV = "qa"
    table = binding("workflows")
    (new,) = resources(terraform([Exported("workflows", table)])).values()
    assert new["tags"] == {**table.spec.tags, "Environment": "qa"}
    found = deployed(table, tags={"Environment": "production", "team": "ops"})
    (theirs,) = resources(terraform([Exported("workflows", table, found)])).values()
    assert theirs["tags"] == {**table.tags, "Environment": "production", "team": "ops"}


def test_dynamodbs_default_key_is_not_named_and_one_that_may_be_it_is_said_to_be() -> None:
    """UpdateTable refuses aws/dynamodb by its ARN; KMS says whose a key is, to those that it lets ask."""
    table = binding("agents")
    found = deployed(table, encryption="KMS", kms_key="arn:aws:kms:eu-north-1:1:key/k")
    for manager, named in (("AWS", False), ("CUSTOMER", True), ("", True), ("KMS did not say.", True)):
        text = terraform([Exported("agents", table, found, manager=manager)])
        (resource,) = resources(text).values()
        key = {"kms_key_arn": found.kms_key} if named else {}
        assert resource["server_side_encryption"] == [{"enabled": True, **key}]
        assert ("take kms_key_arn out" in text) is (manager == "KMS did not say.")


def test_an_optional_index_is_exported_where_it_is_deployed() -> None:
    table = binding("workflows")
    index = DeployedIndex("overallStatus-createdAt-index", "overallStatus", "createdAt", "ALL", usable=True)
    (without,) = resources(terraform([Exported("workflows", table, deployed(table))])).values()
    (with_it,) = resources(
        terraform([Exported("workflows", table, deployed(table, indexes=(index,)))])
    ).values()
    assert "global_secondary_index" not in without
    assert create_request_of(with_it) == table.create_request(optional_indexes=True)


def test_what_is_deployed_is_kept_and_what_differs_is_said_beside_it() -> None:
    """Whatever is declared otherwise: key, billing, capacity of the table and of its indexes, a tag."""
    table = binding("requests")
    index = DeployedIndex("user-index", "user_id", "at", "KEYS_ONLY", usable=True, capacity=Units(3, 2))
    more = {"key": "id", "billing_mode": "PROVISIONED", "read_capacity": 7, "write_capacity": 5}
    tags = {"aws:cloudformation:stack-name": "s", "team": 'a"${b}\n%{c}'}
    found = deployed(table, **more, indexes=(index,), attribute_types={"id": "N", "at": "N"}, tags=tags)
    text = terraform([Exported("requests", table, found)])
    assert "# As deployed it differs in billing: PROVISIONED (7 RCU, 5 WCU), declared" in text
    (resource,) = resources(text).values()
    assert (resource["hash_key"], resource["billing_mode"]) == ("id", "PROVISIONED")
    assert (resource["read_capacity"], resource["write_capacity"]) == (7, 5)
    indexes = {one.pop("name"): one for one in resource["global_secondary_index"]}
    assert indexes["user-index"] == {
        "hash_key": "user_id", "range_key": "at", "projection_type": "KEYS_ONLY", "read_capacity": 3, "write_capacity": 2
    }  # fmt: skip
    # Those that are declared only are added, with the table's capacity, since a provisioned table's must have one.
    assert indexes.keys() > {"status-index", "project-index", "strategy-index"}
    assert (indexes["status-index"]["read_capacity"], indexes["status-index"]["write_capacity"]) == (7, 5)
    types = {one["name"]: one["type"] for one in resource["attribute"]}
    assert (types["id"], types["at"], types["created_at"]) == ("N", "N", "S")
    assert resource["tags"] == {"team": 'a"${b}\n%{c}'}


def test_an_index_of_several_attributes_has_them_all_in_order() -> None:
    table = binding("agents")
    keys = (("a", "HASH"), ("b", "HASH"), ("c", "RANGE"), ("d", "RANGE"))
    index = DeployedIndex("i", "a", "c", "ALL", usable=True, keys=keys)
    found = deployed(table, indexes=(index,))
    (resource,) = resources(terraform([Exported("agents", table, found)])).values()
    (written,) = resource["global_secondary_index"]
    assert [(one["attribute_name"], one["key_type"]) for one in written["key_schema"]] == list(keys)
    assert "hash_key" not in written
    assert {"a", "b", "c", "d"} < {one["name"] for one in resource["attribute"]}
    assert found.index_on("a", "c") is None, "the console's queries give one value of each kind"


def test_what_is_unknown_is_as_declared() -> None:
    table = binding("requests")
    found = deployed(table, ttl=Unknown(), recovery=Unknown(), tags=Unknown())
    (resource,) = resources(terraform([Exported("requests", table, found)])).values()
    assert resource["ttl"] == [{"attribute_name": "ttl", "enabled": True}]
    assert resource["point_in_time_recovery"] == [{"enabled": True}]
    assert "tags" not in resource


# --- The language ------------------------------------------------------------------------------------------


@budget(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_stays_text(text: str) -> None:
    """No value ends its string, or begins a template or a line."""
    written = document([Block("locals", {"a": quoted(text)})])
    assert written.count("\n") == 3
    (read,) = parsed(written)["locals"]
    assert read == {"a": text}


@pytest.mark.parametrize(
    "text", ['"} resource "x" {', "${path.root}", "%{ if true }", "a\nb", "\\", "\b\f\x00", "é☃"]
)
def test_text_that_looks_like_the_language_is_escaped(text: str) -> None:
    (read,) = parsed(document([Block("locals", {"a": quoted(text)})]))["locals"]
    assert read == {"a": text}


def test_what_a_terminal_would_obey_is_escaped() -> None:
    text = "a\x9b31m\x7f\u202e\u200b\U000e0001"
    assert visible(quoted(text)) == quoted(text)
    (read,) = parsed(document([Block("locals", {"a": quoted(text)})]))["locals"]
    assert read == {"a": text}


def test_a_comment_stays_a_comment() -> None:
    table = binding("agents")
    spec = replace(table.spec, title='x\nresource "evil" "y" {}\r\u2028z {}')
    found = deployed(table, indexes=(DeployedIndex("i", "a\nb {}", "", "ALL", usable=True),))
    bad = replace(table, spec=spec, region='eu"\n{')
    assert list(resources(terraform([Exported("agents", bad, found)]))) == ["agents"]


# --- The command -------------------------------------------------------------------------------------------


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("dynamo", "export-terraform", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.no_moto
def test_tables_at_an_emulator_are_exported_to_be_made_at_aws(tables: dict[str, Binding]) -> None:
    text = told("--table", "workflows", "--table", "agents")
    assert list(resources(text)) == ["workflows", "agents"]
    assert "import" not in parsed(text)


@pytest.mark.no_moto
def test_the_command_looks_at_what_is_deployed(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "is_emulated", lambda table, service: False)
    text = told("--table", "workflows")
    (resource,) = resources(text).values()
    assert [one["name"] for one in resource["global_secondary_index"]] == ["overallStatus-createdAt-index"]
    assert parsed(text)["import"][0]["id"] == tables["workflows"].name
    client = clients.client(*tables["workflows"].location)
    assert client.describe_table(TableName=resource["name"])["Table"]["TableStatus"] == "ACTIVE"


@pytest.mark.parametrize(
    "answer",
    [
        error("AccessDeniedException", "is not authorized to perform: dynamodb:DescribeTable"),
        error("UnrecognizedClientException", "The security token is invalid"),
        Answer({}),  # of something that is not DynamoDB
    ],
)
def test_a_table_whose_description_cant_be_read_is_not_written_as_if_it_were_new(
    fake: FakeDynamo,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Answer,
) -> None:
    """It may exist, and be in Terraform's state: a file of what is declared would switch its stream off."""
    monkeypatch.setattr(exporting, "is_emulated", lambda table, service: False)
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"endpoint": fake.endpoint}
    }
    fake.says(answer)
    with pytest.raises(SystemExit) as ended:
        told("--table", "agents")
    assert ended.value.code == 1
    assert "is not written, since" in (said := capsys.readouterr().err)
    assert "what is deployed can't be read: " in said
    text = terraform(look([one for one in shown_tables() if one.key == "agents"]))
    assert text.startswith("# agents (AgentRegistry) is not written")
    assert "resource" not in parsed(text)
    fake.says(error("ResourceNotFoundException", "not found"))
    assert list(resources(told("--table", "agents"))) == ["agents"]


def test_a_table_that_terraform_cant_hold_is_refused_and_the_others_are_printed(
    fake: FakeDynamo, settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporting, "is_emulated", lambda table, service: False)
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        logical: settings.DYNAMO_TABLES[logical] | {"endpoint": fake.endpoint}
        for logical in ("agents", "requests")
    }
    table = binding("agents")
    described = {
        "KeySchema": [{"AttributeName": "agentId", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "agentId", "AttributeType": "S"}],
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "TableArn": "arn:aws:dynamodb:eu-north-1:111122223333:table/AgentRegistry",
        "Replicas": [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}],
    }
    recovery = {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 35}
    asked = []

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        asked.append(operation)
        if operation == "DescribeTable":
            more = (
                described
                if arguments["TableName"] == table.name
                else {"VectorIndexes": [{"IndexName": "v\n"}]}
            )
            return Answer({"Table": described | more})
        if operation == "DescribeContinuousBackups":
            status = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
            return Answer({"ContinuousBackupsDescription": status})
        return Answer({})

    fake.answer = answer
    with pytest.raises(SystemExit) as ended:
        told("--table", "agents", "--table", "requests")
    assert ended.value.code == 1
    refused = capsys.readouterr().err
    assert refused.startswith(
        "requests (dev-market_intelligence_requests) is not written, since Terraform would"
    )
    assert refused.endswith(": VectorIndexes.\n")
    text = terraform(look([one for one in shown_tables() if one.key in ("agents", "requests")]))
    assert text.startswith("# requests (dev-market_intelligence_requests) is not written")
    (resource,) = resources(text).values()
    assert resource["name"] == table.name
    # Each of the two tables and, where it is, its replica; twice.
    assert asked.count("DescribeTable") == asked.count("DescribeContinuousBackups") == 8
    assert resource["replica"] == [
        {"region_name": "eu-west-1", "point_in_time_recovery": True, "deletion_protection_enabled": False}
    ]
    assert resource["point_in_time_recovery"] == [{"enabled": True, "recovery_period_in_days": 35}]


def test_a_table_of_another_name_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no table 'orders'; there are workflows"):
        told("--table", "orders")
