"""Adding a global secondary index to a table that has data, and removing one."""

from typing import Any

from botocore.exceptions import ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.creation import Say, wait_until_active
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import DynamoError, TableMissing, translated
from opsportal.dynamo.tables import Binding, Index

# What DynamoDB answers while another change of the table is under way.
BUSY = frozenset({"ResourceInUseException", "LimitExceededException"})
# A backfill goes on for hours on a large table, and without us too.
BACKFILL_SECONDS = 4 * 3600


def add(table: Binding, index: Index, say: Say) -> bool:
    """Add the index, if none of that name exists, and wait until it can be used: whether this call added
    it. The table stays in use meanwhile. Raises `DynamoError`."""
    if is_there(table, index.name):
        wait_until_active(table, say, BACKFILL_SECONDS)  # a killed run may have left it half built
        return False
    added = False
    for _ in range(5):
        added = _ask_to_add(table, index, say) or added
        wait_until_active(table, say, BACKFILL_SECONDS)
        if is_there(table, index.name):
            return added
    raise DynamoError(f"{table.name} is busy with other changes.", "Run the command again later.")


def remove(table: Binding, name: str, say: Say) -> None:
    """Remove the index and wait until it is gone; neither that nor a missing table is trouble."""
    for _ in range(5):
        try:
            if not is_there(table, name):
                return
            with translated(table):
                try:
                    clients.client(*table.location, background=True).update_table(
                        TableName=table.name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}]
                    )
                except ClientError as error:
                    if error.response["Error"]["Code"] not in BUSY and is_there(table, name):
                        raise
            wait_until_active(table, say)
        except TableMissing:
            return
    raise DynamoError(f"{table.name} is busy with other changes.", "Run the command again later.")


def is_there(table: Binding, name: str) -> bool:
    """Whether the table has an index of that name, usable or not. Raises `DynamoError`."""
    return any(index.name == name for index in describe(table, fresh=True, background=True).indexes)


def refuse_other_types(table: Binding, index: Index, found: Description) -> None:
    """Raise `DynamoError` where the table has a key attribute of the index as a key of another type already."""
    for name in filter(None, (index.hash_key, index.range_key)):
        kind = found.attribute_types.get(name, "S")
        if kind != "S":
            raise DynamoError(
                f"{table.name} uses {name} as a key of type {kind} already, and {index.name} needs it as S.",
                "An attribute has one type in all keys of a table: the other index must go first.",
            )


def _ask_to_add(table: Binding, index: Index, say: Say) -> bool:
    found = describe(table, fresh=True, background=True)
    refuse_other_types(table, index, found)
    keys = [name for name in (index.hash_key, index.range_key) if name]
    types = {**found.attribute_types, **dict.fromkeys(keys, "S")}
    with translated(table):
        try:
            clients.client(*table.location, background=True).update_table(
                TableName=table.name,
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": kind} for name, kind in types.items()
                ],
                GlobalSecondaryIndexUpdates=[{"Create": _creation(index, found)}],
            )
        except ClientError as error:
            # A second migrator is at it, or was first.
            if error.response["Error"]["Code"] not in BUSY and not is_there(table, index.name):
                raise
            return False
    say(f"  DynamoDB builds {index.name}, also if this command is interrupted")
    return True


def _creation(index: Index, found: Description) -> dict[str, Any]:
    definition = index.definition()
    if found.billing_mode == "PROVISIONED" and found.read_capacity:
        # Its own capacity is asked for; the table's is the only figure there is.
        definition["ProvisionedThroughput"] = {
            "ReadCapacityUnits": found.read_capacity,
            "WriteCapacityUnits": found.write_capacity,
        }
    return definition
