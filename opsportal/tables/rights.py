"""What the console's role may do with one table, as the doctor's probes find out: kept for a while, and asked
anew only when somebody wants to know, since each probe is a call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import caches

from opsportal.dynamo.tables import Binding
from opsportal.tables.grants import Place, places_of
from opsportal.tables.permissions import features
from opsportal.tables.probes import DENIED, NOT_PROBED, UNKNOWN, Probe, probe
from opsportal.tables.together import together

# Seconds: what was found stays known, may not be asked anew, and may take altogether.
LIFE, PAUSE, SECONDS = 900, 10, 4.0
# The console's own: what pages, actions and the worker need.
ROLE = "operator"


@dataclass(frozen=True)
class Right:
    """One action on the table or one of its indexes, what it is for, and what came of its probe."""

    probe: Probe
    uses: tuple[str, ...]
    optional: bool

    @property
    def action(self) -> str:
        return self.probe.action.partition(":")[2]


@dataclass(frozen=True)
class Rights:
    found: tuple[Right, ...]
    at: datetime

    @property
    def denied(self) -> list[Right]:
        return [right for right in self.found if right.probe.state == DENIED]

    @property
    def untold(self) -> list[Right]:
        return [right for right in self.found if right.probe.state in (UNKNOWN, NOT_PROBED)]


Key = tuple[str, str]  # action, index


def known(table: Binding) -> Rights | None:
    """What was found last, by any process; None where that is too long ago."""
    found: Rights | None = caches["default"].get(_key(table))
    return found


def probe_now(table: Binding) -> Rights:
    """Probe each permission that the console needs on `table`, without any effect. Raises nothing of AWS's."""
    before = known(table)
    if before and datetime.now(UTC) - before.at < timedelta(seconds=PAUSE):
        return before
    needed = _needed(table)
    calls = {key: _probing(key[0], place) for key, (place, _, _) in needed.items()}
    answers = together(calls, SECONDS)
    rights = Rights(
        tuple(
            Right(
                answers.get(key) or Probe(key[0], place, UNKNOWN, "No answer in time."),
                tuple(dict.fromkeys(uses)),
                optional,
            )
            for key, (place, uses, optional) in needed.items()
        ),
        datetime.now(UTC),
    )
    caches["default"].set(_key(table), rights, LIFE)
    return rights


def _needed(table: Binding) -> dict[Key, tuple[Place, list[str], bool]]:
    """Per action and index: where, the features that use it, and whether all of them do without."""
    needed: dict[Key, tuple[Place, list[str], bool]] = {}
    for feature in features(ROLE):
        for place in places_of(feature):
            if place.table is None or place.table != table:
                continue
            for action in feature.actions:
                _, uses, optional = needed.get((action, place.index), (place, [], True))
                needed[action, place.index] = (
                    place,
                    [*uses, feature.name],
                    optional and feature.optional,
                )
    return needed


def _probing(action: str, place: Place) -> Callable[[], Probe]:
    return lambda: probe(action, place)


def _key(table: Binding) -> str:
    return f"rights:{table.logical}:{table.fingerprint}"
