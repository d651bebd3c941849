"""The forms in which a table writes times: a new one is written in the same, and several put an order by text off."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime

from opsportal.dynamo.attributes import Typed, read_number, read_time
from opsportal.dynamo.time_text import EPOCH, EPOCH_UNITS, epoch_unit, is_rfc_2822

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?P<between>[T ])\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>|[Zz]|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>[0-5]\d)[Zz]?)"
)
_ANY_ISO = re.compile(
    r"\s*\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d)?(?:[.,](\d+))?\s*([Zz]|[+-]\d\d:?\d\d[Zz]?)?\s*"
)
# Forms that are counted; a table with more is in no order anyway.
MAX_FORMS = 8


@dataclass(frozen=True)
class TimestampForm:
    """ISO text with `digits` decimals (0 to 6) and `zone` as written ("", "Z", "+00:00", "+00:00Z", "+05:30");
    or, with `unit` one of `EPOCH_UNITS`, an epoch number, which may be digits in a text; or with "RFC 2822" such text."""

    digits: int = 6
    zone: str = ""
    between: str = "T"
    unit: str = ""
    text: bool = True

    @classmethod
    def from_value(cls, value: Typed | None) -> "TimestampForm | None":
        """The form of a value as read; None where it is no time."""
        if not value or not ("S" in value or "N" in value):
            return None
        if "S" in value and (found := _ISO.fullmatch(value["S"].strip())):
            if found["hours"] and int(found["hours"]) > 23:
                return None
            return cls(min(len(found["fraction"] or ""), 6), found["zone"], found["between"])
        if "S" in value and is_rfc_2822(value["S"]):
            return cls(unit="RFC 2822")
        epoch = read_number(value)
        if not isinstance(epoch, Decimal) or not 10**8 <= epoch < EPOCH_UNITS[-1][1]:
            return None
        return cls(unit=epoch_unit(epoch)[0], text="S" in value)

    def written(self, moment: datetime) -> Typed:
        """The moment (aware) in this form."""
        if self.unit == "RFC 2822":
            return {"S": format_datetime(moment.astimezone(UTC))}
        if self.unit:
            factor = next(int(factor) for unit, _, factor in EPOCH_UNITS if unit == self.unit)
            microseconds = (moment - EPOCH) // timedelta(microseconds=1)
            return {"S" if self.text else "N": str(microseconds * factor // 1_000_000)}
        local = moment.astimezone(timezone(_offset(self.zone))).replace(tzinfo=None)
        iso = local.isoformat(self.between, "microseconds")
        return {"S": iso[: 19 if not self.digits else 20 + self.digits] + self.zone}

    @property
    def example(self) -> str:
        """A time in this form, for people."""
        value = self.written(datetime(2026, 1, 9, 15, 43, 9, 250_000, UTC))
        return str(value.get("S") or value["N"])


# Seed 002's (docs/data.md).
DOCUMENTED = TimestampForm()


def written_like(moment: datetime, value: Typed | None, default: TimestampForm) -> Typed:
    """In the form of `value`, a stamp of the item, or else in `default`. Where `value` has no decimals it gets those of
    `default`: two writes of one second would else be one to those who compare stamps."""
    form = TimestampForm.from_value(value) or default
    return replace(form, digits=form.digits or default.digits).written(moment)


def form_of(value: Typed) -> str:
    """How the time is written: `ISO, 3 decimals, Z`, `RFC 2822`, `digits`, `a number`; "other" where it is no time."""
    if not isinstance(read_time(value), datetime):
        return "other"
    if "S" not in value:
        return "a number"
    found = _ANY_ISO.fullmatch(value["S"])
    if not found:
        return "RFC 2822" if is_rfc_2822(value["S"]) else "digits"
    between, seconds, fraction, zone = found.groups()
    zone = "no zone" if not zone else "Z" if zone in "Zz" else zone.rstrip("Zz").replace(":", "")
    precision = f"{len(fraction)} decimals" if fraction else "seconds" if seconds else "minutes"
    return f"ISO{' with a space' if between == ' ' else ''}, {precision}, {zone}"


# Text whose order says nothing of the time.
UNORDERED = ("digits", "RFC 2822")


def is_mixed(forms: Iterable[str]) -> bool:
    """Whether texts may be in another order than their times, or within other bounds: several forms, a zone that is
    not UTC, or a form that is not compared with ISO 8601 in seconds."""
    texts = _texts(forms)
    odd = (*UNORDERED, " with a space", "minutes")
    return len(texts) > 1 or any(_zone(one) or any(part in one for part in odd) for one in texts)


def off_by(forms: Iterable[str]) -> str:
    """How far the order by text may be from the order in time, such as `2 h`; "" where there is one form.

    Of those that are text: numbers are in no index, and are placed by their time.
    """
    texts = _texts(forms)
    if "RFC 2822" in texts or ("digits" in texts and len(texts) > 1):
        return "any time"
    if len(texts) < 2:
        return ""
    if len({" with a space" in form for form in texts}) > 1:
        return "a day"
    offsets = [_zone(form) for form in texts]
    spread = max(offsets) - min(offsets)
    if spread:
        minutes = int(spread.total_seconds() // 60)
        return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return "a minute" if any("minutes" in form for form in texts) else "a second"


def lateness(forms: Iterable[str]) -> timedelta:
    """How much later than a text, read as UTC, the time of an earlier text may be: nothing where all have one form of
    UTC."""
    texts = _texts(forms)
    if not is_mixed(texts):
        return timedelta(0)
    days = any(one in UNORDERED or " with a space" in one for one in texts)
    return max(timedelta(0), -min(map(_zone, texts))) + timedelta(days=days, minutes=1)


def _texts(forms: Iterable[str]) -> list[str]:
    return [form for form in forms if form not in ("a number", "other")]


def _zone(form: str) -> timedelta:
    return _offset(form.rpartition(", ")[2])


def _offset(zone: str) -> timedelta:
    """Of ``+05:30`` or ``-0530``; none of "Z" and where there is no zone."""
    found = re.match(r"([+-])(\d\d):?(\d\d)", zone)
    if not found:
        return timedelta(0)
    length = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -length if found[1] == "-" else length
