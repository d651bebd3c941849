"""What alert rules can watch of workflows: failures, their rate, and what is stuck."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse

from opsportal.alerts import rates
from opsportal.alerts.watches import MOST_FACTS, Fact, Measure, Question, Reading, Watch, register
from opsportal.console.tones import FAILED, SUCCESS, tone_of
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.pages import Raw, scan_page
from tracking import queries
from tracking.models import Workflow
from tracking.statuses import terminal_statuses

# Days: what is older is past an operator's care, and is not looked for.
MOST_DAYS = 30
PART = "This table has no index on overallStatus and createdAt: of its items only a first part is looked at."


@dataclass(frozen=True)
class _Found:
    """Workflows of some statuses, the newest first; `part`: without an index, and not all of them."""

    workflows: list[Workflow]
    complete: bool
    part: bool = False

    @property
    def note(self) -> str:
        return PART if self.part else ""


def _filters(question: Question) -> Filter:
    source = question.filters.get("source_type", "")
    return (Clause("sourceType", "=", (source,)),) if source else ()


def _read(question: Question, tones: Sequence[str], span: Span) -> _Found:
    """At most `MOST_FACTS`; `tones`: of the statuses, () for all that are not terminal. Raises `DynamoError`."""

    ends = terminal_statuses()

    def wanted(status: str) -> bool:
        lower = status.strip().lower()
        return tone_of(lower) in tones if tones else lower not in ends

    index = queries.status_index()
    filters = _filters(question)
    if index:
        chosen = [status for status in queries.statuses().values if wanted(status)]
        merge = Merge(Workflow.binding(), index, chosen, span=span, filters=filters, limit=MOST_FACTS)
        page = merge.page(purpose="alerts")
        return _Found([Workflow.of(raw) for raw in page.items], not page.cursor)
    if span.empty:
        return _Found([], True)
    # What has no stamp to compare is looked at all the same.
    clauses = (*filters, AnyOf((Clause("createdAt", "not text"), *span.clauses("createdAt"))))

    def keep(raw: Raw) -> bool:
        return wanted(str(Workflow.of(raw).overall_status or ""))

    page = scan_page(Workflow.binding(), purpose="alerts", limit=MOST_FACTS, filters=clauses, keep=keep)
    return _Found([Workflow.of(raw) for raw in page.items], not page.cursor, bool(page.cursor))


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
    at = workflow.ended_at
    if at is None or tone_of(str(workflow.overall_status or "").strip()) != FAILED:
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
    facts = tuple(fact for one in found.workflows if (fact := _failure(one, question)))
    return Reading(facts, found.complete, note=found.note)


def still_failed(question: Question, key: str) -> Fact | None:
    workflow = queries.workflow(key)
    if workflow is None or (started := workflow.started_at) is None or started < question.since:
        return None
    return _failure(workflow, question) if _fits(workflow, question) else None


# --- The rate of failures --------------------------------------------------------------------------------


def failure_rate(question: Question) -> Reading:
    """Of the workflows created in the window (the newest of them, where they are many), how many failed."""
    since = max(question.since, question.baseline)
    found = _read(question, (FAILED, SUCCESS), Span(_text(since)))
    if found.part:
        return Reading(unknown=True, note=PART)
    ended = [
        (tone_of(str(one.overall_status or "").strip()) == FAILED, one.started_at) for one in found.workflows
    ]
    path = f"{reverse('tracking:list')}?status=failed&range=24h"
    return rates.reading(question, ended, found.complete, "Workflows", path)


# --- Stuck -----------------------------------------------------------------------------------------------


def _stuck(workflow: Workflow, question: Question) -> Fact | None:
    updated, limit = workflow.updated_at, timedelta(minutes=question.threshold)
    if workflow.is_terminal or updated is None or question.now - updated < limit:
        return None
    minutes = int((question.now - updated).total_seconds() // 60)
    figures: dict[str, int | float | str] = {
        "minutes_without_update": minutes,
        "status": str(workflow.overall_status or ""),
    }
    title = f"Workflow {workflow.id} is stuck"
    return Fact(workflow.id, title, updated + limit, figures, _path(workflow))


def stuck(question: Question) -> Reading:
    """The workflows that are not finished and that nobody has written for so many minutes."""
    latest = question.now - timedelta(minutes=question.threshold)
    span = Span(_text(question.now - timedelta(days=MOST_DAYS)), _text(latest) + "~")
    found = _read(question, (), span)
    facts = tuple(fact for one in found.workflows if (fact := _stuck(one, question)))
    return Reading(facts, found.complete, note=found.note)


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
            explained="Each workflow that is not finished and that nobody has written for too long.",
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
