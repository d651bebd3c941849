"""Values that no call of the writers was made for, and that programs pass all the same."""

import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any


class Color(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Named(str, enum.Enum):  # noqa: UP042  # as programs have it
    HIGH = "high"


class Mute:
    """Nothing of it can be had."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("mute")

    __str__ = __repr__ = __len__ = __eq__ = __bool__ = __iter__ = __float__ = __int__ = __index__ = _fail
    __hash__ = __format__ = __getattr__ = _fail  # type: ignore[assignment]


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("mute")


class MuteMap(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("mute")

    get = keys = __iter__ = __getitem__ = items


class Scalar:
    """As numpy's."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __str__(self) -> str:
        return str(self.value)


class NoZone(dt.tzinfo):
    def utcoffset(self, _: Any) -> Any:
        raise RuntimeError("no offset")


def _fails(*_: object, **__: object) -> Any:
    raise ValueError(Mute())  # whose text fails too


class Disguised:
    """What it is can't be asked."""

    __class__ = property(_fails)  # type: ignore[assignment]


class SpoiltText(str):
    """A text of a program's own, most of whose methods fail."""

    encode = strip = lower = __str__ = __repr__ = __len__ = __iter__ = __contains__ = _fails
    __format__ = __getitem__ = __eq__ = __bool__ = _fails  # type: ignore[assignment]
    __hash__ = str.__hash__


class SpoiltNumber(int):
    __str__ = __repr__ = __eq__ = __lt__ = __le__ = __bool__ = __int__ = __index__ = _fails
    __hash__ = int.__hash__


class SpoiltFloat(float):
    __str__ = __repr__ = __eq__ = __lt__ = __le__ = __bool__ = __float__ = _fails
    __hash__ = float.__hash__


class SpoiltList(list[Any]):
    __iter__ = __len__ = __str__ = __repr__ = __eq__ = __getitem__ = _fails  # type: ignore[assignment]


class SpoiltMoment(dt.datetime):
    isoformat = astimezone = utcoffset = __str__ = timestamp = _fails  # type: ignore[assignment]


class Growing(dict[str, Any]):
    """Another thread adds to it meanwhile."""

    def items(self) -> Any:
        for number in range(3):
            self[f"more {number}"] = number
            yield from dict.items(self)


class Endless(dict[str, Any]):
    """Each of its members is one more like it."""

    def items(self) -> Any:
        return [("a", Endless()), ("b", Endless())]


def generated() -> Iterator[int]:
    yield 1


def nested(levels: int) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = {"in": value} if level % 2 else [value]
    return value


def circular() -> Any:
    value: dict[str, Any] = {"name": "circular"}
    value["self"] = [value, value]
    return value


RELEASED = memoryview(b"gone")
RELEASED.release()

ODD: dict[str, Any] = {
    "None": None,
    "true": True,
    "NaN": float("nan"),
    "infinite": float("-inf"),
    "negative": -1,
    "float": 100.5,
    "Decimal": Decimal("1.5"),
    "signaling NaN": Decimal("sNaN"),
    "Fraction": Fraction(1, 3),
    "complex": 1j,
    "60 digits": 10**60 - 1,
    "5,000 digits": 10**5_000,
    "bytes": b"caf\xc3\xa9 \xff",
    "Path": Path("/data/a.pdf"),
    "UUID": uuid.UUID(int=7),
    "naive": dt.datetime(2025, 12, 24, 10),  # noqa: DTZ001
    "aware": dt.datetime(2025, 12, 24, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    "first moment": dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))),
    "no offset": dt.datetime(2025, 12, 24, tzinfo=NoZone()),
    "date": dt.date(2025, 12, 24),
    "timedelta": dt.timedelta(seconds=90),
    "Enum": Color.RED,
    "Enum of a pair": Color.PAIR,
    "str Enum": Named.HIGH,
    "exception": ValueError("boom"),
    "mute exception": MuteError(),
    "mute": Mute(),
    "mute map": MuteMap(a=1),
    "disguised": Disguised(),
    "error of a mute": ValueError(Mute()),
    "spoilt text": SpoiltText("spoilt"),
    "spoilt number": SpoiltNumber(7),
    "spoilt float": SpoiltFloat(0.5),
    "spoilt list": SpoiltList([1]),
    "spoilt moment": SpoiltMoment(2025, 12, 24, 10, tzinfo=dt.UTC),
    "growing": Growing(a=1),
    "beyond arithmetic": Decimal("1E+999999999"),
    "beyond arithmetic as text": "1E+999999999",
    "released": RELEASED,
    "endless": Endless(),
    "object": object(),
    "class": Mute,
    "circular": circular(),
    "set": {1, 2},
    "40 levels": nested(40),
    "keys that are no text": {1: "a", "1": "b", None: "c", (1, 2): "d", "": "e"},
    "many values": list(range(10_000)),
    "generator": generated(),
    "surrogate": "bad \ud800 text",
    "control": "\0\u202e\r\n",
    "empty": "",
    "blank": " ",
    "text of 500 KB": "я" * 250_000,
    "scalar": Scalar(7),
    "scalar float": Scalar(0.25),
    "scalar of scalar": Scalar(Scalar(1)),
}
