"""Which workflows failed, at which step and why."""

from collections.abc import Iterator
from datetime import datetime

from opsportal.dynamo.attributes import Raw, read_text
from opsportal.failures.failure import Failure, Source, error_text
from tracking.models import Workflow
from tracking.queries import SAMPLED, is_failure, statuses

# Of an error that is no step's.
WORKFLOW = "Workflow"


def failure_of(raw: Raw) -> Failure | None:
    """The first failed step that says an error, else the workflow's own error, else what any step says. It failed when
    it was updated last: a step's end may be written long before the status."""
    if not is_failure(str(read_text(raw.get("overallStatus")) or "")):
        return None
    workflow = Workflow.from_item(raw)
    step, label, error = next(_errors(workflow, raw), ("", WORKFLOW, ""))
    at = workflow.last_updated if isinstance(workflow.last_updated, datetime) else workflow.updated_at
    ends = (one.completed_at for one in workflow.steps if one.failed and one.key == step)
    ended = next((end for end in ends if isinstance(end, datetime)), None)
    return Failure(step, label, error, at, ended)


def _errors(workflow: Workflow, raw: Raw) -> Iterator[tuple[str, str, str]]:
    """(key, label, text), the likeliest cause first."""
    found = {step.key: _error(raw, step.key) for step in workflow.steps if step.present}
    labels = {step.key: step.label for step in workflow.steps}
    failed = [step.key for step in workflow.steps if step.failed]
    yield from ((key, labels[key], found[key]) for key in failed if found.get(key))
    if own := error_text(raw.get("error")):
        yield "", WORKFLOW, own
    yield from ((key, labels[key], error) for key, error in found.items() if error)
    yield from ((key, labels[key], "") for key in failed)


def _error(raw: Raw, key: str) -> str:
    return error_text(raw.get(key, {}).get("M", {}).get("error"))


SOURCE = Source("workflows", SAMPLED, statuses, is_failure, failure_of)
