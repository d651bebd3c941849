"""JSON that a person edits, and the two ways in which registries keep it: as text, or as a nested value."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from opsportal.dynamo.attributes import Typed, plain
from opsportal.dynamo.foreign_json import in_range

# Levels below the top; DynamoDB has 32.
MOST_LEVELS = 20
# DynamoDB's precision of a number.
MOST_DIGITS = 38


def parse(text: str) -> dict[str, Any]:
    """A JSON object with exact numbers. ValueError with a sentence for a person."""
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"This is not JSON: {error.msg}, line {error.lineno}.") from error
    except RecursionError as error:
        raise ValueError("This is nested too deeply.") from error
    if not isinstance(document, dict):
        raise ValueError('This must be a JSON object: {"name": value}.')
    check(document)
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number that JSON has.")


def check(document: Any, levels: int = MOST_LEVELS) -> None:
    """ValueError, with a sentence for a person, where DynamoDB could not hold it."""
    if isinstance(document, dict | list):
        if not levels:
            raise ValueError("This is nested too deeply.")
        if isinstance(document, dict) and "" in document:
            raise ValueError("A name in it is empty.")
        for member in document.values() if isinstance(document, dict) else document:
            check(member, levels - 1)
    elif isinstance(document, int | Decimal) and not isinstance(document, bool):
        number = Decimal(document)
        digits = "".join(map(str, number.as_tuple().digits)).strip("0")
        if number and (not in_range(number) or len(digits) > MOST_DIGITS):
            raise ValueError(f"{str(document)[:60]} is a number that DynamoDB can't hold.")
    elif isinstance(document, str) and any("\ud800" <= character <= "\udfff" for character in document):
        raise ValueError("A text in it is no valid Unicode.")


def spell(document: Any, *, indented: bool = False, margin: str = "") -> str:
    """The document as JSON, numbers exactly as they are (`json.dumps` knows no Decimal)."""
    if isinstance(document, Decimal):
        return str(document)
    if not isinstance(document, dict | list):
        return json.dumps(document, ensure_ascii=False)
    inner = f"{margin}  " if indented else ""
    if isinstance(document, dict):
        members = [
            f"{json.dumps(str(name), ensure_ascii=False)}: {spell(value, indented=indented, margin=inner)}"
            for name, value in document.items()
        ]
    else:
        members = [spell(value, indented=indented, margin=inner) for value in document]
    opening, closing = "{}" if isinstance(document, dict) else "[]"
    if not members or not indented:
        return opening + ", ".join(members) + closing
    return f"{opening}\n{inner}" + f",\n{inner}".join(members) + f"\n{margin}{closing}"


def typed(document: Any, like: Typed | None = None) -> Typed:
    """The document as a DynamoDB value. Parts that are as in `like` keep its types (sets, binary)."""
    like = like or {}
    if isinstance(document, dict):
        olds: Mapping[str, Typed] = like.get("M", {})
        return {"M": {name: typed(value, olds.get(name)) for name, value in document.items()}}
    if like and not ("M" in like or "L" in like) and _equal(plain(like), document):
        return like
    if isinstance(document, list):
        members = like.get("L", [])
        return {
            "L": [
                typed(value, members[index] if index < len(members) else None)
                for index, value in enumerate(document)
            ]
        }
    if document is None:
        return {"NULL": True}
    if isinstance(document, bool):
        return {"BOOL": document}
    return {"S": document} if isinstance(document, str) else {"N": str(document)}


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other
