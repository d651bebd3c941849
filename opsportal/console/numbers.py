"""Numbers as text: what others wrote, without an exponent, a lost digit or an exception; and percentiles of few."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

# Rates and percentiles of fewer than so many would be an accident, and are not given.
MIN_VALUES = 5


def nearest_rank(ordered: Sequence[Decimal], percent: int) -> Decimal:
    """The smallest value that at least `percent` of the values do not exceed. It is one of them, never
    something between two. IndexError: there are none."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def as_number(value: Any) -> Decimal | None:
    """The finite number that a value is, or None. A boolean is not a number here."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def plain(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros; one that is too large to write out keeps it."""
    if not value.is_finite() or abs(value.adjusted()) > 30:
        digits, exponent, power = str(value).partition("E")
        return f"{_short(digits)}{exponent}{power}" if exponent else digits
    return _short(f"{value:f}")


def setting(value: float) -> str:
    """A number that a person set, as it was set: `2592000`, `0.25`."""
    return plain(Decimal(str(value)))


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(value: Decimal) -> str:
    """`14,169.5`: with a separator at the thousands."""
    whole, dot, decimals = plain(value).partition(".")
    if not whole.lstrip("-").isdigit():  # an exponent
        return plain(value)
    # int("-0") loses the sign of -0.5.
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{abs(int(whole)):,}{dot}{decimals}"


def size(value: Decimal) -> str:
    """`312 KB`: bytes in steps of 1,024, as DynamoDB's limits count."""
    amount = float(value)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if abs(amount) < 1024 or unit == "TB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or abs(amount) >= 100 else f"{amount:.1f} {unit}"
