"""What the page of a workflow shows of its item; its part "Other attributes" has all else."""

from opsportal.console.other_attributes import Part, Shown
from tracking.models import Workflow
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
    return shown | {step.key: _shown_of_step(workflow, step) for step in workflow.steps}


def _shown_of_step(workflow: Workflow, step: Step) -> Shown:
    """The timeline has what it reads but for `lastUpdated`; the table of what the steps recorded has the others."""
    members = workflow.raw.get(step.key, {}).get("M", {})
    others = members.keys() - READ
    return {**dict.fromkeys((*READ - {"lastUpdated"}, *others)), "tokenUsage": TOKENS}
