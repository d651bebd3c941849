"""What the page of a workflow shows of its item; its part "Other attributes" has all else."""

from datetime import datetime

from opsportal.console.other_attributes import Part, Shown
from tracking.models import Workflow
from tracking.statuses import lower
from tracking.steps import READ, Step

TOKENS: Shown = dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"))
ALWAYS = (
    "overallStatus",
    "createdAt",
    "expiresAt",
    "totalDuration",
    "sourceType",
    "documentId",
    "correlationId",
)


def shown_of(workflow: Workflow) -> Shown:
    """By the attribute's name."""
    shown: dict[str, Part] = dict.fromkeys((workflow.binding().key, *ALWAYS, *workflow.problems))
    shown["totalTokenUsage"] = TOKENS
    if workflow.last_updated == workflow.updated_at or workflow.is_terminal:
        shown["lastUpdated"] = None
    if workflow.retry_count:
        shown["retryCount"] = None
    if workflow.cancelled_from_here:
        shown["cancelledAt"] = None
        if workflow.cancelled_by:
            shown["cancelledBy"] = None
    status, error = lower(workflow.overall_status), workflow.first_error
    for end, by, at in (
        ("failed", workflow.failed_by, workflow.failed_at),
        ("completed", workflow.completed_by, workflow.completed_at),
    ):
        if status == end and isinstance(by, str):  # a finding says so
            shown |= {f"{end}By": None} | ({f"{end}At": None} if isinstance(at, datetime) else {})
    if error and workflow.own_error is not None and error.error == workflow.own_error:
        shown["error"] = None
    return shown | {step.key: _shown_of_step(workflow, step) for step in workflow.steps}


def _shown_of_step(workflow: Workflow, step: Step) -> Shown:
    """The timeline has what it reads but for `lastUpdated`; the table of what the steps recorded has the others."""
    members = workflow.raw.get(step.key, {}).get("M", {})
    others = members.keys() - READ
    return {**dict.fromkeys((*READ - {"lastUpdated"}, *others)), "tokenUsage": TOKENS}
