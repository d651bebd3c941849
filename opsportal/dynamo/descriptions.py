"""What DescribeTable says of a table as deployed, cached: indexes found rather than assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.exceptions import AccessDenied, translating
from opsportal.dynamo.tables import Binding

# Seconds. Indexes and keys change with a deployment, not with traffic. Where it is not allowed to describe a table, which
# some deployments don't grant, each partition of a figure would ask again: DescribeTable is limited per account.
DESCRIPTION_LIFE, DENIED_LIFE = 60, 5


@dataclass(frozen=True)
class Units:
    """Read and write units a second; 0 where nothing is set."""

    reads: int = 0
    writes: int = 0


@dataclass(frozen=True)
class DeployedIndex:
    """A secondary index as deployed. `usable`: ACTIVE, so that queries see all of it.

    `non_key_attributes`: what an INCLUDE projection holds beside the keys. `size` in bytes. `keys`: (attribute, HASH
    or RANGE) of each key attribute, of which there may be four of a kind; `hash_key` and `range_key` are the first
    of theirs. `capacity` is provisioned, `maximum` a cap on demand, `warm` what it serves at once; see `Description`.
    """

    name: str
    hash_key: str
    range_key: str
    projection: str
    usable: bool
    non_key_attributes: tuple[str, ...] = ()
    items: int = 0
    size: int = 0
    keys: tuple[tuple[str, str], ...] = ()
    capacity: Units = Units()
    maximum: Units = Units()
    warm: Units = Units()

    @property
    def is_composite(self) -> bool:
        """Whether a key of it has several attributes, as none that is declared has."""
        kinds = [kind for _, kind in self.keys]
        return len(kinds) > len(set(kinds))


@dataclass(frozen=True)
class Replica:
    """A replica of a global table in another region. `kms_key`: its own key, or ""."""

    region: str
    state: str
    kms_key: str = ""


@dataclass(frozen=True)
class Description:
    """A table as deployed. `items` and `size` (bytes) are DynamoDB's own, about six hours old.

    `attribute_types`: S, N or B of each key attribute, of the table and its indexes. `read_capacity` and
    `write_capacity` (units a second) are 0 on demand. `encryption`: KMS, or "" for the key that AWS owns.

    `stream`: what its records hold (NEW_IMAGE, ...), "" without a stream. `maximum`: the cap of a table on demand;
    `warm`: what it serves at once, which DynamoDB raises with the traffic. `consistency`: of a global table,
    EVENTUAL or STRONG; `witnesses`: the regions of its witnesses. `answer`: all that DescribeTable said.
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
    local_indexes: tuple[DeployedIndex, ...] = field(default=(), kw_only=True)
    stream: str = field(default="", kw_only=True)
    replicas: tuple[Replica, ...] = field(default=(), kw_only=True)
    witnesses: tuple[str, ...] = field(default=(), kw_only=True)
    consistency: str = field(default="", kw_only=True)
    table_class: str = field(default="STANDARD", kw_only=True)
    maximum: Units = field(default=Units(), kw_only=True)
    warm: Units = field(default=Units(), kw_only=True)
    answer: Mapping[str, Any] = field(default_factory=dict, kw_only=True, repr=False)

    def index_on(self, hash_key: str, range_key: str) -> DeployedIndex | None:
        """A usable index with that key schema and all attributes, whatever its name."""
        wanted = (hash_key, range_key, "ALL")
        for index in self.indexes:
            fits = (index.hash_key, index.range_key, index.projection) == wanted
            if fits and index.usable and not index.is_composite:
                return index
        return None


class Twins:
    """Tables as they were met. An emulator that knows no regions has one table for two places, which its ARN shows."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, str, str], Binding] = {}

    def of(self, table: Binding, found: Description) -> Binding | None:
        """The table of another region that this one is too; None when it was not met before."""
        first = self._met.setdefault((table.endpoint, table.name, found.arn or table.region), table)
        return None if first.location == table.location else first


def known(binding: Binding) -> Description | None:
    """The table as it was described within the last minute, without a call; None where it was not."""
    found: Description | None = caches["process"].get(_cache_key(binding))
    return found


def _cache_key(binding: Binding) -> str:
    return f"description:{binding.fingerprint}"


def _denied_key(binding: Binding) -> str:
    return f"description-denied:{binding.fingerprint}"


def describe(binding: Binding, *, fresh: bool = False, background: bool = False) -> Description:
    """The table as deployed. Raises `DynamoError` (TableMissing, AccessDenied, ...).

    `fresh`: not from the cache; `background`: with a worker's time, not a page's.
    """
    if not fresh and (found := known(binding)):
        return found
    denied: AccessDenied | None = None if fresh else caches["process"].get(_denied_key(binding))
    if denied:
        raise denied
    try:
        with translating(binding):
            client = clients.client(*binding.location, background=background)
            table = client.describe_table(TableName=binding.name)["Table"]
    except AccessDenied as problem:
        caches["process"].set(_denied_key(binding), problem, DENIED_LIFE)
        raise
    description = description_of(table, binding.region)
    caches["process"].set(_cache_key(binding), description, DESCRIPTION_LIFE)
    return description


def description_of(table: dict[str, Any], region: str) -> Description:
    """A table of `region` by DescribeTable's answer."""
    key, range_key = _keys(table)
    encryption = table.get("SSEDescription", {})
    # DynamoDB leaves the summary out of a table that never was on demand.
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    capacity = _capacity(table)
    created_at = table.get("CreationDateTime")
    stream = table.get("StreamSpecification", {})
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
        read_capacity=capacity.reads,
        write_capacity=capacity.writes,
        attribute_types={
            part["AttributeName"]: part["AttributeType"] for part in table.get("AttributeDefinitions", [])
        },
        encryption=encryption.get("SSEType", "")
        if encryption.get("Status") in ("ENABLING", "ENABLED", "UPDATING")
        else "",
        kms_key=encryption.get("KMSMasterKeyArn", ""),
        deletion_protection=table.get("DeletionProtectionEnabled", False),
        local_indexes=tuple(_index(index) for index in table.get("LocalSecondaryIndexes", [])),
        stream=stream.get("StreamViewType", "") if stream.get("StreamEnabled") else "",
        replicas=tuple(
            Replica(one.get("RegionName", ""), one.get("ReplicaStatus", ""), one.get("KMSMasterKeyId", ""))
            for one in table.get("Replicas", [])
            if one.get("RegionName") != region
        ),
        witnesses=tuple(one.get("RegionName", "") for one in table.get("GlobalTableWitnesses", [])),
        consistency=table.get("MultiRegionConsistency", ""),
        table_class=table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        maximum=_maximum(table),
        warm=_warm(table),
        answer=table,
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
        keys=tuple((part["AttributeName"], part["KeyType"]) for part in index.get("KeySchema", [])),
        capacity=_capacity(index),
        maximum=_maximum(index),
        warm=_warm(index),
    )


def _capacity(described: dict[str, Any]) -> Units:
    found = described.get("ProvisionedThroughput", {})
    return Units(found.get("ReadCapacityUnits", 0), found.get("WriteCapacityUnits", 0))


def _maximum(described: dict[str, Any]) -> Units:
    """DynamoDB says -1 where a cap was taken away."""
    found = described.get("OnDemandThroughput", {})
    return Units(max(found.get("MaxReadRequestUnits", 0), 0), max(found.get("MaxWriteRequestUnits", 0), 0))


def _warm(described: dict[str, Any]) -> Units:
    found = described.get("WarmThroughput", {})
    return Units(found.get("ReadUnitsPerSecond", 0), found.get("WriteUnitsPerSecond", 0))


def _keys(described: dict[str, Any]) -> tuple[str, str]:
    """The first partition and sort key ("" without one) of a table's or an index's description."""
    by_type: dict[str, str] = {}
    for part in described.get("KeySchema", []):
        by_type.setdefault(part["KeyType"], part["AttributeName"])
    return by_type.get("HASH", ""), by_type.get("RANGE", "")
