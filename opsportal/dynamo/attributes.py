"""Reading what other programs wrote, without ever raising.

A typed DynamoDB value (``{"S": "..."}``) goes in; a plain value comes out: None when it is missing or
NULL, `Malformed` when it is there and can't be read as what it should be. Pages show the raw form of
the latter. The PynamoDB attributes at the end read the same way and write as usual.
"""

import base64
import json
import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Self, TypeVar, overload

from pynamodb.attributes import Attribute

from opsportal.dynamo.json_values import in_range, number_text, parse_foreign
from opsportal.dynamo.time_text import EPOCH, epoch_unit
from opsportal.dynamo.time_text import parse_time as parse_time

Typed = dict[str, Any]  # one AttributeValue, as the wire has it: {"S": "text"}
Raw = dict[str, Typed]  # an item, or the members of a map


class Malformed:
    """A value that is there and is not what it should be. False, so that it never passes for one."""

    __slots__ = ("raw", "reason", "value")

    def __init__(self, value: Typed, reason: str) -> None:
        self.value = value
        self.reason = reason
        self.raw = raw_text(value)

    def __bool__(self) -> Literal[False]:
        return False

    def __str__(self) -> str:
        return self.raw

    def __repr__(self) -> str:
        return f"Malformed({self.raw!r}, {self.reason!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Malformed) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.raw)


TYPE_NAMES = {
    "S": "text",
    "N": "a number",
    "B": "binary data",
    "BOOL": "true or false",
    "NULL": "null",
    "M": "a map",
    "L": "a list",
    "SS": "a set of texts",
    "NS": "a set of numbers",
    "BS": "a set of binary data",
}


def raw_text(value: Typed) -> str:
    """The value in DynamoDB's JSON, on one line."""
    return json.dumps(value, ensure_ascii=False, default=binary_text, sort_keys=True)


def pretty(raw: Raw) -> str:
    """The item in DynamoDB's JSON, indented, attributes by name, binary as base64 (as the AWS CLI does)."""
    return json.dumps(raw, indent=2, ensure_ascii=False, sort_keys=True, default=binary_text)


def binary_text(value: object) -> str:
    """What `json.dumps` asks for of what is no JSON: bytes in Base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _parts(value: Typed) -> tuple[str, Any]:
    return next(iter(value.items()), ("NULL", True))


def _wrong(value: Typed, wanted: str) -> Malformed:
    tag = _parts(value)[0]
    return Malformed(value, f"expected {wanted}, found {TYPE_NAMES.get(tag, tag)}")


def is_absent(value: Typed | None) -> bool:
    """Whether the attribute is missing or NULL, which writers use alike."""
    return value is None or "NULL" in value or not value


def read_text(value: Typed | None) -> str | Malformed | None:
    """Text; a number or a boolean is taken as its text, since nothing is lost by it."""
    if not value or "NULL" in value:  # as in `read_time`
        return None
    tag, content = next(iter(value.items()))
    if tag == "S" or tag == "N":
        return str(content)
    if tag == "BOOL":
        return "true" if content else "false"
    return _wrong(value, "text")


def read_number(value: Typed | None) -> Decimal | Malformed | None:
    """A finite decimal in DynamoDB's range, from a number or from text that spells one."""
    if not value or "NULL" in value:  # as in `read_time`
        return None
    tag, content = next(iter(value.items()))
    if tag not in ("N", "S"):
        return _wrong(value, "a number")
    try:
        number = Decimal(str(content).strip())
    except InvalidOperation:
        return Malformed(value, "expected a number, found other text")
    if in_range(number):
        return number
    finite = number.is_finite()
    return Malformed(value, f"expected a {'number that DynamoDB could hold' if finite else 'finite number'}")


_EPOCH_TEXT = re.compile(r"\s*\d{9,}(\.\d+)?\s*")


def read_time(value: Typed | None) -> datetime | Malformed | None:
    """An aware UTC datetime from ISO or RFC 2822 text, or from the seconds since 1970, or thousandths, millionths or
    billionths of them (number or digits)."""
    if not value or "NULL" in value:  # is_absent, without the call: of an item most values are times
        return None
    tag, content = next(iter(value.items()))
    if tag not in ("S", "N"):
        return _wrong(value, "a time")
    try:
        if tag == "S" and (content[4:5] == "-" or not _EPOCH_TEXT.fullmatch(content)):
            return parse_time(content)
        number = Decimal(str(content).strip())
        _, factor = epoch_unit(number)
        return EPOCH + timedelta(microseconds=int(number * 1_000_000 / factor))
    except (ValueError, OverflowError, ArithmeticError):
        return Malformed(
            value, "expected a time: ISO 8601, RFC 2822, or seconds or fractions of them since 1970"
        )


def read_map(value: Typed | None) -> dict[str, Typed] | Malformed | None:
    """The typed members of a map."""
    if is_absent(value):
        return None
    assert value is not None
    return value["M"] if "M" in value else _wrong(value, "a map")


def read_list(value: Typed | None) -> list[Typed] | Malformed | None:
    """The typed members of a list or a set; sets come sorted, so that pages do not flicker."""
    if is_absent(value):
        return None
    assert value is not None
    tag, content = _parts(value)
    if tag == "L":
        return list(content)
    if tag in ("SS", "NS", "BS"):
        return [{tag[0]: item} for item in sorted(content)]
    return _wrong(value, "a list or a set")


def read_texts(value: Typed | None) -> list[str | Malformed] | Malformed | None:
    """A list or set of texts, member by member (docs/data.md point 8)."""
    members = read_list(value)
    if members is None or isinstance(members, Malformed):
        return members
    return [text for text in map(read_text, members) if text is not None]


def read_document(value: Typed | None) -> Any:
    """A nested value as plain data, also from JSON text inside a string (docs/data.md point 8)."""
    if is_absent(value):
        return None
    assert value is not None
    if "S" not in value:
        return plain(value)
    try:
        return parse_foreign(value["S"])
    except ValueError:
        return Malformed(value, "expected a map or JSON text, found other text")


def plain(value: Typed) -> Any:
    """Any value as Python data: Decimal numbers, base64 text for binary, sorted lists for sets. The members of a map are
    sorted too: DynamoDB returns them in another order each time."""
    tag, content = _parts(value)
    if tag == "M":
        return {key: plain(item) for key, item in sorted(content.items())}
    if tag == "L":
        return [plain(item) for item in content]
    if tag == "N":
        return content if isinstance(read_number(value), Malformed) else Decimal(content)
    if tag == "NS":
        return sorted(Decimal(item) for item in content)
    if tag in ("SS", "BS"):
        return [plain({tag[0]: item}) for item in sorted(content)]
    if tag == "B":
        return binary_text(content)
    return None if tag == "NULL" else content


def typed(document: Any, like: Typed | None = None) -> Typed:
    """Plain data as a DynamoDB value. Parts that are as in `like` keep its types (sets, binary)."""
    like = like or {}
    if isinstance(document, dict):
        olds: Raw = like.get("M", {})
        return {"M": {name: typed(value, olds.get(name)) for name, value in document.items()}}
    if like and not ("M" in like or "L" in like) and _equal(plain(like), document):
        return like
    if isinstance(document, list):
        before = [*like.get("L", []), *[None] * len(document)]
        return {"L": [typed(value, old) for value, old in zip(document, before, strict=False)]}
    if document is None:
        return {"NULL": True}
    if isinstance(document, bool):
        return {"BOOL": document}
    return {"S": document} if isinstance(document, str) else {"N": number_text(Decimal(document))}


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


# --- PynamoDB attributes that read so ------------------------------------------------------------


T = TypeVar("T")


class TolerantAttribute(Attribute[T]):
    """Never raises on reading: it is given the whole typed value, of whatever type, or None."""

    attr_type = "S"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(null=not kwargs.get("hash_key"), **kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self._name = name

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    @overload
    def __get__(self, instance: Any, owner: Any) -> T: ...

    def __get__(self, instance: Any, owner: Any) -> Self | T:
        """As PynamoDB's, which finds the name each time: four times as long, and a list reads 1,700 of them."""
        return self if instance is None else instance.attribute_values.get(self._name)

    def get_value(self, value: Typed) -> Typed:
        return value

    def deserialize(self, value: Typed | None) -> T:
        raise NotImplementedError


class TextAttribute(TolerantAttribute[str | Malformed | None]):
    def deserialize(self, value: Typed | None) -> str | Malformed | None:
        return read_text(value)


class NumberAttribute(TolerantAttribute[Decimal | Malformed | None]):
    attr_type = "N"

    def deserialize(self, value: Typed | None) -> Decimal | Malformed | None:
        return read_number(value)

    def serialize(self, value: Any) -> Any:
        return str(value)


class TimeAttribute(TolerantAttribute[datetime | Malformed | None]):
    """Written as given: the text form is each table's own (see the writers)."""

    def deserialize(self, value: Typed | None) -> datetime | Malformed | None:
        return read_time(value)


class FlagAttribute(TolerantAttribute[bool | None]):
    attr_type = "BOOL"

    def deserialize(self, value: Typed | None) -> bool | None:
        return (value or {}).get("BOOL")


class BinaryAttribute(TolerantAttribute[bytes | None]):
    attr_type = "B"

    def deserialize(self, value: Typed | None) -> bytes | None:
        return (value or {}).get("B")


class MapAttribute(TolerantAttribute[dict[str, Typed] | Malformed | None]):
    attr_type = "M"

    def deserialize(self, value: Typed | None) -> dict[str, Typed] | Malformed | None:
        return read_map(value)


class ListAttribute(TolerantAttribute[list[Typed] | Malformed | None]):
    attr_type = "L"

    def deserialize(self, value: Typed | None) -> list[Typed] | Malformed | None:
        return read_list(value)


class TextsAttribute(TolerantAttribute[list[str | Malformed] | Malformed | None]):
    attr_type = "L"

    def deserialize(self, value: Typed | None) -> list[str | Malformed] | Malformed | None:
        return read_texts(value)


class DocumentAttribute(TolerantAttribute[Any]):
    def deserialize(self, value: Typed | None) -> Any:
        return read_document(value)
