"""What of DescribeTable's answer Terraform's `aws_dynamodb_table` can hold, member by member.

Each member of TableDescription is in one of the three below, by its path; a list is ``[]``. What is in none (a
botocore that knows more) is refused: a file that lacks a setting would take it away when it is applied.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from opsportal.dynamo.deployed import UNKNOWN_HERE, Deployed, Unknown


def _paths(members_of: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The path of each member, from its structure's path; "" is the table."""
    return frozenset(
        f"{path}.{name}" if path else name for path, names in members_of.items() for name in names
    )


_KEY = ("AttributeName", "KeyType")
_PROJECTION = ("ProjectionType", "NonKeyAttributes[]")
_PROVISIONED = ("ReadCapacityUnits", "WriteCapacityUnits")
_PROVISIONED_SINCE = ("LastIncreaseDateTime", "LastDecreaseDateTime", "NumberOfDecreasesToday")
_ON_DEMAND = ("MaxReadRequestUnits", "MaxWriteRequestUnits")
_WARM = ("ReadUnitsPerSecond", "WriteUnitsPerSecond")

WRITTEN = _paths(
    {
        "": ("TableName", "MultiRegionConsistency", "DeletionProtectionEnabled"),
        "AttributeDefinitions[]": ("AttributeName", "AttributeType"),
        "KeySchema[]": _KEY,
        "ProvisionedThroughput": _PROVISIONED,
        "OnDemandThroughput": _ON_DEMAND,
        "WarmThroughput": _WARM,
        "BillingModeSummary": ("BillingMode",),
        "LocalSecondaryIndexes[]": ("IndexName",),
        "LocalSecondaryIndexes[].KeySchema[]": _KEY,
        "LocalSecondaryIndexes[].Projection": _PROJECTION,
        "GlobalSecondaryIndexes[]": ("IndexName",),
        "GlobalSecondaryIndexes[].KeySchema[]": _KEY,
        "GlobalSecondaryIndexes[].Projection": _PROJECTION,
        "GlobalSecondaryIndexes[].ProvisionedThroughput": _PROVISIONED,
        "GlobalSecondaryIndexes[].OnDemandThroughput": _ON_DEMAND,
        "GlobalSecondaryIndexes[].WarmThroughput": _WARM,
        "StreamSpecification": ("StreamEnabled", "StreamViewType"),
        "Replicas[]": ("RegionName", "KMSMasterKeyId"),
        "GlobalTableWitnesses[]": ("RegionName",),
        "SSEDescription": ("Status", "KMSMasterKeyArn"),
        "TableClassSummary": ("TableClass",),
    }
)

# States, counts, times, names that DynamoDB gives, and what became of the table.
NO_SETTING = _paths(
    {
        "": ("TableStatus", "CreationDateTime", "TableSizeBytes", "ItemCount", "TableArn", "TableId"),
        "ProvisionedThroughput": _PROVISIONED_SINCE,
        "WarmThroughput": ("Status",),
        "BillingModeSummary": ("LastUpdateToPayPerRequestDateTime",),
        "LocalSecondaryIndexes[]": ("IndexSizeBytes", "ItemCount", "IndexArn"),
        "GlobalSecondaryIndexes[]": ("IndexStatus", "Backfilling", "IndexSizeBytes", "ItemCount", "IndexArn"),
        "GlobalSecondaryIndexes[].ProvisionedThroughput": _PROVISIONED_SINCE,
        "GlobalSecondaryIndexes[].WarmThroughput": ("Status",),
        "Replicas[]": (
            "ReplicaStatus",
            "ReplicaArn",
            "ReplicaStatusDescription",
            "ReplicaStatusPercentProgress",
            "ReplicaInaccessibleDateTime",
        ),
        # DynamoDB keeps these in step with the table's own.
        "Replicas[].WarmThroughput": (*_WARM, "Status"),
        "Replicas[].GlobalSecondaryIndexes[]": ("IndexName",),
        "Replicas[].GlobalSecondaryIndexes[].WarmThroughput": (*_WARM, "Status"),
        "Replicas[].ReplicaTableClassSummary": ("LastUpdateDateTime",),
        "GlobalTableWitnesses[]": ("WitnessStatus",),
        "RestoreSummary": ("SourceBackupArn", "SourceTableArn", "RestoreDateTime", "RestoreInProgress"),
        "SSEDescription": ("InaccessibleEncryptionDateTime",),
        "ArchivalSummary": ("ArchivalDateTime", "ArchivalReason", "ArchivalBackupArn"),
        "TableClassSummary": ("LastUpdateDateTime",),
    }
) | {"LatestStreamLabel", "LatestStreamArn"}

# Settings that the resource has no argument for, with the values that need none. A whole structure may be named.
REFUSED: Mapping[str, tuple[Any, ...]] = {
    "GlobalTableVersion": ("2019.11.21",),  # the older ones are aws_dynamodb_global_table's
    # What a global table of one account has by itself.
    "GlobalTableSettingsReplicationMode": ("ENABLED_WITH_OVERRIDES",),
    "Replicas[].GlobalTableSettingsReplicationMode": ("ENABLED_WITH_OVERRIDES",),
    "Replicas[].ProvisionedThroughputOverride.ReadCapacityUnits": (0,),
    "Replicas[].OnDemandThroughputOverride.MaxReadRequestUnits": (-1,),
    "Replicas[].GlobalSecondaryIndexes[].ProvisionedThroughputOverride.ReadCapacityUnits": (0,),
    "Replicas[].GlobalSecondaryIndexes[].OnDemandThroughputOverride.MaxReadRequestUnits": (-1,),
    "Replicas[].ReplicaTableClassSummary.TableClass": (),  # the table's own needs none, see below
    "SSEDescription.SSEType": ("KMS",),
    "DisassociationProtectionEnabled": (False,),
    "VectorIndexes": (),
}
# Replicas keep for as long, and Terraform has no argument for another time.
REPLICA_DAYS = 35


def refusals(found: Deployed, replicas: Mapping[str, Deployed | str]) -> Iterator[str]:
    """What of a table as deployed can't be written, each with the reason; nothing where all of it can.

    `replicas`: region -> the replica as deployed there, or why that is not known.
    """
    same = {"Replicas[].ReplicaTableClassSummary.TableClass": found.table_class}
    for path, value in members(found.answer):
        if path in WRITTEN or path in NO_SETTING or value == same.get(path, ...):
            continue
        if path not in REFUSED:
            yield f"{path} is not known to this console"
        elif value not in REFUSED[path]:
            yield path if isinstance(value, list) else f"{path} ({value})"
    for part, known in (
        ("TTL", found.ttl),
        ("point-in-time recovery", found.recovery),
        ("tags", found.tags),
    ):
        # An engine that does not have it has nothing that could be lost.
        if isinstance(known, Unknown) and (known.denied or known.why != UNKNOWN_HERE):
            yield f"{part}, unknown because {known.why}"
    for replica in found.replicas:
        if replica.kms_key and not replica.kms_key.startswith("arn:"):
            yield f"Replicas[].KMSMasterKeyId ({replica.kms_key}), which is no ARN"
        there = replicas.get(replica.region, "it was not looked at")
        if isinstance(there, str):
            yield f"the replica in {replica.region}: {there}"
        elif isinstance(there.recovery, Unknown):
            yield f"the recovery of the replica in {replica.region}, unknown because {there.recovery.why}"
        elif there.recovery.enabled and there.recovery.days not in (0, REPLICA_DAYS):
            yield f"the replica in {replica.region} keeps its recovery for {there.recovery.days} days"


def members(answer: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every member that says something; of a structure that is refused whole, its own."""
    for name, value in answer.items():
        yield from _member(f"{path}{name}", value)


def _member(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if value in (None, "", [], {}):
        return
    if path in REFUSED:
        yield path, value
    elif isinstance(value, Mapping):
        yield from members(value, f"{path}.")
    elif isinstance(value, list):
        for one in value:
            yield from _member(f"{path}[]", one)
    else:
        yield path, value
