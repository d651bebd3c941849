"""What holds for every answer: security headers, default-deny, the time and account of DynamoDB calls."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware import gzip
from django.utils.cache import patch_vary_headers

from opsportal.console import context
from opsportal.console.access import OWN, PUBLIC, access_of, refusal
from opsportal.console.converters import other_spelling
from opsportal.console.problems import is_api, problem_response
from opsportal.console.refusals import (
    CROSS_SITE,
    comes_from_another_site,
    forbidden,
    unauthenticated,
    wrong_method,
)
from opsportal.console.sent import sent_fields
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.spending import request_budget

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# The console uses none of these; a script that got in shall not either. Copying stays allowed.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "camera", "display-capture", "geolocation", "gyroscope",
        "magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip


MIN_ZIPPED = 2_048  # bytes
VARY = ("HX-Request", "Cookie")


class ContentSecurityPolicyMiddleware:
    """Sends `settings.SECURE_CSP` and its companions (the setting is Django 6's, whose own middleware
    replaces this one then)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policy = build_policy(settings.SECURE_CSP)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


def build_policy(directives: Mapping[str, Iterable[str]]) -> str:
    """The header's value: `{"img-src": ["'self'", "data:"]}` gives "img-src 'self' data:"."""
    return "; ".join(f"{name} {' '.join(values)}".strip() for name, values in directives.items())


class GZipMiddleware(gzip.GZipMiddleware):
    """Django's, for what is longer than a packet or two: a status document is none the sooner there for it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if isinstance(response, HttpResponse) and len(response.content) < MIN_ZIPPED:
            return response
        return super().process_response(request, response)


class SessionMiddleware(sessions.SessionMiddleware):
    """Django's, which takes a cookie with a NUL (an escape in it) for none: PostgreSQL refuses to look for one."""

    def process_request(self, request: HttpRequest) -> None:
        if "\x00" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""):
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        super().process_request(request)


class StaffRequiredMiddleware:
    """Refuses what a view's mark does not allow, and every view without a mark; leads to the one address of an item.
    Gives a 405 its page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code == 405 and not is_api(request):
            response = wrong_method(request, response)
        # Answers hold data, or say who is signed in: no cache keeps them, and page and fragment differ.
        response.headers.setdefault("Cache-Control", "no-store")
        if "Vary" in response.headers:
            patch_vary_headers(response, VARY)
        else:  # as almost always, without looking through what there is
            response.headers["Vary"] = ", ".join(VARY)
        # A page that was left open over an upgrade learns of it by its refreshes.
        if getattr(request, "htmx", None):
            response.headers["X-Console-Version"] = context.version()
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if comes_from_another_site(request):
            return forbidden(request, CROSS_SITE)
        match = request.resolver_match
        access = access_of(view, match.view_name if match else "")
        if access in (PUBLIC, OWN):
            return None
        if not request.user.is_authenticated:
            return unauthenticated(request)
        found = refusal(request.user, access)
        return forbidden(request, found) if found else other_spelling(request)


class DynamoMiddleware:
    """Opens the account of a request's DynamoDB calls and answers when DynamoDB does not.

    The account is `request.spending` (`opsportal.dynamo.spending.Spending`), shown in the footer.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with request_budget(settings.DYNAMO_REQUEST_DEADLINE) as spending:
            request.spending = spending  # type: ignore[attr-defined]
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if not isinstance(exception, DynamoError):
            return None
        return problem_response(request, exception, fields=sent_fields(request))
