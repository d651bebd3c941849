"""A figure: the median of what was measured, with its range. Ratios are made within each round, so that what else the
machine does, which hits both sides of a round, falls out."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Figure:
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Raises ValueError where nothing was measured."""
        measured = list(values)
        if not measured:
            raise ValueError("nothing was measured")
        return cls(statistics.median(measured), min(measured), max(measured))

    @property
    def document(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def ratio(rounds: Sequence[Mapping[str, float]], floor: Sequence[Mapping[str, float]], name: str) -> Figure:
    """Of one measurement in every round to the floor's of the same round."""
    return Figure.of(ours[name] / theirs[name] for ours, theirs in zip(rounds, floor, strict=True))


def percentile(values: Iterable[float], share: float) -> float:
    """The least value that at least `share` (0 to 1) of them do not exceed. Raises ValueError for no values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def waves(spans: Iterable[tuple[float, float]]) -> int:
    """How many of these (begin, end) follow one another at least: the longest chain in which each began after the
    one before it had ended."""
    count, free = 0, float("-inf")
    for begin, end in sorted(spans, key=lambda span: span[1]):
        if begin >= free:
            count, free = count + 1, end
    return count
