"""A write test leaves nothing behind, is seen by nobody who asks an index, and says what it could not undo."""

import json
import shlex
import time
from collections.abc import Callable
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.deployed import deployed
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.tables import audit_table_for, jobs_table_for
from opsportal.tables import write_test as module
from opsportal.tables.write_test import KEY_PREFIX, MARK, WriteTest, write_test
from tests.dynamo.fake_aws import Answer, FakeDynamo, error

LOGICALS = ["workflows", "requests", "request_logs", "agents"]


def run_on(table: Binding) -> WriteTest:
    return write_test(table, deployed(table))


def items_of(table: Binding) -> list[dict[str, Any]]:
    client = clients.client(*table.location, background=True)
    found: list[dict[str, Any]] = client.scan(TableName=table.name, ConsistentRead=True)["Items"]
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Do something between the put and the read."""
    read = module._read

    def after(*arguments: Any) -> Any:
        monkeypatch.setattr(module, "_read", read)
        then()
        return read(*arguments)

    monkeypatch.setattr(module, "_read", after)


@pytest.mark.parametrize("logical", LOGICALS)
def test_one_item_is_put_read_and_deleted(tables: dict[str, Binding], logical: str) -> None:
    made = run_on(tables[logical])
    assert made.passed
    assert (made.done, made.left_behind) == (["put", "read", "delete"], False)
    assert items_of(tables[logical]) == []


def test_the_consoles_own_tables_are_tested_with_their_sort_key(tables: dict[str, Binding]) -> None:
    for table in (audit_table_for(tables["requests"]), jobs_table_for(tables["requests"])):
        made = run_on(table)
        assert made.done == ["put", "read", "delete"]
        assert set(made.key) == {name for name in (table.key, table.spec.range_key) if name}


@pytest.mark.parametrize(
    ("logical", "status"),
    [
        ("workflows", ("overallStatus", "completed")),
        ("requests", ("status", "cancelled")),
        ("agents", ("status", "inactive")),
    ],
)
def test_the_item_is_finished_marked_and_in_no_index(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch, logical: str, status: tuple[str, str]
) -> None:
    table = tables[logical]
    client = clients.client(*table.location, background=True)
    seen: list[dict[str, Any]] = []
    indexed: list[int] = []

    def look() -> None:
        seen.extend(items_of(table))
        indexed.extend(
            client.scan(TableName=table.name, IndexName=index.name)["Count"] for index in table.spec.indexes
        )

    meanwhile(monkeypatch, look)
    made = run_on(table)
    assert made.passed
    (item,) = seen
    assert indexed == [0] * len(table.spec.indexes)
    assert item[table.key]["S"].startswith(KEY_PREFIX)
    assert len(item[table.key]["S"]) == len(KEY_PREFIX) + 32
    assert item[MARK]["S"] in item[table.key]["S"]
    assert item[status[0]] == {"S": status[1]}
    if table.ttl_attribute:
        assert 3000 < int(item[table.ttl_attribute]["N"]) - time.time() <= 3600


def test_an_item_that_another_program_deleted_is_told(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["agents"]
    client = clients.client(*table.location, background=True)
    meanwhile(
        monkeypatch,
        lambda: client.delete_item(
            TableName=table.name, Key={"agentId": items_of(table)[0]["agentId"]}
        ),
    )  # fmt: skip
    made = run_on(table)
    assert made.problem == "The item was not there when it was read: another program deleted it."
    assert not made.left_behind


@pytest.mark.parametrize("keeps_mark", [True, False])
def test_an_item_that_another_program_wrote_is_deleted_only_with_its_mark(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch, keeps_mark: bool
) -> None:
    table = tables["agents"]
    client = clients.client(*table.location, background=True)

    def write() -> None:
        item = items_of(table)[0] | {"status": {"S": "active"}}
        client.put_item(
            TableName=table.name, Item=item if keeps_mark else {"agentId": item["agentId"], MARK: {"S": "x"}}
        )

    meanwhile(monkeypatch, write)
    made = run_on(table)
    assert "another program changed it" in made.problem
    assert made.left_behind is not keeps_mark
    left = items_of(table)
    assert len(left) == (0 if keeps_mark else 1)
    if not keeps_mark:
        assert "another program wrote it" in made.problem
        words = shlex.split(made.fix.removeprefix("Delete it: "))
        assert words[:3] == ["aws", "dynamodb", "delete-item"]
        client.delete_item(TableName=table.name, Key=json.loads(words[words.index("--key") + 1]))
        assert items_of(table) == []


def test_an_interrupted_test_deletes_its_item(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    meanwhile(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_on(tables["agents"])
    assert items_of(tables["agents"]) == []


def test_a_table_with_another_key_is_not_written_to(tables: dict[str, Binding], settings: Any) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"key": "agent_id"}
    }
    made = run_on(binding("agents"))
    assert (made.problem, made.done) == ("Not tried: the deployed key is another one.", [])


def test_a_table_whose_key_is_a_number_is_not_written_to(fake: FakeDynamo) -> None:
    types = [{"AttributeName": "agentId", "AttributeType": "N"}]
    fake.says(Answer({"Table": {"KeySchema": [KEY], "AttributeDefinitions": types}}))
    made = run_on(binding("agents"))
    assert (made.problem, made.passed) == ("Not tried: the deployed key is not a text.", False)
    assert writes(fake) == []


# --- What no engine answers --------------------------------------------------------------------------------

KEY = {"AttributeName": "agentId", "KeyType": "HASH"}
REFUSED = "ConditionalCheckFailedException"


@pytest.fixture
def says(fake: FakeDynamo) -> Callable[..., FakeDynamo]:
    """``says(PutItem=..., GetItem=...)``: these answers, and a table of agents; a read gives what was put."""
    put: dict[str, Any] = {}

    def answering(**answers: Answer) -> FakeDynamo:
        def answer(operation: str, arguments: dict[str, Any]) -> Answer:
            if operation == "PutItem":
                put.update(arguments["Item"])
            parts = {
                "DescribeTable": Answer({"Table": {"TableName": "t", "KeySchema": [KEY]}}),
                "GetItem": Answer({"Item": put}),
            }
            return (parts | answers).get(operation, Answer({}))

        fake.answer = answer
        return fake

    return answering


def denied(operation: str) -> Answer:
    arn = "arn:aws:dynamodb:eu-north-1:123456789012:table/AgentRegistry"
    return error(
        "AccessDeniedException", f"not authorized to perform: dynamodb:{operation} on resource: {arn}"
    )


def writes(fake: FakeDynamo) -> list[str]:
    return [operation for operation in fake.operations if operation in ("PutItem", "GetItem", "DeleteItem")]


def test_both_writes_have_a_condition(says: Callable[..., FakeDynamo]) -> None:
    fake = says()
    assert run_on(binding("agents")).passed
    asked = dict(fake.asked)
    assert asked["PutItem"]["ConditionExpression"] == "attribute_not_exists(#key)"
    assert asked["PutItem"]["ExpressionAttributeNames"] == {"#key": "agentId"}
    assert asked["DeleteItem"]["ConditionExpression"] == "#mark = :token"
    assert asked["DeleteItem"]["ExpressionAttributeValues"] == {":token": asked["PutItem"]["Item"][MARK]}
    assert asked["GetItem"]["ConsistentRead"] is True


def test_a_refused_put_deletes_nothing(says: Callable[..., FakeDynamo]) -> None:
    fake = says(PutItem=denied("PutItem"))
    made = run_on(binding("agents"))
    assert "dynamodb:PutItem" in made.problem
    assert '"dynamodb:PutItem"' in made.fix
    assert "\n" not in made.fix
    assert not made.left_behind
    assert writes(fake) == ["PutItem"]


def test_a_refused_read_still_deletes(says: Callable[..., FakeDynamo]) -> None:
    fake = says(GetItem=denied("GetItem"))
    made = run_on(binding("agents"))
    assert "dynamodb:GetItem" in made.problem
    assert made.done == ["put", "delete"]
    assert writes(fake) == ["PutItem", "GetItem", "DeleteItem"]


def test_a_refused_delete_leaves_the_item_and_says_how_to_delete_it(says: Callable[..., FakeDynamo]) -> None:
    fake = says(DeleteItem=denied("DeleteItem"))
    made = run_on(binding("agents"))
    assert (made.done, made.left_behind, made.passed) == (["put", "read"], True, False)
    assert "may be left behind." in made.problem
    assert f"delete-item --table-name AgentRegistry --region eu-north-1 --endpoint-url {fake.endpoint}" in (
        made.fix
    )
    assert made.key["agentId"]["S"] in made.fix


def test_an_item_that_is_left_behind_expires_where_ttl_is_on(fake: FakeDynamo) -> None:
    parts = {
        "DescribeTable": Answer({"Table": {"KeySchema": [{"AttributeName": "log_id", "KeyType": "HASH"}]}}),
        "DescribeTimeToLive": Answer(
            {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}
        ),
        "DeleteItem": denied("DeleteItem"),
    }
    fake.answer = lambda operation, _: parts.get(operation, Answer({}))
    assert "expires in an hour" in run_on(binding("request_logs")).problem


def test_after_a_lost_answer_the_item_is_deleted_where_it_is(says: Callable[..., FakeDynamo]) -> None:
    fake = says(PutItem=error("InternalServerError", "try again"))
    made = run_on(binding("agents"))
    assert "InternalServerError" in made.problem
    assert (made.done, made.left_behind) == (["delete"], False)
    assert writes(fake)[-1] == "DeleteItem"


def test_after_a_lost_answer_there_may_be_nothing_to_delete(says: Callable[..., FakeDynamo]) -> None:
    says(
        PutItem=error("InternalServerError", "try again"),
        DeleteItem=error(REFUSED),
        GetItem=Answer({}),
    )
    made = run_on(binding("agents"))
    assert (made.done, made.left_behind, made.passed) == ([], False, False)


def test_a_put_that_was_sent_twice_is_its_own(says: Callable[..., FakeDynamo]) -> None:
    says(PutItem=error(REFUSED))
    assert run_on(binding("agents")).passed


def test_a_delete_that_was_sent_twice_left_nothing(says: Callable[..., FakeDynamo], fake: FakeDynamo) -> None:
    says(DeleteItem=error(REFUSED))
    before, reads = fake.answer, []

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        if operation == "GetItem":
            reads.append(1)
            if len(reads) > 1:
                return Answer({})
        return before(operation, arguments)

    fake.answer = answer
    made = run_on(binding("agents"))
    assert (made.done, made.passed, made.left_behind) == (["put", "read", "delete"], True, False)


def test_refused_credentials_wrote_nothing(says: Callable[..., FakeDynamo]) -> None:
    fake = says(PutItem=error("ExpiredTokenException", "expired"))
    made = run_on(binding("agents"))
    assert "expired" in made.problem
    assert writes(fake) == ["PutItem"]
