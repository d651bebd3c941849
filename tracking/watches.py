"""What alert rules can watch of workflows: failures, their rate, and what is stuck."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse

from opsportal.alerts import rates
from opsportal.alerts.watches import MOST_FACTS, Fact, Measure, Question, Reading, Watch, register
from opsportal.console.tones import FAILED, SUCCESS, tone_of
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.lists import Known, List
from opsportal.dynamo.merge import Span
from tracking import queries
from tracking.models import Workflow

# Days: what is older is past an operator's care, and is not looked for.
MOST_DAYS = 30
PART = "This table has no index on overallStatus and createdAt: of its items only those read so far are looked at."


@dataclass(frozen=True)
class _Found:
    """Workflows of some statuses, the newest first; `known`: as they were read."""

    workflows: list[Workflow]
    known: Known

    def reading(self, facts: Iterable[Fact | None]) -> Reading:
        known = self.known
        kept = tuple(fact for fact in facts if fact)
        return Reading(kept, known.certain and not known.more, note=PART if known.part else known.note)


def _filters(question: Question) -> Filter:
    source = question.filters.get("source_type", "")
    return (Clause("sourceType", "=", (source,)),) if source else ()


def _read(question: Question, tones: Sequence[str], span: Span) -> _Found:
    """At most `MOST_FACTS`; `tones`: of the statuses, () for all that are open. Raises `DynamoError`."""

    def wanted(status: str) -> bool:
        lower = status.strip().lower()
        return tone_of(lower) in tones if tones else queries.is_open(lower)

    chosen = [status for status in queries.statuses().values if wanted(status)]
    listed = List(
        queries.SAMPLED, queries.found(), chosen, wanted, _filters(question), span, limit=MOST_FACTS
    )
    known = listed.known(purpose="alerts")
    return _Found([Workflow.of(raw) for raw in known.items], known)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _fits(workflow: Workflow, question: Question) -> bool:
    """Whether a workflow that was read by its key is of those that the rule asks for."""
    source = question.filters.get("source_type", "")
    return not source or workflow.source_type == source


def _path(workflow: Workflow) -> str:
    return reverse("tracking:item", args=[workflow.id]) if workflow.id else ""


# --- Failed ----------------------------------------------------------------------------------------------


def _failure(workflow: Workflow, question: Question) -> Fact | None:
    """The fact of a failed workflow; None where it is not one of those that are asked for."""
    at = workflow.ended_at or workflow.updated_at
    if at is None or tone_of(workflow.overall_status) != FAILED:
        return None
    steps = [step.key for step in workflow.steps if step.failed]
    step = question.filters.get("step", "")
    if step and step not in steps:
        return None
    error = workflow.first_error
    figures = {"step": steps[0]} if steps else {}
    title = f"Workflow {workflow.id} failed"
    text = str(error.error) if error and isinstance(error.error, str) else ""
    return Fact(workflow.id, title, at, figures, _path(workflow), text)


def failed(question: Question) -> Reading:
    """The workflows that failed, of those created in the window."""
    found = _read(question, (FAILED,), Span(_text(question.since)))
    return found.reading(_failure(one, question) for one in found.workflows)


def still_failed(question: Question, key: str) -> Fact | None:
    workflow = queries.workflow(key)
    if workflow is None:
        return None
    moment = queries.SAMPLED.moment(workflow.raw)
    if moment and moment < question.since:
        return None
    return _failure(workflow, question) if _fits(workflow, question) else None


# --- The rate of failures --------------------------------------------------------------------------------


def failure_rate(question: Question) -> Reading:
    """Of the workflows created in the window (the newest of them, where they are many), how many failed."""
    since = max(question.since, question.baseline)
    found = _read(question, (FAILED, SUCCESS), Span(_text(since)))
    if found.known.part:
        return Reading(unknown=True, note=PART)
    ended = [
        (tone_of(str(one.overall_status or "").strip()) == FAILED, one.started_at) for one in found.workflows
    ]
    path = f"{reverse('tracking:list')}?status=failed&range=24h"
    return rates.reading(question, ended, not found.known.more, "Workflows", path)


# --- Stuck -----------------------------------------------------------------------------------------------


def _stuck(workflow: Workflow, question: Question) -> Fact | None:
    updated, limit = workflow.updated_at, timedelta(minutes=question.threshold)
    if not workflow.is_open or updated is None or question.now - updated < limit:
        return None
    minutes = int((question.now - updated).total_seconds() // 60)
    figures: dict[str, int | float | str] = {
        "minutes_without_update": minutes,
        "status": str(workflow.overall_status or ""),
    }
    title = f"Workflow {workflow.id} is stuck"
    return Fact(workflow.id, title, updated + limit, figures, _path(workflow))


def stuck(question: Question) -> Reading:
    """The workflows in an open status that nobody has written for so many minutes."""
    latest = question.now - timedelta(minutes=question.threshold)
    span = Span(_text(question.now - timedelta(days=MOST_DAYS)), _text(latest) + "~")
    found = _read(question, (), span)
    return found.reading(_stuck(one, question) for one in found.workflows)


def still_stuck(question: Question, key: str) -> Fact | None:
    workflow = queries.workflow(key)
    return _stuck(workflow, question) if workflow and _fits(workflow, question) else None


FILTERS = {"source_type": "Source type"}


def register_all() -> None:
    register(
        Watch(
            name="workflow.failed",
            label="A workflow failed",
            explained="Each workflow whose status says failed, once; over when it is retried, purged or too old.",
            kind="workflow",
            read=failed,
            still=still_failed,
            over="It is not failed any more, or it is older than the rule looks back.",
            window=Measure("Created within minutes", lambda: 1440, 5, MOST_DAYS * 1440),
            filters={**FILTERS, "step": "Failed step (its attribute)"},
            calm_minutes=1,
        )
    )
    register(
        Watch(
            name="workflow.failure_rate",
            label="Too many workflows fail",
            explained="The share of failures among the workflows of the window that ended, well or badly.",
            kind="workflow",
            read=failure_rate,
            over="The failure rate is below the threshold.",
            threshold=Measure("Failure rate in percent", lambda: 20, 0.1, 100),
            minimum=Measure("Of at least so many that ended", lambda: 10, 1, MOST_FACTS),
            window=Measure("Created within minutes", lambda: 60, 5, 1440),
            filters=FILTERS,
        )
    )
    register(
        Watch(
            name="workflow.stuck",
            label="A workflow is stuck",
            explained="Each workflow in an open status that nobody has written for too long.",
            kind="workflow",
            read=stuck,
            still=still_stuck,
            over="It was written again, or finished.",
            threshold=Measure(
                "Minutes without an update", lambda: settings.WORKFLOW_STUCK_MINUTES, 1, MOST_DAYS * 1440
            ),
            filters=FILTERS,
        )
    )
