"""JSON bodies, read strictly: one meaning, exact numbers, and nothing that DynamoDB could not hold."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

from opsportal.dynamo.foreign_json import in_range

MOST_LEVELS = 40


class Unreadable(ValueError):
    """No JSON, or JSON that has no one meaning. The text is for the caller."""


def read(body: bytes) -> Any:
    """The document, with Decimal for numbers that have a point or an exponent. Raises Unreadable."""
    try:
        document = json.loads(
            body.decode(),
            parse_float=_fraction,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_without_doubles,
        )
    except UnicodeDecodeError as error:
        raise Unreadable("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"The body is no JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    except RecursionError as error:
        raise Unreadable(f"The body is nested in more than {MOST_LEVELS} levels.") from error
    _check(document)
    return document


def _fraction(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if number and not in_range(number):
        raise Unreadable(f"{text[:40]} is a number out of range.")
    return number


def _integer(text: str) -> int:
    if len(text) > 130:
        raise Unreadable(f"{text[:40]}… is a number out of range.")
    return int(text)


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("A name occurs twice in one object.")
    return found


def _check(document: Any) -> None:
    """Without recursion: the body decides the depth."""
    left = [(document, 0)]
    while left:
        value, level = left.pop()
        if level > MOST_LEVELS:
            raise Unreadable(f"The body is nested in more than {MOST_LEVELS} levels.")
        if isinstance(value, dict):
            left += [(name, level) for name in value]
            left += [(member, level + 1) for member in value.values()]
        elif isinstance(value, list):
            left += [(member, level + 1) for member in value]
        elif isinstance(value, str) and not _encodable(value):
            raise Unreadable("A text holds half of a character (a lone surrogate).")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class StrictParser(Parser):
    """django-ninja wraps what is raised here into its own error, whose cause the handler looks at."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read(request.body)
