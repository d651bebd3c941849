"""Values in DynamoDB's JSON (`{"SS": ["a"]}`) as text in a form, and read back exactly."""

import base64
import binascii
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from opsportal.dynamo.attributes import Typed, raw_text
from opsportal.dynamo.foreign_json import in_range

# Bytes of one value; and levels, of which DynamoDB has 32 in all.
MAX_BYTES, MAX_LEVELS = 300_000, 30

written = raw_text


def read(given: str) -> Typed:
    """The value of the text. ValueError with a sentence for people."""
    if len(given.encode(errors="replace")) > MAX_BYTES:
        raise ValueError(f"At most {MAX_BYTES:,} bytes.")
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"It is no JSON: {str(error)[:200]}.") from error
    return checked(found)


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
            raise ValueError("A set holds each member once.")
        return {tag: members}
    raise ValueError(f"{str(tag)[:20]!r} is no type of DynamoDB with such a value.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("A text is needed in an S.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("It holds half of a character (a lone surrogate).") from error
    return value


def _number(value: Any) -> str:
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or not in_range(number):
        raise ValueError("A number that DynamoDB holds is needed, as text, in an N.")
    return str(value)


def _binary(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError("Base64 is needed in a B.") from error


_SCALARS: dict[str, Callable[[Any], Any]] = {"S": _text, "N": _number, "B": _binary}
