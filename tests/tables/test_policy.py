"""The policy that is printed: what the document shows, no larger than IAM takes, for the keys that are used."""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import hcl2
import pytest
from botocore.stub import Stubber
from django.core.management import CommandError, call_command

from opsportal import aws
from opsportal.tables import policy_context
from opsportal.tables.grants import PLACEHOLDER
from opsportal.tables.permissions import ROLES, features
from opsportal.tables.policy import MANAGED, Key, Statement, document, parts, size, statements, terraform
from opsportal.tables.policy_context import look
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.test_docs import ROOT, text_of

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/"


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("dynamo", "policy", *arguments, stdout=out)
    return out.getvalue()


def documented(mark: str) -> dict[str, Any]:
    text = text_of("docs/iam.md")
    found = re.search(rf"<!-- {mark} -->\n```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found
    return dict(json.loads(found[1]))


@pytest.fixture
def queues(settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = f"{QUEUE}requests"
    settings.WORKFLOW_COMMANDS_QUEUE_URL = f"{QUEUE}workflow-commands"


# --- What is printed -------------------------------------------------------------------------------------


def test_the_documented_policies_are_those_printed(queues: None) -> None:
    viewer = json.loads(printed("--role", "viewer", "--offline", "--account", PLACEHOLDER))
    assert viewer == documented("iam-policy")
    operator = json.loads(printed("--offline", "--account", PLACEHOLDER))
    beside = documented("iam-policy-actions")
    assert operator["Statement"] == viewer["Statement"] + beside["Statement"]


def test_the_writers_statement_on_agents_is_that_of_seed_004() -> None:
    (agents,) = (one for one in statements("writer", "595105651762") if one.sid == "RegisterAgents")
    assert agents.as_json() == {
        "Sid": "RegisterAgents",
        "Effect": "Allow",
        "Action": [
            "dynamodb:PutItem",
            "dynamodb:GetItem",
            "dynamodb:Scan",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
        ],
        "Resource": ["arn:aws:dynamodb:eu-north-1:595105651762:table/AgentRegistry"],
    }


@pytest.mark.parametrize(
    ("module", "sids", "more"),
    [
        ("workflows", {"WriteStatus"}, set()),
        # Workers that are not ours put whole items.
        ("requests", {"WorkOnRequests", "FindRequests"}, {"PutItem"}),
        ("logs", {"WriteLogs"}, set()),
    ],
)
def test_the_writers_statements_are_what_they_call(module: str, sids: set[str], more: set[str]) -> None:
    allowed = {
        action.partition(":")[2]
        for one in statements("writer", PLACEHOLDER)
        if one.sid in sids
        for action in one.actions
    }
    text = (ROOT / f"writers/{module}.py").read_text()
    called = set(re.findall(r'\bask\(\s*self\.client,\s*"(\w+)"', text))
    called |= {"get_item"} if "read(self.client, " in text else set()
    assert ".client." not in text  # past the one place that looks at the answers
    assert allowed == {name.title().replace("_", "") for name in called} | more


def test_seed_001s_permissions_of_migrations_are_the_migrators() -> None:
    wanted = {"CreateTable", "DeleteTable", "DescribeTable", "PutItem", "GetItem", "Scan"}
    allowed = {
        action.partition(":")[2] for one in statements("migrator", PLACEHOLDER) for action in one.actions
    }
    assert wanted <= allowed


@pytest.mark.parametrize("role", ROLES)
def test_each_statement_is_one_that_iam_takes(role: str, queues: None) -> None:
    for statement in statements(role, PLACEHOLDER, keys=[Key(KEY, "us-east-1")]):
        assert re.fullmatch("[A-Za-z0-9]+", statement.sid)
        assert statement.resources
        assert all(
            re.fullmatch(r"\*|arn:aws[\w-]*:\w+:[\w-]+:\d{12}:\S+", arn) for arn in statement.resources
        )


def test_a_migrator_may_change_the_indexes_of_the_tables_that_are_named(settings: Any) -> None:
    def may(*tables: str) -> set[str]:
        found = statements("migrator", PLACEHOLDER, named=tables)
        return {
            arn.rpartition("/")[2]
            for one in found
            if "dynamodb:UpdateTable" in one.actions
            for arn in one.resources
        }

    names = {logical: table["name"] for logical, table in settings.DYNAMO_TABLES.items()}
    assert may() == {names["workflows"], names["requests"], names["request_logs"]}
    settings.OPSPORTAL_ENV = "prod"
    assert may() == set()
    assert may("requests", "agents") == {names["requests"]}


def test_wrong_arguments_are_refused_in_a_sentence() -> None:
    with pytest.raises(CommandError, match="must be 12 digits"):
        printed("--account", "12-34", "--offline")
    with pytest.raises(CommandError, match="--part is 1 to"):
        printed("--role", "writer", "--part", "9", "--offline")
    with pytest.raises(CommandError, match="--part is 1 to"):
        printed("--role", "writer", "--part", "0", "--offline")
    with pytest.raises(CommandError, match="--table is for --role migrator and --role writer"):
        printed("--role", "operator", "--table", "agents", "--offline")


@pytest.mark.parametrize(
    ("tables", "sids", "queue"),
    [
        (("agents",), {"RegisterAgents"}, ""),
        (("workflows",), {"WriteStatus", "ReceiveMessages"}, "workflow-commands"),
        (("request_logs",), {"WriteLogs", "ReceiveMessages"}, "requests"),
        (("requests", "agents"), {"WorkOnRequests", "FindRequests", "RegisterAgents", "ReceiveMessages"}, "requests"),
    ],
)  # fmt: skip
def test_a_writer_of_some_tables_gets_the_statements_of_these_alone(
    queues: None, settings: Any, tables: tuple[str, ...], sids: set[str], queue: str
) -> None:
    said = statements("writer", PLACEHOLDER, named=tables)
    assert {one.sid for one in said} == sids
    names = {settings.DYNAMO_TABLES[logical]["name"] for logical in tables}
    arns = {arn for one in said for arn in one.resources}
    assert {arn.split("/")[1] for arn in arns if ":dynamodb:" in arn} == names
    assert {arn.rpartition(":")[2] for arn in arns if ":sqs:" in arn} == ({queue} if queue else set())
    options = [part for logical in tables for part in ("--table", logical)]
    command = json.loads(printed("--role", "writer", *options, "--offline"))
    assert {one["Sid"] for one in command["Statement"]} == sids


# --- Size ------------------------------------------------------------------------------------------------


def test_a_policy_that_is_too_large_is_divided_and_says_so(
    queues: None, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = statements("operator", PLACEHOLDER)
    assert size(whole) > MANAGED
    divided = parts(whole)
    assert all(size(part) <= MANAGED for part in divided)
    assert [one for part in divided for one in part] == whole
    printed("--offline")
    assert f"attach {len(divided)} instead, with --part 1 to --part {len(divided)}" in capsys.readouterr().err
    pieces = [json.loads(printed("--offline", "--part", str(n + 1))) for n in range(len(divided))]
    assert pieces == [document(part) for part in divided]


def test_a_statement_that_alone_is_too_large_is_divided_by_its_resources() -> None:
    arns = tuple(f"arn:aws:dynamodb:us-east-1:111122223333:table/{number:0200}" for number in range(60))
    divided = parts([Statement("Small", ("a:B",), ("*",)), Statement("Large", ("dynamodb:GetItem",), arns)])
    assert all(size(part) <= MANAGED for part in divided)
    pieces = [one for part in divided for one in part if one.sid.startswith("Large")]
    assert len(pieces) == len({one.sid for one in pieces}) > 1
    assert tuple(arn for one in pieces for arn in one.resources) == arns


def test_white_space_does_not_count() -> None:
    statement = Statement("S", ("a:B",), ("*",))
    assert size([statement]) == len(
        '{"Version":"2012-10-17","Statement":[{"Sid":"S","Effect":"Allow","Action":["a:B"],"Resource":["*"]}]}'
    )


# --- Terraform -------------------------------------------------------------------------------------------


def test_terraform_says_the_same(queues: None) -> None:
    allowed = statements("operator", PLACEHOLDER, keys=[Key(KEY, "us-east-1")])
    divided = parts(allowed)
    read = hcl2.loads(terraform("operator", divided))
    found = []
    for block in read["data"]:
        ((kind, named),) = block.items()
        assert kind.strip('"') == "aws_iam_policy_document"
        ((_, body),) = named.items()
        found += body["statement"]
    assert [plain(one["sid"]) for one in found] == [one.sid for one in allowed]
    for one, statement in zip(found, allowed, strict=True):
        assert tuple(map(plain, one["actions"])) == statement.actions
        assert tuple(map(plain, one["resources"])) == statement.resources
    (condition,) = found[-1]["condition"]
    assert plain(condition["variable"]) == "kms:ViaService"
    assert len(read["resource"]) == len(divided) == 2


def plain(value: str) -> str:
    return value.strip('"')


def test_terraforms_templates_are_escaped() -> None:
    made = terraform("viewer", [[Statement("S", ("a:B",), ('${x}"%{y}',))]])
    assert '"$${x}\\"%%{y}"' in made


# --- What is asked of AWS ----------------------------------------------------------------------------------


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    with Stubber(aws.service("kms", "us-east-1")) as stub:
        yield stub


def table(encryption: dict[str, Any] | None = None) -> Answer:
    described: dict[str, Any] = {"TableName": "t", "TableStatus": "ACTIVE", "KeySchema": []}
    return Answer({"Table": described | ({"SSEDescription": encryption} if encryption else {})})


def encrypted(fake: FakeDynamo) -> None:
    """The requests table has a KMS key; the others that of AWS."""

    def answer(_operation: str, arguments: dict[str, Any]) -> Answer:
        if "market_intelligence" in arguments["TableName"]:
            return table({"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY})
        return table()

    fake.answer = answer


@pytest.mark.parametrize(("manager", "keys"), [("CUSTOMER", [Key(KEY, "us-east-1")]), ("AWS", [])])
def test_customer_managed_keys_are_in_the_policy(
    fake: FakeDynamo, kms: Stubber, manager: str, keys: list[Key]
) -> None:
    """The AWS managed key's own policy admits whoever may use the table."""
    encrypted(fake)
    kms.add_response("describe_key", {"KeyMetadata": {"KeyId": "1", "KeyManager": manager}}, {"KeyId": KEY})
    assert look(features("viewer")).keys == keys


def test_a_key_that_kms_does_not_tell_of_is_taken_for_the_customers(fake: FakeDynamo, kms: Stubber) -> None:
    encrypted(fake)
    kms.add_client_error("describe_key", "AccessDeniedException", "no")
    found = look(features("viewer"))
    assert found.keys == [Key(KEY, "us-east-1")]
    assert any("may not perform kms:DescribeKey" in note for note in found.notes)


def test_a_key_is_used_by_way_of_dynamodb_only() -> None:
    china = KEY.replace("aws:kms:us-east-1", "aws-cn:kms:cn-north-1")
    *_, first, second = statements(
        "viewer", PLACEHOLDER, keys=[Key(KEY, "us-east-1"), Key(china, "cn-north-1")]
    )
    assert first.as_json() == {
        "Sid": "UseTableKeysCnNorth1",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": [china],
        "Condition": {
            "StringEquals": {
                "kms:ViaService": [
                    "dynamodb.cn-north-1.amazonaws.com",
                    "dynamodb.cn-north-1.amazonaws.com.cn",
                ]
            }
        },
    }
    assert second.condition == {"StringEquals": {"kms:ViaService": ["dynamodb.us-east-1.amazonaws.com"]}}


def test_what_can_not_be_described_is_taken_as_declared_and_said_to_be(
    fake: FakeDynamo, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.says(error("AccessDeniedException", "not authorized to perform: dynamodb:DescribeTable"))
    shown = json.loads(printed("--role", "viewer"))
    assert shown == json.loads(printed("--role", "viewer", "--offline", "--account", PLACEHOLDER))
    said = capsys.readouterr().err
    assert "Taken as declared: trade-matching-system-processing-status in us-east-1." in said
    assert "give --account" in said


def test_the_account_is_that_of_the_credentials(
    fake: FakeDynamo, engines: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says(table())
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", engines("moto").endpoint)
    assert ":123456789012:table/" in printed("--role", "viewer")


def test_the_real_aws_is_not_asked_for_an_emulators_account(
    fake: FakeDynamo, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says(table())
    monkeypatch.setattr(policy_context, "account_of", lambda _: pytest.fail("asked"))
    assert look(features("viewer")).account == ""
