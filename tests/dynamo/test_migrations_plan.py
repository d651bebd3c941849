"""The plan says what will happen before it does, where, to what, and what it leaves; then somebody says yes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo import clients, creation, indexes, migrations
from opsportal.dynamo.creation import create
from opsportal.dynamo.deployed import Recovery, deployed
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.ledger import Entry, RolledBackMeanwhile, ledger_of
from opsportal.dynamo.plans import carry_out, migrate, plan
from opsportal.dynamo.tables import Binding, bindings, internal_table
from opsportal.operations.tables import AUDIT, audit_table_for
from opsportal.run import prepare
from opsportal.tables.commands import Console
from opsportal.tables.commands import migrate as migrate_command
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.migrated import (
    INDEX,
    NAMES,
    OPTIONS,
    OWN,
    all_as_declared,
    ledger_item,
    new_place,
    recovers,
    ttl,
)
from tests.engines import Engine


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        yield found


def exists(table: Binding) -> bool:
    client = clients.client(*table.location, background=True)
    try:
        client.describe_table(TableName=table.name)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def silently(line: str) -> None:
    """Nobody reads it."""


def run(answer: str = "", **options: Any) -> tuple[list[str], list[str]]:
    """The command with somebody who answers; what it said and what it asked."""
    said: list[str] = []
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    assert migrate_command.run(Console(said.append, ask), OPTIONS | options) == 0
    return said, asked


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What make run does about its tables, each time as if for the first."""
    for step in ("migrate_accounts", "collect_static", "make_demo_users", "wait_for_engine"):
        monkeypatch.setattr(prepare, step, lambda *arguments: None)
    monkeypatch.setattr(prepare.signal, "signal", lambda *arguments: None)
    monkeypatch.setenv("OPSPORTAL_DEMO_DATABASE", "")
    return prepare.prepare.__wrapped__


@pytest.mark.no_moto
def test_make_run_migrates_unasked_and_once_where_regions_are_one(
    place: dict[str, Binding],
    start: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEMO", "0")
    assert start() == ""
    said = capsys.readouterr().out.splitlines()
    done = [line.partition(", ")[0].partition(": ")[2] for line in said if ": migration_" in line]
    assert done == [*NAMES, *OWN]
    assert said[-1] == "7 table migrations applied."
    assert start() == ""
    assert capsys.readouterr().out == ""


def test_make_run_says_why_its_tables_could_not_be_made(fake: FakeDynamo, start: Callable[[], str]) -> None:
    fake.says(Answer("<html>", 200))
    assert start().startswith("The tables could not be created: ")


# --- Names and order -----------------------------------------------------------------------------------


def test_migrations_are_named_as_in_the_documents_and_in_order() -> None:
    assert [one.name for one in migrations.migrations()] == [*NAMES, *OWN]
    assert {one.name: one.app for one in migrations.migrations()} == {
        NAMES[0]: "requests_app",
        NAMES[1]: "requests_app",
        NAMES[2]: "registry",
        NAMES[3]: "tracking",
        NAMES[4]: "tracking",
        OWN[0]: "operations",
        OWN[1]: "operations",
    }


def test_the_beginning_of_a_name_will_do_while_only_one_begins_so() -> None:
    assert migrations.named("migration_20251215").name == NAMES[2]
    assert migrations.named(NAMES[0]).name == NAMES[0]
    with pytest.raises(migrations.NotFound) as several:
        migrations.named("migration_20241201_122")
    assert str(several.value) == (
        f"More than one migration begins with migration_20241201_122: {NAMES[0]}, {NAMES[1]}."
    )
    with pytest.raises(migrations.NotFound, match="No migration begins with nothing: migration_2024"):
        migrations.named("nothing")


# --- The plan --------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_a_plan_changes_nothing_and_names_table_region_and_settings(place: dict[str, Binding]) -> None:
    out = StringIO()
    call_command("dynamo", "migrate", "--plan", stdout=out)
    lines = out.getvalue().splitlines()
    where = f" at {place['requests'].endpoint}"
    assert lines[:7] == [
        "The plan:",
        f"requests_app: {NAMES[0]}, us-east-1{where}",
        f"  create {place['requests'].name}: key request_id; PAY_PER_REQUEST; indexes user-index, project-index, "
        "status-index, strategy-index; TTL on ttl; point-in-time recovery",
        f"requests_app: {NAMES[1]}, us-east-1{where}",
        f"  create {place['request_logs'].name}: key log_id; PAY_PER_REQUEST; indexes request-logs-index; TTL on ttl",
        f"registry: {NAMES[2]}, eu-north-1{where}",
        f"  create {place['agents'].name}: key agentId; PAY_PER_REQUEST",
    ]
    name = place["workflows"].name
    assert (
        f"  create {name}: key sessionId; PAY_PER_REQUEST; TTL on expiresAt; point-in-time recovery; "
        "encryption KMS; 4 tags"
    ) in lines
    assert f"  add the index {INDEX} (overallStatus, createdAt; ALL) to {name}" in lines
    assert not any(exists(table) for table in (*place.values(), ledger_of(place["requests"])))


@pytest.mark.no_moto
def test_target_app_and_table_narrow_the_plan(place: dict[str, Binding]) -> None:
    def names(**options: Any) -> list[str]:
        return list(dict.fromkeys(one.migration.name for one in plan(**options).planned))

    assert names(target="migration_20251215") == NAMES[:3]
    assert names(app="tracking") == NAMES[3:]
    assert names(app="tracking", target=NAMES[3]) == [NAMES[3]]
    assert names(tables=("agents",)) == [NAMES[2], *OWN]
    assert names(tables=("audit",)) == OWN
    for options, sentence in [
        (
            {"app": "nothing"},
            "no app nothing with table migrations; there are operations, registry, requests_app, tra",
        ),
        (
            {"table": ["nothing"]},
            "no table 'nothing'; there are requests, request_logs, agents, workflows, audit",
        ),
        ({"target": "nothing"}, "No migration begins with nothing"),
    ]:
        with pytest.raises(CommandError, match=sentence):
            run(**options)


@pytest.mark.no_moto
def test_a_target_is_the_last_that_is_applied(place: dict[str, Binding]) -> None:
    assert migrate(silently, target=NAMES[2]) == 3
    assert exists(place["agents"])
    assert not exists(place["workflows"])
    assert migrate(silently, app="tracking") == 2
    assert exists(place["workflows"])


@pytest.mark.no_moto
@pytest.mark.parametrize("environment", ["qa", "prod"])
def test_outside_development_the_plan_holds_the_own_tables_and_those_that_are_named(
    place: dict[str, Binding], settings: Any, environment: str
) -> None:
    settings.OPSPORTAL_ENV = environment
    alone = plan()
    assert {one.migration.name for one in alone.planned} == set(OWN)
    assert "5 pending are left out" in alone.notes[0]
    target = plan(target=NAMES[0])
    assert target.planned == ()  # a target narrows; it names no table
    assert target.notes == (
        f"1 pending is left out: {NAMES[0]}. In {environment} the tables of other programs are migrated only where "
        "they are named: add --table requests.",
    )
    assert (target.nothing, bool(target)) == ("No other table migration is pending.", False)
    assert "add --table requests --table request_logs." in plan(app="requests_app").notes[0]
    named = plan(tables=("requests",))
    assert {one.migration.name for one in named.planned} == {NAMES[0], *OWN}
    assert named.notes == ()


@pytest.mark.no_moto
@pytest.mark.parametrize(
    ("logical", "index", "fix"),
    [
        ("requests", "status-index", "python manage.py dynamo migrate --table requests --add-indexes"),
        ("audit", "feed-index", "aws dynamodb update-table --table-name"),
    ],
)
def test_an_index_that_is_gone_is_no_pending_migration_and_the_plan_says_what_adds_it(
    place: dict[str, Binding], logical: str, index: str, fix: str
) -> None:
    migrate(silently)
    assert plan().notes == ()
    table = place[logical] if logical in place else audit_table_for(place["requests"])
    clients.client(*table.location).update_table(
        TableName=table.name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": index}}]
    )
    todo = plan()
    assert not todo
    where = f"{table.name} in {table.region}"
    (note,) = todo.notes[:1]
    assert note.startswith(f"{where} lacks {index}, which is no pending migration's matter. To add: {fix}")
    if logical == "requests":
        asked_for = plan(tables=("requests",), add_indexes=True)
        assert not any("no pending migration" in note for note in asked_for.notes)
        assert [one.migration.name for one in asked_for.planned] == ["add_index_status-index"]
        assert plan(app="tracking").notes == ()


# --- Asking ----------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_nothing_happens_until_somebody_says_yes(place: dict[str, Binding]) -> None:
    for answer in ("", "no", "yess"):
        with pytest.raises(CommandError) as refused:
            run(answer, table=["agents"])
        assert str(refused.value) == (
            "Nothing was changed: not confirmed. Use --yes to skip the confirmation."
        )
    assert not exists(ledger_of(place["agents"]))
    said, asked = run(" Yes ", app="registry")
    assert asked == ["Do this? [yes/no] "]
    assert said[-1] == "Verified: 1 table as declared."
    assert exists(place["agents"])
    assert run(app="registry") == (["No table migration is pending."], [])


@pytest.mark.no_moto
def test_where_nobody_can_type_the_command_refuses(
    place: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("yes\n"))
    with pytest.raises(CommandError, match="Use --yes to skip the confirmation"):
        call_command("dynamo", "migrate", "--app", "registry", stdout=StringIO())
    assert not exists(place["agents"])
    call_command("dynamo", "migrate", "--app", "registry", "--yes", stdout=StringIO())
    assert exists(place["agents"])


# --- What is there already ---------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_a_table_that_is_there_and_differs_is_said_point_by_point_with_the_command(
    place: dict[str, Binding],
) -> None:
    table = place["requests"]
    request = table.create_request() | {"BillingMode": "PAY_PER_REQUEST"}
    request["GlobalSecondaryIndexes"] = request["GlobalSecondaryIndexes"][:3]
    request["AttributeDefinitions"] = [
        one
        for one in request["AttributeDefinitions"]
        if one["AttributeName"] not in ("processing_strategy", "priority")
    ]
    clients.client(*table.location).create_table(**request)
    said, _ = run(plan=True, table=["requests"], app="requests_app")
    assert f"  {table.name} exists already (0 items, 0 bytes) and is left as it is" in said
    differing = [line for line in said if line.startswith(f"{table.name} in us-east-1, ")]
    assert any("strategy-index" in line for line in differing)
    assert any(line.startswith(f"{table.name} in us-east-1, TTL") for line in differing)
    after = said.index(next(line for line in differing if "strategy-index" in line)) + 1
    assert "bounded scan" in said[after]
    assert said[after + 1].endswith("dynamo migrate --table requests --add-indexes")


@pytest.mark.no_moto
def test_a_table_that_is_there_and_equal_is_taken_over_in_silence(place: dict[str, Binding]) -> None:
    create(place["agents"])
    said, _ = run("yes", app="registry")
    assert f"  {place['agents'].name} exists already and is left as it is" in said
    assert said[-1] == "Verified: 1 table as declared."
    item = ledger_item(place["agents"], NAMES[2])
    assert "made" not in item
    assert "begun_at" not in item


def test_what_a_table_of_ours_lacks_is_turned_on_again(place: dict[str, Binding], engine: Engine) -> None:
    migrate(silently, app="tracking")
    table = place["workflows"]
    client = clients.client(*table.location)
    arn = client.describe_table(TableName=table.name)["Table"]["TableArn"]
    client.update_time_to_live(
        TableName=table.name, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"}
    )
    client.untag_resource(ResourceArn=arn, TagKeys=["Purpose"])
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "Component", "Value": "Theirs"}])
    wanted = ["TTL on expiresAt", "the tags Purpose"]
    if engine.kind == "moto":
        client.update_continuous_backups(
            TableName=table.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
        )
        wanted.insert(1, "point-in-time recovery")
    said, asked = run("yes", app="tracking")
    assert [line for line in said if ": turned on " in line] == [
        f"{table.name}, us-east-1 at {table.endpoint}: turned on {one}" for one in wanted
    ]
    assert asked
    assert ttl(table) == "expiresAt"
    tags = {tag["Key"]: tag["Value"] for tag in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}
    assert tags == {**table.tags, "Component": "Theirs"}  # a value of somebody's choice stays
    if engine.kind == "moto":
        assert recovers(table)
    assert not plan(app="tracking")


@pytest.mark.no_moto
def test_a_table_that_was_found_is_given_nothing(place: dict[str, Binding]) -> None:
    table = place["requests"]
    clients.client(*table.location).create_table(**table.create_request())
    migrate(silently, tables=("requests",))
    assert not plan(tables=("requests",))
    assert ttl(table) == ""


@pytest.mark.no_moto
def test_a_table_that_is_gone_or_another_one_is_noted_and_not_touched(place: dict[str, Binding]) -> None:
    migrate(silently, app="requests_app")
    table = place["request_logs"]
    client = clients.client(*table.location)
    client.delete_table(TableName=table.name)
    (note,) = plan(app="requests_app").notes
    assert f"but {table.name} in us-east-1 is not there any more" in note
    assert f"rollback --target {NAMES[1]}" in note
    client.create_table(**table.create_request())
    item = ledger_item(table, NAMES[1])
    client.update_item(
        TableName=ledger_of(table).name,
        Key={"name": {"S": item["name"]}},
        UpdateExpression="SET made = :made",
        ExpressionAttributeValues={":made": {"S": "2020-01-01T00:00:00.000+00:00"}},
    )
    again = plan(app="requests_app")
    assert not again
    assert [f"but {table.name} in us-east-1 was created again since" in note for note in again.notes] == [
        True
    ]


def test_an_app_and_a_table_that_is_not_its_own_are_refused(fake: FakeDynamo) -> None:
    with pytest.raises(CommandError, match=r"No migration of requests_app is one of agents or workflows\."):
        call_command(
            "dynamo", "migrate", "--app", "requests_app", "--table", "agents", "--table", "workflows"
        )
    assert fake.asked == []


@pytest.mark.no_moto
def test_what_was_found_and_is_gone_is_noted_too(place: dict[str, Binding]) -> None:
    table = place["workflows"]
    create(table, optional_indexes=True)
    migrate(silently, app="tracking")
    indexes.remove(table, INDEX, silently)
    (note,) = plan(app="tracking").notes
    assert f"but {table.name} in us-east-1 has no index {INDEX} any more. " in note
    assert f"rollback --target {NAMES[4]} notes that; then migrate adds it again" in note
    clients.client(*table.location).delete_table(TableName=table.name)
    (note,) = plan(app="tracking").notes
    assert f"but {table.name} in us-east-1 is not there any more. " in note
    assert f"rollback --target {NAMES[3]} notes that; then migrate creates it again" in note


@pytest.mark.no_moto
def test_the_way_back_to_a_table_of_the_consoles_own_names_what_production_asks_for(
    place: dict[str, Binding], settings: Any
) -> None:
    settings.OPSPORTAL_ENV = "prod"
    audit = internal_table(AUDIT, place["agents"])
    create(audit)
    migrate(silently)
    clients.client(*audit.location).delete_table(TableName=audit.name)
    note = plan().notes[-1]
    assert f"but {audit.name} in eu-north-1 is not there any more. " in note
    assert f"rollback --target {OWN[0]} --environment prod notes that" in note
    assert "(where it asks for the name of another region's table, type nothing)" in note


# --- The ledger ------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_of_two_runs_the_ledger_takes_one(place: dict[str, Binding]) -> None:
    todo, same = plan(app="registry"), plan(app="registry")
    said: list[str] = []
    assert carry_out(todo, silently) == 1
    assert carry_out(same, said.append) == 0
    first = ledger_item(place["agents"], NAMES[2])
    assert said[1].startswith(f"  applied on {place['agents'].name} already, 20")
    assert said[1].endswith(f" by {first['applied_by']}")
    assert ledger_item(place["agents"], NAMES[2]) == first


@pytest.mark.no_moto
def test_a_table_that_another_program_creates_between_look_and_creation_is_not_ours(
    place: dict[str, Binding],
) -> None:
    table = place["workflows"]
    client = clients.client(*table.location, background=True)

    def first(model: Any, **_: Any) -> None:
        if model.name == "CreateTable":
            client.meta.events.unregister("before-call.dynamodb", first)
            client.create_table(**table.create_request())

    todo = plan(target=NAMES[3], app="tracking")
    create(ledger_of(table))
    client.meta.events.register("before-call.dynamodb", first)
    said: list[str] = []
    assert carry_out(todo, said.append) == 1
    assert f"  {table.name} was created by another program meanwhile" in said
    assert "made" not in ledger_item(table, NAMES[3])
    assert ttl(table) == ""  # nor is anything set on it


@pytest.mark.no_moto
@pytest.mark.parametrize("name", [NAMES[2], NAMES[4]])
def test_what_another_run_makes_between_look_and_look_is_a_migrations_all_the_same(
    place: dict[str, Binding], name: str
) -> None:
    """The other run begins and creates after this one has read the ledger and before it looks at the table."""
    migrate(silently, target=NAMES[3], app="tracking")
    app, table = ("registry", place["agents"]) if name == NAMES[2] else ("tracking", place["workflows"])
    client = clients.client(*table.location, background=True)

    def meanwhile(model: Any, **_: Any) -> None:
        if model.name == "DescribeTable":
            client.meta.events.unregister("before-call.dynamodb", meanwhile)
            Entry(name, app, table).begin()
            if name == NAMES[2]:
                create(table)
            else:
                indexes.add(table, table.spec.index(INDEX), silently)

    todo = plan(app=app)
    create(ledger_of(table))
    client.meta.events.register("before-call.dynamodb", meanwhile)
    assert carry_out(todo, silently) == 1
    assert ledger_item(table, name)["made"]


@pytest.mark.no_moto
@pytest.mark.parametrize("name", [NAMES[2], NAMES[4]])
def test_what_another_run_applies_between_look_and_beginning_is_applied_once(
    place: dict[str, Binding], name: str
) -> None:
    """The other run is done after this one saw nothing, and before it noted that it sets out."""
    migrate(silently, target=NAMES[3], app="tracking")
    app, table = ("registry", place["agents"]) if name == NAMES[2] else ("tracking", place["workflows"])
    client = clients.client(*table.location, background=True)

    def meanwhile(model: Any, **_: Any) -> None:
        if model.name == "UpdateItem":
            client.meta.events.unregister("before-call.dynamodb", meanwhile)
            assert migrate(silently, app=app) == 1

    todo = plan(app=app)
    create(ledger_of(table))
    client.meta.events.register("before-call.dynamodb", meanwhile)
    assert carry_out(todo, silently) == 0
    assert ledger_item(table, name)["made"]


@pytest.mark.no_moto
def test_a_table_that_cannot_be_compared_afterwards_is_said(place: dict[str, Binding]) -> None:
    table = place["agents"]
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "applied." in line:
            clients.client(*table.location).delete_table(TableName=table.name)

    assert migrate_command.run(Console(say), OPTIONS | {"yes": True, "app": "registry"}) == 0
    assert said[-1].startswith(f"{table.name}: There is no table {table.name} in eu-north-1.")


@pytest.mark.no_moto
def test_an_index_that_another_program_adds_meanwhile_is_not_ours(place: dict[str, Binding]) -> None:
    migrate(silently, target=NAMES[3], app="tracking")
    table = place["workflows"]
    client = clients.client(*table.location, background=True)

    def first(model: Any, **_: Any) -> None:
        if model.name == "UpdateTable":
            client.meta.events.unregister("before-call.dynamodb", first)
            indexes.add(table, table.spec.index(INDEX), silently)

    client.meta.events.register("before-call.dynamodb", first)
    assert migrate(silently, app="tracking") == 1
    assert "made" not in ledger_item(table, NAMES[4])


@pytest.mark.no_moto
def test_a_migration_keeps_off_while_a_rollback_is_under_way(place: dict[str, Binding]) -> None:
    table = place["agents"]
    todo = plan(app="registry")
    create(ledger_of(table))
    entry = Entry(NAMES[2], "registry", table)
    entry.begin()
    entry.begin_removal()
    with pytest.raises(RolledBackMeanwhile) as met:
        carry_out(todo, silently)
    assert met.value.sentence.startswith(f"{NAMES[2]} is being rolled back on {table.name}, since 20")
    assert f"rollback --target {NAMES[2]}" in met.value.fix
    assert not exists(table)
    again = plan(app="registry")
    assert not again
    assert "did not end" in again.notes[0]
    entry.finish_removal()
    assert migrate(silently, app="registry") == 1


@pytest.mark.no_moto
def test_two_runs_of_everything_in_turn_are_one(place: dict[str, Binding], engine: Engine) -> None:
    migrate(silently)
    all_as_declared(place, engine.kind)
    assert migrate(silently) == 0
    assert not plan()


# --- Where they stand --------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_states_tell_applied_begun_pending_and_rolled_back(place: dict[str, Binding]) -> None:
    assert {state.state for state in migrations.states()} == {"pending"}
    assert not exists(ledger_of(place["requests"]))  # looking makes no ledger
    migrate(silently, app="registry")
    create(ledger_of(place["requests"]))
    Entry(NAMES[0], "requests_app", place["requests"]).begin()
    removing = Entry(NAMES[1], "requests_app", place["request_logs"])
    removing.begin()
    removing.begin_removal()
    gone = Entry(NAMES[3], "tracking", place["workflows"])
    gone.begin()
    gone.begin_removal()
    gone.finish_removal()
    by_name = {state.name: state for state in migrations.states()}
    assert [by_name[name].state for name in NAMES] == ["begun", "removing", "applied", "pending", "pending"]
    assert by_name[NAMES[2]].applied_at
    assert "@" in by_name[NAMES[2]].applied_by
    assert by_name[NAMES[0]].begun_at
    assert by_name[NAMES[3]].rolled_back_at
    assert by_name[NAMES[2]].table == place["agents"]
    assert by_name[OWN[0]].own
    assert by_name[NAMES[0]].pending


def test_a_ledger_that_may_not_be_read_is_a_state_of_its_own(fake: FakeDynamo) -> None:
    fake.says(
        error("AccessDeniedException", "User: u is not authorized to perform: dynamodb:Scan on resource: r")
    )
    found = migrations.states()
    assert {state.state for state in found} == {"unknown"}
    assert not any(state.pending for state in found)
    assert isinstance(found[0].problem, AccessDenied)
    assert len(fake.asked) == 2  # one per place


@pytest.mark.parametrize("holds", [[], [{"name": {"N": "7"}}, {}]], ids=["empty", "items"])
def test_another_programs_table_of_the_ledgers_name_is_said_and_left(
    place: dict[str, Binding], holds: list[dict[str, Any]]
) -> None:
    theirs = replace(ledger_of(place["requests"]), key="id")
    create(theirs)
    client = clients.client(*theirs.location)
    for number, item in enumerate(holds):
        client.put_item(TableName=theirs.name, Item={"id": {"S": str(number)}, **item})
    fix = "another program's under the name of one of the console's own"
    with pytest.raises(CommandError, match=f"{theirs.name} in us-east-1 does not have .* key 'name'.*{fix}"):
        call_command("dynamo", "migrate", "--yes", "--app", "requests_app", stdout=StringIO())
    assert not exists(place["requests"])
    said = StringIO()
    if not holds:
        return
    with pytest.raises(SystemExit):
        call_command("dynamo", "status", stdout=said)
    line = said.getvalue().splitlines()[1]
    assert line.startswith(f"  unknown: {theirs.name} in us-east-1 does not have the partition key")
    assert "another program's" in line
    assert "DYNAMODB_MIGRATIONS_KEY" not in line
    with pytest.raises(CommandError, match="partition key"):
        call_command("dynamo", "rollback", stdout=StringIO())


@pytest.mark.no_moto
def test_status_says_every_migration_and_every_table(place: dict[str, Binding]) -> None:
    def status() -> list[str]:
        out = StringIO()
        call_command("dynamo", "status", stdout=out)
        return out.getvalue().splitlines()

    before = status()
    where = f"at {place['requests'].endpoint}"
    assert f"Migrations, us-east-1 {where}" in before
    assert f"Migrations, eu-north-1 {where}" in before
    assert f"  pending  {NAMES[0]} (requests_app, {place['requests'].name})" in before
    missing = next(line for line in before if f"no table {place['requests'].name}" in line)
    assert missing.endswith("python manage.py dynamo migrate --table requests")
    migrate(silently, app="tracking")
    after = status()
    applied = next(line for line in after if NAMES[3] in line)
    assert applied.startswith(f"  applied  {NAMES[3]} (tracking, {place['workflows'].name}) 20")
    assert " UTC by " in applied
    at = after.index(f"  workflows: {place['workflows'].name}, us-east-1 {where}")
    assert after[at + 1 : at + 4] == [
        "    ACTIVE, PAY_PER_REQUEST, 0 items, 0 bytes (DynamoDB's figures, about six hours old)",
        f"    indexes: {INDEX}",
        "    TTL: on expiresAt; point-in-time recovery: unknown here; encryption: KMS",
    ]
    at = after.index(f"  migrations-eu-north-1: {ledger_of(place['agents']).name}, eu-north-1 {where}")
    assert after[at + 1].strip() == "the same table as in us-east-1: what answers here knows no regions"


def test_status_names_what_may_not_be_read_and_ends_with_one(fake: FakeDynamo) -> None:
    fake.says(
        error("AccessDeniedException", "User: u is not authorized to perform: dynamodb:Scan on resource: r")
    )
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("dynamo", "status", stdout=out)
    assert ended.value.code == 1
    assert "  unknown: The console's role may not perform dynamodb:Scan on r. Add this" in out.getvalue()


# --- Waiting -----------------------------------------------------------------------------------------------


def test_a_long_wait_says_how_far_it_is(fake: FakeDynamo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backfill of an index, with the item counts that DynamoDB tells."""
    table = bindings()[0]
    monkeypatch.setattr(creation.time, "sleep", lambda seconds: None)
    looks = iter(
        [("UPDATING", True, 0), ("UPDATING", True, 0), ("ACTIVE", True, 1200), ("ACTIVE", False, 20000)]
    )

    def look(operation: str, arguments: dict[str, Any]) -> Any:
        state, building, items = next(looks)
        index = {
            "IndexName": "new-index",
            "IndexStatus": "CREATING" if building else "ACTIVE",
            "Backfilling": building,
            "ItemCount": items,
        }
        return fake_table(
            {"TableName": "tbl", "TableStatus": state, "ItemCount": 20000, "GlobalSecondaryIndexes": [index]}
        )

    fake.answer = look
    said: list[str] = []
    creation.wait_until_active(table, said.append)
    assert said == [
        "  tbl is UPDATING, new-index is being built (0 s)",
        "  tbl is ACTIVE, new-index is being built; 1,200 of 20,000 items (0 s)",
    ]


def fake_table(description: dict[str, Any]) -> Any:
    return Answer({"Table": description})


def test_recovery_that_is_on_reaches_from_one_moment_to_another(
    place: dict[str, Binding], engine: Engine
) -> None:
    migrate(silently, app="tracking")
    recovery = deployed(place["workflows"]).recovery
    if engine.kind == "moto":
        assert isinstance(recovery, Recovery)
        assert recovery.earliest
    else:
        assert str(recovery) == "unknown here"
