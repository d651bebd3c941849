"""Which requests failed, at which stage and why."""

from collections.abc import Sequence
from datetime import datetime

from opsportal.dynamo.attributes import Raw, Typed, read_text
from opsportal.failures.failure import Failure, Source, error_text
from requests_app.models import IntelligenceRequest
from requests_app.queries import ROW, SAMPLED, is_failure, statuses

# Of one that failed before its worker named a stage.
REQUEST = "Request"


def failure_of(raw: Raw) -> Failure | None:
    """Its first error, which a list has too, else what its status says. The stage is the error's own, or the one that it
    stopped in. No list reads further errors, nor `errors` that is no list: its page would name a case that nobody opens."""
    if not is_failure(str(read_text(raw.get("status")) or "")):
        return None
    request = IntelligenceRequest.from_item(raw)
    first = raw.get("errors", {}).get("L", [])[:1]
    stage = _stage(first) or request.progress.stage
    stage = stage if isinstance(stage, str) else ""
    at = request.completed_at if isinstance(request.completed_at, datetime) else request.updated_at
    return Failure(
        stage,
        stage.replace("_", " ").strip().capitalize() or REQUEST,
        error_text({"L": first}) or error_text(raw.get("status_message")),
        at if isinstance(at, datetime) else request.touched_at,
    )


def _stage(errors: Sequence[Typed]) -> str:
    """Of the first error, where it is a map that names one."""
    if not errors:
        return ""
    members = errors[0].get("M", {})
    stage = read_text(members.get("stage"))
    return stage if isinstance(stage, str) else ""


SOURCE = Source("requests", SAMPLED, statuses, is_failure, failure_of, ROW)
