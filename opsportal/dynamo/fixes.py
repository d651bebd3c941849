"""Settings and commands that fix what is wrong with a table, ready to be pasted."""

import json
import shlex
from typing import TYPE_CHECKING, Any

from django.conf import settings

from opsportal.dynamo.tables import Binding, Index

if TYPE_CHECKING:
    from opsportal.dynamo.descriptions import DeployedIndex, Description


def setting(table: Binding, name: str) -> str:
    """The environment variable that places this table: ``setting(requests, "REGION")``; "" for one of the
    console's own, which has none."""
    return f"DYNAMODB_{table.logical.upper()}_{name}" if table.logical in settings.DYNAMO_TABLES else ""


def assign(variable: str, value: str) -> str:
    """What to set, quoted for a shell."""
    return f"set {variable}={shlex.quote(value)}"


def aws(table: Binding, operation: str, *arguments: str) -> str:
    """An AWS CLI command on the table, quoted for a shell."""
    words = ["aws", "dynamodb", operation]
    if "--resource-arn" not in arguments:
        words += ["--table-name", table.name]
    words += ["--region", table.region]
    if table.endpoint:
        words += ["--endpoint-url", table.endpoint]
    return shlex.join([*words, *arguments])


def recreate(table: Binding) -> str:
    """What to do about a wrong primary key, which nothing changes."""
    variable = setting(table, "TABLE")
    if variable:
        return (
            "A table's primary key can't be changed: this is another table, or one that must be created again "
            f"and filled. Set {variable} to the right one; python manage.py dynamo migrate "
            f"--table {table.logical} creates it as declared."
        )
    return (
        f"{table.name} is one of the console's own, and a table's primary key can't be changed: move what "
        "has this name away, then run python manage.py dynamo migrate."
    )


def add_indexes(table: Binding) -> str:
    """The console's own command that adds the declared indexes that a table of the settings lacks."""
    return f"python manage.py dynamo migrate --table {table.logical} --add-indexes"


def drop_index(table: Binding, index: str) -> str:
    """The command that takes an index back that `add_indexes` added, or notes that it is gone."""
    return f"python manage.py dynamo migrate --table {table.logical} --drop-index {index}"


def create_index(table: Binding, found: "Description", index: Index) -> str:
    """The AWS CLI's command that adds a declared index; a provisioned table's gets the table's capacity."""
    definition: dict[str, Any] = index.definition()
    if found.billing_mode == "PROVISIONED":
        definition["ProvisionedThroughput"] = {
            "ReadCapacityUnits": found.read_capacity,
            "WriteCapacityUnits": found.write_capacity,
        }
    names = [part["AttributeName"] for part in index.key_schema]
    types = [f"AttributeName={name},AttributeType=S" for name in names]
    update = json.dumps([{"Create": definition}])
    return aws(
        table, "update-table", "--attribute-definitions", *types, "--global-secondary-index-updates", update
    )


def delete_index(table: Binding, index: "DeployedIndex") -> str:
    """The command that deletes an index. The items stay."""
    update = json.dumps([{"Delete": {"IndexName": index.name}}])
    return aws(table, "update-table", "--global-secondary-index-updates", update)


def adds_index(table: Binding) -> str:
    """What adds an index that the table lacks."""
    if table.logical in settings.DYNAMO_TABLES:
        return f"To add it: {add_indexes(table)}"
    return f"python manage.py dynamo verify --table {table.logical} has the command that adds it."
