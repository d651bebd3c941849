"""Expressions with placeholders, so that no foreign text is ever part of one; key conditions and filters as data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsportal.dynamo.attributes import Typed


@dataclass(frozen=True)
class Clause:
    """One comparison of an attribute with text values.

    `operator`: ``=``, ``<>``, ``<=``, ``>=``, ``>``, ``between`` (two values), ``in``, ``contains``, or
    ``not text`` (missing, or of another type than S, which is what keeps an item out of an index).
    """

    attribute: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """True when one of its clauses is; of several together in a tuple, when all of them are."""

    clauses: tuple[Clause | tuple[Clause, ...], ...]


Filter = tuple[Clause | AnyOf, ...]


class Expressions:
    """The expressions of one request, with placeholders for its names and values."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Typed] = {}

    def name(self, *path: str) -> str:
        """The placeholders of an attribute, or of a path through maps. A name is taken literally, however it is spelled."""
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in path)

    def value(self, value: Typed) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    @property
    def placeholders(self) -> dict[str, Any]:
        """The arguments that say what they stand for; one that would be empty is left out, as DynamoDB wants it."""
        names = {placeholder: name for name, placeholder in self._names.items()}
        given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": self._values}
        return {argument: said for argument, said in given.items() if said}

    def render(self, clause: Clause | AnyOf) -> str:
        if isinstance(clause, AnyOf):
            parts = (part if isinstance(part, tuple) else (part,) for part in clause.clauses)
            return "(" + " OR ".join(map(self.all_of, parts)) + ")"
        name = self.name(clause.attribute)
        values = [self.value({"S": text}) for text in clause.values]
        match clause.operator:
            case "between":
                return f"{name} BETWEEN {' AND '.join(values)}"
            case "in":
                return f"{name} IN ({', '.join(values)})"
            case "contains":
                return f"contains({name}, {values[0]})"
            case "not text":
                return f"(NOT attribute_type({name}, {self.value({'S': 'S'})}))"
            case "=" | "<>" | "<=" | ">=" | ">" | "<":
                return f"{name} {clause.operator} {values[0]}"
        raise ValueError(f"unknown operator {clause.operator!r}")

    def all_of(self, clauses: Iterable[Clause | AnyOf]) -> str:
        return " AND ".join(self.render(clause) for clause in clauses)

    def arguments(
        self,
        *,
        key: Iterable[Clause] = (),
        filters: Iterable[Clause | AnyOf] = (),
        projection: Iterable[str] = (),
    ) -> dict[str, Any]:
        """The arguments of a Query or Scan; those that would be empty are left out. A path of the projection with an
        index (``errors[0]``) stays as it is, since moto refuses an indexed placeholder."""
        rendered = {
            "KeyConditionExpression": self.all_of(key),
            "FilterExpression": self.all_of(filters),
            "ProjectionExpression": ", ".join(
                path if "[" in path else self.name(path) for path in dict.fromkeys(projection)
            ),
        }
        return {argument: text for argument, text in rendered.items() if text} | self.placeholders


def matches(item: Mapping[str, Typed], filters: Iterable[Clause | AnyOf]) -> bool:
    """Whether the filters let the item pass, as DynamoDB would find."""
    return all(_holds(item, clause) for clause in filters)


def _holds(item: Mapping[str, Typed], clause: Clause | AnyOf) -> bool:
    if isinstance(clause, AnyOf):
        parts = (part if isinstance(part, tuple) else (part,) for part in clause.clauses)
        return any(matches(item, part) for part in parts)
    value, (first, *others) = item.get(clause.attribute, {}), clause.values or ("",)
    text = value.get("S")
    match clause.operator:
        case "not text":
            return text is None
        case "<>":
            return bool(text != first)
        case "contains" if text is None:
            return first in value.get("SS", ()) or {"S": first} in value.get("L", ())
    if text is None:
        return False
    return {
        "=": text == first,
        "in": text in clause.values,
        "contains": first in text,
        "<=": text <= first,
        "<": text < first,
        ">=": text >= first,
        ">": text > first,
        "between": first <= text <= (others or [first])[0],
    }[clause.operator]
