"""The answers to who may not (not signed in, not allowed, not sent by our own page), and the pages of 404 and 500."""

import logging
import sys
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string
from django.views.defaults import page_not_found

from opsportal.accounts.actors import user_id
from opsportal.console.access import Refusal, path_on_this_host
from opsportal.console.context import shell
from opsportal.console.failures import failure_of, outcome_of
from opsportal.console.problems import (
    failure_json,
    is_api,
    problem_json,
    problem_response,
    retry_after,
    wants_fragment,
)

logger = logging.getLogger(__name__)


def unauthenticated(request: HttpRequest) -> HttpResponseBase:
    """Nobody is signed in: 401 under /api/, a redirect of the whole page for htmx, else a redirect."""
    if is_api(request):
        return not_signed_in()
    login = resolve_url(settings.LOGIN_URL)
    if getattr(request, "htmx", None):
        # A redirect would be followed by htmx, and the login page land inside a panel.
        back = path_on_this_host(request, request.headers.get("HX-Current-URL", "")) or "/"
        return HttpResponse(headers={"HX-Redirect": f"{login}?next={quote(back)}"})
    if request.method in ("GET", "HEAD"):
        back = request.get_full_path()
    else:
        back = path_on_this_host(request, request.headers.get("Referer", "")) or "/"
    return redirect(f"{login}?next={quote(back)}")


# HTTP wants a challenge with a 401 (RFC 9110, 11.6.1). No browser prompts for either of these.
CHALLENGE = 'Bearer realm="opsportal", Cookie realm="opsportal", cookie-name="{}"'


NOT_SIGNED_IN = "Send a token as the header Authorization: Bearer, or sign in."


def not_signed_in() -> HttpResponse:
    """401 as problem+json."""
    challenge = CHALLENGE.format(settings.SESSION_COOKIE_NAME)
    return problem_json("Not signed in", 401, NOT_SIGNED_IN, {"WWW-Authenticate": challenge})


def forbidden(request: HttpRequest, found: Refusal) -> HttpResponseBase:
    """403 in the form that the request asks for. A writing one is logged, under its action_id if it has one."""
    if request.method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
        logger.warning(
            "refused %s %r to %r (%s, action_id %r): %s",
            request.method,
            request.path,
            request.user.get_username(),
            user_id(request.user) if isinstance(request.user, User) else "not signed in",
            request.POST.get("action_id", "")[:36],
            found.sentence,
        )
    if is_api(request):
        return problem_json(found.title, found.status, f"{found.sentence} {found.fix}".strip())
    return problem_response(request, found, page="403.html")


def permission_denied(request: HttpRequest, exception: PermissionDenied) -> HttpResponseBase:
    """Django's handler403: what a view itself refused."""
    return forbidden(request, Refusal(str(exception) or "You do not have the permission for this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404: problem+json under /api/, the page elsewhere."""
    if is_api(request):
        return problem_json("Not found", 404, "No page or operation has this address.")
    return page_not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    """Django's handler500: whatever was raised, in whichever layer. Its page needs neither the database nor who asks."""
    failure = failure_of(sys.exception())
    if is_api(request):
        return failure_json(request, failure)
    context = {"request": request, "problem": failure, "outcome": outcome_of(request), **shell(request)}
    template = "partials/problem.html" if wants_fragment(request) else "500.html"
    text = render_to_string(template, context)
    return HttpResponse(text, status=failure.status, headers=retry_after(failure.status))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """`CSRF_FAILURE_VIEW`. Its usual cause is a page left open while one signed out or in again."""
    return forbidden(
        request,
        Refusal(
            "The form's security token is missing or out of date.",
            "Reload the page and send the form again. Cookies must be allowed for this site.",
            title="The form was not accepted",
        ),
    )
