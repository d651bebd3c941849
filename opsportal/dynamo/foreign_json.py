"""JSON text that other programs put into strings, read so that pages and encoders can show all of it."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

# DynamoDB's own numbers go from 1E-130 to 9.99...E+125. Text can spell any; what is beyond would overflow
# the first sum or integer that is made of it.
SMALLEST, LARGEST = -130, 125
# Levels that are read; DynamoDB's own values have at most 32, and encoders recurse.
MOST_LEVELS = 100
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def in_range(number: Decimal) -> bool:
    """Whether DynamoDB could hold it, but for its 38 digits."""
    return number.is_finite() and SMALLEST <= number.adjusted() <= LARGEST


def parse(text: str) -> Any:
    """The document, with Decimal for fractions. ValueError when it is no JSON, or nested too deeply.

    NaN and numbers that DynamoDB could not hold stay text; half a surrogate pair, which UTF-8 can't encode,
    becomes U+FFFD.
    """
    try:
        return _showable(
            json.loads(text, parse_float=_fraction, parse_int=_integer, parse_constant=str), MOST_LEVELS
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _fraction(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if in_range(number) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LARGEST + 1 else text


def _showable(document: Any, levels: int) -> Any:
    if isinstance(document, str):
        return _HALF_OF_A_PAIR.sub("\ufffd", document)
    if not isinstance(document, dict | list):
        return document
    if not levels:
        raise ValueError("nested too deeply")
    if isinstance(document, list):
        return [_showable(item, levels - 1) for item in document]
    return {_showable(key, levels): _showable(item, levels - 1) for key, item in document.items()}
