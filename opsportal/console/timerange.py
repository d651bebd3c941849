"""The time range of a list: one of a few lengths up to now, or bounds of one's own, always in the URL; and
the window of time that the overview looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest

from opsportal.dynamo.merge import Span

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
    """`key` is one of LENGTHS or "custom"; `start` and `end` are aware and UTC, None where open."""

    key: str
    label: str
    start: datetime | None
    end: datetime | None

    @property
    def span(self) -> Span:
        """As bounds of an index's text. The prefix of a stamp sorts before all its forms (``...00Z``,
        ``...00.123``, naive), and ``~`` after them, so zone-less and zoned tables are both served."""
        return Span(
            _second(self.start) if self.start else "",
            _second(self.end) + "~" if self.end else "",
        )


def time_range(params: Mapping[str, str], zone: ZoneInfo, *, default: str = DEFAULT) -> TimeRange:
    """From `range`, or from `from` and `to` (ISO, in `zone` where they name none). Nonsense is ignored."""
    start, end = _moment(params.get("from", ""), zone), _moment(params.get("to", ""), zone)
    if start or end:
        parts = [
            f"{name} {_second(at)[:16].replace('T', ' ')}"
            for name, at in (("from", start), ("to", end))
            if at
        ]
        return TimeRange("custom", " ".join(parts) + " UTC", start, end)
    key = params.get("range", default)
    if key not in LENGTHS:
        key = default
    label, length = LENGTHS[key]
    return TimeRange(key, label, datetime.now(UTC) - length if length else None, None)


def _second(at: datetime) -> str:
    """To the second; strftime would not pad years below 1000."""
    return at.isoformat()[:19]


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


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
    key = request.GET.get("window", DEFAULT_WINDOW)
    key = key if key in WINDOWS else DEFAULT_WINDOW
    return Window(key, LENGTHS[key][0])
