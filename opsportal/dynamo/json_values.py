"""JSON and plain data: read strictly or as other programs wrote it, and written with every digit."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from functools import reduce
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, NoReturn

# DynamoDB's numbers go from 1E-130 to 9.99...E+125 and have 38 digits. Text can spell any; what is beyond would
# overflow the first sum or integer that is made of it.
SMALLEST, LARGEST, MAX_DIGITS = -130, 125, 38
# Levels of what a person or a program sends; DynamoDB has 32, some of which are above.
MAX_LEVELS = 20
# Levels that are read of what other programs wrote; encoders recurse.
MAX_FOREIGN_LEVELS = 100
_GZIP = b"\x1f\x8b"
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


class Unreadable(ValueError):
    """No JSON, JSON that has no one meaning, or that DynamoDB can't store. The text is for people."""


def in_range(number: Decimal) -> bool:
    """Whether DynamoDB could hold it, but for its 38 digits."""
    return number.is_finite() and SMALLEST <= number.adjusted() <= LARGEST


def digits(number: Decimal) -> int:
    """How many digits DynamoDB would have to keep."""
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


def shortest(number: Decimal) -> Decimal:
    """The number in the one spelling that DynamoDB gives back: no exponent, no needless zeros."""
    text = number_text(number) if number else "0"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def number_text(number: Decimal) -> str:
    """Every digit, without an exponent; with one where DynamoDB has no such number."""
    return f"{number:f}" if not number or in_range(number) else str(number)


def total(numbers: Iterable[Decimal]) -> Decimal:
    """Their sum with all digits that DynamoDB could hold; Python's own would keep 28."""
    return reduce(_CONTEXT.add, numbers, Decimal(0))


def difference(one: Decimal, other: Decimal) -> Decimal:
    """`one` less the `other`, as `total`."""
    return _CONTEXT.subtract(one, other)


_CONTEXT = Context(prec=MAX_DIGITS)


# --- Read strictly -----------------------------------------------------------------------------------------------


def parse(given: str | bytes, *, levels: int = MAX_LEVELS, subject: str = "It") -> Any:
    """The document, with Decimal for numbers that have a point or an exponent. Raises Unreadable, whose sentences
    name the document as `subject`."""
    try:
        document = json.loads(
            given.decode() if isinstance(given, bytes) else given,
            parse_float=_exact_fraction,
            parse_int=_exact_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_without_doubles,
        )
        _check_texts(document, levels)
    except UnicodeDecodeError as error:
        if isinstance(given, bytes) and given.startswith(_GZIP):
            raise Unreadable(f"{subject} is compressed (gzip). Send it uncompressed.") from error
        raise Unreadable(f"{subject} is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"{subject} is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    except RecursionError as error:
        raise Unreadable(f"{subject} is nested in more than {levels} levels.") from error
    return document


def read_object(given: Any, *, levels: int = MAX_LEVELS) -> dict[str, Any]:
    """The object of JSON text, or of data that were JSON, numbers as they are spelled. Empty text is an empty
    object. Raises Unreadable, also where DynamoDB could not hold it."""
    if isinstance(given, str):
        given = parse(given, levels=levels) if given.strip() else {}
    if not isinstance(given, dict):
        raise Unreadable("It must be a JSON object, in braces.")
    storable(given, levels=levels)
    return given


def storable(value: Any, *, levels: int = MAX_LEVELS) -> Any:
    """The same with each number in its shortest spelling. Raises Unreadable where DynamoDB could not hold it."""
    try:
        return _storable(value, levels)
    except RecursionError as error:
        raise Unreadable(f"It is nested in more than {levels} levels.") from error


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def as_decimal(text: str) -> Decimal | None:
    """The number that a text is as DynamoDB takes it; None for other text, though Python reads 1_0 and other digits."""
    try:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    except InvalidOperation:  # an exponent of many digits
        return None


def check_text(text: str) -> str:
    """The same text. Raises Unreadable where UTF-8 can't encode it."""
    if _HALF_OF_A_PAIR.search(text):
        raise Unreadable("A text holds half of a character (a lone surrogate).")
    return text


def _exact_fraction(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if number and not in_range(number):
        raise Unreadable(f"{text[:40]} is a number out of range.")
    return number


def _exact_integer(text: str) -> int:
    if len(text) > LARGEST + 5:
        raise Unreadable(f"{text[:40]}… is a number out of range.")
    return int(text)


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not valid JSON.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"The name {twice[:60]!r} occurs twice in one object.")
    return found


def _check_texts(document: Any, levels: int) -> None:
    if isinstance(document, str):
        check_text(document)
    elif isinstance(document, dict | list):
        if not levels:
            raise RecursionError
        for member in [*document, *document.values()] if isinstance(document, dict) else document:
            _check_texts(member, levels - 1)


def _storable(value: Any, levels: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text(value)
    if isinstance(value, int | float | Decimal):
        return _storable_number(value)
    if not isinstance(value, dict | list):
        raise Unreadable(f"{type(value).__name__} is not valid JSON.")
    if not levels:
        raise RecursionError
    if isinstance(value, list):
        return [_storable(member, levels - 1) for member in value]
    if not all(isinstance(name, str) and name for name in value):
        raise Unreadable("A name in it is empty.")
    return {check_text(name): _storable(member, levels - 1) for name, member in value.items()}


def _storable_number(value: int | float | Decimal) -> Decimal:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if number and not in_range(number):
        raise Unreadable(f"{str(number)[:40]} is a number out of range.")
    if digits(number) > MAX_DIGITS:
        raise Unreadable(f"{str(number)[:40]} can't be stored: a number has at most {MAX_DIGITS} digits.")
    return shortest(number)


# --- Read as other programs wrote it -----------------------------------------------------------------------------


def parse_foreign(text: str) -> Any:
    """The document, with Decimal for fractions. ValueError when it is no JSON, or nested too deeply.

    NaN and numbers that DynamoDB could not hold stay text; an object that has a name twice is `Doubled`; half a surrogate pair, which UTF-8 can't encode,
    becomes U+FFFD.
    """
    try:
        return _showable(
            json.loads(
                text,
                parse_float=_fraction,
                parse_int=_integer,
                parse_constant=str,
                object_pairs_hook=_object,
            ),
            MAX_FOREIGN_LEVELS,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _fraction(text: str) -> Decimal | str:
    try:
        return _exact_fraction(text)
    except Unreadable:
        return text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LARGEST + 1 else text


def _showable(document: Any, levels: int) -> Any:
    if isinstance(document, str):
        return _HALF_OF_A_PAIR.sub("\ufffd", document)
    if not isinstance(document, dict | list):
        return document
    if not levels:
        raise RecursionError
    if isinstance(document, list):
        return [_showable(item, levels - 1) for item in document]
    shown = {_showable(key, levels): _showable(item, levels - 1) for key, item in document.items()}
    return Doubled(shown, document.names) if isinstance(document, Doubled) else shown


class Doubled(dict[str, Any]):
    """An object whose text has `names` more than once, of which the last counts."""

    def __init__(self, members: dict[str, Any], names: list[str]) -> None:
        super().__init__(members)
        self.names = names


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return Doubled(found, [name for name, times in Counter(name for name, _ in pairs).items() if times > 1])


def doubled_names(document: Any) -> list[str]:
    """The names that an object anywhere in a document of `parse_foreign` has twice, each once."""
    own = document.names if isinstance(document, Doubled) else []
    inner = (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    )
    return list(dict.fromkeys([*own, *(name for member in inner for name in doubled_names(member))]))


# --- Written -----------------------------------------------------------------------------------------------------


def as_json(value: Any, *, indent: str = "", compact: bool = False, ascii_only: bool = False) -> str:
    """Plain data (of `attributes.plain`) as JSON, members in their order and numbers with every digit, which
    `json.dumps` would make floats of. With an `indent`, such as two blanks, on lines of its own."""
    comma, colon = (",", ":") if compact else ("," if indent else ", ", ": ")
    written = _written(value, indent, "\n" if indent else "", comma, colon)
    # Nothing but texts has other characters than ASCII's.
    return written if not ascii_only else _NOT_ASCII.sub(_escaped, written)


def _escaped(found: re.Match[str]) -> str:
    return encode_basestring_ascii(found[0])[1:-1]


def numbers_as_text(document: str) -> str:
    """JSON text with each number in quotation marks, digits and all."""
    return _TEXT_OR_NUMBER.sub(
        lambda found: found[0] if found[0].startswith('"') else f'"{found[0]}"', document
    )


_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_TEXT_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*')


def _written(value: Any, indent: str, start: str, comma: str, colon: str) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Decimal):
        return number_text(value)
    if not isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    if not value:
        return opening + closing
    inner = f"{start}{indent}"
    if isinstance(value, dict):
        members = [
            f"{encode_basestring(str(name))}{colon}{_written(member, indent, inner, comma, colon)}"
            for name, member in value.items()
        ]
    else:
        members = [_written(member, indent, inner, comma, colon) for member in value]
    return f"{opening}{inner}{f'{comma}{inner}'.join(members)}{start}{closing}"
