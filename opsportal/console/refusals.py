"""The answers to who may not (not signed in, not allowed, not sent by our own page), and the pages of 400, 404, 405 and
500."""

import logging
import re
import sys
from urllib.parse import quote, unquote_plus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_NO_CSRF_COOKIE
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string
from django.utils.encoding import iri_to_uri
from django.views.defaults import page_not_found

from opsportal.accounts.actors import user_id
from opsportal.console.access import PUBLIC, Refusal, access_of, local_path, path_on_this_host
from opsportal.console.context import shell
from opsportal.console.failures import Failure, Outcome, failure_of, outcome_of
from opsportal.console.problems import (
    failure_json,
    is_api,
    problem_json,
    problem_response,
    retry_after,
    wants_fragment,
)
from opsportal.console.sent import SAFE_METHODS, sent_fields

logger = logging.getLogger(__name__)


CROSS_SITE = Refusal(
    "The browser says that another site sent this form.",
    "Open the console's own page and do it from there.",
    title="Refused: sent by another site",
)


def comes_from_another_site(request: HttpRequest) -> bool:
    """True for a writing request that the browser says another origin made. Beside the CSRF token: it
    holds even where a token leaked, or a view is exempt. Clients that are no browsers send no header."""
    if request.method in SAFE_METHODS:
        return False
    if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
        return False
    # A page that may call the API does so with a token. Beside one no cookie counts, good or not (`ApiGuard`).
    allowed = request.headers.get("Origin") in settings.CORS_ALLOWED_ORIGINS
    return not (allowed and is_api(request) and "Authorization" in request.headers)


SIGNED_OUT = Refusal(
    "Nothing was done.",
    "Sign in in a new tab, then send it again.",
    title="You were signed out",
    kind="signed_out",
    status=401,
)


def unauthenticated(request: HttpRequest) -> HttpResponseBase:
    """Nobody is signed in. 401 under /api/, and for what would write: led to the login, people take it for done. What
    reads leads to the login: by a redirect, and of the whole page for htmx."""
    if is_api(request):
        return not_signed_in()
    if request.method not in SAFE_METHODS:
        response = problem_response(request, SIGNED_OUT, page="unsent.html", fields=sent_fields(request))
        response["WWW-Authenticate"] = CHALLENGE.format(settings.SESSION_COOKIE_NAME)
        return response
    login = resolve_url(settings.LOGIN_URL)
    if getattr(request, "htmx", None):
        # A redirect would be followed by htmx, and the login page land inside a panel.
        back = path_on_this_host(request, request.headers.get("HX-Current-URL", "")) or "/"
        return HttpResponse(headers={"HX-Redirect": f"{login}?next={_quoted(back)}"})
    return redirect(f"{login}?next={_quoted(request.get_full_path())}")


def _quoted(path: str) -> str:
    """`path` for a query. A long one of bytes that are not ASCII keeps these quoted once, since a request's first line
    has at most 8,190 bytes; they are quoted again where one is led there."""
    whole = quote(path)
    short = _TWICE.sub(r"%\1", whole) if len(whole) > 2_000 else whole
    return short if iri_to_uri(unquote_plus(short)) == path else whole


# A byte of UTF-8 that is not ASCII.
_TWICE = re.compile(r"%25([89A-F][0-9A-F])")


# HTTP wants a challenge with a 401 (RFC 9110, 11.6.1). No browser prompts for either of these.
CHALLENGE = 'Bearer realm="opsportal", Cookie realm="opsportal", cookie-name="{}"'


NOT_SIGNED_IN = "Send a token as the header Authorization: Bearer, or sign in."


def not_signed_in() -> HttpResponse:
    """401 as problem+json."""
    challenge = CHALLENGE.format(settings.SESSION_COOKIE_NAME)
    return problem_json("Not signed in", 401, NOT_SIGNED_IN, {"WWW-Authenticate": challenge})


def forbidden(request: HttpRequest, found: Refusal) -> HttpResponseBase:
    """403 in the form that the request asks for. A writing one is logged, under its action_id if it has one."""
    if request.method not in SAFE_METHODS:
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
    return problem_response(request, found, page="403.html", fields=sent_fields(request))


def permission_denied(request: HttpRequest, exception: PermissionDenied) -> HttpResponseBase:
    """Django's handler403: what a view itself refused."""
    return forbidden(request, Refusal(str(exception) or "You do not have the permission for this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404: problem+json under /api/, the page elsewhere."""
    if is_api(request):
        return problem_json("Not found", 404, "No page or operation has this address.")
    return page_not_found(request, exception)


def wrong_method(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The page of a 405 in the place of Django's empty one: the address of a button, opened as a page, for one."""
    allowed = response["Allow"]
    page = problem_response(
        request,
        Refusal(
            f"Nothing was done. This address takes {allowed}, and the request was {request.method}.",
            "Open the page that has the button or the form, and use it there.",
            title="This address is not a page"
            if "GET" not in allowed
            else "Nothing can be sent to this address",
            kind="address",
            status=405,
        ),
    )
    page["Allow"] = allowed
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400: what it could not read, or a host name that is not the console's. Its page needs neither
    the host name nor who asks: both may be what is wrong."""
    found = BAD_HOST if isinstance(exception, DisallowedHost) else BAD_REQUEST
    if is_api(request):
        return problem_json(found.title, found.status, f"{found.sentence} {found.fix}")
    return _bare(request, found)


BAD_HOST = Failure(
    "The address names a host that this console does not answer for.",
    "Whoever runs the console can add it to ALLOWED_HOSTS.",
    title="Unknown host name",
    kind="bad_request",
    status=400,
)
BAD_REQUEST = Failure(
    "Nothing was done. The console could not read the request: it is cut off, malformed, or has too many fields.",
    "Go back and send it again.",
    title="Bad request",
    kind="bad_request",
    status=400,
)


def broken(request: HttpRequest) -> HttpResponse:
    """Django's handler500: whatever was raised, in whichever layer. Its page needs neither the database nor who asks."""
    failure = failure_of(sys.exception())
    if is_api(request):
        return failure_json(request, failure)
    return _bare(request, failure, outcome_of(request))


def _bare(request: HttpRequest, failure: Failure, outcome: Outcome | None = None) -> HttpResponse:
    """The page without the shell."""
    context = {"request": request, "problem": failure, "outcome": outcome, **shell(request)}
    template = "partials/problem.html" if wants_fragment(request) else "500.html"
    text = render_to_string(template, context)
    return HttpResponse(text, status=failure.status, headers=retry_after(failure.status))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """`CSRF_FAILURE_VIEW`. Its usual cause is a page left open while one signed out or in again."""
    if is_api(request):
        return forbidden(request, STALE)
    if comes_from_another_site(request):
        return forbidden(request, CROSS_SITE)
    match = request.resolver_match
    name = match.view_name if match else ""
    found = other_origin(request, reason)
    if found is None and not request.user.is_authenticated:
        if name == "account_logout":
            return redirect(settings.LOGOUT_REDIRECT_URL)
        if match and access_of(match.func, name) != PUBLIC:
            return unauthenticated(request)
        found = _no_cookie(request, reason)
    elif found is None and name == "account_login":
        messages.info(request, f"You are signed in already, as {request.user.get_username()}.")
        return redirect(local_path(request.POST.get("next"), resolve_url(settings.LOGIN_REDIRECT_URL)))
    return forbidden(request, found or STALE)


STALE = Refusal(
    "Nothing was done. The form's security token is missing, or older than the last time that somebody signed in or out "
    "in this browser.",
    "Send it again from here. Where there is no button for it, open the form's page again.",
    title="The form was not accepted",
    kind="stale",
)


def other_origin(request: HttpRequest, reason: str) -> Refusal | None:
    """Where the address that the browser names is not the one that the console takes for its own. `reason`: Django's."""
    sent, own = request.headers.get("Origin", ""), f"{request.scheme}://{request.get_host()}"
    what = "request" if is_api(request) else "form"
    title = f"The {what}'s origin is not trusted"
    if reason.startswith("Referer checking failed"):
        return Refusal(
            f"Nothing was done. Neither the header Origin nor Referer says that the {what} comes from {own}, which is "
            "asked for over HTTPS.",
            f"Send the header Origin: {own}. A browser does so by itself, but for an extension or a proxy that removes it.",
            title=title,
        )
    if reason != REASON_BAD_ORIGIN % sent:
        return None
    if sent == "null":
        return Refusal(
            f"Nothing was done. The browser does not say which page sent the {what} (Origin: null); the console is {own}.",
            "Open the console in a window of its own, without an extension or a proxy that removes the origin.",
            title=title,
        )
    scheme, _, host = sent.partition("://")
    cause = (
        "If a proxy in front ends TLS and always sets X-Forwarded-Proto, set TRUST_X_FORWARDED_PROTO=1."
        if host == request.get_host() and scheme == "https"
        else f"If {sent} is this console's address, let the proxy in front pass the header Host on."
    )
    return Refusal(
        f"Nothing was done. The {what} comes from {sent}, and the console takes its own address for {own}.",
        f"{cause} Or add {sent} to CSRF_TRUSTED_ORIGINS. If you do not know that address, another site sent this {what}: "
        "close this page.",
        title=title,
    )


def _no_cookie(request: HttpRequest, reason: str) -> Refusal | None:
    """Where the browser sends no cookie at all, so that no other token helps."""
    if reason != REASON_NO_CSRF_COOKIE or request.COOKIES:
        return None
    secure = settings.CSRF_COOKIE_SECURE and not request.is_secure()
    return Refusal(
        "Nothing was done. The browser sent no cookie, so the console can't tell that the form is its own.",
        "The console's cookies are sent over HTTPS only: open it by its https:// address. If that is what you did, its "
        "proxy does not say so (X-Forwarded-Proto, TRUST_X_FORWARDED_PROTO)."
        if secure
        else "Allow cookies for this site, then send the form again.",
        title="The form was not accepted",
        kind="stale",
    )
