"""Where made-up data may go, and how it becomes DynamoDB items."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.dynamo.tables import Binding, is_loopback
from opsportal.environments import is_strict

Item = dict[str, Any]  # plain Python values; `attribute_values` makes the low-level form


class RefusedError(Exception):
    """Made-up data was about to go where real data may be."""


def refuse_strict_environment(command: str) -> None:
    """Raise RefusedError where made-up data has no place."""
    if is_strict(settings.OPSPORTAL_ENV):
        raise RefusedError(f"{command} is for dev and local; OPSPORTAL_ENV is {settings.OPSPORTAL_ENV}.")


def refuse_real_tables(tables: Iterable[Binding], command: str) -> None:
    """Raise RefusedError unless every table is at a loopback endpoint."""
    for table in tables:
        if not is_loopback(table.endpoint):
            where = table.endpoint or f"Amazon's DynamoDB in {table.region}"
            raise RefusedError(
                f"{command} writes made-up data and refuses {table.name} at {where}: it only writes to an engine "
                "on this machine. Set AWS_ENDPOINT_URL_DYNAMODB to its address, such as http://127.0.0.1:8001."
            )


def refuse_real_queues(endpoints: Mapping[str, str], command: str) -> None:
    """Raise RefusedError unless every endpoint is on this machine. `endpoints`: setting of a queue -> where
    its messages would be taken from."""
    for setting, endpoint in endpoints.items():
        if not is_loopback(endpoint):
            raise RefusedError(
                f"{command} takes messages from its queues and refuses that of {setting} at {endpoint}: unset it, "
                "or set AWS_ENDPOINT_URL_SQS to a server on this machine, such as the one that make run prints."
            )


def attribute_value(value: Any) -> Item:
    """A Python value as a low-level AttributeValue. A set of text is an SS, a float its shortest decimal."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, (int, float, Decimal)):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, (set, frozenset)):
        return {"SS": sorted(value)}
    if isinstance(value, Mapping):
        return {"M": attribute_values(value)}
    return {"L": [attribute_value(member) for member in value]}


def attribute_values(item: Mapping[str, Any]) -> Item:
    return {name: attribute_value(value) for name, value in item.items()}
