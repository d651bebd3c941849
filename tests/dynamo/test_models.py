"""Models: bound from the settings, over one client per place, exact in `raw`, and tolerant in all else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.keys import MAX_HASH_BYTES
from opsportal.dynamo.models import DynamoModel
from opsportal.dynamo.tables import Binding, binding
from opsportal.settings import DYNAMO_TABLES
from tests.dynamo.fake_aws import FakeDynamo, error
from tests.dynamo.typed import EVERY_TYPE
from tracking.models import Workflow

# Those of the apps, of which the first is a table's: a table that is added is tested without a line here.
MODELS: dict[str, type[DynamoModel]] = {model.logical: model for model in reversed(DynamoModel._models)}
every_table = pytest.mark.parametrize("logical", list(DYNAMO_TABLES))


def put(table: Binding, item: dict[str, Any]) -> None:
    clients.client(*table.location).put_item(TableName=table.name, Item=item)


def get(table: Binding, key: str) -> dict[str, Any]:
    answer = clients.client(*table.location).get_item(
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


@pytest.mark.no_moto
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
    for key in ("", "x" * (MAX_HASH_BYTES + 1), "ü" * (MAX_HASH_BYTES // 2 + 1), "\ud800"):
        assert model.read(key) is None
    assert fake.asked == []
    assert model.read("ü" * (MAX_HASH_BYTES // 2)) is None
    assert fake.operations == ["GetItem"]


@every_table
def test_reading_an_item_that_is_not_there_gives_none(tables: dict[str, Binding], logical: str) -> None:
    assert MODELS[logical].read("nobody") is None


@every_table
def test_trouble_with_a_read_is_the_consoles_error(fake: FakeDynamo, logical: str) -> None:
    fake.says(error("AccessDeniedException", "no"))
    with pytest.raises(AccessDenied, match=binding(logical).name):
        MODELS[logical].read("x")


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
    client = clients.client(*table.location)
    client.create_table(**table.create_request())
    try:
        # What the documents call the key is a plain attribute here.
        put(table, {key: {"S": "one"}, documented: {"S": "not the key"}, "status": {"S": "active"}})
        found = model.read("one", consistent=True)
        assert found is not None
        assert (found.id, getattr(found, python_name)) == ("one", "one")
        assert key in found.known
        assert documented not in found.known
    finally:
        client.delete_table(TableName=table.name)
    place(settings, logical, key=documented)
    assert getattr(model.from_item(found.raw), python_name) == "not the key"


def test_an_instance_without_its_key_has_an_empty_id() -> None:
    assert Workflow.from_item({}).id == ""
    assert Workflow.from_item({"createdAt": {"N": "0"}}).created_at == datetime(1970, 1, 1, tzinfo=UTC)
