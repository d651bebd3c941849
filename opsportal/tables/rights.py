"""What the console's role may do with one table, as the doctor's probes find out. Each probe is a call, so the answers
are kept, and asked for again only on demand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.core.cache import caches

from opsportal.dynamo.tables import Binding
from opsportal.tables.concurrency import together
from opsportal.tables.grants import Need, needs_of
from opsportal.tables.permissions import features
from opsportal.tables.probes import DENIED, NOT_PROBED, UNKNOWN, Probe, probe

# Seconds: how long answers are kept, how soon they can be asked for again, and how long the probes may take.
LIFE, PAUSE, SECONDS = 900, 10, 4.0
# The console's own role: what pages, actions and the worker need.
ROLE = "operator"


@dataclass(frozen=True)
class Right:
    """One action on the table or one of its indexes: its probe, and the features that use it."""

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


def known(table: Binding) -> Rights | None:
    """The last answers, of any process; None where they are older than `LIFE`."""
    found: Rights | None = caches["default"].get(_key(table))
    return found


def probe_now(table: Binding) -> Rights:
    """Probe each permission that the console needs on `table`, without any effect. Raises no AWS error."""
    before = known(table)
    if before and datetime.now(UTC) - before.at < timedelta(seconds=PAUSE):
        return before
    needed: dict[Any, list[Need]] = {}
    for need in needs_of(features(ROLE)):
        if need.location.table == table:
            needed.setdefault(need.key, []).append(need)
    answers = together(
        {key: partial(probe, first.action, first.location) for key, (first, *_) in needed.items()}, SECONDS
    )
    rights = Rights(
        tuple(_right(answers.get(key), needs) for key, needs in needed.items()), datetime.now(UTC)
    )
    caches["default"].set(_key(table), rights, LIFE)
    return rights


def _right(answer: Probe | None, needs: list[Need]) -> Right:
    late = Probe(needs[0].action, needs[0].location, UNKNOWN, "No answer in time.")
    uses = dict.fromkeys(need.feature.name for need in needs)
    return Right(answer or late, tuple(uses), all(need.feature.optional for need in needs))


def _key(table: Binding) -> str:
    return f"rights:{table.logical}:{table.fingerprint}"
