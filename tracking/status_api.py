"""The status API that seed 003 documents, so that its front ends go on working."""

import logging
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from opsportal.api.answers import answer
from opsportal.console.access import requires
from opsportal.console.clock import iso
from opsportal.console.problems import RETRY_AFTER_SECONDS, problem_json
from opsportal.dynamo.errors import DynamoError
from tracking import queries
from tracking.models import Workflow
from tracking.steps import Step

logger = logging.getLogger(__name__)
router = Router(tags=["Workflows"])

CORRELATION_HEADER = "X-Correlation-ID"
_CORRELATION_ID = re.compile(r"[\w.:/=-]{1,128}", re.ASCII)


class StatusOut(Schema):
    """Seed 003's response."""

    sessionId: str  # noqa: N815 (the document's own names)
    agents: dict[str, dict[str, Any]]
    overallStatus: str  # noqa: N815
    lastUpdated: str | None  # noqa: N815


@router.get(
    "/workflow/{text:session_id}/status", response=StatusOut, summary="The status document of seed 003"
)
@requires("tracking.view_workflows")
def workflow_status(request: HttpRequest, session_id: str) -> Any:
    """The status document of a session; the pending one for a session that nobody has written yet. The id
    stands in the address as it is, percent-encoded. `/workflow/{session_id}/status`, without `/api`, is the
    same."""
    try:
        return answer(document(session_id, queries.workflow(session_id)))
    except DynamoError as error:
        return _unavailable(request, session_id, error)


def _unavailable(request: HttpRequest, session_id: str, error: DynamoError) -> HttpResponse:
    """503 with seed 003's detail text; the log entry is found by session and by correlation id."""
    given = request.headers.get(CORRELATION_HEADER, "")
    correlation_id = given if _CORRELATION_ID.fullmatch(given) else uuid4().hex
    logger.error(
        "[%r] DynamoDB query failed: %s - %s (correlation id %s)",
        session_id, error.kind, error.detail, correlation_id,
    )  # fmt: skip
    return problem_json(
        error.title,
        503,
        f"Failed to get workflow status: {error.detail}",
        {"Retry-After": str(RETRY_AFTER_SECONDS), CORRELATION_HEADER: correlation_id},
    )


def document(session_id: str, workflow: Workflow | None) -> dict[str, Any]:
    """Seed 003's response. Times are ISO 8601 with milliseconds and ``Z``, durations whole seconds."""
    if workflow is None:
        return {
            "sessionId": session_id,
            "agents": {step["key"]: _pending(step["waiting"]) for step in settings.WORKFLOW_STEPS},
            "overallStatus": "pending",
            "lastUpdated": iso(datetime.now(UTC)),
        }
    updated = workflow.updated_at
    return {
        "sessionId": session_id,
        "agents": {step.key: _agent(step) for step in workflow.steps},
        "overallStatus": _text(workflow.overall_status) or "pending",
        "lastUpdated": iso(updated) if updated else None,
    }


def _pending(activity: str) -> dict[str, Any]:
    return {
        "status": "pending",
        "activity": activity,
        "startedAt": None,
        "completedAt": None,
        "duration": None,
        "error": None,
        "subSteps": [],
    }


def _agent(step: Step) -> dict[str, Any]:
    activity = _text(step.activity)
    total = step.tokens.total
    if activity and isinstance(total, Decimal) and total >= 1:
        activity = f"{activity} (Tokens: {int(total):,})"
    return {
        "status": _text(step.status) or "pending",
        "activity": activity,
        "startedAt": iso(step.began_at) if step.began_at else None,
        "completedAt": iso(step.completed_at) if isinstance(step.completed_at, datetime) else None,
        "duration": int(step.seconds) if step.seconds is not None else None,
        "error": _text(step.error),
        "subSteps": [],
    }


def _text(value: object) -> str | None:
    """The text of a value; what could not be read is given as it is written."""
    return None if value is None else str(value)
