"""Which requests failed, at which stage and why."""

from datetime import datetime

from opsportal.dynamo.attributes import Raw, Typed, read_text
from opsportal.failures.failure import Failure, Source, error_text
from requests_app.models import IntelligenceRequest
from requests_app.queries import ROW, SAMPLED, is_failure, statuses

# Of one that failed before its worker named a stage.
REQUEST = "Request"


def failure_of(raw: Raw) -> Failure | None:
    """Its first error, which a list has too, else what its status says. The stage is the error's own, or the one that it
    stopped in."""
    if not is_failure(str(read_text(raw.get("status")) or "")):
        return None
    request = IntelligenceRequest.from_item(raw)
    errors = raw.get("errors")
    stage = _stage(errors) or request.progress.stage
    stage = stage if isinstance(stage, str) else ""
    at = request.completed_at if isinstance(request.completed_at, datetime) else request.updated_at
    return Failure(
        stage,
        stage.replace("_", " ").strip().capitalize() or REQUEST,
        error_text(errors) or error_text(raw.get("status_message")),
        at if isinstance(at, datetime) else request.touched_at,
    )


def _stage(errors: Typed | None) -> str:
    """Of the first error, where it is a map that names one."""
    if not errors or not errors.get("L"):
        return ""
    members = errors["L"][0].get("M", {})
    stage = read_text(members.get("stage"))
    return stage if isinstance(stage, str) else ""


SOURCE = Source("requests", SAMPLED, statuses, is_failure, failure_of, ROW)
