"""What the pages of failures show, read once for the whole deployment: the active cases, their hours, and how far the
worker has followed each table. The badge of the navigation and the overview are made of the same."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.cache import caches
from django.db import DatabaseError

from opsportal.console import panels
from opsportal.console.tones import FAILED, SUCCESS, tone_of
from opsportal.descriptors import Panel, descriptors
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.shared import Shared, forget, kept, renewed
from opsportal.dynamo.tables import binding
from opsportal.failures import store
from opsportal.failures.case import Case, from_item, moment_of
from opsportal.failures.failure import all_sources
from opsportal.failures.mark import Progress
from opsportal.failures.trend import Hours, Trend, trend_of
from opsportal.failures.words import is_waiting

KEY = "failures"
# Seconds: until the figures are read again, and that each process counts the badge from one look at them.
FRESH, BADGE_SECONDS = 20.0, 10
BADGE = "failures:badge"
# Minutes without a mark of the worker after which a page says that none follows.
LATE_MINUTES = 5


@dataclass(frozen=True)
class Followed:
    """How far one table was followed. `began`: since when failures are counted; `turn_at`: when the worker read last;
    `read_to`: up to when all are counted, and `behind` where that is long ago."""

    began: datetime | None
    turn_at: datetime | None
    read_to: datetime | None
    behind: bool
    problem: str

    def is_left(self, now: datetime) -> bool:
        """Whether no worker follows it."""
        return self.turn_at is None or (now - self.turn_at).total_seconds() > LATE_MINUTES * 60


def hours_of(case: Case) -> Hours:
    return {moment_of(hour): count for hour, count in case.hours.items()}


@dataclass(frozen=True)
class Figures:
    """Of the active cases; `cut`: there are more."""

    cases: tuple[Case, ...]
    cut: bool
    followed: Mapping[str, Followed]

    def trend(self, case: Case, now: datetime) -> Trend:
        followed = self.followed.get(case.logical)
        return trend_of(hours_of(case), followed.began if followed else None, now)


def read(before: Any) -> dict[str, Any]:
    """Plain. Calls: one query for each location, and one item for each table. Raises `DynamoError`."""
    active = store.active()
    followed = {}
    for logical in all_sources():
        mark = store.mark_of(logical)
        done = mark.progress(datetime.now(UTC)) if mark else Progress()
        followed[logical] = (
            mark.began if mark else None,
            done.mark,
            done.complete_to,
            done.behind,
            done.problem,
        )
    return {
        "cases": tuple(case.to_item() for case in active),
        "cut": active.cut,
        "followed": followed,
    }


def of(value: Mapping[str, Any]) -> Figures:
    return Figures(
        tuple(filter(None, map(_readable, value["cases"]))),
        value["cut"],
        {logical: Followed(*one) for logical, one in value["followed"].items()},
    )


def _readable(raw: Raw) -> Case | None:
    """None for what another version of the console left in the shared cache."""
    try:
        return from_item(raw)
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return None


def location() -> str:
    """What the figures depend on: the tables as they are set."""
    return ",".join(binding(logical).fingerprint for logical in all_sources())


def panel() -> Panel:
    return next(one.panel for one in descriptors() if one.panel and one.panel.key == KEY)


def at_hand() -> Shared[dict[str, Any]]:
    """Raises `DynamoError`."""
    return panels.figures_of(panel())


def renew(case: Case | None = None) -> None:
    """After a change by a person: the next page shows it. `case`: as it is now, which an index may not have yet."""

    def compute(before: Any) -> dict[str, Any]:
        value = read(before)
        if case is None:
            return value
        others = tuple(raw for raw in value["cases"] if from_item(raw).id != case.id)
        mine = (case.to_item(),) if case.is_active else ()
        return value | {"cases": (*mine, *others)}

    name = panel().figures_name
    # The page's own figures are renewed in their time all the same.
    with suppress(DynamoError, DatabaseError):
        renewed(name, compute, fresh=0, life=panels.LIFE_SECONDS)
    forget(name)
    caches["process"].delete(BADGE)


def waiting() -> int:
    """Cases that nobody has taken notice of, as last read by anyone: no read of a table. For the navigation."""
    cache = caches["process"]
    found: int | None = cache.get(BADGE)
    if found is None:
        panels.note_viewer(KEY)
        name = panel().figures_name
        shared = kept([name], fresh=FRESH).get(name)  # the overview's, which has just read it
        now = datetime.now(UTC)
        found = sum(is_waiting(case, now) for case in of(shared.value).cases) if shared else 0
        cache.set(BADGE, found, BADGE_SECONDS)
    return found


@dataclass(frozen=True)
class Ended:
    """Runs that were created in a window and ended, well or badly; `more`: there are more than were counted."""

    number: int
    more: bool


def ended(logicals: Iterable[str], window: str) -> dict[str, Ended]:
    """By table, from the overview's figures as last read by anyone: no read of a table. What is not known is missing."""
    names = {
        one.panel.figures_name: one.resource_type.logical
        for one in descriptors()
        if one.panel and one.resource_type and one.resource_type.logical in logicals
    }
    found = {}
    for name, shared in kept(names, fresh=FRESH).items():
        value = shared.value
        if isinstance(value, dict) and window in value.get("windows", {}):
            counts = [
                (number, more)
                for status, number, more in value["windows"][window]["counts"]
                if tone_of(status) in (FAILED, SUCCESS)
            ]
            found[names[name]] = Ended(sum(n for n, _ in counts), any(more for _, more in counts))
    return found
