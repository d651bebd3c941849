"""Trouble as an answer: a page, a fragment for htmx, or problem+json under /api/."""

from typing import Protocol

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

RETRY_AFTER_SECONDS = 5


class Problem(Protocol):
    """What the problem templates read: `opsportal.dynamo.errors.DynamoError`, `access.Refusal`."""

    @property
    def title(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def status(self) -> int: ...


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def wants_fragment(request: HttpRequest) -> bool:
    """True where htmx will put the answer into a page; its back and boost requests want whole pages."""
    htmx = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request  # type: ignore[union-attr]


def problem_json(title: str, status: int, detail: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """RFC 9457 problem details."""
    return JsonResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


def problem_response(request: HttpRequest, problem: Problem, *, page: str = "problem.html") -> HttpResponse:
    """`problem` answered in the form that the request asks for, with its status."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if problem.status == 503 else {}
    if is_api(request):
        return problem_json(problem.title, problem.status, problem.sentence, headers)
    template = "partials/problem.html" if wants_fragment(request) else page
    response = render(request, template, {"problem": problem}, status=problem.status)
    for name, value in headers.items():
        response[name] = value
    return response
