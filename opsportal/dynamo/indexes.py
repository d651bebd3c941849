"""Adding a global secondary index to a table that has data, and removing one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
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
# Pages of a sample: at most 5 MB read, which is 640 read units.
SAMPLE_PAGES = 5
SAMPLE_PAGE_ITEMS = 2000
SAMPLE_NAMED = 20
# Bytes that DynamoDB allows in a key attribute.
HASH_BYTES, RANGE_BYTES = 2048, 1024


# --- Items that the index would reject -------------------------------------------------------------------


@dataclass(frozen=True)
class Reject:
    """An item that could not be written again once the index exists: its key, the attribute, and what is
    wrong with that. Texts are the item's, so they are quoted for a terminal."""

    key: str
    attribute: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.key}: {self.attribute} is {self.wrong}"


@dataclass(frozen=True)
class Sample:
    """How many items were read, and those that the index would reject: `found` of them, the first named.

    `whole`: the table was read to its end. Scan reads in the order of the keys' hash, so that the beginning
    of a large table is as good a sample as any.
    """

    read: int
    whole: bool
    found: int
    named: tuple[Reject, ...]


def sample_of_rejects(table: Binding, index: Index) -> Sample:
    """Read a bounded part of the table for items whose attributes can't be keys of `index`.

    Once the index exists DynamoDB refuses to write those again. Raises `DynamoError`.
    """
    key = describe(table, fresh=True, patient=True).key
    bounds = {index.hash_key: HASH_BYTES} | ({index.range_key: RANGE_BYTES} if index.range_key else {})
    names = {f"#n{number}": name for number, name in enumerate(dict.fromkeys([key, *bounds]))}
    client = clients.client(*table.place, patient=True)
    arguments: dict[str, Any] = {"TableName": table.name, "Limit": SAMPLE_PAGE_ITEMS}
    arguments |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    read, whole = 0, False
    rejects: list[Reject] = []
    found = 0
    for _ in range(SAMPLE_PAGES):
        with translated(table):
            answer = client.scan(**arguments)
        read += len(answer["Items"])
        for item in answer["Items"]:
            of_item = list(_rejects(item, key, bounds))
            found += bool(of_item)
            if found <= SAMPLE_NAMED:
                rejects += of_item
        if not answer.get("LastEvaluatedKey"):
            whole = True
            break
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return Sample(read, whole, found, tuple(rejects))


def _rejects(item: dict[str, Any], key: str, bounds: dict[str, int]) -> Iterator[Reject]:
    for name, most in bounds.items():
        if name in item and (wrong := _wrong_as_key(item[name], most)):
            yield Reject(_quoted(next(iter(item.get(key, {"S": ""}).values()))), name, wrong)


def _wrong_as_key(value: dict[str, Any], most: int) -> str:
    ((kind, content),) = value.items()
    if kind != "S":
        return f"of type {kind}, not S"
    if not content:
        return "an empty string"
    if len(content.encode()) > most:
        return f"longer than {most} bytes"
    return ""


def _quoted(text: object) -> str:
    return json.dumps(str(text)[:100])


# --- Adding and removing ---------------------------------------------------------------------------------


def add(table: Binding, index: Index, say: Say) -> bool:
    """Add the index, if none of that name exists, and wait until it can be used: whether this call added
    it. The table stays in use meanwhile. Raises `DynamoError`."""
    if is_there(table, index.name):
        wait_until_active(table, say, BACKFILL_SECONDS)  # a killed run may have left it half built
        return False
    added = False
    for _ in range(5):
        added = _ask_to_add(table, index) or added
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
                    clients.client(*table.place, patient=True).update_table(
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
    return any(index.name == name for index in describe(table, fresh=True, patient=True).indexes)


def _ask_to_add(table: Binding, index: Index) -> bool:
    found = describe(table, fresh=True, patient=True)
    keys = [name for name in (index.hash_key, index.range_key) if name]
    for name in keys:
        kind = found.attribute_types.get(name, "S")
        if kind != "S":
            raise DynamoError(
                f"{table.name} uses {name} as a key of type {kind} already, and {index.name} needs it as S.",
                "An attribute has one type in all keys of a table: the other index must go first.",
            )
    types = {**found.attribute_types, **dict.fromkeys(keys, "S")}
    with translated(table):
        try:
            clients.client(*table.place, patient=True).update_table(
                TableName=table.name,
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": kind} for name, kind in types.items()
                ],
                GlobalSecondaryIndexUpdates=[{"Create": _creation(index, found)}],
            )
            return True
        except ClientError as error:
            # A second migrator is at it, or was first.
            if error.response["Error"]["Code"] not in BUSY and not is_there(table, index.name):
                raise
            return False


def _creation(index: Index, found: Description) -> dict[str, Any]:
    definition = index.definition()
    if found.billing_mode == "PROVISIONED" and found.read_capacity:
        # Its own capacity is asked for; the table's is the only figure there is.
        definition["ProvisionedThroughput"] = {
            "ReadCapacityUnits": found.read_capacity,
            "WriteCapacityUnits": found.write_capacity,
        }
    return definition
