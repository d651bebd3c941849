"""A step's figures beside what an agent declares of itself, one row each.

The page that shows this passes the declared numbers in the address, since apps know one another by URL alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from opsportal.console import clock
from opsportal.console.numbers import MIN_VALUES
from opsportal.console.tones import ATTENTION, SUCCESS
from opsportal.dynamo.attributes import read_number
from tracking.figures import End, StepFigures

# Characters of a number that is looked at.
MAX_DIGITS = 40


@dataclass(frozen=True)
class Declared:
    """`success`, `errors`: 0 to 1. Milliseconds: `average_ms`, and the response times that the fastest and
    the slowest tier promise. None: not declared, or no such number."""

    success: Decimal | None = None
    errors: Decimal | None = None
    average_ms: Decimal | None = None
    fastest_ms: Decimal | None = None
    slowest_ms: Decimal | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "Declared":
        """From an address. What is no number in its range is as if it were not there."""
        values = {name: _number(parameters.get(name, "")) for name in cls.__dataclass_fields__}
        for name in ("success", "errors"):
            if (share := values[name]) is not None and share > 1:
                values[name] = None
        return cls(**values)


def _number(text: str) -> Decimal | None:
    number = read_number({"S": text[:MAX_DIGITS]})
    return number if isinstance(number, Decimal) and number >= 0 else None


Compared = tuple[str, str]
NOTHING: Compared = ("", "")


@dataclass(frozen=True)
class Row:
    """`observed` as text, or an `end`. `compared`: what comes of the comparison, and its tone."""

    name: str
    declared: str = ""
    observed: str = ""
    compared: Compared = NOTHING
    end: End | None = None

    @property
    def verdict(self) -> str:
        return self.compared[0]

    @property
    def tone(self) -> str:
        return self.compared[1]


def rows(declared: Declared, figures: StepFigures) -> list[Row]:
    """Last success and failure, success, errors, average and p95."""
    rate, ended = figures.error_rate, figures.ended
    seconds = len(figures.durations)
    few = f"no rate: {ended or 'none'} ended, fewer than {MIN_VALUES}"
    brief = f"not given: {seconds or 'none'} measured, fewer than {MIN_VALUES}"
    return [
        Row("Last success", end=figures.last_success, observed=_undated(figures.succeeded, figures)),
        Row("Last failure", end=figures.last_failure, observed=_undated(figures.failed, figures)),
        Row(
            "Success",
            _percent(declared.success),
            few if rate is None else f"{_percent(1 - rate)}: {figures.succeeded} of {ended} that ended",
            _least(declared.success, None if rate is None else 1 - rate),
        ),
        Row(
            "Errors",
            _percent(declared.errors),
            few if rate is None else f"{_percent(rate)}: {figures.failed} of {ended} that ended",
            _most(declared.errors, rate, "more than declared", "no more than declared"),
        ),
        Row(
            "Average",
            _milliseconds(declared.average_ms),
            brief if figures.average is None else f"{_seconds(figures.average)} over {seconds}",
            _most(
                _to_seconds(declared.average_ms),
                figures.average,
                "slower than declared",
                "no slower than declared",
            ),
        ),
        Row(
            "Response, p95",
            _promised(declared),
            brief
            if figures.p95 is None
            else f"{_seconds(figures.p95)} over {seconds}; median {_seconds(figures.median)}",
            _kept(declared, figures.p95),
        ),
    ]


def _undated(number: int, figures: StepFigures) -> str:
    """What stands where no end of the kind has a time."""
    if not number:
        return "none"
    return "without a time" if figures.undated else ""


def _least(declared: Decimal | None, observed: Decimal | None) -> Compared:
    if declared is None or observed is None:
        return NOTHING
    if observed < declared:
        return ("less than declared", ATTENTION)
    return ("no less than declared", SUCCESS)


def _most(declared: Decimal | None, observed: Decimal | None, worse: str, fine: str) -> Compared:
    if declared is None or observed is None:
        return NOTHING
    return (worse, ATTENTION) if observed > declared else (fine, SUCCESS)


def _kept(declared: Declared, p95: Decimal | None) -> Compared:
    fastest, slowest = _to_seconds(declared.fastest_ms), _to_seconds(declared.slowest_ms)
    if p95 is None or (fastest is None and slowest is None):
        return NOTHING
    if slowest is not None and p95 > slowest:
        several = fastest is not None and fastest != slowest
        return ("slower than every tier promises" if several else "slower than promised", ATTENTION)
    if fastest is not None and p95 > fastest:
        return ("slower than the fastest tier promises", ATTENTION)
    return ("as promised", SUCCESS)


def _promised(declared: Declared) -> str:
    found = [value for value in (declared.fastest_ms, declared.slowest_ms) if value is not None]
    return " to ".join(dict.fromkeys(_milliseconds(value) for value in found))


def _to_seconds(milliseconds: Decimal | None) -> Decimal | None:
    return None if milliseconds is None else milliseconds / 1000


def _milliseconds(value: Decimal | None) -> str:
    return _seconds(_to_seconds(value))


def _seconds(value: Decimal | None) -> str:
    return "" if value is None else clock.duration(value)


def _percent(share: Decimal | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"
