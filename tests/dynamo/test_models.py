"""Models: bound from the settings, over one client per place, exact in `raw`, and tolerant in all else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.models import MAX_KEY_BYTES, DynamoModel
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding, binding
from opsportal.settings import DYNAMO_TABLES
from registry.models import Agent
from requests_app.models import IntelligenceRequest
from tests.dynamo.fake_aws import FakeDynamo, error
from tests.dynamo.typed import EVERY_TYPE
from tracking.models import Workflow

# Those of the apps, of which the first is a table's: a table that is added is tested without a line here.
MODELS: dict[str, type[DynamoModel]] = {model.logical: model for model in reversed(DynamoModel._models)}
every_table = pytest.mark.parametrize("logical", list(DYNAMO_TABLES))


def put(table: Binding, item: dict[str, Any]) -> None:
    clients.client(*table.place).put_item(TableName=table.name, Item=item)


def get(table: Binding, key: str) -> dict[str, Any]:
    answer = clients.client(*table.place).get_item(
        TableName=table.name, Key={table.key: {"S": key}}, ConsistentRead=True
    )
    return answer["Item"]  # type: ignore[no-any-return]


def awkward_item(model: type[DynamoModel], table: Binding) -> dict[str, Any]:
    """Every type under unknown names, and under the model's own names where an index allows it."""
    indexed = {name for index in table.spec.indexes for name in (index.hash_key, index.range_key)}
    declared = [attribute.attr_name for attribute in model.get_attributes().values()]
    own = [name for name in declared if name not in indexed and name != table.key]
    kinds = list(EVERY_TYPE.values())
    return (
        {table.key: {"S": "x/1 ü?#%"}}
        | {name: {"S": "2025-12-24T10:00:00Z"} for name in indexed}
        | {name: kinds[number % len(kinds)] for number, name in enumerate(own)}
        | EVERY_TYPE
    )


def test_every_table_of_the_settings_has_a_model() -> None:
    assert set(MODELS) == set(DYNAMO_TABLES)
    assert {model.logical for model in DynamoModel._models} == set(DYNAMO_TABLES)


@every_table
def test_an_item_is_read_exactly_as_it_was_put(tables: dict[str, Binding], logical: str) -> None:
    model, table = MODELS[logical], tables[logical]
    item = awkward_item(model, table)
    put(table, item)
    found = model.read("x/1 ü?#%", consistent=True)
    assert found is not None
    assert _ordered(found.raw) == _ordered(item)
    assert found.id == "x/1 ü?#%"
    assert found.problems
    assert all(isinstance(value, Malformed) for value in found.problems.values())
    assert found.size > 300


def _ordered(item: dict[str, Any]) -> dict[str, Any]:
    """Sets have no order of their own."""
    return {
        name: {
            tag: sorted(content) if tag in ("SS", "NS", "BS") else content for tag, content in value.items()
        }
        for name, value in item.items()
    }


@every_table
def test_a_key_that_no_item_can_have_is_not_asked_for(fake: FakeDynamo, logical: str) -> None:
    model = MODELS[logical]
    for key in ("", "x" * (MAX_KEY_BYTES + 1), "ü" * (MAX_KEY_BYTES // 2 + 1), "\ud800"):
        assert model.read(key) is None
    assert fake.asked == []
    assert model.read("ü" * (MAX_KEY_BYTES // 2)) is None
    assert fake.operations == ["GetItem"]


@every_table
def test_reading_an_item_that_is_not_there_gives_none(tables: dict[str, Binding], logical: str) -> None:
    assert MODELS[logical].read("nobody") is None
    with pytest.raises(MODELS[logical].DoesNotExist):
        MODELS[logical].get("nobody")


@every_table
def test_trouble_with_a_read_is_the_consoles_error(fake: FakeDynamo, logical: str) -> None:
    fake.says(error("AccessDeniedException", "no"))
    with pytest.raises(AccessDenied, match=binding(logical).name):
        MODELS[logical].read("x")


@every_table
def test_pynamodbs_own_calls_use_the_shared_client(tables: dict[str, Binding], logical: str) -> None:
    model, table = MODELS[logical], tables[logical]
    put(table, {table.key: {"S": "one"}, "extra": {"B": b"\x00"}})
    with request_budget(None) as account:
        assert model.get("one", consistent_read=True).raw["extra"] == {"B": b"\x00"}
        assert [item.id for item in model.query("one")] == ["one"]
        assert [item.id for item in model.scan()] == ["one"]
        assert model.count("one") == 1
    # Only the shared clients book what they are asked.
    assert account.operations == ["GetItem", "Query", "Scan", "Query"]
    assert model._get_connection().connection.client is clients.client(*table.place)


def test_all_models_of_one_place_share_one_client(fake: FakeDynamo) -> None:
    used = {model.logical: model._get_connection().connection.client for model in MODELS.values()}
    assert used["workflows"] is used["requests"] is used["request_logs"]
    assert used["agents"] is not used["workflows"]  # another region
    assert used["agents"].meta.region_name == "eu-north-1"


@every_table
def test_an_update_keeps_what_the_model_does_not_know_and_reads_tolerantly(
    tables: dict[str, Binding], logical: str
) -> None:
    model, table = MODELS[logical], tables[logical]
    item = awkward_item(model, table)
    put(table, item)
    found = model.read("x/1 ü?#%", consistent=True)
    assert found is not None
    texts = {
        name: attribute
        for name, attribute in model.get_attributes().items()
        if attribute.attr_type == "S" and attribute.attr_name != table.key
    }
    name = min(
        texts, key=lambda name: texts[name].attr_name in _keys(table)
    )  # of no index, where there is one
    attribute = texts[name]
    key: Any = model._hash_key_attribute()
    found.update([attribute.set("changed")], condition=key.exists())
    expected = _ordered(item | {attribute.attr_name: {"S": "changed"}})
    assert _ordered(get(table, "x/1 ü?#%")) == expected
    # The instance is as the item is now, read like any other.
    assert _ordered(found.raw) == expected
    again = model.of(found.raw)
    assert found.attribute_values == again.attribute_values
    assert found.problems == again.problems
    assert getattr(found, name) == getattr(again, name)


def _keys(table: Binding) -> set[str]:
    return {table.key} | {name for index in table.spec.indexes for name in (index.hash_key, index.range_key)}


def test_an_update_lets_go_of_what_was_computed_before(tables: dict[str, Binding]) -> None:
    put(tables["workflows"], {"sessionId": {"S": "w"}, "extraStep": {"M": {"status": {"S": "success"}}}})
    found = Workflow.read("w", consistent=True)
    assert found is not None
    assert [step.key for step in found.steps if step.present] == ["extraStep"]
    table = tables["workflows"]
    put(table, {"sessionId": {"S": "w"}, "otherStep": {"M": {"status": {"S": "success"}}}})
    found.update([Workflow.overall_status.set("completed")])
    assert [step.key for step in found.steps if step.present] == ["otherStep"]
    put(table, {"sessionId": {"S": "w"}})
    found.refresh(consistent_read=True)
    assert [step.key for step in found.steps if step.present] == []
    assert found.overall_status is None


def test_a_condition_that_fails_changes_nothing(tables: dict[str, Binding]) -> None:
    put(
        tables["requests"], {"request_id": {"S": "r"}, "status": {"S": "completed"}, "created_at": {"S": "2"}}
    )
    found = IntelligenceRequest.read("r", consistent=True)
    assert found is not None
    from pynamodb.exceptions import UpdateError

    with pytest.raises(UpdateError) as raised:
        found.update([IntelligenceRequest.status.set("cancelled")], IntelligenceRequest.status == "pending")
    assert raised.value.cause_response_code == "ConditionalCheckFailedException"
    assert get(tables["requests"], "r")["status"] == {"S": "completed"}


# --- Other settings ------------------------------------------------------------------------------------


def place(settings: Any, logical: str, **changes: str) -> Binding:
    """Change one table's settings, and give its binding."""
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {logical: settings.DYNAMO_TABLES[logical] | changes}
    return binding(logical)


@pytest.mark.parametrize(
    ("logical", "key", "python_name"),
    [("workflows", "processing_id", "session_id"), ("agents", "agent_id", "agent_id")],
)
def test_the_key_attribute_is_a_setting(
    tables: dict[str, Binding], settings: Any, logical: str, key: str, python_name: str
) -> None:
    model = MODELS[logical]
    documented = tables[logical].key
    table = place(settings, logical, key=key, name=tables[logical].name + "-other")
    client = clients.client(*table.place)
    client.create_table(**table.create_request())
    try:
        # What the documents call the key is a plain attribute here.
        put(table, {key: {"S": "one"}, documented: {"S": "not the key"}, "status": {"S": "active"}})
        found = model.read("one", consistent=True)
        assert found is not None
        assert (found.id, getattr(found, python_name)) == ("one", "one")
        assert model.get("one").raw == found.raw
        assert [item.id for item in model.query("one")] == ["one"]
        hash_key: Any = model._hash_key_attribute()
        found.update([DESCRIPTIONS[logical].set("new")], condition=hash_key.exists())
        assert getattr(found, python_name) == "one"
        assert get(table, "one")[documented] == {"S": "not the key"}
    finally:
        client.delete_table(TableName=table.name)


DESCRIPTIONS: dict[str, Any] = {"workflows": Workflow.overall_status, "agents": Agent.description}


def test_a_condition_made_before_the_first_call_names_the_key_of_the_settings(settings: Any) -> None:
    place(settings, "workflows", key="processing_id")
    assert str(Workflow.session_id.exists()) == "attribute_exists (processing_id)"


def test_binding_follows_the_settings_there_and_back(fake: FakeDynamo, settings: Any) -> None:
    before = binding("workflows")
    Workflow.read("x")
    Workflow._get_connection()
    place(settings, "workflows", name="elsewhere", region="eu-west-1", key="processing_id")
    assert (Workflow._get_connection().table_name, Workflow.Meta.region) == ("elsewhere", "eu-west-1")
    assert Workflow._get_connection().connection.client.meta.region_name == "eu-west-1"
    assert Workflow.of({"processing_id": {"S": "a"}, "sessionId": {"S": "b"}}).session_id == "a"
    place(settings, "workflows", name=before.name, region="", key="sessionId")
    assert Workflow._get_connection().table_name == before.name
    assert Workflow.of({"processing_id": {"S": "a"}, "sessionId": {"S": "b"}}).session_id == "b"


def test_an_instance_without_its_key_has_an_empty_id() -> None:
    assert Workflow.of({}).id == ""
    assert Workflow.of({"createdAt": {"N": "0"}}).created_at == datetime(1970, 1, 1, tzinfo=UTC)
