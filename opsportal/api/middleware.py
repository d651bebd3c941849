"""What no operation answers under /api/: Django's own refusals, in the shape of every other problem, HEAD, and calls
of web pages of other origins (CORS, of the Fetch standard)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from corsheaders import middleware
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from opsportal.api.numbers import in_text
from opsportal.api.problems import PROBLEM_TYPE, ApiProblem, answered, is_of_agents
from opsportal.console.problems import is_api
from opsportal.dynamo.json_values import as_json, parse_foreign

GetResponse = Callable[[HttpRequest], HttpResponseBase]
REFERENCE = "/api/docs"
SENTENCES = {
    400: "The server could not read the request.",
    405: "This address has no such method; the header Allow has those that there are.",
    413: "The request is too large.",
    500: "The console failed to answer; its log says why.",
}


class ProblemMiddleware:
    """Answers trouble under /api/ that is no problem+json yet (405, a bad host name) as one, and gives agents
    the sentence under `error` too. Answers HEAD as GET, without the body."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "HEAD" and is_api(request):
            request.method = "GET"
            try:
                return _head(self._answer(request))
            finally:
                request.method = "HEAD"
        return self._answer(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not is_api(request):
            return response
        if response.status_code < 400:
            return in_text(request, response)
        if not response["Content-Type"].startswith(PROBLEM_TYPE):
            response = _problem(response)
        if is_of_agents(request) and isinstance(response, HttpResponse):
            document = parse_foreign(response.content.decode())
            response.content = as_json({**document, "error": document["detail"]}).encode(errors="replace")
            response["Content-Length"] = str(len(response.content))
        return response


def _problem(response: HttpResponseBase) -> HttpResponse:
    status = response.status_code
    title = HTTPStatus(status).phrase.capitalize()
    problem = answered(ApiProblem(status, title, SENTENCES.get(status, f"{title}.")))
    for name, value in response.items():
        # Those of the old body do not go with the new one; the policy's name begins as theirs do.
        if not name.lower().startswith("content-") or name == "Content-Security-Policy":
            problem[name] = value
    if "GET" in (allowed := problem.get("Allow", "").split(", ")):
        problem["Allow"] = ", ".join(["GET", "HEAD", *(name for name in allowed if name != "GET")])
    return problem


def _head(response: HttpResponseBase) -> HttpResponseBase:
    """The answer without its body, of which only the length is told."""
    bare = HttpResponse(status=response.status_code, headers=dict(response.items()))
    if isinstance(response, HttpResponse):
        bare["Content-Length"] = str(len(response.content))
    bare.cookies = response.cookies
    # Not `close`, which ends the request.
    for let_go in response._resource_closers:  # type: ignore[attr-defined]
        let_go()
    return bare


class PagesOnlyMiddleware:
    """Leads calls of the API past the middleware from here to `EndOfPagesOnlyMiddleware`: what makes cookies, messages
    and redirects for pages. An answer of 1 KB was through in a twentieth less time."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.past = EndOfPagesOnlyMiddleware.newest

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # The reference is a page, with forms.
        if is_api(request) and not request.path.startswith(REFERENCE):
            return self.past(request)
        return self.get_response(request)


class EndOfPagesOnlyMiddleware:
    newest: GetResponse

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        # Django makes the chain from its inner end, so this is there before the other.
        EndOfPagesOnlyMiddleware.newest = staticmethod(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


class CorsMiddleware(middleware.CorsMiddleware):
    """django-cors-headers', and nothing at all while CORS_ALLOWED_ORIGINS is empty. It answers preflights, which
    carry neither token nor cookie, before anything is asked or counted."""

    def __init__(self, get_response: Any) -> None:
        if not settings.CORS_ALLOWED_ORIGINS:
            raise MiddlewareNotUsed
        super().__init__(get_response)
