"""In how many forms a table's times are written, and how far that puts an order by their text off."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from opsportal.dynamo.attributes import Typed, read_time

_ISO = re.compile(r"\s*\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d)?(?:[.,](\d+))?\s*([Zz]|[+-]\d\d:?\d\d[Zz]?)?\s*")
# Forms that are told apart; a table that has more is in no order anyway.
MAX_FORMS = 8


def form_of(value: Typed) -> str:
    """How the time is written: `ISO, 3 decimals, Z`, `digits`, `a number`; "other" where it is no time."""
    if not isinstance(read_time(value), datetime):
        return "other"
    if "S" not in value:
        return "a number"
    found = _ISO.fullmatch(value["S"])
    if not found:
        return "digits"
    between, seconds, fraction, zone = found.groups()
    zone = "no zone" if not zone else "Z" if zone in "Zz" else zone.rstrip("Zz").replace(":", "")
    precision = f"{len(fraction)} decimals" if fraction else "seconds" if seconds else "minutes"
    return f"ISO{' with a space' if between == ' ' else ''}, {precision}, {zone}"


def off_by(forms: Mapping[str, int]) -> str:
    """How far the order by text may be from the order in time, such as `2 h`; "" where there is one form.

    Of those that are text: numbers are in no index, and are placed by their time.
    """
    texts = [form for form in forms if form not in ("a number", "other")]
    if len(texts) < 2:
        return ""
    if "digits" in texts:
        return "any time"
    if len({" with a space" in form for form in texts}) > 1:
        return "a day"
    offsets = [_offset(form.rpartition(", ")[2]) for form in texts]
    spread = max(offsets) - min(offsets)
    if spread:
        minutes = int(spread.total_seconds() // 60)
        return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return "a minute" if any("minutes" in form for form in texts) else "a second"


def _offset(zone: str) -> timedelta:
    if zone[:1] not in ("+", "-"):
        return timedelta(0)
    length = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    return length if zone[0] == "+" else -length
