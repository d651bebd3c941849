"""Bounds in time for an index that orders by text."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opsportal.dynamo.attributes import Typed, read_time
from opsportal.dynamo.expressions import Clause

# Clocks of a zone are at most so far from UTC.
FARTHEST_ZONE = timedelta(hours=14)


@dataclass(frozen=True)
class Span:
    """Inclusive bounds of a time: `start` and `end` of the sort key's text ("" is open), `since` and `until` of the
    instant that it says (aware; None is open)."""

    start: str = ""
    end: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def between(cls, since: datetime | None = None, until: datetime | None = None) -> "Span":
        """A bound of a whole second holds all of it. The prefix of a stamp sorts before all its forms (``...00Z``,
        ``...00.123``, naive), and ``~`` after them, so zone-less and zoned tables are both served."""
        last = _last_of(until) if until else None
        return cls(second_of(since) if since else "", f"{second_of(until)}~" if until else "", since, last)

    def up_to(self, end: str) -> "Span":
        return replace(self, end=min(self.end, end) if self.end else end)

    def before(self, moment: datetime) -> "Span":
        """What of it is not after that instant."""
        return Span.between(self.since, min(self.until, moment) if self.until else moment)

    @property
    def wider(self) -> "Span":
        """The texts that any zone, and any form of ISO 8601, may give to an instant of the span."""
        start, end = self.start, self.end
        if self.since:
            # With a space, which sorts before all that is written with a T on that day.
            start = second_of(_moved(self.since, -FARTHEST_ZONE)).replace("T", " ")
        if self.until:
            end = f"{second_of(_moved(self.until, FARTHEST_ZONE))}~"
        return replace(self, start=start, end=end)

    def clauses(self, attribute: str) -> tuple[Clause, ...]:
        if self.start and self.end:
            return (Clause(attribute, "between", (self.start, self.end)),)
        if self.start:
            return (Clause(attribute, ">=", (self.start,)),)
        return (Clause(attribute, "<=", (self.end,)),) if self.end else ()

    @property
    def empty(self) -> bool:
        """No item can be in it; DynamoDB refuses such a BETWEEN."""
        crossed = bool(self.since and self.until and self.since > self.until)
        return crossed or bool(self.start and self.end and self.start > self.end)

    def contains(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)

    def holds(self, value: Typed | None) -> bool:
        """Whether a time as stored is in it: by its instant; by its text where that says none."""
        if self.since is None and self.until is None:
            return True
        at = read_time(value)
        return self.holds_at(str((value or {}).get("S", "")), at if isinstance(at, datetime) else None)

    def holds_at(self, text: str, at: datetime | None) -> bool:
        """The same of a time that was read already; None: its text says none."""
        if at is not None:
            return self.contains(at)
        return (self.since is None or text >= second_of(self.since)) and (
            self.until is None or text <= f"{second_of(self.until)}~"
        )


def second_of(at: datetime) -> str:
    """As a sort key is compared with it: UTC, to the second. (strftime would not pad years below 1000.)"""
    return at.astimezone(UTC).isoformat()[:19]


def _last_of(at: datetime) -> datetime:
    return at if at.microsecond else at.replace(microsecond=999_999)


def _moved(at: datetime, length: timedelta) -> datetime:
    try:
        return at + length
    except OverflowError:  # an end of the calendar: nothing lies beyond
        return at
