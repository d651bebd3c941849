"""What programs pass to the writers, made into what can be written, at the boundary and nowhere else.

A value that can't be written must not cost the record that it comes with, nor fail the work that is recorded:
it is left out or becomes text. `Arguments` says which.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, TypeVar

from . import sizes, trees, values
from .values import Item

T = TypeVar("T")

ID_BYTES = 2_048  # of a partition key
STEP_BYTES = 1_000
ACTIVITY_BYTES = 2_000
SPOOL_BYTES, INTERVAL = 64 * 1024 * 1024, 2.0
_MAX_TOKENS = 10**30  # so that their sums have no more digits than DynamoDB holds
_MAX_SECONDS = 10**12
_MAX_STEPS = 1_000


class Arguments:
    """Those of one call. ``left_out``: a clause for each that could not be taken."""

    def __init__(self) -> None:
        self.left_out: list[str] = []

    def take(self, name: str, make: Callable[..., T], *given: Any) -> T | None:
        """What ``make`` makes of it; None where that fails."""
        try:
            return make(*given)
        except Exception as error:
            said = trees.text_of(error).removeprefix("ValueError: ")
            self.left_out.append(f"{name} is left out: {sizes.cut(said, 300)}")
            return None

    def tokens(self, name: str, given: Any) -> dict[str, Decimal] | None:
        """Counts by name, a count that is none as 0; ``totalTokens`` is the sum unless it is given."""
        found = self.take(name, _mapping, given)
        if found is None:
            return None
        counts = {one: self.take(one, count, found.get(one)) or Decimal(0) for one in values.TOKENS}
        if not counts["totalTokens"]:
            counts["totalTokens"] = values.EXACT.add(counts["inputTokens"], counts["outputTokens"])
        return counts

    def usage(self, given: Any) -> Item | None:
        counts = self.tokens("tokens", given)
        return None if counts is None else values.usage(counts)

    def tree(self, name: str, given: Any) -> Item | None:
        """Plain data of any shape; None where it is too much."""
        tree = trees.Tree()
        found = self.take(name, tree.typed, given)
        if found is not None and tree.problems:
            self.left_out.append(f"a part of {name} is left out: {', '.join(tree.problems)}")
        return found

    def setting(self, name: str, given: Any, default: T, least: float, most: float) -> T:
        """An option of a writer, which is a number of the type of its default."""
        found = self.take(name, between, given, least, most)
        return default if found is None else type(default)(found)  # type: ignore[call-arg]

    def options(self, spool_dir: Any, spool_bytes: Any, progress_interval: Any) -> dict[str, Any]:
        """Those of a `Delivery`."""
        return {
            "spool_dir": None if spool_dir is None else self.take("spool_dir", folder, spool_dir),
            "spool_bytes": self.setting("spool_bytes", spool_bytes, SPOOL_BYTES, 0, 2**60),
            "interval": self.setting("progress_interval", progress_interval, INTERVAL, 0, 86_400),
        }

    def steps(self, given: Any, key: str) -> tuple[tuple[str, str], ...]:
        """(attribute, waiting text) of each step that can be one."""
        pairs = self.take("steps", _pairs, given)
        made = [self.take("a step", _step, pair, key) for pair in (values.STEPS if pairs is None else pairs)]
        return tuple(step for step in made if step is not None)


def text(given: Any, limit: int) -> str:
    return sizes.cut(trees.text_of(given), limit)


def flag(given: Any) -> bool:
    """False for what is neither true nor false."""
    try:
        return bool(given)
    except Exception:
        return False


def timeout(given: Any) -> float:
    """Seconds to wait; 10 for what is no number."""
    found = trees.number_of(given)
    return 10.0 if found is None or found.is_nan() else float(min(max(found, Decimal(0)), Decimal(86_400)))


def folder(given: Any) -> str:
    """ValueError for what is no path."""
    if not isinstance(given, str | bytes | os.PathLike):
        raise ValueError(f"{trees.shown(given)} is no folder")
    return os.fsdecode(given)


def id_of(given: Any) -> str:
    """An id as text; "" for what can't be one, such as None, NaN, a list, or what is longer than a key."""
    try:
        if given is None or isinstance(given, (bool, BaseException, Iterator, *trees.CONTAINERS)):
            return ""
        if isinstance(given, float | Decimal) and not math.isfinite(given):
            return ""
        found = sizes.utf8(trees.own_text(given))
    except Exception:
        return ""
    return found if sizes.of_text(found) <= ID_BYTES else ""


def key(what: str, given: Any, limit: int = ID_BYTES) -> str:
    """An id that names something. ValueError where it does not."""
    found = id_of(given)
    if not found.strip() or sizes.of_text(found) > limit:
        raise ValueError(f"{what} is {trees.shown(given)}; it has to be a text of 1 to {limit:,} bytes")
    return found


def step_name(given: Any, table_key: str) -> str:
    """ValueError where it can't name a step."""
    found = key("a step's name", given, STEP_BYTES)
    if found in values.RESERVED | {table_key}:
        raise ValueError(f"{found!r} is an attribute of the workflow and cannot name a step")
    return found


def count(given: Any) -> Decimal:
    """A whole number; None is 0. ValueError for what is none, or is negative."""
    found = Decimal(0) if given is None else number(given)
    if not 0 <= found <= _MAX_TOKENS or found != found.to_integral_value():
        raise ValueError(f"{trees.shown(given)} is not a whole number of at least 0 and at most 30 digits")
    return found


def seconds(given: Any) -> Item:
    """Seconds, or a timedelta. ValueError for what is no time."""
    if isinstance(given, timedelta):
        given = given.total_seconds()
    found = number(given)
    if not -_MAX_SECONDS <= found <= _MAX_SECONDS:  # of 1E+999999999, `abs` is an error of arithmetic
        raise ValueError(f"{trees.shown(given)} are too many seconds")
    return values.seconds(found)


def moment(given: Any) -> datetime:
    """A moment in UTC, which is also what one without a zone means. ValueError for what is none."""
    if isinstance(given, datetime):
        return values.utc(given)
    found = values.moment({"S": given}) if isinstance(given, str) else None
    if found is None:
        raise ValueError(f"{trees.shown(given)} is no date with a time")
    return values.utc(found)


def number(given: Any) -> Decimal:
    """A finite number, also as text. ValueError for what is none."""
    found = trees.number_of(given)
    if found is None and isinstance(given, str):
        with contextlib.suppress(InvalidOperation):
            found = Decimal(given)
    if found is None or not found.is_finite():
        raise ValueError(f"{trees.shown(given)} is not a number")
    return found


def between(given: Any, least: float, most: float) -> Decimal:
    """ValueError for what is no number, or none from ``least`` to ``most``."""
    found = number(given)
    if not least <= found <= most:
        raise ValueError(f"{found} is not between {least:,} and {most:,}")
    return found


def _mapping(given: Any) -> dict[Any, Any]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{trees.shown(given)} is no map of counts")
    return dict(given)


def _pairs(given: Any) -> list[Any]:
    if isinstance(given, str | bytes):
        raise ValueError(f"{trees.shown(given)} is no list of steps")
    return list(islice(given.items() if isinstance(given, Mapping) else given, _MAX_STEPS))


def _step(given: Any, table_key: str) -> tuple[str, str]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise ValueError(f"{trees.shown(given)} is not a name with its waiting text")
    return step_name(given[0], table_key), text(given[1], ACTIVITY_BYTES)
