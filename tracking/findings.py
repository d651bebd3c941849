"""What is wrong or contradictory with a workflow, in sentences (docs/data.md#what-deployed-writers-do)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from opsportal.console.findings import (
    CLOCK_SKEW,
    Finding,
    ahead,
    ahead_until,
    malformed,
    marked,
    out_of_order,
    spoken_minutes,
    spoken_until,
)
from opsportal.console.numbers import grouped, plain
from opsportal.console.text import excerpt
from opsportal.console.tones import ATTENTION, FAILED, UNKNOWN
from opsportal.dynamo.attributes import Malformed, Raw
from tracking.models import Workflow
from tracking.statuses import VOCABULARY, lower
from tracking.step_changes import is_open
from tracking.steps import LONG_BEFORE, Step, Tokens


def findings(workflow: Workflow, now: datetime | None = None) -> list[Finding]:
    """Every finding, the gravest first."""
    now = now or datetime.now(UTC)
    found = [
        *_contradictions(workflow),
        *_times(workflow, now),
        *_marked(workflow),
        *_stuck(workflow, now),
        *_totals(workflow),
        *_oddities(workflow),
    ]
    return sorted(found, key=lambda finding: (FAILED, ATTENTION, UNKNOWN).index(finding.tone))


def needs_attention(item: Raw, now: datetime) -> bool:
    """Whether it has an error or a finding, so that the column of that name says something."""
    workflow = Workflow.from_item(item)
    return workflow.first_error is not None or bool(findings(workflow, now))


def _short(value: object) -> str:
    return excerpt(str(value), 60)


def _status(workflow: Workflow) -> str:
    return lower(workflow.overall_status)


# Steps that a sentence names; of more it gives the number.
MAX_NAMED = 3


def _named(steps: Sequence[Step]) -> str:
    if len(steps) > MAX_NAMED:
        return f"{len(steps)} steps"
    return " and ".join(_short(step.label) for step in steps)


def _still(steps: Iterable[Step]) -> str:
    """What steps still say, by the words that they use."""
    by_word: dict[str, list[Step]] = {}
    for step in steps:
        by_word.setdefault(_short(step.status_text), []).append(step)
    return " and ".join(
        f"{_named(alike)} still {'says' if len(alike) == 1 else 'say'} {word}"
        for word, alike in by_word.items()
    )


def _contradictions(workflow: Workflow) -> list[Finding]:
    status, shown = _status(workflow), _short(workflow.overall_status)
    found = []
    failed = [step for step in workflow.steps if step.failed]
    if failed and status not in ("failed", "error", "cancelled"):
        says = f"says {shown}" if workflow.overall_status else "has no status"
        found.append(Finding("step_failed", FAILED, f"{_named(failed)} failed, but the workflow {says}."))
    if status == "failed" and not failed:
        found.append(Finding("no_failed_step", ATTENTION, "The workflow failed, but no step says so."))
    unfinished = _unfinished(workflow)
    if status == "completed" and not any(step.present for step in workflow.steps):
        found.append(Finding("nothing_recorded", ATTENTION, "Completed, but no step was ever recorded."))
    elif unfinished:
        found.append(
            Finding("still_running", ATTENTION, f"The workflow says {shown}, but {_still(unfinished)}.")
        )
    return found


def _times(workflow: Workflow, now: datetime) -> list[Finding]:
    """What is impossible about them. A step that runs again may still have the end of its last run."""
    created, updated = workflow.created_at, workflow.last_updated
    orders: list[tuple[str, object, str, object, timedelta]] = [
        ("lastUpdated", updated, "createdAt", created, CLOCK_SKEW)
    ]
    for step in workflow.steps:
        started, completed = step.started_at, step.completed_at
        if _precedes(completed, started) and not step.running:
            orders.append((_of("completedAt", step), completed, "its startedAt", started, timedelta(0)))
        # A writer may make the item some time after its first step began.
        if _precedes(started, created):
            orders.append((_of("startedAt", step), started, "createdAt", created, LONG_BEFORE))
    return [*out_of_order(orders), *ahead(_stamps_after(workflow, now), now)]


def _precedes(one: object, other: object) -> bool:
    return isinstance(one, datetime) and isinstance(other, datetime) and one < other


# Only of what is wrong: the names of all times were a seventh of the findings of a list.
def _of(name: str, step: Step) -> str:
    return f"{name} of {_short(step.label)}"


def changes_at(workflow: Workflow, now: datetime) -> list[datetime]:
    """The times ahead at which its findings say something else, though nobody wrote it."""
    moments = [*ahead_until(_stamps_after(workflow, now), now)]
    if workflow.is_open and (updated := workflow.updated_at):
        limit = min(updated, now) + timedelta(minutes=settings.WORKFLOW_STUCK_MINUTES)
        moments.append(limit if limit > now else spoken_until(updated, now))
    if isinstance(workflow.expires_at, datetime) and not workflow.is_expired:
        moments.append(workflow.expires_at)
    return moments


def _stamps_after(workflow: Workflow, now: datetime) -> list[tuple[str, object]]:
    """The recorded times that lie ahead, by name."""
    if (newest := workflow.updated_at) is None or newest <= now:
        return []  # as nearly always, and a list asks each of its rows twice
    own = (("createdAt", workflow.created_at), ("lastUpdated", workflow.last_updated))
    times: list[tuple[str, object]] = [(name, at) for name, at in own if _precedes(now, at)]
    for step in workflow.steps:
        if _precedes(now, step.started_at):
            times.append((_of("startedAt", step), step.started_at))
        if _precedes(now, step.completed_at):
            times.append((_of("completedAt", step), step.completed_at))
    return times


def _unfinished(workflow: Workflow) -> list[Step]:
    """Steps that say they run in a workflow that does not; after a cancel from here those that wait too, which it
    stops as far as one change holds them."""
    if workflow.cancelled_from_here:
        return [step for step in workflow.steps if is_open(step)]
    begins_again = _status(workflow) == "initializing" and bool(workflow.retry_count)
    if workflow.is_terminal or begins_again:
        return [step for step in workflow.steps if step.running]
    return []


def _marked(workflow: Workflow) -> list[Finding]:
    """By whom and when its status was set by hand (`actions`)."""
    status = _status(workflow)
    if status == "failed":
        by, at = workflow.failed_by, workflow.failed_at
    elif status == "completed":
        by, at = workflow.completed_by, workflow.completed_at
    else:
        return []
    if not isinstance(by, str):
        return []
    error = workflow.own_error if status == "failed" else None
    why = f": {_short(error)}" if isinstance(error, str) else ""
    return [marked(f"Marked {status} by {_short(by)}{why}", at)]


def is_stuck(workflow: Workflow, now: datetime) -> bool:
    """Whether it should move on and has not for longer than is normal."""
    # Most of a list are at their end, and their stamps are not compared.
    return workflow.is_open and VOCABULARY.is_stuck(workflow.overall_status, workflow.updated_at, now)


def _stuck(workflow: Workflow, now: datetime) -> list[Finding]:
    if not is_stuck(workflow, now) or (updated := workflow.updated_at) is None:
        return []
    minutes = int((now - updated).total_seconds() // 60)
    return [Finding("stuck", ATTENTION, f"No update for {spoken_minutes(minutes)}.")]


def _totals(workflow: Workflow) -> list[Finding]:
    found = []
    recorded = workflow.totals.total
    if workflow.step_tokens and (recorded or Decimal(0)) != workflow.step_tokens:
        has = grouped(recorded) if isinstance(recorded, Decimal) else "none"
        found.append(
            Finding(
                "token_total",
                UNKNOWN,
                f"The steps used {grouped(workflow.step_tokens)} tokens, but the recorded total is {has}.",
            )
        )
    total = workflow.total_duration
    # Writers round; a difference below a second is not a contradiction.
    if workflow.step_seconds and (not isinstance(total, Decimal) or abs(total - workflow.step_seconds) >= 1):
        has = f"{plain(total)} s" if isinstance(total, Decimal) else "none"
        found.append(
            Finding(
                "duration_total",
                UNKNOWN,
                f"The steps took {plain(workflow.step_seconds)} s, but the recorded total is {has}.",
            )
        )
    return found


def _oddities(workflow: Workflow) -> list[Finding]:
    found = []
    if workflow.is_expired:
        found.append(
            Finding("expired", ATTENTION, "Expired, awaiting deletion: DynamoDB removes it within days.")
        )
    if workflow.overall_status is None:
        found.append(Finding("no_status", ATTENTION, "The item has no overallStatus."))
    problems = workflow.problems
    names = [*problems, *(step.label for step in workflow.steps if step.malformed_parts)]
    if "totalTokenUsage" not in problems:
        names += [
            f"totalTokenUsage.{name}Tokens"
            for name, value in zip(Tokens._fields, workflow.totals, strict=True)
            if isinstance(value, Malformed)
        ]
    if names:
        found.append(malformed(names))
    return found
