"""Documents of any shape that become attributes: what of JSON DynamoDB can hold, for the description."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

# AWS limits: numbers have 38 digits, from 1E-130 to 1E+126; a name in a map is not empty. A whole number of more
# digits whose last are zeros is taken too.
_WHOLE = 10**38 - 1
_LEAST, _MOST = 1e-130, 1e125

# Stands for a reference, which pydantic would look for among its own models; see `referred`.
MEMBERS: dict[str, Any] = {"$comment": "Attribute"}
# Of an object: to be merged into its schema.
ATTRIBUTES: dict[str, Any] = {"propertyNames": {"minLength": 1}, "additionalProperties": MEMBERS}
ATTRIBUTE: dict[str, Any] = {
    "description": "Any JSON that DynamoDB can hold.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "integer", "minimum": -_WHOLE, "maximum": _WHOLE},
        {"type": "number", "minimum": _LEAST, "maximum": _MOST},
        {"type": "number", "minimum": -_MOST, "maximum": -_LEAST},
        {"type": "array", "items": MEMBERS},
        {"type": "object", **ATTRIBUTES},
    ],
}


@dataclass(frozen=True)
class OrNull:
    """Marks an optional member whose null says what its absence does: programs that turn objects into JSON send null
    for each member that is not set."""

    empty: Callable[[], Any] = str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def filled(value: Any) -> Any:
            return self.empty() if value is None else value

        return core_schema.no_info_before_validator_function(filled, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "null"}]}


def referred(schema: Any) -> Any:
    """The schema with `MEMBERS` as references to the component `Attribute`."""
    if schema == MEMBERS:
        return {"$ref": "#/components/schemas/Attribute"}
    if isinstance(schema, dict):
        return {name: referred(member) for name, member in schema.items()}
    return [referred(member) for member in schema] if isinstance(schema, list) else schema
