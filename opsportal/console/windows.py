"""The window of time that the overview looks at."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest

from opsportal.console.timerange import LENGTHS

WINDOWS = ("1h", "24h", "7d")
DEFAULT = "24h"


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
    key = request.GET.get("window", DEFAULT)
    key = key if key in WINDOWS else DEFAULT
    return Window(key, LENGTHS[key][0])
