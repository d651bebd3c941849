"""What DescribeTable says of a table as deployed, cached: indexes found rather than assumed."""

from dataclasses import dataclass
from typing import Any

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding

# Seconds. Indexes and keys change with a deployment, not with traffic.
DESCRIPTION_LIFE = 60


@dataclass(frozen=True)
class DeployedIndex:
    """A global secondary index as deployed. `usable`: ACTIVE, so that queries see all of it."""

    name: str
    hash_key: str
    range_key: str
    projection: str
    usable: bool


@dataclass(frozen=True)
class Description:
    """A table as deployed. `items` and `size` (bytes) are DynamoDB's own, about six hours old."""

    name: str
    state: str
    key: str
    range_key: str
    indexes: tuple[DeployedIndex, ...]
    items: int
    size: int
    arn: str

    def index_on(self, hash_key: str, range_key: str) -> DeployedIndex | None:
        """A usable index with that key schema and all attributes, whatever its name."""
        for index in self.indexes:
            if index.usable and (index.hash_key, index.range_key, index.projection) == (
                hash_key,
                range_key,
                "ALL",
            ):
                return index
        return None


def describe(binding: Binding, *, fresh: bool = False, patient: bool = False) -> Description:
    """The table as deployed. Raises `DynamoError` (TableMissing, AccessDenied, ...).

    `fresh`: not from the cache; `patient`: with a worker's time, not a page's.
    """
    cache, key = caches["process"], f"description:{binding.fingerprint}"
    if not fresh and (known := cache.get(key)):
        return known
    with translated(binding):
        client = clients.client(*binding.place, patient=patient)
        table = client.describe_table(TableName=binding.name)["Table"]
    description = _description(table)
    cache.set(key, description, DESCRIPTION_LIFE)
    return description


def _description(table: dict[str, Any]) -> Description:
    key, range_key = _keys(table.get("KeySchema", []))
    indexes = []
    for index in table.get("GlobalSecondaryIndexes", []):
        index_key, index_range = _keys(index.get("KeySchema", []))
        indexes.append(
            DeployedIndex(
                name=index["IndexName"],
                hash_key=index_key,
                range_key=index_range,
                projection=index.get("Projection", {}).get("ProjectionType", ""),
                usable=index.get("IndexStatus", "ACTIVE") == "ACTIVE" and not index.get("Backfilling", False),
            )
        )
    return Description(
        name=table.get("TableName", ""),
        state=table.get("TableStatus", ""),
        key=key,
        range_key=range_key,
        indexes=tuple(indexes),
        items=table.get("ItemCount", 0),
        size=table.get("TableSizeBytes", 0),
        arn=table.get("TableArn", ""),
    )


def _keys(schema: list[dict[str, str]]) -> tuple[str, str]:
    by_type = {part["KeyType"]: part["AttributeName"] for part in schema}
    return by_type.get("HASH", ""), by_type.get("RANGE", "")
