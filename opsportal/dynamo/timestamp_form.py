"""The form in which a table writes times, so that a new one is written alike."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from opsportal.dynamo.attributes import Typed, read_number

# Epoch seconds stay below this until the year 5138.
_MILLISECONDS_FROM = Decimal(100_000_000_000)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?P<between>[T ])\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>|[Zz]|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>[0-5]\d)[Zz]?)"
)


@dataclass(frozen=True)
class TimestampForm:
    """ISO text with `digits` decimals (0 to 6) and `zone` as written ("", "Z", "+00:00", "+00:00Z", "+05:30");
    or, with `unit` "seconds" or "milliseconds", an epoch number, which may be digits in a text."""

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
        epoch = read_number(value)
        if not isinstance(epoch, Decimal) or epoch < 10**8:
            return None
        unit = "milliseconds" if epoch >= _MILLISECONDS_FROM else "seconds"
        return cls(unit=unit, text="S" in value)

    def written(self, moment: datetime) -> Typed:
        """The moment (aware) in this form."""
        if self.unit:
            factor = 1000 if self.unit == "milliseconds" else 1
            return {"S" if self.text else "N": str(int(moment.timestamp() * factor))}
        local = moment.astimezone(self._offset).replace(tzinfo=None)
        iso = local.isoformat(self.between, "microseconds")
        return {"S": iso[: 19 if not self.digits else 20 + self.digits] + self.zone}

    @property
    def _offset(self) -> timezone:
        found = re.match(r"([+-])(\d\d):?(\d\d)", self.zone)
        if not found:
            return UTC
        length = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-length if found[1] == "-" else length)

    @property
    def example(self) -> str:
        """A time in this form, for people."""
        value = self.written(datetime(2026, 1, 9, 15, 43, 9, 250_000, UTC))
        return str(value.get("S") or value["N"])


# Seed 002's.
DOCUMENTED = TimestampForm()
