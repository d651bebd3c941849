"""The API of workflows: mark failed or completed."""

from django.http import HttpRequest, HttpResponse
from ninja import Body, Router

from opsportal.api import effects
from opsportal.api.effects import NO_REASON, EffectOut, FailIn, ReasonIn
from opsportal.console.access import requires
from tracking import marking
from tracking.api import STATE, url_of

router = Router(tags=["Workflows"])


@router.post(
    "/workflows/{key:session_id}/fail",
    response=EffectOut,
    openapi_extra=effects.EXTRA,
    summary="Mark a workflow failed",
)
@requires("tracking.fail_workflows")
def fail_workflow(request: HttpRequest, session_id: str, body: Body[FailIn]) -> HttpResponse:
    return effects.answered(
        request,
        lambda by, action_id: marking.fail(
            session_id, by=by, reason=body.reason, action_id=action_id, without_image=True
        ),
        kind="workflows",
        url=url_of(session_id),
        reason=body.reason,
        state=STATE,
    )


@router.post(
    "/workflows/{key:session_id}/complete",
    response=EffectOut,
    openapi_extra=effects.EXTRA,
    summary="Mark a workflow completed",
)
@requires("tracking.complete_workflows")
def complete_workflow(
    request: HttpRequest, session_id: str, body: Body[ReasonIn] = NO_REASON
) -> HttpResponse:
    return effects.answered(
        request,
        lambda by, action_id: marking.complete(
            session_id, by=by, reason=body.reason, action_id=action_id, without_image=True
        ),
        kind="workflows",
        url=url_of(session_id),
        reason=body.reason,
        state=STATE,
    )
