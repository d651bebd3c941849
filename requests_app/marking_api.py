"""The API of requests: mark failed or completed."""

from django.http import HttpRequest, HttpResponse
from ninja import Body, Router

from opsportal.api import effects
from opsportal.api.effects import NO_REASON, EffectOut, FailIn, ReasonIn
from opsportal.console.access import requires
from requests_app import marking
from requests_app.api import STATE, url_of

router = Router(tags=["Requests"])


@router.post(
    "/requests/{key:request_id}/fail",
    response=EffectOut,
    openapi_extra=effects.EXTRA,
    summary="Mark a request failed",
)
@requires("requests_app.fail_requests")
def fail_request(request: HttpRequest, request_id: str, body: Body[FailIn]) -> HttpResponse:
    return effects.answered(
        request,
        lambda by, action_id: marking.fail(
            request_id, by=by, reason=body.reason, action_id=action_id, without_image=True
        ),
        kind="requests",
        url=url_of(request_id),
        reason=body.reason,
        state=STATE,
    )


@router.post(
    "/requests/{key:request_id}/complete",
    response=EffectOut,
    openapi_extra=effects.EXTRA,
    summary="Mark a request completed",
)
@requires("requests_app.complete_requests")
def complete_request(request: HttpRequest, request_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    return effects.answered(
        request,
        lambda by, action_id: marking.complete(
            request_id, by=by, reason=body.reason, action_id=action_id, without_image=True
        ),
        kind="requests",
        url=url_of(request_id),
        reason=body.reason,
        state=STATE,
    )
