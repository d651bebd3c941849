"""The console's own tables: in every place that holds a table of the settings, in every environment."""

import os

import pytest

from opsportal.dynamo import clients, migrations
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.tables import bindings, internal_table
from opsportal.operations.tables import AUDIT, JOBS, locations

OWN = [
    "migration_20261120_110000_create_audit_table",
    "migration_20261120_110001_create_jobs_table",
]


@pytest.fixture
def nowhere(engine, settings):
    """Names under which no table is."""
    prefix = f"own-{os.getpid()}-{id(object())}"
    settings.OWN_TABLE_PREFIX = f"{prefix}-opsportal_"
    settings.DYNAMO_TABLES = {
        logical: {**table, "name": f"{prefix}-{table['name']}", "endpoint": engine.endpoint}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    yield
    for place in locations():
        client = clients.client(*place.location, background=True)
        made = [internal_table(spec, place).name for spec in (AUDIT, JOBS, migrations.LEDGER)]
        for name in (*made, *(table.name for table in bindings())):
            try:
                client.delete_table(TableName=name)
            except client.exceptions.ResourceNotFoundException:
                continue


@pytest.mark.no_moto
@pytest.mark.parametrize("env", ["local", "qa", "prod"])
def test_own_tables_are_migrated_in_every_environment(nowhere, settings, env):
    settings.OPSPORTAL_ENV = env
    lines = []
    migrate(lines.append)
    for spec in (AUDIT, JOBS):
        for place in locations():
            found = describe(internal_table(spec, place), fresh=True)
            assert found.state == "ACTIVE"
            assert (found.key, found.range_key) == (spec.key, spec.range_key)
            assert {(index.name, index.hash_key, index.range_key) for index in found.indexes} == {
                (index.name, index.hash_key, index.range_key) for index in spec.indexes
            }
    foreign = {line for line in lines if "market_intelligence" in line and "left out" not in line}
    assert bool(foreign) == (env == "local")
    assert migrate(lambda line: None) == 0


@pytest.mark.no_moto
def test_a_summary_is_projected_into_the_indexes_of_the_audit_table(nowhere, settings):
    settings.OPSPORTAL_ENV = "prod"
    migrate(lambda line: None)
    audit = internal_table(AUDIT, locations()[0])
    table = clients.client(*audit.location, background=True).describe_table(TableName=audit.name)["Table"]
    for index in table["GlobalSecondaryIndexes"]:
        assert index["Projection"]["ProjectionType"] == "INCLUDE"
        assert {"action", "actor", "target", "reason"} <= set(index["Projection"]["NonKeyAttributes"])


def test_own_migrations_come_last():
    names = [migration.name for migration in migrations.migrations()]
    assert names[-2:] == OWN
