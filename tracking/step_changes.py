"""What actions change in the steps of a workflow, as far as one expression of DynamoDB holds them.

An item may have hundreds of steps. An action writes and guards those only that it changes; where they are too many
for one expression, it changes the newest, and the others keep what they say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from opsportal.console.tones import FAILED, RUNNING, SUCCESS, WAITING
from opsportal.dynamo.attributes import Typed
from opsportal.operations.changes import Change, Part, same, text
from tracking.models import Workflow
from tracking.steps import Step

# Statuses of a step that has ended, beside those that mean success or failure.
ENDED = frozenset({"cancelled", "canceled", "stopped", "skipped", "expired", "timeout", "warning"})
WAITING_TEXT = "Waiting"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class StepShare:
    """How many steps an action is to change, and how many of them one change holds."""

    wanted: int
    held: int

    @property
    def left(self) -> int:
        return self.wanted - self.held

    @property
    def sentence(self) -> str:
        """What a person must know before, and the trail after; "" where one change holds all."""
        if not self.left:
            return ""
        keep = "1 step keeps what it says" if self.left == 1 else f"{self.left} steps keep what they say"
        return (
            f"{self.wanted} steps are to change, and one change of DynamoDB holds {self.held} of them: the newest "
            f"change, and {keep}."
        )


def hold(change: Change, parts: list[Part]) -> StepShare:
    """Add the parts to a change, from the first on, as many as it holds."""
    return StepShare(len(parts), change.set_as_many(parts))


def is_open(step: Step) -> bool:
    """Whether work on a step may go on. So it may on one of unknown status, unless it has an end."""
    if not step.present or step.malformed is not None:
        return False
    if step.tone in (RUNNING, WAITING):
        return True
    ended = step.tone in (SUCCESS, FAILED) or str(step.status or "").strip().lower() in ENDED
    return not ended and not isinstance(step.completed_at, datetime)


def newest_first(steps: Iterable[Step]) -> list[Step]:
    """By the newest stamp of each; of those without one what runs, then in their order."""
    return sorted(steps, key=lambda step: (step.touched_at or LONG_AGO, step.running), reverse=True)


def stopping(workflow: Workflow) -> list[Part]:
    """Every open step gets the status stopped, the newest first."""
    return [
        Part({(step.key, "status"): text("stopped")}, guard=(step.key, "status"))
        for step in newest_first(filter(is_open, workflow.steps))
    ]


def failing(workflow: Workflow, reason: str, moment: Typed) -> list[Part]:
    """The steps that a failure is written to get `error` with the reason: those that run, the newest first, or, where
    no step has failed, the first one that has not ended. Empty: the failure is the workflow's own."""
    return [
        Part(
            {
                (step.key, "status"): text("error"),
                (step.key, "error"): text(reason),
                (step.key, "completedAt"): moment,
            },
            guard=(step.key, "status"),
        )
        for step in _answerable(workflow)
    ]


def _answerable(workflow: Workflow) -> list[Step]:
    steps = workflow.steps
    if running := [step for step in steps if step.running]:
        return newest_first(running)
    if any(step.failed for step in steps):
        return []
    # The catalogue's steps are those of an orchestrator that has begun one of them, or none at all.
    ours = all(step.listed for step in steps if step.present)
    return [step for step in steps if is_open(step) or (ours and not step.present)][:1]


def renewing(workflow: Workflow, first: Step | None = None) -> list[Part]:
    """Every step from `first` on (None: all) becomes pending: `first`, then what is open, the newest first, then
    what has ended.

    Those of the catalogue that the item lacks are made too, unless its orchestrator is another, whose steps are
    none of the catalogue.
    """
    steps = from_step_on(workflow, first)
    chosen = newest_first(steps)
    chosen.sort(key=lambda step: (step != first, not is_open(step)))
    return [
        Part({(step.key,): fresh(step.key)}, guard=_guard(workflow, step))
        for step in chosen
        if not same(workflow.raw.get(step.key), fresh(step.key))
    ]


def from_step_on(workflow: Workflow, first: Step | None) -> list[Step]:
    """The steps that a retry from `first` makes pending, in their order."""
    steps = workflow.steps
    recorded = [step for step in steps if step.present]
    foreign = bool(recorded) and not any(step.listed for step in recorded)
    following = steps[steps.index(first) :] if first else steps
    return [step for step in following if step.present or not foreign]


def _guard(workflow: Workflow, step: Step) -> tuple[str, ...]:
    return (step.key, "status") if "M" in workflow.raw.get(step.key, {}) else (step.key,)


def fresh(key: str) -> Typed:
    """The map of a step that was not started, as `StatusWriter.initialize` makes it."""
    waiting = next((step.get("waiting") for step in settings.WORKFLOW_STEPS if step["key"] == key), "")
    return {"M": {"status": text("pending"), "activity": text(waiting or WAITING_TEXT)}}
