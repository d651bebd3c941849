"""Percentiles of few values, and of how few none is given."""

from collections.abc import Sequence
from decimal import Decimal

# Rates and percentiles of fewer than so many would be an accident, and are not given.
LEAST = 5


def nearest_rank(ordered: Sequence[Decimal], percent: int) -> Decimal:
    """The smallest value that at least `percent` of the values do not exceed. It is one of them, never
    something between two. IndexError: there are none."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]
