"""The status document is made of the wire's item; here it is compared with one made of the model, byte by byte."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from hypothesis import given

from opsportal.api.answers import answer
from opsportal.console.clock import iso
from opsportal.demo import hostile, workflows
from opsportal.demo.place import attribute_values
from tests.factories import step, workflow
from tests.shapes import derived, items, members
from tracking import status_api
from tracking.models import Workflow
from tracking.steps import Step

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def by_the_model(raw: Any) -> bytes:
    found = Workflow.from_item(raw)
    return answer(
        {
            "sessionId": "s",
            "agents": {step.key: _agent(step) for step in found.steps},
            "overallStatus": _text(found.overall_status) or "pending",
            "lastUpdated": iso(found.updated_at) if found.updated_at else None,
        }
    ).content


def _agent(step: Step) -> dict[str, Any]:
    activity, total = _text(step.activity), step.tokens.total
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
    return None if value is None else str(value)


def by_the_item(raw: Any) -> bytes:
    return status_api._answer(status_api.document("s", raw)).content


def test_the_demos_and_the_hostile_items_have_the_same_document() -> None:
    key, steps = "sessionId", settings.WORKFLOW_STEPS
    keys = dict.fromkeys(("workflows", "requests", "request_logs", "agents"), key)
    odd, usual = hostile.build(keys, steps, NOW)["workflows"], workflows.build(key, steps, NOW)
    assert len(odd) > 20
    for item in (*odd, *usual[::10], *usual[-5:]):
        raw = attribute_values(item)
        assert by_the_item(raw) == by_the_model(raw), raw


STEP = step(error="boom", lastUpdated="2025-12-24T10:00:00Z", tokenUsage={"totalTokens": 3})["M"]
WHOLE = {**workflow("x"), "otherStep": step("error", error="boom"), "third": step("in-progress")}


@derived
@given(
    items(WHOLE, "sessionId", nested={name: members(STEP) for name in ("pdfAdapter", "otherStep", "third")})
)
def test_any_other_item_too(raw: Any) -> None:
    assert by_the_item(raw) == by_the_model(raw)
