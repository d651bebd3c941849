"""JSON objects that people give, exactly: no number loses a digit on its way into DynamoDB and back."""

import json
from decimal import Decimal
from typing import Any, NoReturn

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.foreign_json import in_range
from opsportal.operations.changes import NULL, number, text

# Characters without white space. DynamoDB's values have at most 32 levels, some of which are above.
MOST_CHARACTERS, MOST_LEVELS = 10_000, 20
# An AWS limit.
MOST_DIGITS = 38


def read(given: Any) -> dict[str, Any]:
    """The object of JSON text, or of data that were JSON, with Decimal for every number that is not whole.
    Empty text is an empty object. ValueError with a sentence for people."""
    if isinstance(given, str):
        given = _parsed(given) if given.strip() else {}
    if not isinstance(given, dict):
        raise ValueError("It must be a JSON object, in braces.")
    found: dict[str, Any] = _checked(given, MOST_LEVELS)
    if (length := len(written(found))) > MOST_CHARACTERS:
        raise ValueError(f"At most {MOST_CHARACTERS:,} characters; there are {length:,}.")
    return found


def _parsed(given: str) -> Any:
    try:
        return json.loads(
            given,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_without_doubles,
        )
    except json.JSONDecodeError as error:
        raise ValueError(
            f"It is no JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    except RecursionError as error:
        raise ValueError(f"At most {MOST_LEVELS} levels.") from error
    except ArithmeticError as error:
        raise ValueError("It holds a number that can't be stored.") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"The name {twice[:60]!r} occurs twice.")
    return found


def _checked(value: Any, levels: int) -> Any:
    """The same, of types and values that DynamoDB holds."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, int | float | Decimal):
        return _storable(value)
    if not levels:
        raise ValueError(f"At most {MOST_LEVELS} levels.")
    if isinstance(value, list):
        return [_checked(member, levels - 1) for member in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) and name for name in value):
            raise ValueError("A name in it is empty.")
        return {_encodable(name): _checked(member, levels - 1) for name, member in value.items()}
    raise ValueError(f"{type(value).__name__} is no JSON.")


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("It holds half of a character (a lone surrogate).") from error
    return value


def _storable(value: int | float | Decimal) -> Decimal:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if exact == 0:
        return Decimal(0)
    digits = "".join(map(str, exact.as_tuple().digits)) if exact.is_finite() else ""
    if not in_range(exact) or len(digits.strip("0")) > MOST_DIGITS:
        raise ValueError(
            f"It holds a number that can't be stored: at most {MOST_DIGITS} digits, 1E-130 to 1E+125."
        )
    return exact


def number_text(value: Decimal) -> str:
    """A decimal as DynamoDB gives it back: no exponent, no needless zeros."""
    if value == 0:
        return "0"
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def typed(value: Any) -> Typed:
    """What `read` gave, or a part of it, as DynamoDB types it."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Decimal):
        return number(number_text(value))
    if isinstance(value, list):
        return {"L": [typed(member) for member in value]}
    return {"M": {name: typed(member) for name, member in value.items()}}


def written(value: Any, indent: str = "") -> str:
    """JSON text of plain data; with an `indent`, such as two blanks, on lines of its own. Python's encoder
    would make floats of Decimals."""
    return _written(value, indent, "\n" if indent else "")


def _written(value: Any, indent: str, start: str) -> str:
    if isinstance(value, Decimal):
        return number_text(value)
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False, default=str)
    inner = f"{start}{indent}"
    colon, comma = (": ", ",") if indent else (":", ",")
    if isinstance(value, list):
        members = [_written(member, indent, inner) for member in value]
        return f"[{inner}{f'{comma}{inner}'.join(members)}{start}]"
    members = [
        f"{json.dumps(str(name), ensure_ascii=False)}{colon}{_written(member, indent, inner)}"
        for name, member in value.items()
    ]
    return f"{{{inner}{f'{comma}{inner}'.join(members)}{start}}}"
