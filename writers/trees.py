"""Whatever a program passes, as text and as DynamoDB's values. Nothing here raises for what a value is or does."""

import contextlib
import json
import operator
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any

from . import sizes, values
from .values import Item

LEVELS = 30  # of maps and lists in one another; DynamoDB's own limit is 32
VALUES, _SHOWN = 100_000, 500  # of data in all, and of data in a text
NAME_BYTES = 1_000
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+>\Z")
CONTAINERS = (Mapping, list, tuple, set, frozenset)
_NO_NUMBERS = (str, bytes, bytearray, Enum, date, time, timedelta, *CONTAINERS)


def text_of(value: Any) -> str:
    """The value as a person would write it: bytes as UTF-8, an error with its type, data as JSON."""
    try:
        return own_text(value)
    except Exception:
        return f"[{type(value).__name__} without a text]"


def own_text(value: Any) -> str:
    """As `text_of`; raises where the value has no text of its own."""
    if value is None or isinstance(value, bool):
        return "(no text)" if value is None else str(value).lower()
    if isinstance(value, Enum):
        return own_text(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, BaseException):
        said = text_of(str(value))
        return f"{type(value).__name__}: {said}" if said else type(value).__name__
    if isinstance(value, datetime):
        try:
            return values.stamp(value)
        except OverflowError:  # in UTC it is before the year 1 or after 9999
            return value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int):
        return str(Decimal(value))  # which has as many digits as it takes
    if isinstance(value, CONTAINERS):
        data = values.plain(Tree(_SHOWN).typed(value))
        return json.dumps(data, ensure_ascii=False, default=_json_number)
    found = str(value)
    if _ADDRESS.search(found):  # in memory, which says nothing to anybody
        raise ValueError("it has no text")
    return found


def shown(value: Any) -> str:
    """The value in a sentence."""
    return sizes.cut(text_of(value) or "an empty text", 80)


def number_of(value: Any) -> Decimal | None:
    """The number that a value is, None where it is none, or fails. A text is none."""
    try:
        return _number_of(_bare(value))
    except Exception:
        return None


def _number_of(value: Any) -> Decimal | None:
    if isinstance(value, float):
        return Decimal(float.__repr__(value))  # of a subclass too
    if isinstance(value, int | Decimal):
        return None if isinstance(value, bool) else Decimal(value)
    if isinstance(value, _NO_NUMBERS):
        return None
    for convert in (operator.index, float):
        with contextlib.suppress(Exception):
            return number_of(convert(value))
    return None


def _bare(value: Any) -> Any:
    """Of a scalar of numpy and the like, Python's own."""
    item = getattr(type(value), "item", None)
    with contextlib.suppress(Exception):
        if callable(item) and isinstance(found := item(value), bool | int | float):
            return found
    return value


class Tree:
    """Plain data on its way to an AttributeValue: numbers as decimals, what DynamoDB has no type for as text.

    ``problems``: what could not be taken along. In its place stands a text that says why.
    """

    def __init__(self, most: int | None = None) -> None:
        self.problems: dict[str, None] = {}
        self._most = self._left = VALUES if most is None else most
        self._around: set[int] = set()

    def typed(self, value: Any) -> Item:
        """Raises ValueError for more values than it takes."""
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it has more than {self._most:,} values")
        try:
            if isinstance(value, CONTAINERS):
                members = self._members(value)
            else:
                return _scalar(value)
        except Exception:
            return self._problem(f"a {type(value).__name__} can't be written")
        if id(value) in self._around:
            return self._problem("it contains itself")
        if len(self._around) == LEVELS:
            return self._problem(f"it is more than {LEVELS} levels deep")
        self._around.add(id(value))
        try:
            if not isinstance(members, dict):
                return {"L": [self.typed(member) for member in members]}
            return {"M": {name: self.typed(member) for name, member in members.items()}}
        finally:
            self._around.remove(id(value))

    def _members(self, value: Any) -> list[Any] | dict[str, Any]:
        """All at once, since another thread may go on with it; and one more than fits at most."""
        if not isinstance(value, Mapping):
            return list(islice(value, self._left + 1))
        members: dict[str, Any] = {}
        alike: dict[str, int] = {}
        for name, member in list(islice(value.items(), self._left + 1)):
            # DynamoDB takes no empty names. Names that become the same text keep their values.
            text = wanted = sizes.cut(text_of(name), NAME_BYTES) or "(empty)"
            while text in members:
                alike[wanted] = alike.get(wanted, 1) + 1
                text = f"{wanted} ({alike[wanted]})"
            members[text] = member
        return members

    def _problem(self, reason: str) -> Item:
        self.problems[reason] = None
        return {"S": f"[left out: {reason}]"}


def _scalar(value: Any) -> Item:
    value = _bare(value)
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, Enum):
        return _scalar(value.value)
    if (found := number_of(value)) is not None:
        return _number(found)
    return {"S": sizes.utf8(own_text(value))}


def _number(value: Decimal) -> Item:
    """What DynamoDB can't hold digit by digit is text, and so are NaN and the infinities."""
    if value.is_finite() and (not value or -130 <= value.adjusted() <= 125):
        rounded = values.EXACT.normalize(value)
        if rounded == value:
            return values.number(rounded)
        if abs(value.as_tuple().exponent) < 1_000:  # type: ignore[arg-type]
            return {"S": format(value, "f")}
    return {"S": str(value)}


def _json_number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)
