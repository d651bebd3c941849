"""The status API that seed 003 documents, so that its front ends go on working."""

import json
import logging
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from opsportal.api.answers import JSON
from opsportal.console.access import requires
from opsportal.console.clock import iso
from opsportal.console.problems import RETRY_AFTER_SECONDS, problem_json
from opsportal.dynamo.attributes import Malformed, Raw, Typed, read_map, read_number, read_text, read_time
from opsportal.dynamo.errors import DynamoError
from tracking import queries
from tracking.steps import began_at, lasted, read_error, read_total, steps_of, unlisted

logger = logging.getLogger(__name__)
router = Router(tags=["Workflows"])

CORRELATION_HEADER = "X-Correlation-ID"
_CORRELATION_ID = re.compile(r"[\w.:/=-]{1,128}", re.ASCII)


# `json.dumps` would make an encoder for each answer.
_encoded = json.JSONEncoder(ensure_ascii=False).encode


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
    """The status document of a session; the pending one for a session that was not written yet. The id
    stands in the address as it is, percent-encoded. `/workflow/{session_id}/status`, without `/api`, is the
    same."""
    try:
        return _answer(document(session_id, queries.item(session_id)))
    except DynamoError as error:
        return _unavailable(request, session_id, error)


def _answer(document: dict[str, Any]) -> HttpResponse:
    """As `answers.answer`, whose own encoder is for numbers with every digit; here are none but whole seconds."""
    return HttpResponse(_encoded(document).encode(errors="replace"), content_type=JSON)


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


def document(session_id: str, item: Raw | None) -> dict[str, Any]:
    """Seed 003's response. Times are ISO 8601 with milliseconds and ``Z``, durations whole seconds.

    Made of the item as the wire has it, and of no more of it than the document holds: by way of the model it took
    three times as long, and programs ask for nothing as often.
    """
    if item is None:
        return {
            "sessionId": session_id,
            "agents": {step["key"]: _pending(step["waiting"]) for step in settings.WORKFLOW_STEPS},
            "overallStatus": "pending",
            "lastUpdated": iso(datetime.now(UTC)),
        }
    agents: dict[str, dict[str, Any]] = {}
    moved = [read_time(item.get("lastUpdated")), read_time(item.get("createdAt"))]
    for step in settings.WORKFLOW_STEPS:
        value = item.get(step["key"])
        if value is None or "NULL" in value:
            agents[step["key"]] = _pending(step.get("waiting") or None)
        else:
            agents[step["key"]] = _agent(value, moved)
    if unlisted(item):
        agents |= {step.key: _agent(item[step.key], moved) for step in steps_of(item) if not step.listed}
    updated = max((moment for moment in moved if isinstance(moment, datetime)), default=None)
    return {
        "sessionId": session_id,
        "agents": agents,
        "overallStatus": _text(read_text(item.get("overallStatus"))) or "pending",
        "lastUpdated": iso(updated) if updated else None,
    }


def _pending(activity: str | None) -> dict[str, Any]:
    return {
        "status": "pending",
        "activity": activity,
        "startedAt": None,
        "completedAt": None,
        "duration": None,
        "error": None,
        "subSteps": [],
    }


def _agent(value: Typed, moved: list[datetime | Malformed | None]) -> dict[str, Any]:
    """The document of a step that the item has; its times are added to `moved`."""
    members = read_map(value)
    if not isinstance(members, dict):
        return _pending(None)
    started, completed = read_time(members.get("startedAt")), read_time(members.get("completedAt"))
    moved += (started, completed, read_time(members.get("lastUpdated")))
    duration = read_number(members.get("duration"))
    began, seconds = began_at(started, completed, duration), lasted(started, completed, duration)
    activity = _text(read_text(members.get("activity")))
    total = read_total(members.get("tokenUsage"))
    if activity and isinstance(total, Decimal) and total >= 1:
        activity = f"{activity} (Tokens: {int(total):,})"
    return {
        "status": _text(read_text(members.get("status"))) or "pending",
        "activity": activity,
        "startedAt": iso(began) if began else None,
        "completedAt": iso(completed) if isinstance(completed, datetime) else None,
        "duration": int(seconds) if seconds is not None else None,
        "error": _text(read_error(members.get("error"))),
        "subSteps": [],
    }


def _text(value: object) -> str | None:
    """The text of a value; what could not be read is given as it is written."""
    return None if value is None else str(value)
