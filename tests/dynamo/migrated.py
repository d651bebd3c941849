"""A place where no table is yet, and what tables look like there after a migration."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import Any

from opsportal.dynamo import clients, ledger
from opsportal.dynamo.tables import Binding, bindings, internal_table
from opsportal.operations.tables import AUDIT, JOBS, locations

# Those of other programs' tables, in order. The first two are seed 001's (docs/data.md), to the letter.
NAMES = [
    "migration_20241201_122000_create_market_intelligence_requests_table",
    "migration_20241201_122100_create_request_processing_logs_table",
    "migration_20251215_100000_create_agent_registry_table",
    "migration_20251224_100000_create_processing_status_table",
    "migration_20261120_100000_add_overall_status_index",
]
OWN = ["migration_20261120_110000_create_audit_table", "migration_20261120_110001_create_jobs_table"]
INDEX = "overallStatus-createdAt-index"
# What `migrate` is given where nothing is asked for.
OPTIONS: dict[str, Any] = {
    "target": "", "app": "", "table": [], "plan": False, "yes": False, "accept_index_rejects": False,
    "accept_unlisted": False, "add_indexes": False, "drop_index": "", "confirm_name": [],
}  # fmt: skip
_numbers = itertools.count()


@contextlib.contextmanager
def new_place(endpoint: str, settings: Any) -> Iterator[dict[str, Binding]]:
    """Names under which no table is; yields logical name -> Binding. Afterwards they are gone again."""
    prefix = f"migrated-{os.getpid()}-{next(_numbers)}"
    settings.OWN_TABLE_PREFIX = f"{prefix}-opsportal_"
    settings.DYNAMO_TABLES = {
        logical: {**table, "name": f"{prefix}-{table['name']}", "endpoint": endpoint}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    found = {table.logical: table for table in bindings()}
    yield found
    own = [internal_table(spec, place) for spec in (AUDIT, JOBS, ledger.LEDGER) for place in locations()]
    for table in (*found.values(), *own):
        client = clients.client(*table.location, background=True)
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_table(TableName=table.name)


def ledger_items(table: Binding) -> list[dict[str, Any]]:
    """The items of the ledger beside `table`, by name; [] where there is none."""
    where = ledger.ledger_of(table)
    client = clients.client(*where.location, background=True)
    try:
        found = client.scan(TableName=where.name, ConsistentRead=True)
    except client.exceptions.ResourceNotFoundException:
        return []
    return sorted(found["Items"], key=lambda item: str(item["name"]["S"]))


def ledger_item(table: Binding, migration: str) -> dict[str, str]:
    """That migration's texts in the ledger; {} where it has none."""
    for item in ledger_items(table):
        if item["name"]["S"] == f"{migration}/{table.name}":
            return {name: value["S"] for name, value in item.items() if "S" in value}
    return {}


def deployed_as(table: Binding) -> dict[str, Any]:
    """What DescribeTable says, in the form of CreateTable."""
    client = clients.client(*table.location, background=True)
    found = client.describe_table(TableName=table.name)["Table"]
    tags = client.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
    request: dict[str, Any] = {
        "TableName": found["TableName"],
        "AttributeDefinitions": _by_name(found["AttributeDefinitions"]),
        "KeySchema": found["KeySchema"],
        "BillingMode": found["BillingModeSummary"]["BillingMode"],
    }
    if indexes := found.get("GlobalSecondaryIndexes"):
        request["GlobalSecondaryIndexes"] = _by_name(
            {name: index[name] for name in ("IndexName", "KeySchema", "Projection")} for index in indexes
        )
    if tags:
        request["Tags"] = sorted(tags, key=str)
    if encryption := found.get("SSEDescription"):
        request["SSESpecification"] = {
            "Enabled": encryption["Status"] == "ENABLED",
            "SSEType": encryption["SSEType"],
        }
    return request


def declared_as(table: Binding) -> dict[str, Any]:
    """What CreateTable is given for it, with the index that a migration adds."""
    request = table.create_request(optional_indexes=True)
    request["AttributeDefinitions"] = _by_name(request["AttributeDefinitions"])
    if "GlobalSecondaryIndexes" in request:
        request["GlobalSecondaryIndexes"] = _by_name(request["GlobalSecondaryIndexes"])
    if "Tags" in request:
        request["Tags"] = sorted(request["Tags"], key=str)
    return request


def _by_name(members: Any) -> list[Any]:
    return sorted(members, key=lambda member: str(member.get("IndexName") or member.get("AttributeName")))


def ttl(table: Binding) -> str:
    """The attribute that items expire by, or ""."""
    client = clients.client(*table.location, background=True)
    found = client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    return str(found["AttributeName"]) if found["TimeToLiveStatus"] == "ENABLED" else ""


def recovers(table: Binding) -> bool:
    """Whether point-in-time recovery is on."""
    client = clients.client(*table.location, background=True)
    found = client.describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]
    return bool(found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED")


def all_as_declared(place: dict[str, Binding], kind: str) -> None:
    """Every foreign table, and its line in the ledger. `kind` of engine: dynoxide knows no recovery."""
    for table in place.values():
        assert deployed_as(table) == declared_as(table)
        assert ttl(table) == table.spec.ttl_attribute
        if kind == "moto":
            assert recovers(table) is table.spec.point_in_time_recovery
    entries = {item["name"]["S"]: item for table in place.values() for item in ledger_items(table)}
    foreign = [entry for name, entry in entries.items() if not name.startswith(tuple(OWN))]
    assert len(foreign) == len(NAMES)
    assert all("applied_at" in entry and "runs" not in entry for entry in foreign)
