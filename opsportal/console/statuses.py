"""Which statuses of a kind of item are an end, which are open, and which the console does not know."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings

from opsportal.console.text import excerpt
from opsportal.console.tones import ATTENTION, FAILED, SUCCESS, tone_of
from opsportal.dynamo.attributes import Typed, read_text

_ENDS = frozenset({"completed", "failed", "cancelled"})


def lower(status: object) -> str:
    """As statuses are compared: spellings are one to a person. "" for what is no text."""
    return status.strip().lower() if isinstance(status, str) else ""


# A list of fifty asks for these 250 times, always for the same: a twentieth of its models and findings.
@lru_cache(maxsize=32)
def _ends(terminal: tuple[str, ...]) -> frozenset[str]:
    return _ENDS | set(map(lower, terminal))


@lru_cache(maxsize=32)
def _opens(listed: tuple[str, ...], terminal: frozenset[str]) -> frozenset[str]:
    return frozenset(map(lower, listed)) - terminal


@dataclass(frozen=True)
class Vocabulary:
    """`attribute`: that of an item's status; `documented`: as the documents write them; `extra` and `terminal` name
    the settings that add to them, `stuck_minutes` that of the minutes after which an open item is stuck."""

    attribute: str
    documented: tuple[str, ...]
    extra: str
    terminal: str
    stuck_minutes: str

    def listed(self) -> tuple[str, ...]:
        """The documented and the configured ones, as they are written."""
        return (*self.documented, *getattr(settings, self.extra), *getattr(settings, self.terminal))

    def terminal_ones(self) -> frozenset[str]:
        """The statuses that nothing follows, in lower case."""
        return _ends(tuple(getattr(settings, self.terminal)))

    def open_ones(self) -> frozenset[str]:
        """The statuses that should move on, in lower case. An unknown one may be an end, and is none of them."""
        return _opens((*self.documented, *getattr(settings, self.extra)), self.terminal_ones())

    def of(self, raw: Mapping[str, Typed]) -> str:
        """The status of an item, in lower case."""
        return self._text(raw).lower()

    def said(self, raw: Mapping[str, Typed]) -> str:
        """The status of an item as it is written, in a sentence."""
        return excerpt(self._text(raw), 60) or "without a status"

    def _text(self, raw: Mapping[str, Typed]) -> str:
        return str(read_text(raw.get(self.attribute)) or "").strip()

    def unknown(self, raw: Mapping[str, Typed]) -> str:
        """That the console does not know the status of an item, in a sentence; "" where it does."""
        if self.is_known(self.of(raw)):
            return ""
        if not self.of(raw):
            return "It has no status that the console can read, and counts as not finished."
        return f"Its status {self.said(raw)} is unknown to the console, and counts as not finished."

    def is_terminal(self, status: object) -> bool:
        return lower(status) in self.terminal_ones()

    def is_open(self, status: object) -> bool:
        """Whether it should move on."""
        return lower(status) in self.open_ones()

    def stuck_before(self, now: datetime) -> datetime:
        """What moved later, or was created later, is not stuck."""
        return now - timedelta(minutes=getattr(settings, self.stuck_minutes))

    def is_stuck(self, status: object, moved: datetime | None, now: datetime) -> bool:
        """Whether an item of that status, which moved last at that time, should have moved on since."""
        return moved is not None and moved <= self.stuck_before(now) and self.is_open(status)

    def ended_badly(self, status: str) -> bool:
        """Failed in any word (`error`), cancelled, or what settings name as an end and is no success."""
        tone = tone_of(status)
        return tone == FAILED or (tone == ATTENTION and lower(status) in self.terminal_ones())

    def succeeded(self, status: str) -> bool:
        """Ended well, in any word."""
        return tone_of(status) == SUCCESS or (self.is_terminal(status) and not self.ended_badly(status))

    def is_known(self, status: str) -> bool:
        """Whether a document or a setting names it."""
        return lower(status) in set(map(lower, self.listed()))
