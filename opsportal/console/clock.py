"""The one place that turns times and durations into text."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3600, 86_400


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: what goes into `datetime=` and is read by the scripts."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def absolute(at: datetime, zone: ZoneInfo, *, milliseconds: bool = False) -> str:
    """`2026-11-20 15:02:11 CET`: an instant in a zone, with the zone's own name for itself."""
    local = in_zone(at, zone)
    fraction = f".{local.microsecond // 1000:03d}" if milliseconds else ""
    return f"{local.date()} {local:%H:%M:%S}{fraction} {zone_name(local)}"


# Names that several zones have for other times: CST is Chicago's, Shanghai's and Havana's.
AMBIGUOUS = frozenset(
    ("AMT", "AST", "BST", "CDT", "CST", "ECT", "EST", "GST", "IST", "MST", "PST", "SST", "WST")
)


def zone_name(local: datetime) -> str:
    """What a zone calls itself then, with the offset where others call themselves so too: `CET`, `CST (+08:00)`."""
    name = local.tzname() or ""
    return f"{name} ({local.isoformat()[-6:]})" if name in AMBIGUOUS else name


def utc_text(at: datetime) -> str:
    """ISO 8601 in UTC, as precise as it is and no longer: what addresses carry."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def bound(at: datetime, zone: ZoneInfo) -> str:
    """A bound of a range: `2026-11-20 15:02 CET`, with seconds where there are any."""
    local = in_zone(at, zone)
    return f"{local.date()} {local:%H:%M}{f':{local:%S}' if local.second else ''} {zone_name(local)}"


def in_zone(at: datetime, zone: ZoneInfo) -> datetime:
    """`at` on the clocks of a zone; in UTC where it would be before the year 1 or after 9999 there."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)


def both(at: datetime, zone: ZoneInfo) -> str:
    """`2026-11-20 14:02:11.250 UTC · 15:02:11 Europe/Berlin`: UTC first, then one's own."""
    stamp = iso(at)  # to cut it up is a third of formatting the time again; a list has fifty
    text = f"{stamp[:10]} {stamp[11:-1]} UTC"
    if zone.key == "UTC":
        return text
    local = in_zone(at, zone).isoformat(timespec="seconds")
    # The local date only where it differs: near midnight it does, and it matters.
    day = f"{local[:10]} " if local[:10] != stamp[:10] else ""
    return f"{text} · {day}{local[11:19]} {zone.key}"


def relative(at: datetime, now: datetime) -> str:
    """`now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`, and the same with `in` for the future.

    The scripts tick with the same rule (static/console/js/clock.js); keep the two alike.
    """
    seconds = round((now - at).total_seconds())
    size = abs(seconds)
    if size < 2:
        return "now"
    if size < MINUTE:
        amount = f"{size} s"
    elif size < HOUR:
        amount = f"{size // MINUTE} min"
    elif size < 2 * DAY:
        amount = f"{size // HOUR} h"
    elif size < 730 * DAY:
        amount = f"{size // DAY} d"
    else:
        amount = f"{size // (365 * DAY)} y"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def duration(seconds: Decimal) -> str:
    """`250 ms`, `17.1 s`, `4 m 12 s`, `2 h 3 m`, `3 d 4 h` from a finite number of seconds."""
    sign = "−" if seconds < 0 else ""
    seconds = abs(seconds)
    if 0 < seconds < 1:
        milliseconds = round(seconds * 1000)
        return f"{sign}{milliseconds} ms" if milliseconds else "<1 ms"
    if seconds < MINUTE:
        # 59.96 must not become "60.0 s".
        tenths = min(round(seconds, 1), Decimal("59.9"))
        return f"{sign}{tenths.normalize():f} s"
    whole = int(seconds)
    if whole < HOUR:
        return f"{sign}{whole // MINUTE} m {whole % MINUTE} s"
    if whole < DAY:
        return f"{sign}{whole // HOUR} h {whole % HOUR // MINUTE} m"
    return f"{sign}{whole // DAY} d {whole % DAY // HOUR} h"
