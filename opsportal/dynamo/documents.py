"""Whole items as text, exactly as DynamoDB types them."""

import base64
import json

from opsportal.dynamo.attributes import Typed


def pretty(raw: dict[str, Typed]) -> str:
    """The item in DynamoDB's JSON, indented, attributes by name, binary as base64 (as the AWS CLI does)."""
    return json.dumps(raw, indent=2, ensure_ascii=False, sort_keys=True, default=_base64)


def _base64(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
