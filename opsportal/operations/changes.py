"""One conditional UpdateItem in the making: what it sets and removes, what it was based on, and both sides
of every path it changes, for the audit entry."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from opsportal.dynamo.attributes import Raw as Raw
from opsportal.dynamo.attributes import Typed, raw_text
from opsportal.dynamo.expressions import Expressions

Path = tuple[str, ...]

NULL: Typed = {"NULL": True}


def text(value: str) -> Typed:
    return {"S": value}


def number(value: object) -> Typed:
    return {"N": str(value)}


def at(raw: Raw, path: Path) -> Typed | None:
    """The typed value at a path of maps, or None."""
    value: Typed | None = {"M": raw}
    for name in path:
        members = value.get("M") if value else None
        value = members.get(name) if isinstance(members, dict) else None
    return value


def same(one: Typed | None, other: Typed | None) -> bool:
    """Whether two values are one to DynamoDB, which keeps no order in sets and gives numbers back in its own
    spelling (1.50 is 1.5)."""
    if one is None or other is None or one.keys() != other.keys():
        return one is other
    for tag, content in one.items():
        against = other[tag]
        if tag == "M":
            equal = content.keys() == against.keys() and all(
                same(value, against[name]) for name, value in content.items()
            )
        elif tag == "L":
            equal = len(content) == len(against) and all(map(same, content, against))
        elif tag == "N":
            equal = Decimal(content) == Decimal(against)
        elif tag == "NS":
            equal = set(map(Decimal, content)) == set(map(Decimal, against))
        elif tag in ("SS", "BS"):
            equal = set(content) == set(against)
        else:
            equal = content == against
        if not equal:
            return False
    return True


@dataclass(frozen=True)
class Changed:
    """One path, before and after; None is absence. `cut`: the beginning of the JSON of the new value, where an
    entry holds no more of it."""

    path: Path
    old: Typed | None
    new: Typed | None
    cut: str = ""


@dataclass(frozen=True)
class Part:
    """One of many alike: these are set together, provided that `guard` is as read."""

    values: Mapping[Path, Typed]
    guard: Path


@dataclass
class Change:
    """Collects the parts of an update of the item `raw`, as it was read.

    Guards compare the raw typed value as read, or its absence: writers keep no version.
    """

    raw: Raw
    changed: list[Changed] = field(default_factory=list)
    _sets: list[tuple[Path, Typed]] = field(default_factory=list)
    _removes: list[Path] = field(default_factory=list)
    _guards: list[Path] = field(default_factory=list)

    def guard(self, *paths: Path | str) -> "Change":
        """Require that these are still as read."""
        self._guards += [(path,) if isinstance(path, str) else path for path in paths]
        return self

    def set(self, path: Path | str, value: Typed) -> "Change":
        """Set a path. A parent map that is missing (or is no map) is made with it, and guarded: a nested
        path needs its parent to exist."""
        path = (path,) if isinstance(path, str) else path
        for depth in range(1, len(path)):
            parent = at(self.raw, path[:depth])
            if parent is None or "M" not in parent:
                nested = value
                for name in reversed(path[depth:]):
                    nested = {"M": {name: nested}}
                return self._merge_into(path[:depth], nested)
        return self._put(path, value)

    def _merge_into(self, path: Path, value: Typed) -> "Change":
        """Two sets below the same missing parent become one map."""
        for number_, (known, planned) in enumerate(self._sets):
            if known == path and "M" in planned and "M" in value:
                self._sets[number_] = (known, {"M": _merged(planned["M"], value["M"])})
                self.changed = [
                    Changed(one.path, one.old, self._sets[number_][1]) if one.path == path else one
                    for one in self.changed
                ]
                return self
        self.guard(path)
        return self._put(path, value)

    def _put(self, path: Path, value: Typed) -> "Change":
        old = at(self.raw, path)
        if not same(old, value):
            self._sets.append((path, value))
            self.changed.append(Changed(path, old, value))
        return self

    def remove(self, path: Path | str) -> "Change":
        path = (path,) if isinstance(path, str) else path
        old = at(self.raw, path)
        if old is not None:
            self._removes.append(path)
            self.changed.append(Changed(path, old, None))
        return self

    def append(self, path: Path | str, entry: Typed) -> "Change":
        """Append to a list; a missing one is made, and what is there and no list is left alone."""
        path = (path,) if isinstance(path, str) else path
        old = at(self.raw, path)
        if old is not None and "L" not in old and "NULL" not in old:
            return self
        members = old.get("L", []) if old else []
        return self.set(path, {"L": [*members, entry]}).guard(path)

    # --- what one change can hold -------------------------------------------------------------------

    def set_as_many(self, parts: Sequence[Part]) -> int:
        """Set the first of `parts`, as many as one change holds; returns how many that are."""
        count = bisect_left(
            range(1, len(parts) + 1), True, key=lambda most: not self._with(parts[:most]).fits
        )
        whole = self._with(parts[:count])
        self.changed, self._sets, self._guards = whole.changed, whole._sets, whole._guards
        return count

    def _with(self, parts: Sequence[Part]) -> "Change":
        trial = replace(self, changed=[*self.changed], _sets=[*self._sets], _guards=[*self._guards])
        for part in parts:
            trial.guard(part.guard)
            for path, value in part.values.items():
                trial.set(path, value)
        return trial

    @property
    def fits(self) -> bool:
        """Whether each of its expressions is one that DynamoDB takes, as is that of its undo, which guards every path
        that it changed, and its entry an item that it stores."""
        request = self.request("", {"key": text("")})
        condition = request["ConditionExpression"]
        conditions = (
            condition.count(" AND ") + 1
        )  # each with an operator or a function, and an AND between two
        longest = max(len(request["UpdateExpression"]), len(condition))
        names = sum(len(name.encode()) for one in self.changed for name in one.path)
        values = sum(len(raw_text(one.new).encode()) for one in self.changed if one.new)
        return (
            2 * max(conditions, len(self.changed)) <= MAX_OPERATORS
            and longest <= MAX_EXPRESSION
            and names <= MAX_NAMES
            and values <= MAX_VALUES
        )

    # --- rendering ----------------------------------------------------------------------------------

    def request(self, table_name: str, key: Raw) -> dict[str, Any]:
        """The arguments of ``Update`` in TransactWriteItems."""
        expression = Expressions()
        update = []
        if self._sets:
            sets = (f"{expression.name(*path)} = {expression.value(value)}" for path, value in self._sets)
            update.append(f"SET {', '.join(sets)}")
        if self._removes:
            update.append("REMOVE " + ", ".join(expression.name(*path) for path in self._removes))
        condition = _as_read(expression, self.raw, self._guards, key)
        return {
            "TableName": table_name,
            "Key": key,
            "UpdateExpression": " ".join(update),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.placeholders,
        }

    @property
    def condition(self) -> str:
        """The condition in words that a person can read, for the entry; of many and of long names the first."""
        guards = [f"{'.'.join(path)} as read" for path in dict.fromkeys(self._guards)]
        if sum(map(len, guards)) <= MAX_CONDITION:
            return " and ".join(guards) or "exists"
        first = [
            guard for guard in guards[:MAX_GUARDS_NAMED] if len(guard) <= MAX_CONDITION // MAX_GUARDS_NAMED
        ]
        return " and ".join([*first, f"{len(guards) - len(first)} more as read"])


def _merged(one: Raw, other: Raw) -> Raw:
    merged = dict(one)
    for name, value in other.items():
        if name in merged and "M" in merged[name] and "M" in value:
            merged[name] = {"M": _merged(merged[name]["M"], value["M"])}
        else:
            merged[name] = value
    return merged


# AWS limits of one expression (4 KB, 300 operators), with room for what an action sets once it knows how many of
# its parts fit.
MAX_OPERATORS = 280
MAX_EXPRESSION = 3_900
# Bytes of the names in the paths of one change, which its audit entry holds too, and of its new values. A name is at
# most 64 KB long, an item 400 KB.
MAX_NAMES, MAX_VALUES = 70_000, 130_000
# Characters of a condition in words, and how many guards are named of a longer one.
MAX_CONDITION, MAX_GUARDS_NAMED = 2_000, 10


def delete_request(
    table_name: str, key: Raw, raw: Raw, *, first: Sequence[str] = ()
) -> tuple[dict[str, Any], bool]:
    """The arguments of ``Delete``, provided that every top-level attribute is as read; and whether all of
    them could be held by one expression (4 KB, 300 operators). `first` are guarded in any case."""
    expression = Expressions()
    names = [*dict.fromkeys([*first, *sorted(raw)])]
    names = [name for name in names if name not in key]
    whole, length = True, 0
    guarded: list[Path] = []
    for name in names:
        length += 24 + len(str(len(guarded)))
        if name not in first and (2 * len(guarded) >= MAX_OPERATORS or length > MAX_EXPRESSION):
            whole = False
            break
        guarded.append((name,))
    condition = _as_read(expression, raw, guarded, key)
    return {
        "TableName": table_name,
        "Key": key,
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **expression.placeholders,
    }, whole


def _as_read(expression: Expressions, raw: Raw, paths: Sequence[Path], key: Raw) -> str:
    """The condition that the item is there and these paths of it are as in `raw`."""
    hash_key = (next(iter(key)),)
    parts = [f"attribute_exists({expression.name(*hash_key)})"]
    for path in dict.fromkeys(paths):
        if path == hash_key:
            continue
        name, old = expression.name(*path), at(raw, path)
        if old is None:
            parts.append(f"attribute_not_exists({name})")
        else:
            parts.append(f"{name} = {expression.value(old)}")
    return " AND ".join(parts)
