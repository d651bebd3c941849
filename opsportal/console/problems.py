"""Trouble as an answer: a page, a fragment for htmx, or problem+json for programs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from opsportal.console import request_ids
from opsportal.console.failures import Failure, outcome_of
from opsportal.console.sent import Field
from opsportal.dynamo.json_values import as_json

RETRY_AFTER_SECONDS = 5


class Problem(Protocol):
    """What the problem templates read: `opsportal.dynamo.errors.DynamoError`, `access.Refusal`."""

    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def status(self) -> int: ...


def is_api(request: HttpRequest) -> bool:
    """Whether a program asks: problems are JSON. Under /workflow/ is seed 003's (docs/data.md) own address of the status."""
    return request.path.startswith(("/api/", "/workflow/"))


def wants_fragment(request: HttpRequest) -> bool:
    """True where htmx will put the answer into a page; its back and boost requests want whole pages."""
    htmx = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request  # type: ignore[union-attr]


def problem_json(
    title: str,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """RFC 9457 problem details, with the id by which the log has the request. `more`: extension members."""
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_ids.current(),
        **(more or {}),
    }
    return HttpResponse(
        as_json(document).encode(errors="replace"),
        status=status,
        headers=dict(headers or {}),
        content_type="application/problem+json",
    )


def failure_json(request: HttpRequest, failure: Failure) -> HttpResponse:
    """What the console failed at, for a program: of an effect it says only that it is not known."""
    detail = f"{failure.sentence} {failure.fix}"
    if outcome := outcome_of(request):
        detail += f" {outcome.sentence.split('.')[0]}: the audit trail (GET /api/audit) has what was."
        if "Idempotency-Key" in request.headers:
            detail += " Sent again with the same Idempotency-Key, it is done once."
    more = {"kind": failure.kind}
    return problem_json(failure.title, failure.status, detail, retry_after(failure.status), more)


def retry_after(status: int) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}


def problem_response(
    request: HttpRequest,
    problem: Problem,
    *,
    page: str = "problem.html",
    fields: Sequence[Field] = (),
    context: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """`problem` answered in the form that the request asks for, with its status. A page keeps `fields`, to be sent
    again; `context`: what else it shows."""
    headers = retry_after(problem.status)
    if is_api(request):
        return problem_json(problem.title, problem.status, problem.sentence, headers, {"kind": problem.kind})
    if wants_fragment(request):  # into a page that has the form itself
        page, fields = "partials/problem.html", ()
    response = render(
        request, page, {**(context or {}), "problem": problem, "sent": fields}, status=problem.status
    )
    for name, value in headers.items():
        response[name] = value
    return response
