"""Times as text and as numbers of units since 1970, in the forms that writers use. Nothing here knows DynamoDB's types."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d+))?"
    r"\s*(?P<zone>[Zz]|[+-]\d\d:?\d\d(?:[Zz])?)?"
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?Z?", re.ASCII)
USUAL_LENGTH = 32  # characters
# Epoch seconds stay below the first until the year 5138, and milliseconds have been above it since 1973; micro- and
# nanoseconds have been above the next ones since 2001, and no calendar has so many milliseconds.
EPOCH_UNITS = (
    ("seconds", Decimal(10) ** 11, Decimal(1)),
    ("milliseconds", Decimal(10) ** 15, Decimal(10) ** 3),
    ("microseconds", Decimal(10) ** 18, Decimal(10) ** 6),
    ("nanoseconds", Decimal(10) ** 20, Decimal(10) ** 9),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 2822: Tue, 24 Nov 2026 10:00:00 +0000, also with one of its named zones, and without weekday, seconds or zone.
_RFC_2822 = re.compile(
    r"(?:[A-Z][a-z]{2}, *)?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)?(?: (?:[+-]\d{4}|UTC?|GMT|[ECMP][SD]T))?"
)


def parse_time(text: str) -> datetime:
    """An aware UTC datetime from ISO text in any form that docs/data.md lists, or from RFC 2822. ValueError otherwise.

    ``Z``, an offset, an offset followed by ``Z`` (``isoformat() + "Z"``, seed 003 of docs/data.md: the offset counts),
    or none (seed 002: UTC); any number of decimals, of which six are kept.
    """
    # A list of 50 reads 370, each `created_at` three times, and the next poll and the next reader the same again. Short
    # ones alone are kept: they are written by others.
    return _kept(text) if len(text) <= USUAL_LENGTH else _parsed(text)


def _parsed(text: str) -> datetime:
    # As nearly all writers write it: a tenth of the time.
    if _USUAL.fullmatch(text):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = _ISO.fullmatch(text.strip())
    if not found:
        if not is_rfc_2822(text):
            raise ValueError("not an ISO 8601 time")
        moment = parsedate_to_datetime(text.strip())
        return in_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    zone = (found["zone"] or "Z").upper()
    zone = "+00:00" if zone == "Z" else zone.rstrip("Z")
    fraction = (found["fraction"] or "0")[:6].ljust(6, "0")
    time = found["time"] if found["time"].count(":") == 2 else found["time"] + ":00"
    return in_utc(datetime.fromisoformat(f"{found['date']}T{time}.{fraction}{zone}"))


_kept = lru_cache(maxsize=2_048)(_parsed)


def is_rfc_2822(text: str) -> bool:
    return bool(_RFC_2822.fullmatch(text.strip()))


def in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:  # an offset that leads out of the years 1 to 9999
        raise ValueError("not a time that there is in UTC") from error


def epoch_unit(number: Decimal) -> tuple[str, Decimal]:
    """In which unit a time since 1970 is counted, and how many of them make a second. ValueError of more than any."""
    for unit, below, factor in EPOCH_UNITS:
        if abs(number) < below:
            return unit, factor
    raise ValueError("not a time since 1970")
