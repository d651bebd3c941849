"""Items and nested values as JSON text."""

import base64
import json
from decimal import Decimal
from typing import Any

from opsportal.dynamo.attributes import Typed


def pretty(raw: dict[str, Typed]) -> str:
    """The item in DynamoDB's JSON, indented, attributes by name, binary as base64 (as the AWS CLI does)."""
    return json.dumps(raw, indent=2, ensure_ascii=False, sort_keys=True, default=_base64)


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Plain data (of `attributes.plain`) as JSON, members in their order. A number of more digits than a
    double holds loses the last ones, as it would in any reader of JSON."""
    return json.dumps(value, indent=indent, ensure_ascii=False, default=_json_value)


def _json_value(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    return str(value)


def _base64(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
