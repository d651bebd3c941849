"""`manage.py dynamo verify` tells what is wrong, how to fix it, and by its exit status whether it matters."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo import clients
from opsportal.dynamo.index_samples import share
from opsportal.dynamo.tables import Binding, binding, internal_table
from opsportal.operations.tables import AUDIT, locations
from opsportal.tables import verification_report
from opsportal.tables.commands import chosen_tables
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.tables.deployments import Deployments, deployments, drop_index, provision, rename_key


@pytest.fixture
def at(engine: Any, settings: Any) -> Iterator[Deployments]:
    with deployments(engine, settings) as made:
        yield made


def verify(*arguments: str) -> tuple[int, str]:
    """Exit status and what was printed."""
    out = io.StringIO()
    try:
        call_command("dynamo", "verify", *arguments, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def put(table: Binding, *items: dict[str, Any]) -> None:
    client = clients.client(*table.location, background=True)
    for item in items:
        client.put_item(TableName=table.name, Item=item)


def line_of(said: str, words: str) -> str:
    return next(line for line in said.splitlines() if words in line)


def test_right_tables_are_verified_with_success(at: Deployments) -> None:
    for logical in ("requests", "agents"):
        at.deploy(binding(logical))
    status, said = verify("--table", "requests", "--table", "agents", "--write-test")
    assert status == 0
    assert said.endswith("unknown here.\n" if at.engine.kind != "moto" else "break the console.\n")
    assert "2 tables verified: no findings that break the console" in said
    assert f"requests: {binding('requests').name} in us-east-1 at {at.engine.endpoint}" in said
    assert line_of(said, "partition key").split() == ["ok", "partition", "key", "request_id"]
    assert said.count("put, read, delete: one marked item, opsportal-write-test-") == 2
    assert said.count("the table is empty (") == 2
    assert "BREAKS" not in said
    assert "\x1b" not in said


def test_what_breaks_the_console_ends_with_an_error_and_its_mend(at: Deployments) -> None:
    at.deploy(binding("workflows"), lambda request: rename_key(request, "processing_id"))
    status, said = verify("--table", "workflows")
    assert status == 1
    lines = said.splitlines()
    (number,) = [at for at, line in enumerate(lines) if "BREAKS" in line]
    assert lines[number].split()[:3] == ["BREAKS", "partition", "key"]
    assert "declared sessionId, deployed processing_id" in lines[number]
    assert "every action" in lines[number + 1]
    assert lines[number + 2].strip().endswith("set DYNAMODB_WORKFLOWS_KEY=processing_id")
    assert "1 table verified: 1 finding that breaks the console" in said


def test_a_table_that_is_the_same_in_two_regions_is_verified_once(at: Deployments) -> None:
    audit = {beside.region: internal_table(AUDIT, beside) for beside in locations()}
    for region in ("us-east-1", "eu-north-1") if at.engine.kind == "moto" else ("us-east-1",):
        at.deploy(audit[region])
    status, said = verify("--table", "audit", "--write-test")
    assert status == 0
    once = 2 if at.engine.kind == "moto" else 1
    assert said.count("put, read, delete") == said.count("action_id") == once
    assert said.count("the same table as in us-east-1") == 2 - once
    assert f"{once} table{'s' * (once - 1)} verified" in said


def test_a_note_is_no_error(at: Deployments) -> None:
    at.deploy(binding("requests"), provision)
    status, said = verify("--table", "requests")
    assert status == 0
    assert line_of(said, "note").split()[:2] == ["note", "billing"]
    assert "1 note" in said.splitlines()[-1]


def test_a_missing_table_is_found_by_its_other_spelling(at: Deployments) -> None:
    table = binding("requests")
    at.deploy(table, name=table.name.replace("_", "-"))
    status, said = verify("--table", "requests")
    assert status == 1
    assert line_of(said, "BREAKS").split() == ["BREAKS", "table", "does", "not", "exist"]
    assert f"set DYNAMODB_REQUESTS_TABLE={table.name.replace('_', '-')}" in said


def test_a_missing_table_that_is_nowhere_has_the_command_that_makes_it(at: Deployments) -> None:
    status, said = verify("--table", "requests", "--table", "audit", "--write-test")
    assert status == 1
    assert "to create it: python manage.py dynamo migrate --table requests. Places searched:" in said
    assert "unset DYNAMODB_REQUESTS_ENDPOINT_URL" in said
    assert "It is one of the console's own, which python manage.py dynamo migrate creates." in said
    assert "opsportal-write-test" not in said


def test_the_wrong_region_is_told(engines: Any, settings: Any) -> None:
    with deployments(engines("moto"), settings) as at:
        table = at.configure("agents", region="us-east-1")
        at.deploy(table, region="eu-north-1")
        status, said = verify("--table", "agents")
    assert status == 1
    assert "set DYNAMODB_AGENTS_REGION=eu-north-1" in said


def test_the_sample_says_how_much_was_read_and_what_was_odd(tables: dict[str, Binding]) -> None:
    items: list[dict[str, Any]] = [
        {"sessionId": {"S": f"s{number}"}, "overallStatus": {"S": "completed"}} for number in range(3)
    ]
    items[1] |= {"totalDuration": {"S": "long"}, "invocationId": {"S": "i"}}
    items[2] |= {"overallStatus": {"S": "stopped"}}
    put(tables["workflows"], *items)
    _, said = verify("--table", "workflows")
    assert line_of(said, "all 3 read").startswith("  items ")
    assert line_of(said, "sessionId").split() == ["ok", "partition", "key", "sessionId"]
    assert line_of(said, "100 %  S").split() == ["100", "%", "S", "overallStatus"]
    assert line_of(said, "invocationId").split() == [
        "33",
        "%",
        "S",
        "invocationId",
        "in",
        "the",
        "raw",
        "view",
        "only",
    ]
    assert line_of(said, "unread").endswith(
        "totalDuration: expected a number, found other text, in 1 of 3 (such as s1)"
    )
    assert line_of(said, "value ").endswith("overallStatus is 'stopped', in 1 of 3 (such as s2)")
    assert "createdAt is missing: not in overallStatus-createdAt-index, in 3 of 3" in said
    status, said = verify("--table", "workflows", "--sample", "2")
    assert status == 0
    assert "2 of about 3 read" in said or "2 of about 2 read" in said  # as the engine counts


def test_no_sample_reads_nothing(tables: dict[str, Binding]) -> None:
    put(tables["agents"], {"agentId": {"S": "a"}})
    _, said = verify("--table", "agents", "--sample", "0")
    assert "items" not in said
    assert "present" not in said


def test_foreign_text_reaches_no_terminal_as_it_is(tables: dict[str, Binding]) -> None:
    nasty = "bell\x07 \x1b[31mred\x1b[0m \u202egnp.exe\r\nnext\tline\x9b2J"
    put(
        tables["agents"],
        {
            "agentId": {"S": nasty},
            nasty: {"S": nasty},
            "status": {"S": nasty},
            "reputationScore": {"S": nasty},
        },
    )
    _, said = verify("--table", "agents")
    assert not [char for char in said if not char.isprintable() and char != "\n"]
    assert "\u202e" not in said
    assert "U+001B" in said
    assert "reputationScore: expected a number, found other text" in said
    _, said = verify("--table", "agents", "--json")
    assert said.isascii()
    assert json.loads(said)["tables"][0]["sample"]["odd"][0]["example"] == nasty


def test_many_attributes_are_cut_and_json_has_them_all(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification_report, "MAX_LINES", 5)
    put(tables["agents"], {"agentId": {"S": "a"}} | {f"extra{number}": {"S": ""} for number in range(9)})
    _, said = verify("--table", "agents")
    assert said.count("in the raw view only") == 4
    assert "and 5 more attributes: --json has them all" in said
    _, said = verify("--table", "agents", "--json")
    assert len(json.loads(said)["tables"][0]["sample"]["attributes"]) == 10


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(1, 1, "100 %"), (199, 200, "99 %"), (1, 200, "<1 %"), (1, 2, "50 %"), (9999, 10_000, "99 %")],
)
def test_a_share_is_all_or_none_only_where_it_is(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


def test_json_tells_the_same(at: Deployments) -> None:
    at.deploy(binding("requests"), lambda request: drop_index(request, "user-index"))
    put(binding("requests"), {"request_id": {"S": "r"}, "status": {"S": "done"}})
    status, said = verify("--table", "requests", "--table", "request_logs", "--json", "--write-test")
    assert status == 1
    data = json.loads(said)
    assert (data["ok"], data["environment"]) == (False, "dev")
    requests, logs = data["tables"]
    assert (requests["table"], requests["region"], requests["breaks"]) == ("requests", "us-east-1", 1)
    (missing,) = [point for point in requests["points"] if point["outcome"] == "breaks"]
    assert (missing["point"], missing["deployed"]) == ("index user-index", "none")
    assert missing["mend"] == "python manage.py dynamo migrate --table requests --add-indexes"
    assert missing["consequence"].startswith(
        "Without it the console reads the table by a bounded scan for requests of a user"
    )
    assert requests["sample"]["undocumented"] == [{"what": "status is 'done'", "example": "r", "count": 1}]
    assert requests["sample"]["read_units"] > 0
    assert requests["write_test"]["passed"] is True
    assert requests["write_test"]["done"] == ["put", "read", "delete"]
    assert (logs["sample"], logs["write_test"]) == (None, None)
    assert logs["points"][0]["outcome"] == "breaks"


def test_all_tables_are_verified_the_consoles_own_in_each_place(settings: Any) -> None:
    settings.DYNAMO_TABLES = {
        logical: table | {"endpoint": "", "region": ""} for logical, table in settings.DYNAMO_TABLES.items()
    }
    chosen = [(one.table.logical, one.table.region) for one in chosen_tables([])]
    assert chosen[:4] == [
        ("workflows", "us-east-1"),
        ("requests", "us-east-1"),
        ("request_logs", "us-east-1"),
        ("agents", "eu-north-1"),
    ]
    regions = ("us-east-1", "eu-north-1")
    assert set(chosen[4:]) == {
        (name, region) for name in ("audit", "jobs", "migrations") for region in regions
    }
    assert len(chosen) == 10
    by_name = [one.key for one in chosen_tables(["jobs", "agents", "audit-eu-north-1", "jobs-us-east-1"])]
    assert by_name == ["agents", "jobs-us-east-1", "audit-eu-north-1", "jobs-eu-north-1"]


def test_an_unknown_table_is_refused_with_those_there_are() -> None:
    with pytest.raises(CommandError, match="no table 'nothing'; there are workflows, requests"):
        verify("--table", "nothing")


@pytest.mark.parametrize("size", ["-1", "many", "10001", "1.5"])
def test_an_impossible_sample_is_refused(size: str) -> None:
    with pytest.raises(CommandError, match="is not a number from 0 to 10,000"):
        verify("--sample", size)


# --- What no engine answers --------------------------------------------------------------------------------


def denied(operation: str) -> Answer:
    return error(
        "AccessDeniedException",
        f"not authorized to perform: dynamodb:{operation} on resource: arn:aws:dynamodb:us-east-1:1:table/t",
    )


def test_a_table_that_may_not_be_described_is_an_error_with_the_statement(fake: FakeDynamo) -> None:
    fake.says(denied("DescribeTable"))
    status, said = verify("--table", "agents", "--table", "requests")
    assert status == 1
    assert said.count("may not perform dynamodb:DescribeTable") == 2
    assert said.count('"Action": [ "dynamodb:DescribeTable" ]') == 2


def test_a_sample_that_may_not_be_read_is_unknown(fake: FakeDynamo) -> None:
    key = [{"AttributeName": "agentId", "KeyType": "HASH"}]
    parts = {
        "DescribeTable": Answer(
            {
                "Table": {
                    "TableStatus": "ACTIVE",
                    "KeySchema": key,
                    "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                }
            }
        ),
        "Scan": denied("Scan"),
    }
    fake.answer = lambda operation, _: parts.get(operation, Answer({}))
    status, said = verify("--table", "agents")
    assert status == 0
    assert "unknown  sampled items: The console's role may not perform dynamodb:Scan" in said
    assert '"dynamodb:Scan"' in said
    _, said = verify("--table", "agents", "--json")
    assert "dynamodb:Scan" in json.loads(said)["tables"][0]["sample"]["statement"]


def test_a_failed_write_test_is_an_error(fake: FakeDynamo) -> None:
    key = [{"AttributeName": "agentId", "KeyType": "HASH"}]
    parts = {
        "DescribeTable": Answer({"Table": {"TableStatus": "ACTIVE", "KeySchema": key}}),
        "Scan": Answer({"Count": 0, "Items": []}),
        "PutItem": denied("PutItem"),
    }
    fake.answer = lambda operation, _: parts.get(operation, Answer({}))
    status, said = verify("--table", "agents", "--write-test")
    assert status == 1
    assert (
        "BREAKS   write test (nothing succeeded): The console's role may not perform dynamodb:PutItem" in said
    )


def test_credentials_are_refused_once_per_endpoint(fake: FakeDynamo) -> None:
    fake.says(error("ExpiredTokenException", "expired"))
    status, said = verify("--table", "workflows", "--table", "requests", "--table", "agents")
    assert status == 1
    assert said.count("The session token has expired.") == 3
    assert len(fake.asked) == 1  # one endpoint
