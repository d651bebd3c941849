"""The doctor: each thing that can be wrong is found, said with its fix, and nothing else is done."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from opsportal import accounts, aws
from opsportal.dynamo import clients, ledger
from opsportal.dynamo.tables import Binding, bindings
from opsportal.operations import outbox
from opsportal.operations.tables import AUDIT, JOBS, locations
from opsportal.tables.doctor import FAIL, NOTE, OK, UNKNOWN, Finding, examine
from opsportal.tables.doctor.findings import AREAS, lines, summary
from opsportal.tables.doctor.surroundings import database
from opsportal.tables.permissions import features
from requests_app.tables import REQUEST_LOGS, REQUESTS
from tests.cases import short
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.operations.places import dump, put, request_item
from tests.queues import Queue

pytestmark = pytest.mark.django_db

ROLE = "arn:aws:sts::111122223333:assumed-role/console/i-0"


def of(area: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.area == area]


def one(area: str, findings: list[Finding], state: str) -> Finding:
    (found,) = (finding for finding in of(area, findings) if finding.state == state)
    return found


def failed(findings: list[Finding]) -> set[str]:
    return {finding.area for finding in findings if finding.state == FAIL}


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("dynamo", "doctor", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def described(arguments: dict[str, Any], **more: Any) -> Answer:
    """A table with the key that is configured, and the declared indexes."""
    name = arguments.get("TableName", "")
    own = {"audit": ["action_id"], "jobs": ["pk", "sk"], "migrations": ["name"]}
    keys = next((keys for part, keys in own.items() if name.endswith(f"opsportal_{part}")), None) or [
        next(
            key
            for part, key in {
                "processing-status": "sessionId",
                "requests": "request_id",
                "logs": "log_id",
                "AgentRegistry": "agentId",
            }.items()
            if part in name
        )
    ]
    schema = [
        {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
    ]
    specs = (AUDIT, JOBS, *(table.spec for table in bindings()))
    spec = next((spec for spec in specs if spec.key == keys[0]), None)
    table = {"TableName": name, "TableStatus": "ACTIVE", "KeySchema": schema, "TableArn": "arn:x"}
    if spec and spec.indexes:
        table["GlobalSecondaryIndexes"] = [index.definition() for index in spec.indexes]
    return Answer({"Table": table | more})


def well(operation: str, arguments: dict[str, Any]) -> Answer:
    """A DynamoDB in which all is as it should be."""
    if operation == "DescribeTable":
        return described(arguments)
    if operation in ("Query", "Scan"):
        return Answer({"Items": []})
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        return error("ConditionalCheckFailedException", "The conditional request failed")
    return Answer({})


@pytest.fixture
def dynamo(fake: FakeDynamo) -> FakeDynamo:
    fake.answer = well
    return fake


@pytest.fixture
def engine_tables(tables: dict[str, Binding]) -> dict[str, Binding]:
    for beside in locations():
        ledger.ensure_ledger(beside)
    return tables


# --- All is well -----------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_where_all_is_well_it_says_so_and_changes_nothing(engine_tables: dict[str, Binding]) -> None:
    put(engine_tables["requests"], request_item("req-1"))
    before = dump(engine_tables)
    status, text = run()
    assert dump(engine_tables) == before
    assert status == 0, text
    assert "Nothing that is needed fails" in text
    findings = examine()
    assert not failed(findings)
    rights = {finding.what.partition(":")[0]: finding for finding in of("permissions", findings)}
    without_queues = {
        feature.sid for feature in features("operator") if feature.wanted() and feature.targets()
    }
    assert set(rights) == without_queues
    not_ok = {sid for sid, finding in rights.items() if finding.state != OK}
    assert not_ok <= {"InspectTables", "ListBackups", "ReadMetrics"}
    assert all("unknown here" in rights[sid].why for sid in not_ok)


@pytest.mark.no_moto
def test_programs_get_json(engine_tables: dict[str, Binding]) -> None:
    status, text = run("--json", "--role", "viewer")
    said = json.loads(text)
    assert (status, said["ok"]) == (0, True)
    assert {"area", "state", "what", "why", "mend", "statement"} == set(said["findings"][0])


def test_a_viewers_console_needs_neither_own_tables_nor_queues(dynamo: FakeDynamo) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if "opsportal_" in arguments.get("TableName", ""):
            return error("ResourceNotFoundException", "no such table")
        return well(operation, arguments)

    dynamo.answer = answer
    findings = examine("viewer")
    assert not failed(findings)
    assert not of("queues", findings)
    notes = [finding for finding in of("tables", findings) if finding.state == NOTE]
    # One for each use, of all tables and regions.
    assert len(notes) == 3
    assert sum(finding.what.count("-opsportal_") for finding in notes) == 6
    assert all("dynamo migrate" in finding.fix for finding in notes)
    assert failed(examine("operator")) == {"tables"}
    # The migrator is who makes them.
    assert not failed(examine("migrator"))


def test_what_missing_tables_keep_it_from_is_said_once(dynamo: FakeDynamo) -> None:
    dynamo.answer = lambda operation, _: (
        Answer({"BackupSummaries": []})
        if operation == "ListBackups"
        else error("ResourceNotFoundException", "no such table")
    )
    findings = examine()
    (allowed,) = (finding for finding in of("permissions", findings) if finding.state == OK)
    assert allowed.what.startswith("ListBackups")  # which needs no table that is there
    (unasked,) = (finding for finding in of("permissions", findings) if finding.why.startswith("The tables"))
    assert "ReadOneItem, ReadAgentsTogether, ReadSampledTogether, FindByIds, ListByIndex" in unasked.what
    assert not any("ReadMetrics" in finding.what for finding in [unasked])
    own = [finding for finding in of("tables", findings) if "audit: " in finding.what]
    assert ["jobs: " in finding.what for finding in own] == [True]


# --- Credentials -------------------------------------------------------------------------------------------


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    clients.forget()
    aws.forget()
    yield
    clients.forget()
    aws.forget()


def test_without_credentials_that_is_what_it_says(dynamo: FakeDynamo, no_credentials: None) -> None:
    findings = examine()
    assert "credentials" in failed(findings)
    first = of("credentials", findings)[0]
    assert (first.state, first.what) == (FAIL, "There are no AWS credentials.")
    assert "AWS_PROFILE" in first.fix
    # What follows from it is not said again.
    assert len(of("credentials", findings)) == 1
    assert not of("tables", findings)
    assert {finding.state for finding in of("endpoint", findings)} == {UNKNOWN}
    assert dynamo.asked == []
    # All that is one's own to read stands together.
    assert [finding.area for finding in findings] == sorted(
        (finding.area for finding in findings), key=AREAS.index
    )


def test_a_profile_that_does_not_exist_is_named(
    dynamo: FakeDynamo, no_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    first = of("credentials", examine())[0]
    assert first.state == FAIL
    assert "nobody" in first.why


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("ExpiredTokenException", "The session token has expired."),
        ("UnrecognizedClientException", "The access key is not known."),
        ("InvalidSignatureException", "this machine's clock is off"),
    ],
)
def test_credentials_that_dynamodb_refuses_are_said_once(dynamo: FakeDynamo, code: str, why: str) -> None:
    dynamo.says(error(code, "no"))
    findings = examine()
    assert failed(findings) == {"credentials"}
    refused = one("credentials", findings, FAIL)
    assert why in refused.why
    assert "Renew the credentials" in refused.fix
    assert "dev-market_intelligence_requests" in refused.what
    # No permission was probed with them.
    assert set(dynamo.operations) == {"DescribeTable"}


@pytest.fixture
def sts(dynamo: FakeDynamo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with Stubber(aws.service("sts", "us-east-1")) as stub:
        yield stub


def test_it_says_whose_the_credentials_are(sts: Stubber) -> None:
    sts.add_response("get_caller_identity", {"Account": "111122223333", "Arn": ROLE, "UserId": "A"})
    assert any(ROLE in finding.what for finding in of("credentials", examine("writer")))


def test_root_credentials_are_worth_a_note(sts: Stubber) -> None:
    arn = "arn:aws:iam::111122223333:root"
    sts.add_response("get_caller_identity", {"Account": "111122223333", "Arn": arn, "UserId": "A"})
    note = one("credentials", examine("writer"), NOTE)
    assert "root" in note.why
    assert "dynamo policy" in note.fix


def test_a_session_that_sts_calls_expired_fails(sts: Stubber) -> None:
    sts.add_client_error("get_caller_identity", "ExpiredToken", "The security token included is expired")
    refused = one("credentials", examine("writer"), FAIL)
    assert refused.why == "The session token has expired."
    assert "aws sso login" in refused.fix


def test_without_a_way_to_sts_the_rest_is_examined(
    dynamo: FakeDynamo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    findings = examine("writer")
    assert not failed(findings)
    assert one("credentials", findings, UNKNOWN).what == "The account is unknown."
    assert of("permissions", findings)


def test_no_secret_is_printed(dynamo: FakeDynamo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN")
    _, text = run("--role", "writer")
    assert "ASIA…MPLE from env (a session's)" in text
    assert "IOSFODNN" not in text
    assert "wJal" not in text
    assert "IQoJ" not in text


def test_a_session_that_is_over_is_told_by_its_end(
    dynamo: FakeDynamo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsportal.tables.doctor import identity

    ended = datetime.now(UTC) - timedelta(minutes=1)
    monkeypatch.setattr(identity, "signer", lambda: aws.Signer("sso", "ASIA…MPLE", True, ended))
    first = of("credentials", examine("writer"))[0]
    assert first.state == FAIL
    assert "expired at" in first.what


# --- Region ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "source"),
    [("", "the table's default"), ("AWS_REGION", "AWS_REGION"), ("AWS_DEFAULT_REGION", "AWS_DEFAULT_REGION")],
)
def test_it_says_what_decided_each_region(
    dynamo: FakeDynamo, monkeypatch: pytest.MonkeyPatch, variable: str, source: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, "us-west-2")
    said = of("region", examine("writer"))
    assert said[0].what.startswith(f"us-west-2 by {source}" if variable else f"us-east-1 by {source}")


def test_a_tables_own_setting_comes_first(
    dynamo: FakeDynamo, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    settings.DYNAMO_TABLES["agents"]["region"] = "eu-north-1"
    said = {finding.what for finding in of("region", examine("writer"))}
    assert "eu-north-1 by DYNAMODB_AGENTS_REGION: agents" in said


# --- Endpoints and the clock -------------------------------------------------------------------------------


def test_an_endpoint_that_refuses_fails_once(dynamo: FakeDynamo, settings: Any) -> None:
    settings.DYNAMO_TABLES = {
        logical: {**table, "endpoint": "http://127.0.0.1:9"}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    findings = examine()
    assert failed(findings) == {"endpoint"}
    assert len(of("endpoint", findings)) == 2  # one per region
    assert all("AWS_ENDPOINT_URL_DYNAMODB" in finding.fix for finding in of("endpoint", findings))
    assert not of("tables", findings)
    assert "not probed" in one("permissions", findings, UNKNOWN).what


def test_an_endpoint_that_hangs_is_not_waited_for(dynamo: FakeDynamo) -> None:
    dynamo.says(Answer(hang=20))
    began = time.monotonic()
    findings = examine(seconds=0.4)
    assert time.monotonic() - began < 15
    assert failed(findings) == {"endpoint"}


def test_an_endpoint_that_hangs_up_is_said_to(dynamo: FakeDynamo) -> None:
    dynamo.says(Answer(hang=0.001))  # and then the end of the connection, without an answer
    found = of("endpoint", examine("viewer"))
    assert {finding.state for finding in found} == {FAIL}
    assert "closed the connection before it had answered" in found[0].why


def test_a_probe_that_hangs_is_said_to(dynamo: FakeDynamo) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        return Answer(hang=20) if operation == "GetItem" else well(operation, arguments)

    dynamo.answer = answer
    rights = {
        finding.what.partition(":")[0]: finding for finding in of("permissions", examine("viewer", seconds=3))
    }
    assert rights["ReadOneItem"].state == UNKNOWN
    assert "No answer in time" in rights["ReadOneItem"].why
    assert rights["ListByIndex"].state == OK


@pytest.mark.parametrize("answer", [Answer("<html>hello</html>"), Answer("<html>no such page</html>", 404)])
def test_a_server_that_is_no_dynamodb_is_told(dynamo: FakeDynamo, answer: Answer) -> None:
    dynamo.says(answer)
    findings = examine()
    assert failed(findings) == {"endpoint"}
    assert "not as DynamoDB does" in of("endpoint", findings)[0].why


@pytest.mark.parametrize(
    ("off", "state"),
    [
        (timedelta(minutes=-7), FAIL),
        (timedelta(minutes=7), FAIL),
        (timedelta(minutes=2), NOTE),
        (timedelta(seconds=3), OK),
    ],
)
def test_a_clock_that_is_off_is_told_by_the_answers_date(
    dynamo: FakeDynamo, off: timedelta, state: str
) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        date = format_datetime(datetime.now(UTC) + off, usegmt=True)
        body = well(operation, arguments)
        return Answer(body.body, body.status, {"Date": date})

    dynamo.answer = answer
    clock = one("clock", examine("writer"), state)
    if state != OK:
        assert ("behind" if off > timedelta() else "ahead of") in clock.what
        assert "NTP" in clock.fix


def test_the_clock_is_told_by_a_refused_signature_too(dynamo: FakeDynamo) -> None:
    """That is when it matters."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    refused = error("InvalidSignatureException", "Signature expired")
    dynamo.says(Answer(refused.body, 400, {"Date": date}))
    assert failed(examine("writer")) == {"credentials", "clock"}


# --- Tables ------------------------------------------------------------------------------------------------


def test_a_missing_table_is_found_under_its_other_spelling(dynamo: FakeDynamo) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if arguments.get("TableName") == "dev-market_intelligence_requests":
            return error("ResourceNotFoundException", "Requested resource not found")
        return well(operation, arguments)

    dynamo.answer = answer
    missing = one("tables", examine("writer"), FAIL)
    assert "there is no such table" in missing.what
    assert "DYNAMODB_REQUESTS_TABLE=dev-market-intelligence-requests" in missing.fix


def test_another_key_is_named_with_its_setting(dynamo: FakeDynamo) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "DescribeTable" and "processing-status" in arguments["TableName"]:
            schema = [{"AttributeName": "processing_id", "KeyType": "HASH"}]
            return described(arguments, KeySchema=schema)
        return well(operation, arguments)

    dynamo.answer = answer
    wrong = one("tables", examine("writer"), FAIL)
    assert (
        "has the partition key 'processing_id', but the console is configured for 'sessionId'." in wrong.what
    )
    assert "Every page of one item" in wrong.why
    assert "DYNAMODB_WORKFLOWS_KEY=processing_id" in wrong.fix


@pytest.mark.parametrize(
    ("keys", "kind", "said"),
    [
        (
            ["sessionId"],
            "N",
            "The key attribute 'sessionId' of the table trade-matching-system-processing-status",
        ),
        (["sessionId", "createdAt"], "S", "has a sort key 'createdAt', which the console does not support."),
        (["processing_id"], "N", "is of type N, and the console asks with a text (S)."),
    ],
)
def test_a_key_that_no_setting_mends_is_left_to_verify(
    dynamo: FakeDynamo, keys: list[str], kind: str, said: str
) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "DescribeTable" and "processing-status" in arguments["TableName"]:
            schema = [
                {"AttributeName": key, "KeyType": "RANGE" if at else "HASH"} for at, key in enumerate(keys)
            ]
            types = [{"AttributeName": key, "AttributeType": kind} for key in keys]
            return described(arguments, KeySchema=schema, AttributeDefinitions=types)
        return well(operation, arguments)

    dynamo.answer = answer
    wrong = one("tables", examine("writer"), FAIL)
    assert said in wrong.what
    assert "DYNAMODB_WORKFLOWS_KEY" not in wrong.fix


@pytest.mark.parametrize(
    ("state", "level"),
    [("INACCESSIBLE_ENCRYPTION_CREDENTIALS", FAIL), ("ARCHIVED", FAIL), ("CREATING", FAIL), ("UPDATING", OK)],
)
def test_a_tables_state_is_told(dynamo: FakeDynamo, state: str, level: str) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "DescribeTable" and arguments["TableName"] == "AgentRegistry":
            return described(arguments, TableStatus=state)
        return well(operation, arguments)

    dynamo.answer = answer
    (agents,) = (finding for finding in of("tables", examine("writer")) if finding.what.startswith("agents:"))
    assert (agents.state, state in agents.what) == (level, True)


def test_what_slows_lists_down_is_a_finding_with_what_it_means(dynamo: FakeDynamo) -> None:
    """Of each table another thing: no index, one that is being built, other keys, and no DescribeTable."""

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        name = arguments.get("TableName", "")
        if operation != "DescribeTable" or "opsportal_" in name:
            return well(operation, arguments)
        if "processing-status" in name:
            return described(arguments, GlobalSecondaryIndexes=[])
        if "logs" in name:
            index = REQUEST_LOGS.indexes[0].definition() | {"IndexStatus": "CREATING"}
            return described(arguments, GlobalSecondaryIndexes=[index])
        if "requests" in name:
            indexes = [index.definition() for index in REQUESTS.indexes]
            indexes[2] |= {"KeySchema": indexes[3]["KeySchema"]}
            return described(arguments, GlobalSecondaryIndexes=indexes[1:])
        return well(operation, arguments)

    dynamo.answer = answer
    findings = examine("viewer")
    said = {
        finding.what.partition(":")[0]: finding for finding in of("tables", findings) if finding.state == NOTE
    }
    assert "lacks the index overallStatus-createdAt-index" in said["workflows"].what
    assert said["workflows"].fix.endswith("--table workflows --add-indexes")
    assert "is not ACTIVE" in said["request_logs"].what
    assert said["request_logs"].why.startswith(
        "Until it is ACTIVE: Without it the console reads the table by"
    )
    missing, other = (finding for finding in of("tables", findings) if finding.state == FAIL)
    assert "lacks the index user-index on (user_id, created_at)" in missing.what
    assert missing.fix == "python manage.py dynamo migrate --table requests --add-indexes"
    assert "is on (processing_strategy, priority), not on (status, created_at)" in other.what
    assert "Delete it; once it is gone: python manage.py dynamo migrate" in other.fix
    assert "bounded scan for lists of requests" in other.why
    unknown = " ".join(finding.why for finding in findings if finding.state == UNKNOWN)
    # Nor is it said again by what DynamoDB answers to a probe of it.
    assert (
        unknown.count("index")
        == unknown.count("The indexes that they need are missing, or can't be used.")
        <= 1
    )

    dynamo.answer = denying("DescribeTable")
    workflows, *others = (
        finding for finding in of("tables", examine("viewer")) if ": can't be described" in finding.what
    )
    assert (workflows.state, workflows.what[:10]) == (FAIL, "workflows:")
    assert (
        "under another name than overallStatus-createdAt-index can't be known. Without it the console"
        in workflows.why
    )
    assert "dynamodb:DescribeTable" in workflows.statement
    assert {finding.state for finding in others} == {NOTE}


@pytest.mark.parametrize(
    ("table", "changed", "said"),
    [
        ("opsportal_jobs", {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, "has the sort key 'none'"),
        ("opsportal_audit", {"TableStatus": "ARCHIVED"}, "ARCHIVED"),
        ("AgentRegistry", {"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}, "KMS key"),
        ("requests", {"GlobalSecondaryIndexes": [REQUESTS.indexes[0].definition() | {"IndexStatus": "CREATING"}]}, "not ACTIVE"),
    ],
)  # fmt: skip
def test_what_follows_from_a_table_is_not_probed(
    dynamo: FakeDynamo, table: str, changed: dict[str, Any], said: str
) -> None:
    """DynamoDB would answer each probe of it with words of its own."""

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if not arguments.get("TableName", "").endswith(table):
            return well(operation, arguments)
        if operation == "DescribeTable":
            return described(arguments, **changed)
        if operation.startswith(("Describe", "List")):
            return well(operation, arguments)
        if "GlobalSecondaryIndexes" in changed and "IndexName" not in arguments:
            return well(operation, arguments)
        return error("ValidationException", "what DynamoDB says of a probe")

    dynamo.answer = answer
    findings = examine()
    assert {finding.area for finding in findings if said in f"{finding.what} {finding.why}"} == {"tables"}
    assert not any("what DynamoDB says" in finding.why for finding in findings)
    assert failed(findings) <= {"tables"}


def test_throttling_is_no_failure(dynamo: FakeDynamo) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "DescribeTable" and arguments["TableName"] == "AgentRegistry":
            return error("ThrottlingException", "Rate exceeded")
        return well(operation, arguments)

    dynamo.answer = answer
    findings = examine("writer")
    assert not failed(findings)
    assert "throttled" in one("tables", findings, NOTE).what


# --- Permissions -------------------------------------------------------------------------------------------


def denying(*operations: str, explicit: bool = False) -> Callable[[str, dict[str, Any]], Answer]:
    end = "with an explicit deny in a service control policy" if explicit else "because no policy allows it"

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation in operations:
            name = arguments.get("TableName") or next(iter(arguments["RequestItems"]))
            below = f"/index/{arguments['IndexName']}" if "IndexName" in arguments else ""
            arn = f"arn:aws:dynamodb:us-east-1:111122223333:table/{name}{below}"
            message = (
                f"User: {ROLE} is not authorized to perform: dynamodb:{operation} on resource: {arn} {end}"
            )
            return error("AccessDeniedException", message)
        return well(operation, arguments)

    return answer


DENIALS: list[tuple[str, set[str], set[str]]] = [
    ("GetItem", {"ReadOneItem", "ReadAuditEntry", "ReadJobs"}, set()),
    ("Query", {"ListByIndex", "ListAuditEntries", "FindMessages", "ListJobs"}, set()),
    ("Scan", {"ListWithoutIndex"}, {"FindUndocumentedStatuses", "OfferProjects", "ReadMigrations"}),
    ("PutItem", {"ChangeItems", "RecordActions"}, set()),
    ("UpdateItem", {"ChangeItems", "CarryOutMessages"}, set()),
    ("DeleteItem", {"ChangeItems", "CarryOutMessages"}, set()),
    ("BatchWriteItem", {"DeleteLogs"}, set()),
    ("DescribeTable", set(), {"FindIndexes", "FindOwnTables"}),
    ("DescribeTimeToLive", set(), {"InspectTables"}),
]


@pytest.mark.parametrize(
    ("operation", "fail", "note"),
    short(DENIALS, *DENIALS[2::3]),
)
def test_each_denial_is_a_finding_of_each_feature_that_needs_it(
    dynamo: FakeDynamo, operation: str, fail: set[str], note: set[str]
) -> None:
    dynamo.answer = denying(operation)
    rights = of("permissions", examine())
    by_state = {
        state: {finding.what.partition(":")[0] for finding in rights if finding.state == state}
        for state in (FAIL, NOTE)
    }
    assert by_state == {FAIL: fail, NOTE: note}
    for finding in rights:
        if finding.state in (FAIL, NOTE):
            statement = json.loads(finding.statement)
            assert statement["Sid"] == finding.what.partition(":")[0]
            assert statement["Action"] == [f"dynamodb:{operation}"]


def test_the_statement_allows_just_what_is_missing(dynamo: FakeDynamo, sts: Stubber) -> None:
    sts.add_response("get_caller_identity", {"Account": "999988887777", "Arn": ROLE, "UserId": "A"})
    partly = denying("PutItem")

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        denied = arguments.get("TableName") == "AgentRegistry"
        return (partly if denied else well)(operation, arguments)

    dynamo.answer = answer
    denied = one("permissions", examine(), FAIL)
    assert json.loads(denied.statement) == {
        "Sid": "ChangeItems",
        "Effect": "Allow",
        "Action": ["dynamodb:PutItem"],
        "Resource": ["arn:aws:dynamodb:eu-north-1:999988887777:table/AgentRegistry"],
    }


def test_an_explicit_deny_has_no_statement(dynamo: FakeDynamo) -> None:
    dynamo.answer = denying("BatchWriteItem", explicit=True)
    denied = one("permissions", examine(), FAIL)
    assert denied.statement == ""
    assert "the owner of the policy" in denied.fix


def test_a_key_that_refuses_is_named_as_such(dynamo: FakeDynamo) -> None:
    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "GetItem" and arguments["TableName"] == "AgentRegistry":
            return error("AccessDeniedException", "KMS key access denied error: not allowed")
        return well(operation, arguments)

    dynamo.answer = answer
    denied = one("permissions", examine("writer"), FAIL)
    assert json.loads(denied.statement)["Action"] == ["kms:Decrypt"]


# --- Queues and the worker ---------------------------------------------------------------------------------


@pytest.fixture
def queue(
    dynamo: FakeDynamo, engines: Callable[[str], Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Queue:
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    made = Queue(endpoint, "doctor")
    settings.REQUESTS_QUEUE_URL = made.url
    return made


def test_a_queue_is_looked_at_and_nothing_is_sent(queue: Queue) -> None:
    said = one("queues", examine(), OK)
    assert "about 0 messages waiting" in said.what
    assert queue.messages() == []


def test_a_queue_that_does_not_exist_fails(queue: Queue, settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = f"{queue.url}-other"
    missing = one("queues", examine(), FAIL)
    assert "NonExistentQueue" in missing.why or "does not exist" in missing.why
    assert "REQUESTS_QUEUE_URL" in missing.fix


@pytest.mark.no_moto
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "The session token has expired."),
        ("ThrottlingException", "ThrottlingException"),
        ("", "127.0.0.1:9"),  # where nobody listens
    ],
)
def test_what_no_queue_is_to_blame_for_is_not_looked_for_there(
    dynamo: FakeDynamo, settings: Any, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    settings.REQUESTS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/requests"
    with Stubber(aws.service("sqs", "us-east-1")) as stub:
        stub.add_client_error("get_queue_attributes", code, "no")
        if not code:
            stub.deactivate()
        finding = one("queues", examine(), FAIL)
    assert said in finding.why
    assert "the queue exists" not in finding.fix


@pytest.mark.no_moto
def test_without_credentials_no_queue_is_asked(
    dynamo: FakeDynamo, no_credentials: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    settings.REQUESTS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/requests"
    findings = examine()
    assert failed(findings) == {"credentials"}
    assert "Not asked" in one("queues", findings, UNKNOWN).why


def test_who_may_only_send_needs_no_more(
    dynamo: FakeDynamo, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    settings.REQUESTS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/requests"
    with Stubber(aws.service("sqs", "us-east-1")) as stub:
        stub.add_client_error("get_queue_attributes", "AccessDenied", "no")
        findings = examine()
    note = next(finding for finding in of("queues", findings) if finding.state == NOTE and finding.statement)
    assert json.loads(note.statement)["Resource"] == ["arn:aws:sqs:us-east-1:111122223333:requests"]
    assert not failed(findings)


@pytest.mark.no_moto
def test_a_message_that_no_worker_took_up_is_told(engine_tables: dict[str, Binding]) -> None:
    overdue = datetime.now(UTC) - timedelta(minutes=10)
    outbox.put(outbox.Message("nobody's", {}, "11111111-0000", overdue), engine_tables["requests"])
    found = [finding for finding in of("worker", examine()) if finding.state == FAIL]
    assert found
    assert "manage.py worker" in found[0].fix
    assert "11111111-0000" in found[0].why


# --- The relational database -------------------------------------------------------------------------------


def test_pending_migrations_are_named() -> None:
    latest = max(path.stem for path in (Path(accounts.__file__).parent / "migrations").glob("0*.py"))
    MigrationRecorder(connection).record_unapplied("accounts", latest)
    pending = one("database", database(), FAIL)
    assert pending.why == f"accounts.{latest}"
    assert pending.fix == "python manage.py migrate"


def test_a_cache_without_its_table_is_told(settings: Any) -> None:
    settings.CACHES = settings.CACHES | {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "nowhere"}
    }
    missing = one("database", database(), FAIL)
    assert missing.fix == "python manage.py createcachetable"


def test_a_database_that_is_down_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its driver would wait for minutes."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", str(taken.getsockname()[1]))
        (down,) = database()
    assert down.state == FAIL
    assert "DATABASE_URL" in down.fix


# --- How it looks ------------------------------------------------------------------------------------------


def test_control_characters_of_answers_are_made_visible(dynamo: FakeDynamo) -> None:
    dynamo.says(error("SomethingElse", "\x1b[2J\x1b]0;gotcha\x07 \u202ereversed"))
    status, text = run("--role", "writer")
    assert status == 1
    assert "gotcha" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_findings_are_grouped_by_area() -> None:
    found = [
        Finding("tables", OK, "one"),
        Finding("tables", FAIL, "two", "why\nso", "do this", '{\n  "a": 1\n}'),
        Finding("clock", NOTE, "off"),
    ]
    assert list(lines(found)) == [
        "tables",
        "  ok      one",
        "  FAIL    two",
        "          why",
        "          so",
        "          -> do this",
        "          {",
        '            "a": 1',
        "          }",
        "clock",
        "  note    off",
    ]
    assert summary(found) == "1 of 3 findings need fixing (tables); 1 note."
    unknown = [Finding("tables", UNKNOWN, "a"), Finding("tables", UNKNOWN, "b"), found[2], found[2]]
    assert summary(unknown) == "Nothing that is needed fails; 2 notes; 2 unknown."
