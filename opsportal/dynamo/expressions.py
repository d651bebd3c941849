"""Key conditions and filters as data, rendered with placeholders, so that no foreign text is ever part
of an expression."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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


@dataclass
class Expressions:
    """Names and values of one request. `arguments` are those of Query and Scan."""

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Typed] = field(default_factory=dict)

    def name(self, attribute: str) -> str:
        """A placeholder for a top-level attribute.

        A path such as ``errors[0]`` is given as it is, since moto refuses an indexed placeholder: write
        one only of a plain attribute that is none of DynamoDB's reserved words.
        """
        if "[" in attribute:
            return attribute
        for placeholder, known in self.names.items():
            if known == attribute:
                return placeholder
        placeholder = f"#n{len(self.names)}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, text: str) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = {"S": text}
        return placeholder

    def render(self, clause: Clause | AnyOf) -> str:
        if isinstance(clause, AnyOf):
            parts = (part if isinstance(part, tuple) else (part,) for part in clause.clauses)
            return "(" + " OR ".join(map(self.all_of, parts)) + ")"
        name = self.name(clause.attribute)
        match clause.operator:
            case "between":
                low, high = clause.values
                return f"{name} BETWEEN {self.value(low)} AND {self.value(high)}"
            case "in":
                return f"{name} IN ({', '.join(map(self.value, clause.values))})"
            case "contains":
                return f"contains({name}, {self.value(clause.values[0])})"
            case "not text":
                return f"(NOT attribute_type({name}, {self.value('S')}))"
            case "=" | "<>" | "<=" | ">=" | ">" | "<":
                return f"{name} {clause.operator} {self.value(clause.values[0])}"
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
        """The expression arguments; those that would be empty are left out, as DynamoDB wants it."""
        rendered = {
            "KeyConditionExpression": self.all_of(key),
            "FilterExpression": self.all_of(filters),
            "ProjectionExpression": ", ".join(map(self.name, dict.fromkeys(projection))),
        }
        rendered = {name: text for name, text in rendered.items() if text}
        if self.names:
            rendered["ExpressionAttributeNames"] = self.names  # type: ignore[assignment]
        if self.values:
            rendered["ExpressionAttributeValues"] = self.values  # type: ignore[assignment]
        return rendered


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
