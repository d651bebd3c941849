"""What DescribeTable says of a table as deployed, cached: indexes found rather than assumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding

# Seconds. Indexes and keys change with a deployment, not with traffic.
DESCRIPTION_LIFE = 60


@dataclass(frozen=True)
class DeployedIndex:
    """A global secondary index as deployed. `usable`: ACTIVE, so that queries see all of it.

    `non_key_attributes`: what an INCLUDE projection holds beside the keys. `size` in bytes.
    """

    name: str
    hash_key: str
    range_key: str
    projection: str
    usable: bool
    non_key_attributes: tuple[str, ...] = ()
    items: int = 0
    size: int = 0


@dataclass(frozen=True)
class Description:
    """A table as deployed. `items` and `size` (bytes) are DynamoDB's own, about six hours old.

    `attribute_types`: S, N or B of each key attribute, of the table and its indexes. `read_capacity` and
    `write_capacity` (units a second) are 0 on demand. `encryption`: KMS, or "" for the key that AWS owns.
    """

    name: str
    state: str
    key: str
    range_key: str
    indexes: tuple[DeployedIndex, ...]
    items: int
    size: int
    arn: str
    region: str
    created_at: datetime | None
    billing_mode: str
    read_capacity: int
    write_capacity: int
    attribute_types: Mapping[str, str]
    encryption: str
    kms_key: str
    deletion_protection: bool

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


class Twins:
    """Tables as they were met. An emulator that knows no regions has one table for two places, which its ARN tells."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, str, str], Binding] = {}

    def of(self, table: Binding, found: Description) -> Binding | None:
        """The table of another region that this one is too; None when it was not met before."""
        first = self._met.setdefault((table.endpoint, table.name, found.arn or table.region), table)
        return None if first.place == table.place else first


def known(binding: Binding) -> Description | None:
    """The table as it was described within the last minute, without a call; None where it was not."""
    found: Description | None = caches["process"].get(_cache_key(binding))
    return found


def _cache_key(binding: Binding) -> str:
    return f"description:{binding.fingerprint}"


def describe(binding: Binding, *, fresh: bool = False, patient: bool = False) -> Description:
    """The table as deployed. Raises `DynamoError` (TableMissing, AccessDenied, ...).

    `fresh`: not from the cache; `patient`: with a worker's time, not a page's.
    """
    if not fresh and (found := known(binding)):
        return found
    with translated(binding):
        client = clients.client(*binding.place, patient=patient)
        table = client.describe_table(TableName=binding.name)["Table"]
    description = _description(table, binding.region)
    caches["process"].set(_cache_key(binding), description, DESCRIPTION_LIFE)
    return description


def _description(table: dict[str, Any], region: str) -> Description:
    key, range_key = _keys(table)
    encryption = table.get("SSEDescription", {})
    # DynamoDB leaves the summary out of a table that never was on demand.
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    capacity = table.get("ProvisionedThroughput", {})
    created_at = table.get("CreationDateTime")
    return Description(
        name=table.get("TableName", ""),
        state=table.get("TableStatus", ""),
        key=key,
        range_key=range_key,
        indexes=tuple(_index(index) for index in table.get("GlobalSecondaryIndexes", [])),
        items=table.get("ItemCount", 0),
        size=table.get("TableSizeBytes", 0),
        arn=table.get("TableArn", ""),
        region=region,
        created_at=created_at.astimezone(UTC) if created_at else None,
        billing_mode=billing,
        read_capacity=capacity.get("ReadCapacityUnits", 0),
        write_capacity=capacity.get("WriteCapacityUnits", 0),
        attribute_types={
            part["AttributeName"]: part["AttributeType"] for part in table.get("AttributeDefinitions", [])
        },
        encryption=encryption.get("SSEType", "")
        if encryption.get("Status") in ("ENABLING", "ENABLED", "UPDATING")
        else "",
        kms_key=encryption.get("KMSMasterKeyArn", ""),
        deletion_protection=table.get("DeletionProtectionEnabled", False),
    )


def _index(index: dict[str, Any]) -> DeployedIndex:
    hash_key, range_key = _keys(index)
    projection = index.get("Projection", {})
    return DeployedIndex(
        name=index["IndexName"],
        hash_key=hash_key,
        range_key=range_key,
        projection=projection.get("ProjectionType", ""),
        usable=index.get("IndexStatus", "ACTIVE") == "ACTIVE" and not index.get("Backfilling", False),
        non_key_attributes=tuple(projection.get("NonKeyAttributes", ())),
        items=index.get("ItemCount", 0),
        size=index.get("IndexSizeBytes", 0),
    )


def _keys(described: dict[str, Any]) -> tuple[str, str]:
    """Partition and sort key ("" without one) of a table's or an index's description."""
    by_type = {part["KeyType"]: part["AttributeName"] for part in described.get("KeySchema", [])}
    return by_type.get("HASH", ""), by_type.get("RANGE", "")
