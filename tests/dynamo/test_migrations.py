"""Table migrations end in the tables as declared, however often, from wherever, and whoever else is at it."""

import itertools
import json
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo import clients, creation, migrations
from opsportal.dynamo.creation import create
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError, TableMissing, Unreachable
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.tables import Binding, bindings
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.migrated import INDEX, NAMES, all_as_declared, deployed_as, ledger_items, new_place, ttl
from tests.engines import Engine


@pytest.fixture(autouse=True)
def _without_own_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here only the tables of other programs; tests/operations/test_own_tables.py has the console's own."""
    declared_ones = migrations._declared
    monkeypatch.setattr(migrations, "_declared", lambda: (m for m in declared_ones() if not m.step.own))


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        yield found


# --- A fresh place -------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_a_fresh_place_gets_all_tables_as_declared(place: dict[str, Binding], engine: Engine) -> None:
    said: list[str] = []
    assert migrate(said.append) == 5
    all_as_declared(place, engine.kind)
    here, north = f"us-east-1 at {engine.endpoint}", f"eu-north-1 at {engine.endpoint}"
    assert [line for line in said if not line.startswith("  ")] == [
        f"requests_app: {NAMES[0]}, {here}",
        f"requests_app: {NAMES[1]}, {here}",
        f"registry: {NAMES[2]}, {north}",
        f"tracking: {NAMES[3]}, {here}",
        f"tracking: {NAMES[4]}, {here}",
        "5 table migrations applied.",
    ]
    assert f"  created {place['requests'].name}" in said
    assert f"  added {INDEX} to {place['workflows'].name}" in said


@pytest.mark.no_moto
def test_the_ledger_says_what_was_applied_when_and_by_whom(place: dict[str, Binding]) -> None:
    migrate(lambda line: None)
    (entry,) = [item for item in ledger_items(place["requests"]) if NAMES[0] in item["name"]["S"]]
    assert entry["name"] == {"S": f"{NAMES[0]}/{place['requests'].name}"}
    assert (entry["app"], entry["table"]) == ({"S": "requests_app"}, {"S": place["requests"].name})
    assert entry["applied_at"]["S"].endswith("+00:00")
    assert "@" in entry["applied_by"]["S"]
    where = migrations.ledger_of(place["requests"])
    assert where.name.endswith("-opsportal_migrations")
    assert where.location == place["requests"].location
    assert deployed_as(where) == where.create_request()


@pytest.mark.no_moto
def test_a_second_run_does_nothing(place: dict[str, Binding]) -> None:
    migrate(lambda line: None)
    before = [ledger_items(table) for table in place.values()]
    said: list[str] = []
    assert migrate(said.append) == 0
    assert said == ["No table migration is pending."]
    assert [ledger_items(table) for table in place.values()] == before


@pytest.mark.no_moto
def test_a_user_without_a_name_can_migrate(
    place: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert migrate(lambda line: None, tables=("agents",)) == 1
    assert ledger_items(place["agents"])[0]["applied_by"]["S"].startswith("12345@")


@pytest.mark.no_moto
def test_a_renamed_table_is_another_table(place: dict[str, Binding], settings: Any) -> None:
    migrate(lambda line: None)
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"name": place["agents"].name + "-2"}
    }
    try:
        assert migrate(lambda line: None) == 1
    finally:
        client = clients.client(*place["agents"].location)
        client.delete_table(TableName=place["agents"].name + "-2")


# --- Not from the beginning ----------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a process, which no handler stops."""


@pytest.mark.no_moto
@pytest.mark.parametrize(
    "operation", ["UpdateTimeToLive", "UpdateContinuousBackups", "UpdateTable", "UpdateItem"]
)
def test_a_run_that_was_killed_is_taken_up_by_the_next(
    place: dict[str, Binding], engine: Engine, operation: str
) -> None:
    killed_and_taken_up(place, engine, operation)


def test_a_run_that_was_killed_with_a_part_of_the_tables_is_taken_up_by_the_next(
    place: dict[str, Binding], engine: Engine
) -> None:
    killed_and_taken_up(place, engine, "CreateTable")


def killed_and_taken_up(place: dict[str, Binding], engine: Engine, operation: str) -> None:
    """Killed before each of these operations in turn, then run to the end."""
    killings = 0
    for number in range(20):
        calls = itertools.count()

        def kill(model: Any, number: int = number, calls: Any = calls, **_: Any) -> None:
            if model.name == operation and next(calls) == number:
                raise Killed

        events = [
            clients.client(*where, background=True).meta.events
            for where in {t.location for t in place.values()}
        ]
        for event in events:
            event.register("before-call.dynamodb", kill)
        try:
            migrate(lambda line: None)
        except Killed:
            killings += 1
        else:
            break
        finally:
            for event in events:
                event.unregister("before-call.dynamodb", kill)
    assert killings
    all_as_declared(place, engine.kind)
    assert migrate(lambda line: None) == 0


@pytest.mark.no_moto
def test_a_table_of_somebody_else_is_left_as_it_is(place: dict[str, Binding]) -> None:
    table = place["requests"]
    client = clients.client(*table.location)
    client.create_table(
        TableName=table.name,
        AttributeDefinitions=[{"AttributeName": "theirs", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "theirs", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName=table.name, Item={"theirs": {"S": "1"}})
    before = deployed_as(table)
    said: list[str] = []
    assert migrate(said.append) == 5
    assert f"  {table.name} exists already and is left as it is" in said
    assert deployed_as(table) == before
    assert ttl(table) == ""
    assert client.scan(TableName=table.name)["Count"] == 1


def test_the_index_is_added_to_a_table_with_data(place: dict[str, Binding]) -> None:
    table = place["workflows"]
    create(table)
    client = clients.client(*table.location)
    for number in range(30):
        client.put_item(
            TableName=table.name,
            Item={
                "sessionId": {"S": f"w{number}"},
                "overallStatus": {"S": "completed"},
                "createdAt": {"S": f"2026-11-20T10:00:{number:02}Z"},
            },
        )
    client.put_item(TableName=table.name, Item={"sessionId": {"S": "without"}})
    said: list[str] = []
    migrate(said.append, tables=("workflows",), accept_unlisted=True)
    assert f"  {table.name} exists already and is left as it is" in said
    found = client.query(
        TableName=table.name,
        IndexName=INDEX,
        KeyConditionExpression="overallStatus = :s",
        ExpressionAttributeValues={":s": {"S": "completed"}},
        ScanIndexForward=False,
    )
    assert [item["sessionId"]["S"] for item in found["Items"]] == [
        f"w{number}" for number in reversed(range(30))
    ]
    index = describe(table, fresh=True).index_on("overallStatus", "createdAt")
    assert index is not None
    assert index.usable


@pytest.mark.no_moto
def test_an_index_that_is_there_is_not_added_again(place: dict[str, Binding]) -> None:
    create(place["workflows"], optional_indexes=True)
    said: list[str] = []
    migrate(said.append, tables=("workflows",))
    assert f"  {place['workflows'].name} has {INDEX} already" in said


# Concurrency: see tests/engines.py.
@pytest.mark.no_moto
@pytest.mark.parametrize("turn", range(3))
def test_two_at_once_end_in_the_same_tables(place: dict[str, Binding], engine: Engine, turn: int) -> None:
    together = threading.Barrier(2)
    failures: list[BaseException] = []

    def run() -> None:
        together.wait()
        try:
            migrate(lambda line: None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    all_as_declared(place, engine.kind)
    assert migrate(lambda line: None) == 0


# --- Whose tables they are -----------------------------------------------------------------------------


@pytest.mark.no_moto
@pytest.mark.parametrize("env", ["qa", "prod"])
def test_outside_development_only_named_tables_are_touched(
    place: dict[str, Binding], settings: Any, env: str
) -> None:
    settings.OPSPORTAL_ENV = env
    said: list[str] = []
    assert migrate(said.append) == 0
    assert said == [
        f"5 pending are left out: {', '.join(NAMES)}. In {env} the tables of other programs are migrated only where "
        "they are named: add --table requests --table request_logs --table agents --table workflows.",
        "No other table migration is pending.",
    ]
    for table in (*place.values(), migrations.ledger_of(place["agents"])):
        with pytest.raises(TableMissing):
            describe(table, fresh=True)
    assert migrate(said.append, tables=("agents",)) == 1
    assert describe(place["agents"], fresh=True).key == "agentId"
    with pytest.raises(TableMissing):
        describe(place["requests"], fresh=True)


def test_several_tables_can_be_named(place: dict[str, Binding]) -> None:
    assert migrate(lambda line: None, tables=("requests", "request_logs")) == 2
    assert describe(place["request_logs"], fresh=True).state == "ACTIVE"
    with pytest.raises(TableMissing):
        describe(place["workflows"], fresh=True)


# --- The command ---------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("dynamo", "migrate", "--yes", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_did(place: dict[str, Binding]) -> None:
    said = run("--table", "agents", "--table", "request_logs")
    logs, agents = place["request_logs"], place["agents"]
    where = f"us-east-1 at {logs.endpoint}"
    assert said.splitlines() == [
        "The plan:",
        f"requests_app: {NAMES[1]}, {where}",
        f"  create {logs.name}: key log_id; PAY_PER_REQUEST; indexes request-logs-index; TTL on ttl",
        f"registry: {NAMES[2]}, eu-north-1 at {logs.endpoint}",
        f"  create {agents.name}: key agentId; PAY_PER_REQUEST",
        f"requests_app: {NAMES[1]}, {where}",
        f"  created {logs.name}",
        f"registry: {NAMES[2]}, eu-north-1 at {logs.endpoint}",
        f"  created {agents.name}",
        "2 table migrations applied.",
        "Verified: 2 tables as declared.",
    ]
    assert run("--table", "agents") == "No table migration is pending.\n"


def test_the_command_names_a_table_that_does_not_exist(fake: FakeDynamo) -> None:
    with pytest.raises(
        CommandError,
        match=r"There is no table 'nothing'; there are requests, request_logs, agents, workflows\.",
    ):
        run("--table", "nothing")
    assert fake.asked == []
    with pytest.raises(CommandError, match="required"):
        call_command("dynamo")


def test_the_command_says_trouble_in_sentences(fake: FakeDynamo) -> None:
    fake.says(
        error(
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/u is not authorized to perform: dynamodb:Scan on resource: arn:aws:dynamodb:x",
        )
    )
    with pytest.raises(CommandError) as raised:
        run()
    sentence, _, statement = str(raised.value).partition("\n")
    assert sentence == (
        "The console's role may not perform dynamodb:Scan on arn:aws:dynamodb:x. "
        "Add this statement to the policy of the console's role."
    )
    assert json.loads(statement)["Action"] == ["dynamodb:Scan"]


def test_the_command_says_when_nobody_is_there(settings: Any) -> None:
    settings.DYNAMO_TABLES = {
        logical: {**table, "endpoint": "localhost:8000"} for logical, table in settings.DYNAMO_TABLES.items()
    }
    with pytest.raises(CommandError, match="The endpoint localhost:8000 is not a URL"):
        run()


# --- What the engines do not do, and DynamoDB does -----------------------------------------------------


class Deployment:
    """Answers of a DynamoDB whose operations may be told to fail first."""

    def __init__(self, **failures: list[Answer]) -> None:
        self.failures = failures
        self.created: dict[str, list[str]] = {}

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Answer:
        if self.failures.get(operation):
            return self.failures[operation].pop(0)
        name = arguments.get("TableName", "")
        if operation == "CreateTable":
            self.created[name] = [index["IndexName"] for index in arguments.get("GlobalSecondaryIndexes", [])]
        elif operation == "UpdateTable":
            self.created[name].append(arguments["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"])
        elif operation in ("DescribeTable", "Scan", "PutItem") and name not in self.created:
            return error(
                "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found"
            )
        if operation == "DescribeTable":
            return self.table(name)
        return Answer({"Items": []} if operation == "Scan" else {})

    def table(self, name: str, state: str = "ACTIVE", index_state: str = "ACTIVE") -> Answer:
        return Answer(
            {
                "Table": {
                    "TableName": name,
                    "TableStatus": state,
                    "KeySchema": [{"AttributeName": "sessionId", "KeyType": "HASH"}],
                    "GlobalSecondaryIndexes": [
                        {"IndexName": index, "IndexStatus": index_state, "KeySchema": [], "Projection": {"ProjectionType": "ALL"}}
                        for index in self.created.get(name, [])
                    ],
                }
            }
        )  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that take no time; the seconds that were asked for."""
    paused: list[float] = []
    monkeypatch.setattr(creation.time, "sleep", paused.append)
    return paused


@pytest.mark.usefixtures("quick")
def test_recovery_is_asked_for_again_until_the_new_table_can(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    not_yet = error(
        "ContinuousBackupsUnavailableException", "Backups are being enabled for the table. Please retry later"
    )
    fake.answer = Deployment(UpdateContinuousBackups=[not_yet] * 3)
    create(requests_table)
    assert fake.operations.count("UpdateContinuousBackups") == 4


@pytest.mark.usefixtures("quick")
def test_what_an_engine_does_not_know_is_left_off(fake: FakeDynamo, requests_table: Binding) -> None:
    fake.answer = Deployment(
        UpdateTimeToLive=[error("ValidationException", "TimeToLive is already enabled")],
        UpdateContinuousBackups=[error("UnknownOperationException", "")],
    )
    create(requests_table)
    assert fake.operations[-1] == "UpdateContinuousBackups"


@pytest.mark.usefixtures("quick")
def test_what_iam_refuses_after_creation_is_raised_and_taken_up_later(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    deployment = Deployment(UpdateTimeToLive=[error("AccessDeniedException", "no")])
    fake.answer = deployment
    with pytest.raises(AccessDenied):
        create(requests_table)
    create(requests_table)
    assert fake.operations.count("UpdateTimeToLive") == 2
    deployment.failures["UpdateContinuousBackups"] = [error("InternalServerError", "sorry", 500)] * 8
    with pytest.raises(DynamoError, match="InternalServerError"):
        create(requests_table)


def test_a_table_and_its_indexes_are_waited_for(
    fake: FakeDynamo, requests_table: Binding, quick: list[float]
) -> None:
    deployment = Deployment()
    deployment.created[requests_table.name] = ["status-index"]
    deployment.failures["DescribeTable"] = [
        error("ResourceNotFoundException", "not yet"),
        deployment.table(requests_table.name, state="CREATING", index_state="CREATING"),
        deployment.table(requests_table.name, index_state="CREATING"),
    ]
    fake.answer = deployment
    creation.wait_until_active(requests_table)
    assert fake.operations == ["DescribeTable"] * 4
    assert quick == [0.05, 0.1, 0.2]


def test_waiting_ends_with_a_sentence(
    fake: FakeDynamo, requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "WAIT_SECONDS", 0.2)
    deployment = Deployment()
    deployment.created[requests_table.name] = []
    fake.answer = lambda operation, arguments: deployment.table(requests_table.name, state="CREATING")
    with pytest.raises(DynamoError) as raised:
        creation.wait_until_active(requests_table)
    assert raised.value.sentence == f"{requests_table.name} is not ready after 0.2 s."
    assert raised.value.fix == "Run the command again later."
    fake.says(error("ContinuousBackupsUnavailableException", "later"))
    with pytest.raises(DynamoError, match="not ready after"):
        creation.apply(creation.settings_after_creation(requests_table)[-1], requests_table)


@pytest.mark.usefixtures("quick")
def test_an_index_is_added_once_the_table_is_no_longer_busy(fake: FakeDynamo) -> None:
    busy = error(
        "ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated"
    )
    limit = error("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created")
    deployment = Deployment(UpdateTable=[busy, limit])
    fake.answer = deployment
    said: list[str] = []
    migrate(said.append, tables=("workflows",))
    name = next(table.name for table in bindings() if table.logical == "workflows")
    assert deployment.created[name] == [INDEX]
    assert f"  added {INDEX} to {name}" in said


@pytest.mark.usefixtures("quick")
def test_an_index_that_another_run_added_meanwhile_is_no_trouble(fake: FakeDynamo) -> None:
    name = next(table.name for table in bindings() if table.logical == "workflows")
    deployment = Deployment()

    def raced(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "UpdateTable":
            deployment.created[name] = [INDEX]
            return error("ValidationException", "Attempting to create an index which already exists")
        return deployment(operation, arguments)

    fake.answer = raced
    assert migrate(lambda line: None, tables=("workflows",)) == 2
    assert fake.operations.count("UpdateTable") == 1


@pytest.mark.usefixtures("quick")
def test_an_index_that_cannot_be_added_is_said_to_be_missing_still(fake: FakeDynamo) -> None:
    fake.answer = Deployment(
        UpdateTable=[error("ValidationException", "One or more parameter values were invalid")]
    )
    with pytest.raises(DynamoError, match="One or more parameter values were invalid"):
        migrate(lambda line: None, tables=("workflows",))
    fake.answer = Deployment(UpdateTable=[error("ResourceInUseException", "busy")] * 50)
    with pytest.raises(DynamoError, match="is busy with other changes"):
        migrate(lambda line: None, tables=("workflows",))


def test_nobody_there_is_unreachable(settings: Any) -> None:
    # The settings of the tests lead to a port that refuses; a worker's eight attempts are quick there.
    with pytest.raises(Unreachable):
        create(bindings()[0])
