"""The time range of a list: one of a few lengths up to now, or bounds of one's own, always in the URL; and
the window of time that the overview looks at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest

from opsportal.console import clock
from opsportal.console.text import excerpt
from opsportal.dynamo.spans import Span
from opsportal.dynamo.time_text import parse_time

LENGTHS: dict[str, tuple[str, timedelta | None]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "all": ("All time", None),
}
DEFAULT = "7d"


@dataclass(frozen=True)
class TimeRange:
    """`key` is one of LENGTHS or "custom"; `start` and `end` are aware and UTC, None where open. `notices`: what must
    be said of the bounds as they were given, in sentences."""

    key: str
    label: str
    start: datetime | None
    end: datetime | None
    notices: tuple[str, ...] = ()

    @property
    def span(self) -> Span:
        return Span.between(self.start, self.end)

    @property
    def crossed(self) -> bool:
        """It ends before it begins, so that nothing can be in it."""
        return bool(self.start and self.end and self.start > self.end)

    @property
    def query(self) -> dict[str, str]:
        """The bounds as addresses carry them: the same for every reader."""
        bounds = {"from": self.start, "to": self.end} if self.key == "custom" else {}
        return {name: clock.utc_text(at) for name, at in bounds.items() if at}


def time_range(params: Mapping[str, str], zone: ZoneInfo, *, default: str = DEFAULT) -> TimeRange:
    """From `range`, or from `from` and `to` (ISO, in `zone` where they name none). What can't be read is passed over,
    and the range says so."""
    start, end = (_bound(name, params.get(name, ""), zone) for name in ("from", "to"))
    said = tuple(sentence for found in (start, end) for sentence in found.notices)
    if start.at or end.at:
        parts = [
            f"{name} {clock.bound(one.at, zone)}" for name, one in (("from", start), ("to", end)) if one.at
        ]
        return TimeRange("custom", " ".join(parts), start.at, end.at, said)
    key = params.get("range", default)
    if key not in LENGTHS:
        said = (
            (*said, f"There is no range {excerpt(key, 40)!r}: it is one of {', '.join(LENGTHS)}.")
            if key
            else said
        )
        key = default
    label, length = LENGTHS[key]
    if said:
        said = (*said, f"Shown instead: {label.lower()}.")
    return TimeRange(key, label, datetime.now(UTC) - length if length else None, None, said)


@dataclass(frozen=True)
class Bound:
    """One bound as read. `at`: None where it is open or can't be read."""

    at: datetime | None = None
    notices: tuple[str, ...] = ()


def _bound(name: str, text: str, zone: ZoneInfo) -> Bound:
    if not text.strip():
        return Bound()
    try:
        moment = _moment(text.strip())
        if moment.tzinfo:
            return Bound(moment.astimezone(UTC))
        at, oddity = from_wall_clock(moment, zone, last=name == "to")
    except (ValueError, OverflowError):
        plus = " Write + as %2B in an address." if re.search(r" \d\d:?\d\d$", text) else ""
        return Bound(
            None,
            (
                f"{name}={excerpt(text, 40)} can't be read as a time: write it in ISO 8601, such as "
                f"2026-11-20T10:00:00Z.{plus}",
            ),
        )
    said = f"{name}={excerpt(text, 40)} names no time zone and is read in yours, {zone.key}: {clock.utc_text(at)}."
    return Bound(at, tuple(filter(None, (said, oddity))))


# The end of a time that names its zone. One without is for the reader's zone, and not for `parse_time`, which takes UTC.
_NAMES_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d:?\d\d| (?:UTC?|GMT|[ECMP][SD]T))\Z")


def _moment(text: str) -> datetime:
    """ISO 8601; with a zone also in any form in which an item may hold it, from which people copy it. ValueError."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if _NAMES_ZONE.search(text):
            return parse_time(text)
        raise


def from_wall_clock(wall: datetime, zone: ZoneInfo, *, last: bool) -> tuple[datetime, str]:
    """The instant (UTC) at which a clock in the zone shows `wall`, and a sentence where it does so twice or never.

    Of two it is the first, or with `last` the last: a range then holds both hours. A time that is left out in spring is
    the moment of the change. OverflowError where it is none of the calendar.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first, ""
    shown = f"{wall:%Y-%m-%d %H:%M}"
    if first < second:
        at = second if last else first
        which = "last" if last else "first"
        return at, f"Clocks in {zone.key} show {shown} twice, when they go back: this is the {which} time."
    # Never shown: `second` is before the change of clocks, and `first` after it.
    before, after = second, first
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == second.astimezone(zone).utcoffset():
            before = middle
        else:
            after = middle
    at = after.replace(microsecond=0)
    return (
        at,
        f"Clocks in {zone.key} never show {shown}, when they go forward: {clock.bound(at, zone)} is taken.",
    )


# --- The form that bounds are chosen with -----------------------------------------------------------------


def picker_value(at: datetime | None, zone: ZoneInfo) -> str:
    """For a field of type `datetime-local`, which knows no zone."""
    if at is None:
        return ""
    local = clock.in_zone(at, zone).replace(tzinfo=None)
    return local.isoformat(timespec="seconds" if local.second or local.microsecond else "minutes")


def picked(params: Mapping[str, str]) -> tuple[dict[str, str], list[str]] | None:
    """What the form asks for as `from` and `to` in UTC, and what must be said of it; None where nothing was sent by it.

    The form says in which zone its fields are, and what the bounds were: one that was not touched stays as it was, also
    in the hour that clocks show twice.
    """
    if "pick_from" not in params and "pick_to" not in params:
        return None
    try:
        zone = ZoneInfo(params.get("pick_zone", "UTC"))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        zone = ZoneInfo("UTC")
    query: dict[str, str] = {}
    said: list[str] = []
    for name in ("from", "to"):
        text, before = (
            params.get(f"pick_{name}", "").strip(),
            _bound(name, params.get(f"was_{name}", ""), zone),
        )
        if before.at and text == picker_value(before.at, zone):
            query[name] = clock.utc_text(before.at)
        elif text:
            found = _bound(name, text, zone)
            query[name] = clock.utc_text(found.at) if found.at else text
            said += found.notices[1:]  # that it has no zone is as it should be
    return query, said


def in_utc(query: str, zone: ZoneInfo) -> str:
    """A query string with its bounds in UTC, read in `zone` where they name none: another may open it."""
    pairs = parse_qsl(query, keep_blank_values=True)
    bounds = {name: _bound(name, text, zone).at for name, text in pairs if name in ("from", "to")}
    return urlencode(
        [(name, clock.utc_text(at) if (at := bounds.get(name)) else text) for name, text in pairs]
    )


WINDOWS = ("1h", "24h", "7d")
DEFAULT_WINDOW = "24h"


@dataclass(frozen=True)
class Window:
    """`key` is one of WINDOWS, `label` says it, `choices` are (label, query, current)."""

    key: str
    label: str

    @property
    def length(self) -> timedelta:
        length = LENGTHS[self.key][1]
        assert length is not None
        return length

    @property
    def since(self) -> datetime:
        return datetime.now(UTC) - self.length

    @property
    def query(self) -> str:
        return f"?window={self.key}"

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        return [(LENGTHS[key][0], f"?window={key}", key == self.key) for key in WINDOWS]


def window_of(request: HttpRequest) -> Window:
    """From the parameter `window`; nonsense is the default."""
    return window_named(request.GET.get("window", DEFAULT_WINDOW))


def window_named(key: str) -> Window:
    key = key if key in WINDOWS else DEFAULT_WINDOW
    return Window(key, LENGTHS[key][0])
