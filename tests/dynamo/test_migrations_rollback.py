"""A rollback deletes what migrations made, newest first, once somebody typed the table's name; nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError

from opsportal.dynamo import clients, creation, indexes, ledger
from opsportal.dynamo.backups import backups
from opsportal.dynamo.creation import create
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.migrations import states
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.rollback import NotOurs, removals, remove
from opsportal.dynamo.tables import Binding, internal_table
from opsportal.operations.tables import AUDIT
from opsportal.tables.commands import Console
from opsportal.tables.commands import rollback as rollback_command
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.dynamo.migrated import INDEX, NAMES, OWN, deployed_as, ledger_item, ledger_items, new_place
from tests.engines import Engine

OPTIONS = {"target": "", "app": "", "table": [], "environment": ""}


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        yield found


def silently(line: str) -> None:
    """Nobody reads it."""


def exists(table: Binding) -> bool:
    try:
        describe(table, fresh=True)
    except TableMissing:
        return False
    return True


class Person:
    """Who reads and answers: the name that the question is about, or what `answers` holds instead."""

    def __init__(self, place: dict[str, Binding], backup: str = "no", typed: str | None = None) -> None:
        self.names = {table.name for table in place.values()}
        self.backup, self.typed = backup, typed
        self.said: list[str] = []
        self.asked: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        if "backup" in question:
            return self.backup
        if self.typed is not None:
            return self.typed
        header = next(line for line in reversed(self.said) if not line.startswith(" "))
        return header.split(",")[0]

    def runs(self, **options: Any) -> int:
        return rollback_command.run(Console(self.said.append, self), OPTIONS | options)


# --- What goes -------------------------------------------------------------------------------------------


def test_logs_go_before_requests_and_indexes_with_their_table(place: dict[str, Binding]) -> None:
    migrate(silently)
    person = Person(place)
    assert person.runs() == 0
    headers = [line.split(",")[0] for line in person.said if not line.startswith(" ")]
    assert headers == [place[name].name for name in ("workflows", "agents", "request_logs", "requests")]
    assert [line for line in person.said if "rolled back" in line] == [
        f"  rolled back {name}" for name in (NAMES[3], NAMES[4], NAMES[2], NAMES[1], NAMES[0])
    ]
    assert not any(exists(table) for table in place.values())
    assert exists(internal_table(AUDIT, place["requests"]))
    item = ledger_item(place["requests"], NAMES[0])
    assert item["rolled_back_at"]
    assert "@" in item["rolled_back_by"]
    assert not {"applied_at", "begun_at", "made", "removing_at"} & set(item)
    foreign = [state for state in states() if not state.own]
    assert {state.state for state in foreign} == {"pending"}
    assert migrate(silently) == 5
    assert Person(place).runs(app="requests_app") == 0
    assert exists(place["agents"])
    assert not exists(place["requests"])


@pytest.mark.no_moto
def test_an_app_without_anything_applied_has_nothing_to_roll_back(place: dict[str, Binding]) -> None:
    person = Person(place)
    assert person.runs(app="registry") == 0
    assert person.said == ["No migration to roll back is applied."]
    assert person.asked == []
    with pytest.raises(CommandError, match="no app nothing"):
        person.runs(app="nothing")


def test_a_target_takes_the_later_migrations_of_its_table_and_no_other(place: dict[str, Binding]) -> None:
    migrate(silently)
    table = place["workflows"]
    clients.client(*table.location).put_item(TableName=table.name, Item={"sessionId": {"S": "kept"}})
    person = Person(place)
    assert person.runs(target=NAMES[4]) == 0
    assert person.asked == [f"Type the table's name to remove {INDEX}: "]
    assert person.said[0].startswith(f"{table.name}, us-east-1 at ")
    assert person.said[0].endswith(f": the index {INDEX} is removed ({NAMES[4]})")
    assert "no item is lost" in person.said[1]
    assert describe(table, fresh=True).indexes == ()
    assert clients.client(*table.location).scan(TableName=table.name)["Count"] == 1
    assert ledger_item(table, NAMES[3])["applied_at"]
    assert migrate(silently, accept_unlisted=True) == 1
    person = Person(place)
    assert person.runs(target="migration_20251224") == 0
    assert not exists(table)
    assert all(exists(place[name]) for name in ("requests", "request_logs", "agents"))


@pytest.mark.no_moto
def test_a_target_that_is_not_of_the_app_or_table_that_is_named_too_is_refused(
    place: dict[str, Binding],
) -> None:
    migrate(silently)
    for narrowed in ({"table": ["agents"]}, {"app": "registry"}, {"table": ["requests"], "app": "registry"}):
        with pytest.raises(CommandError, match=f"{NAMES[0]} is not a migration of (registry|agents)"):
            Person(place).runs(target=NAMES[0], **narrowed)
    assert exists(place["requests"])
    assert Person(place).runs(target=NAMES[0], table=["requests"]) == 0
    assert not exists(place["requests"])


@pytest.mark.no_moto
def test_what_will_be_lost_is_named_first(place: dict[str, Binding], engine: Engine) -> None:
    migrate(silently, tables=("requests",), app="requests_app")
    table = place["requests"]
    clients.client(*table.location).put_item(TableName=table.name, Item={"request_id": {"S": "r"}})
    found = describe(table, fresh=True)
    person = Person(place)
    person.runs(app="requests_app")
    assert (
        person.said[0] == f"{table.name}, us-east-1 at {engine.endpoint}: the table is deleted ({NAMES[0]})"
    )
    assert person.said[1] == (
        f"  lost: {found.items:,} items, {found.size:,} bytes (DynamoDB's figures, about six hours old), and its "
        f"indexes {', '.join(index.name for index in found.indexes)}"
    )
    if engine.kind == "moto":
        assert found.items == 1
        assert person.said[2].startswith("  point-in-time recovery is on, from 20")
        assert person.said[2].endswith("DynamoDB keeps a system backup for 35 days")
        assert person.said[3] == "  on-demand backups: none"
    else:
        assert person.said[2:5] == [
            "  point-in-time recovery: unknown here",
            "  on-demand backups: unknown here",
            "  no backup can be made first: unknown here",
        ]


# --- Asking ----------------------------------------------------------------------------------------------


@pytest.mark.no_moto
@pytest.mark.parametrize("typed", ["", "yes", "AgentRegistry"])
def test_nothing_goes_until_the_name_is_typed(place: dict[str, Binding], typed: str) -> None:
    migrate(silently, app="registry")
    before = ledger_items(place["agents"])
    with pytest.raises(CommandError) as kept:
        Person(place, typed=typed).runs(app="registry")
    assert str(kept.value) == (
        f"{place['agents'].name} is kept: its name was not typed. A rollback has to be confirmed by typing it."
    )
    assert exists(place["agents"])
    assert ledger_items(place["agents"]) == before


@pytest.mark.no_moto
@pytest.mark.parametrize("environment", ["qa", "prod"])
def test_outside_development_the_environment_must_be_named_too(
    place: dict[str, Binding], settings: Any, environment: str
) -> None:
    migrate(silently, app="registry")
    settings.OPSPORTAL_ENV = environment
    person = Person(place)
    with pytest.raises(CommandError) as refused:
        person.runs(app="registry")
    assert str(refused.value) == (
        f"This would delete tables of {environment}. To do that, add --environment {environment}."
    )
    with pytest.raises(CommandError, match=f"--environment says dev, but OPSPORTAL_ENV is {environment}"):
        person.runs(app="registry", environment="dev")
    assert person.asked == []
    assert exists(place["agents"])
    assert person.runs(app="registry", environment=environment) == 0
    assert not exists(place["agents"])


@pytest.mark.no_moto
def test_an_environment_that_is_not_this_one_is_refused_in_development_too(place: dict[str, Binding]) -> None:
    with pytest.raises(CommandError, match="--environment says prod, but OPSPORTAL_ENV is dev"):
        Person(place).runs(environment="prod")


def test_a_backup_is_offered_first(place: dict[str, Binding], engine: Engine) -> None:
    migrate(silently, app="registry")
    person = Person(place, backup="yes")
    person.runs(app="registry")
    offered = [question for question in person.asked if "backup" in question]
    if engine.kind == "moto":
        assert offered == ["Make an on-demand backup first? [yes/no] "]
        (made,) = backups(place["agents"]) or []
        assert f"  made the backup {made.name}: {made.arn}" in person.said
    else:
        assert offered == []
    assert not exists(place["agents"])


@pytest.mark.no_moto
def test_a_wanted_backup_that_cannot_be_made_keeps_the_table(
    place: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that lists backups and makes none; DynamoDB's own refusals are raised."""
    migrate(silently, app="registry")
    denied = Unknown("denied", denied=True)
    monkeypatch.setattr("opsportal.dynamo.rollback.backups", lambda table: denied)
    monkeypatch.setattr(rollback_command, "create_backup", lambda table, say: Unknown())
    person = Person(place, backup="yes")
    with pytest.raises(CommandError) as kept:
        person.runs(app="registry")
    assert str(kept.value) == f"No backup was made (unknown here), so {place['agents'].name} is kept."
    assert "  on-demand backups: denied" in person.said
    assert exists(place["agents"])


# --- What stays ------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_a_table_that_was_there_before_is_kept_and_its_new_index_is_not(place: dict[str, Binding]) -> None:
    create(place["workflows"])
    create(place["agents"])
    migrate(silently)
    person = Person(place)
    person.runs()
    kept = [line for line in person.said if line.startswith("Kept: ")]
    assert kept == [
        f"Kept: {place[logical].name} was there before {name}: the ledger does not say that migrate made it. "
        "It belongs to the person or program that made it; only they should delete it."
        for logical, name in [("workflows", NAMES[3]), ("agents", NAMES[2])]
    ]
    assert describe(place["workflows"], fresh=True).indexes == ()
    assert exists(place["agents"])
    with pytest.raises(CommandError, match="Nothing was rolled back"):
        person.runs(target=NAMES[2])
    assert exists(place["agents"])


@pytest.mark.no_moto
def test_an_index_that_was_there_before_is_kept(place: dict[str, Binding]) -> None:
    create(place["workflows"], optional_indexes=True)
    migrate(silently, app="tracking")
    person = Person(place)
    with pytest.raises(CommandError):
        person.runs(target=NAMES[4])
    assert any(
        f"The index {INDEX} of {place['workflows'].name} was there before" in line for line in person.said
    )
    assert describe(place["workflows"], fresh=True).indexes


def test_a_table_that_was_created_again_since_is_kept(place: dict[str, Binding]) -> None:
    migrate(silently, app="registry")
    table = place["agents"]
    _note_as_made(table, "2020-01-01T00:00:00.000+00:00")
    found = removals(app="registry")
    assert found.removals == ()
    assert "and is not the table that" in found.kept[0].sentence
    assert exists(table)


@pytest.mark.no_moto
def test_a_table_that_is_replaced_between_question_and_answer_is_kept(place: dict[str, Binding]) -> None:
    migrate(silently, app="registry")
    table = place["agents"]
    (removal,) = removals(app="registry").removals
    _note_as_made(table, "2020-01-01T00:00:00.000+00:00")
    with pytest.raises(NotOurs):
        remove(removal, silently)
    assert exists(table)
    assert "removing_at" not in ledger_item(table, NAMES[2])


def _note_as_made(table: Binding, stamp: str) -> None:
    """As if the migration had made a table at that moment: another one than is there."""
    where = ledger.ledger_of(table)
    clients.client(*where.location).update_item(
        TableName=where.name,
        Key={"name": {"S": f"{NAMES[2]}/{table.name}"}},
        UpdateExpression="SET made = :made",
        ExpressionAttributeValues={":made": {"S": stamp}},
    )


def test_a_protected_table_is_kept_with_the_command_that_lifts_it(place: dict[str, Binding]) -> None:
    migrate(silently, app="registry")
    table = place["agents"]
    clients.client(*table.location).update_table(TableName=table.name, DeletionProtectionEnabled=True)
    try:
        (kept,) = removals(app="registry").kept
        assert kept.sentence == f"{table.name} is protected against deletion."
        assert f"--no-deletion-protection-enabled --table-name {table.name} --region eu-north-1" in kept.fix
    finally:
        clients.client(*table.location).update_table(TableName=table.name, DeletionProtectionEnabled=False)


@pytest.mark.no_moto
def test_the_consoles_own_tables_go_only_by_their_full_name(place: dict[str, Binding]) -> None:
    migrate(silently)
    audit = internal_table(AUDIT, place["requests"])
    person = Person(place)
    with pytest.raises(DynamoError, match="holds the console's own records"):
        person.runs(target=OWN[0][:-3])
    with pytest.raises(DynamoError) as named:
        person.runs(table=["audit"])
    assert named.value.fix.endswith(f"--target {OWN[0]}")
    person.runs(app="operations")
    assert person.said == ["No migration to roll back is applied."]
    assert exists(audit)
    person.runs(target=OWN[0])
    # Once, though it is declared in two regions: this engine knows none.
    assert sum("no action works until it exists again" in line for line in person.said) == 1
    assert not exists(audit)
    assert exists(place["requests"])


# --- Killed, or twice --------------------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a process, which no handler stops."""


@pytest.mark.no_moto
@pytest.mark.parametrize("operation", ["DeleteTable", "UpdateItem"])
def test_a_rollback_that_was_killed_is_taken_up_by_the_next(
    place: dict[str, Binding], operation: str
) -> None:
    """Killed before each of these operations in turn, then run to the end."""
    migrate(silently, app="registry")
    table = place["agents"]
    events = clients.client(*table.location, background=True).meta.events
    killings = 0
    for number in range(9):
        kill = _killer(operation, number)
        events.register("before-call.dynamodb", kill)
        try:
            Person(place).runs(app="registry")
            break
        except Killed:
            killings += 1
        finally:
            events.unregister("before-call.dynamodb", kill)
        assert migrate(silently, app="registry") == 0  # which keeps off
    assert killings
    assert not exists(table)
    assert ledger_item(table, NAMES[2])["rolled_back_at"]
    assert migrate(silently, app="registry") == 1


def _killer(operation: str, number: int) -> Callable[..., None]:
    seen: list[str] = []

    def kill(model: Any, **_: Any) -> None:
        if model.name == operation:
            seen.append(operation)
            if len(seen) == number + 1:
                raise Killed

    return kill


@pytest.mark.no_moto
def test_two_rollbacks_of_one_table_end_in_one(place: dict[str, Binding]) -> None:
    migrate(silently, app="registry")
    (first,), (second,) = removals(app="registry").removals, removals(app="registry").removals
    remove(first, silently)
    item = ledger_item(place["agents"], NAMES[2])
    remove(second, silently)
    assert ledger_item(place["agents"], NAMES[2]) == item
    assert not exists(place["agents"])


@pytest.mark.no_moto
def test_a_table_that_is_gone_already_leaves_only_the_ledger_to_write(place: dict[str, Binding]) -> None:
    migrate(silently, app="registry")
    table = place["agents"]
    clients.client(*table.location).delete_table(TableName=table.name)
    person = Person(place)
    assert person.runs(app="registry") == 0
    assert person.asked == []
    assert f": it is gone already; the ledger will say so of {NAMES[2]}" in person.said[0]
    assert migrate(silently, app="registry") == 1
    assert deployed_as(table)["KeySchema"] == [{"AttributeName": "agentId", "KeyType": "HASH"}]


@pytest.mark.no_moto
def test_what_is_gone_already_is_noted_before_anything_is_asked(place: dict[str, Binding]) -> None:
    """Or a table of the console's own in one region would have to be deleted for that of another to be made again."""
    migrate(silently, app="requests_app")
    gone, stays = place["requests"], place["request_logs"]
    clients.client(*gone.location).delete_table(TableName=gone.name)
    with pytest.raises(CommandError, match=f"{stays.name} is kept"):
        Person(place, typed="").runs(app="requests_app")
    assert ledger_item(gone, NAMES[0])["rolled_back_at"]
    assert exists(stays)
    assert migrate(silently, app="requests_app") == 1


@pytest.mark.no_moto
def test_an_index_that_is_gone_already_leaves_only_the_ledger_to_write(place: dict[str, Binding]) -> None:
    migrate(silently, app="tracking")
    indexes.remove(place["workflows"], INDEX, silently)
    person = Person(place)
    assert person.runs(target=NAMES[4]) == 0
    assert person.asked == []
    assert f"its index {INDEX} is gone already" in person.said[0]
    assert exists(place["workflows"])
    assert ledger_item(place["workflows"], NAMES[4])["rolled_back_at"]


@pytest.mark.no_moto
def test_a_table_that_a_killed_run_had_begun_can_be_rolled_back(place: dict[str, Binding]) -> None:
    table = place["agents"]
    create(ledger.ledger_of(table))
    ledger.Entry(NAMES[2], "registry", table).begin()
    create(table)
    assert Person(place).runs(app="registry") == 0
    assert not exists(table)


# --- What no engine does -----------------------------------------------------------------------------------


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that take no time; the seconds that were asked for."""
    seconds: list[float] = []
    monkeypatch.setattr(creation.time, "sleep", seconds.append)
    return seconds


def described(state: str, **index: str) -> Answer:
    indexed = [{"IndexName": INDEX, **index}] if index else []
    return Answer({"Table": {"TableName": "t", "TableStatus": state, "GlobalSecondaryIndexes": indexed}})


def test_a_table_that_is_busy_or_being_deleted_is_waited_for(
    fake: FakeDynamo, requests_table: Binding, paused: list[float]
) -> None:
    busy = error("ResourceInUseException", "Attempt to change a resource which is still in use")
    gone = error("ResourceNotFoundException", "Requested resource not found")
    fake.says(described("UPDATING"), busy, described("ACTIVE"), Answer({}), described("DELETING"), gone)
    creation.delete(requests_table)
    assert fake.operations == ["DescribeTable", "DeleteTable"] * 2 + ["DescribeTable"] * 2
    assert len(paused) == 3


def test_a_deletion_that_does_not_end_says_so(
    fake: FakeDynamo, requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "WAIT_SECONDS", 0.1)
    fake.says(described("DELETING"))
    with pytest.raises(DynamoError, match="is not ready after"):
        creation.delete(requests_table)
    assert "DeleteTable" not in fake.operations


@pytest.mark.usefixtures("paused")
def test_an_index_is_removed_once_the_table_is_no_longer_busy(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    busy = error("ResourceInUseException", "Attempt to change a resource which is still in use")
    there, going = described("ACTIVE", IndexStatus="ACTIVE"), described("UPDATING", IndexStatus="DELETING")
    fake.says(there, busy, there, there, Answer({}), going, described("ACTIVE"))
    indexes.remove(requests_table, INDEX, silently)
    assert fake.operations.count("UpdateTable") == 2
    fake.says(*[there, busy, there] * 6)
    with pytest.raises(DynamoError, match="is busy with other changes"):
        indexes.remove(requests_table, INDEX, silently)
    fake.says(there, error("ValidationException", "no"), there)
    with pytest.raises(DynamoError, match="ValidationException"):
        indexes.remove(requests_table, INDEX, silently)
    fake.says(error("ResourceNotFoundException", "Requested resource not found"))
    indexes.remove(requests_table, INDEX, silently)
