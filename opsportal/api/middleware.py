"""What no operation answers under /api/: Django's own refusals, in the shape of every other problem."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase

from opsportal.api.problems import PROBLEM_TYPE, ApiProblem, answered
from opsportal.console.problems import is_api

SENTENCES = {
    400: "The server could not read the request.",
    405: "This address has no such method; the header Allow has those that there are.",
    413: "The request is too large.",
    500: "The console failed to answer; its log says why.",
}


class ProblemMiddleware:
    """Answers trouble under /api/ that is no problem+json yet (405, a bad host name) as one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        status = response.status_code
        if not is_api(request) or status < 400 or response["Content-Type"].startswith(PROBLEM_TYPE):
            return response
        title = HTTPStatus(status).phrase.capitalize()
        problem = answered(request, ApiProblem(status, title, SENTENCES.get(status, f"{title}.")))
        for name, value in response.items():
            if name.lower().startswith("content-") and name != "Content-Security-Policy":
                continue
            problem[name] = value
        return problem
