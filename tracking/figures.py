"""What the newest workflows show of each agent step: how often it failed, how long it took, when it last worked.

One bounded reading serves every step and the whole deployment for a minute: the newest `SAMPLE` workflows by the index,
or as many as a Scan gives first where there is none.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.console.numbers import MIN_VALUES, nearest_rank
from opsportal.console.tones import FAILED, SUCCESS, WAITING
from opsportal.dynamo.lists import List
from opsportal.dynamo.pages import Page
from opsportal.dynamo.shared import shared
from tracking import queries
from tracking.models import Workflow
from tracking.steps import Step

SAMPLE = 200
# Seconds that a reading is fresh: it costs as much as four pages of a list. Steps of one that are kept.
SAMPLE_FRESH, MAX_STEPS = 60, 500


@dataclass(frozen=True)
class End:
    """When, and in which workflow, a step ended; `status` as recorded."""

    at: datetime
    session_id: str
    status: str


@dataclass(frozen=True)
class StepFigures:
    """One step over a sample. `durations`: seconds of those that succeeded, sorted. `undated`: ends without
    a stamp, which may be newer than `newest`."""

    key: str
    label: str
    succeeded: int = 0
    failed: int = 0
    running: int = 0
    others: int = 0
    undated: int = 0
    newest: End | None = None
    last_success: End | None = None
    last_failure: End | None = None
    durations: tuple[Decimal, ...] = ()

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed

    @property
    def seen(self) -> int:
        """Workflows that say more of the step than that it waits."""
        return self.ended + self.running + self.others

    @property
    def error_rate(self) -> Decimal | None:
        """Failures among what ended well or badly, 0 to 1; None where fewer than `MIN_VALUES` ended."""
        return Decimal(self.failed) / self.ended if self.ended >= MIN_VALUES else None

    @property
    def average(self) -> Decimal | None:
        """Seconds; None of fewer than `MIN_VALUES`."""
        if len(self.durations) < MIN_VALUES:
            return None
        return sum(self.durations, Decimal(0)) / len(self.durations)

    @property
    def median(self) -> Decimal | None:
        return nearest_rank(self.durations, 50) if len(self.durations) >= MIN_VALUES else None

    @property
    def p95(self) -> Decimal | None:
        return nearest_rank(self.durations, 95) if len(self.durations) >= MIN_VALUES else None


@dataclass(frozen=True)
class Sample:
    """The workflows that were looked at, and what they show. `since`: creation of the oldest of them;
    `newest_first`: False where it is a part of the table in no order; `calls` and `units`: what it cost."""

    steps: dict[str, StepFigures]
    workflows: int
    since: datetime | None
    newest_first: bool
    everything: bool
    how: str
    calls: int
    units: Decimal
    at: datetime
    notes: list[str] = field(default_factory=list)

    def of(self, key: str) -> StepFigures:
        """The figures of a step, all zero where no workflow has it."""
        return self.steps.get(key) or StepFigures(key, label_of(key))


ENDS = ("newest", "last_success", "last_failure")


def label_of(key: str) -> str:
    """What the catalogue calls the step, else its attribute."""
    return next((str(step["label"]) for step in settings.WORKFLOW_STEPS if step["key"] == key), key)


def sample() -> Sample:
    """At most `SAMPLE_FRESH` seconds old where it can be read. Raises `DynamoError`."""
    found = shared(
        f"step-figures:{Workflow.binding().fingerprint}", _read, fresh=SAMPLE_FRESH, remember=False
    )
    steps = {key: _from_plain(one) for key, one in found.value["steps"].items()}
    made = Sample(**{**found.value, "steps": steps}, calls=found.calls, units=found.units, at=found.at)
    if found.failed:
        made = replace(
            made, notes=[f"These figures could not be renewed: {found.failed.sentence}", *made.notes]
        )
    return made


def _read(before: Any) -> dict[str, Any]:
    """What a `Sample` is made of, plain."""
    page, newest_first = _newest()
    workflows = [Workflow.from_item(raw) for raw in page.items]
    created = [one.created_at for one in workflows if isinstance(one.created_at, datetime)]
    steps = sorted(figures_of(workflows).items(), key=lambda pair: -pair[1].seen)
    return {
        "steps": {key: asdict(one) for key, one in steps[:MAX_STEPS]},
        "workflows": len(workflows),
        "since": min(created, default=None),
        "newest_first": newest_first,
        "everything": not page.cursor,
        "how": page.how,
        "notes": page.notes,
    }


def _from_plain(values: dict[str, Any]) -> StepFigures:
    ends = {name: End(**values[name]) for name in ENDS if values[name]}
    return StepFigures(**{**values, **ends})


def _newest() -> tuple[Page, bool]:
    """Whole items: a step can be any attribute, so none can be left out."""
    at, seen = queries.found(), queries.statuses()
    page = List(queries.SAMPLED, at, seen.values, limit=SAMPLE).page(purpose="step-figures", fresh=False)
    if at.index and seen.reason:
        page.notes.append(seen.reason)
    return page, not page.how.startswith("Scan")


def figures_of(workflows: Iterable[Workflow]) -> dict[str, StepFigures]:
    """The figures of every step that any of the workflows records, by its key."""
    found: dict[str, list[tuple[str, Step]]] = {}
    for workflow in workflows:
        for step in workflow.steps:
            if step.present and step.tone != WAITING:
                found.setdefault(step.key, []).append((workflow.id, step))
    return {key: _figures(key, recorded) for key, recorded in found.items()}


def _figures(key: str, recorded: list[tuple[str, Step]]) -> StepFigures:
    tones = [step.tone for _, step in recorded]
    succeeded, failed = tones.count(SUCCESS), tones.count(FAILED)
    running = sum(step.running for _, step in recorded)
    ends = [(step.tone, _end(session_id, step)) for session_id, step in recorded if step.tone in ENDED]
    dated = sorted(
        ((tone, end) for tone, end in ends if end), key=lambda pair: (pair[1].at, pair[1].session_id)
    )
    durations = (step.seconds for _, step in recorded if step.tone == SUCCESS)
    return StepFigures(
        key,
        label_of(key),
        succeeded,
        failed,
        running,
        len(recorded) - succeeded - failed - running,
        len(ends) - len(dated),
        dated[-1][1] if dated else None,
        next((end for tone, end in reversed(dated) if tone == SUCCESS), None),
        next((end for tone, end in reversed(dated) if tone == FAILED), None),
        tuple(sorted(seconds for seconds in durations if seconds is not None)),
    )


ENDED = (SUCCESS, FAILED)


def _end(session_id: str, step: Step) -> End | None:
    """By the step's own stamps: those of the workflow may be another step's."""
    for at in (step.completed_at, step.last_updated):
        if isinstance(at, datetime):
            return End(at, session_id, step.status_text)
    return None
