"""Values in DynamoDB's JSON (`{"SS": ["a"]}`) as text in a form, and read back exactly."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.json_values import as_decimal, check_text, in_range, parse

# Bytes of one value; and levels, of which DynamoDB has 32 in all.
MAX_BYTES, MAX_LEVELS = 300_000, 30


def read(given: str) -> Typed:
    """The value of the text. ValueError with a sentence for people."""
    if len(given.encode(errors="replace")) > MAX_BYTES:
        raise ValueError(f"At most {MAX_BYTES:,} bytes.")
    return checked(parse(given, levels=2 * MAX_LEVELS))


def checked(value: Any, levels: int = MAX_LEVELS) -> Typed:
    """The same as DynamoDB's client takes it, binary data as bytes. ValueError with a sentence for people."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError('A value in DynamoDB\'s JSON has one type: {"S": "text"}.')
    if not levels:
        raise ValueError(f"At most {MAX_LEVELS} levels.")
    ((tag, content),) = value.items()
    if tag == "M" and isinstance(content, dict):
        return {"M": {_text(name): checked(member, levels - 1) for name, member in content.items()}}
    if tag == "L" and isinstance(content, list):
        return {"L": [checked(member, levels - 1) for member in content]}
    if tag == "NULL" and content is True:
        return {"NULL": True}
    if tag == "BOOL" and isinstance(content, bool):
        return {"BOOL": content}
    if tag in _SCALARS:
        return {tag: _SCALARS[tag](content)}
    if tag[:-1] in _SCALARS and tag.endswith("S") and isinstance(content, list) and content:
        members = [_SCALARS[tag[:-1]](member) for member in content]
        if len(set(members)) < len(members):
            raise ValueError("A set can't have the same member twice.")
        return {tag: members}
    raise ValueError(f"{str(tag)[:20]!r} is not a DynamoDB type for this value.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("S needs text.")
    return check_text(value)


def _number(value: Any) -> str:
    number = as_decimal(value) if isinstance(value, str) else None
    if number is None or not in_range(number):
        raise ValueError("A number is needed in N, written as text and within DynamoDB's range.")
    return str(value)


def _binary(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError("Base64 is needed in a B.") from error


_SCALARS: dict[str, Callable[[Any], Any]] = {"S": _text, "N": _number, "B": _binary}
