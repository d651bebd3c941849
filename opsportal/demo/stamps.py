"""Times in the forms that the tables' writers use."""

from datetime import UTC, datetime


def zulu(moment: datetime) -> str:
    """``2025-12-24T10:00:00.000Z`` (seed 000 of docs/data.md)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def naive(moment: datetime) -> str:
    """``2024-01-09T15:43:09.250000``, which is UTC without saying so (seed 002)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds, as the agent registry stores times."""
    return int(moment.timestamp() * 1000)
