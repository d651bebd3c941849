"""One line of the log for each request, its figures, and whose address it comes from where proxies stand between."""

import logging
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase

from opsportal.accounts.ids import user_id
from opsportal.dynamo.spending import Spending
from opsportal.telemetry import figures


def peer_of(meta: Mapping[str, Any], proxies: int) -> str:
    """The address that spoke to the outermost of our `proxies` (TRUSTED_PROXY_COUNT), from a WSGI environment.

    Each proxy appends its own peer to X-Forwarded-For, so only that many entries from the right are ours; what
    stands before them, anyone can have written. Empty where there are fewer: it did not come through them all.
    Without the header it came through none, as a scrape does from beside us, and the connection's peer it is.
    """
    if proxies <= 0 or "HTTP_X_FORWARDED_FOR" not in meta:
        return str(meta.get("REMOTE_ADDR", ""))
    entries = [
        entry.strip() for entry in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if entry.strip()
    ]
    return entries[-proxies] if len(entries) >= proxies else ""


def address_of(request: HttpRequest) -> str:
    """Where it comes from, as `peer_of` says; of one that did not come through the proxies, the connection's peer."""
    through = peer_of(request.META, settings.ALLAUTH_TRUSTED_PROXY_COUNT)
    return through or str(request.META.get("REMOTE_ADDR", ""))


# Its handler is ACCESS_LOG's, and its lines go nowhere else (settings.LOGGING).
logger = logging.getLogger("opsportal.access")

# They come every few seconds from several sides; only their failures are worth a line.
PROBES = ("/healthz", "/readyz", "/metrics")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ProbeHostMiddleware:
    """Answers probes under whatever name they call: load balancers and Prometheus speak to an address, which is
    in no ALLOWED_HOSTS. Nothing in these answers is made of the name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path in PROBES and settings.ALLOWED_HOSTS:
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].removeprefix(".").replace("*", "localhost")
            request.META.pop("HTTP_X_FORWARDED_HOST", None)
        return self.get_response(request)


class AccessLogMiddleware:
    """Counts each request, and logs it when it is answered; a streamed one when it is sent."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        response = self.get_response(request)

        def tell() -> None:
            _tell(request, response, time.monotonic() - began)

        if response.streaming:
            # Called by `response.close()`, which the server calls when it is sent or its reader has gone.
            response._resource_closers.append(tell)  # type: ignore[attr-defined]
        else:
            tell()
        return response


# `labels` checks names and takes a lock. Labels are bounded by the program.
@cache
def _of_requests(route: str, method: str, status: int) -> tuple[Callable[[], None], Callable[[float], None]]:
    return (
        figures.REQUESTS.labels(route, method, str(status)).inc,
        figures.REQUEST_SECONDS.labels(route).observe,
    )


def _tell(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    route, status = route_of(request), response.status_code
    method = request.method if request.method in METHODS else "other"
    increment, observe = _of_requests(route, str(method), status)
    increment()
    observe(seconds)
    if request.path in PROBES and status < 400:
        return
    if not logger.isEnabledFor(logging.INFO):
        return
    spending: Spending = getattr(request, "spending", None) or Spending()
    (user, actor_id), ms = who_asked(request), round(seconds * 1000)
    # By hand: `logger.info` walks the stack for the line that called it, which no form of the log says.
    line = logging.LogRecord(
        logger.name, logging.INFO, __file__, 0, "%s %s %d %d ms %s",
        (request.method, request.path, status, ms, user or "-"), None,
    )  # fmt: skip
    vars(line).update(
        # Its id; that of the request under way is another one, or none, once a download is sent.
        request=request,
        user=user,
        actor_id=actor_id,
        peer=address_of(request),
        method=request.method,
        # Without the query, which may hold what somebody searched for, or a provider's code.
        path=request.path,
        route=route,
        status=status,
        ms=ms,
        bytes=None if response.streaming else len(response.content),  # type: ignore[attr-defined]
        calls=spending.calls,
        read_units=float(spending.read_units),
        write_units=float(spending.write_units),
    )
    logger.handle(line)


def route_of(request: HttpRequest) -> str:
    """The URL's name, never the path: "tracking:item". What no view answered is "static" or "none"."""
    if match := request.resolver_match:
        return match.view_name or "unnamed"
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"


def who_asked(request: HttpRequest) -> tuple[str, str]:
    """Name and id of who asked, where the view's guards have found out: an account's, or a token's."""
    caller = getattr(request, "auth", None)  # set by django-ninja to what the API's guard returned
    if found := getattr(caller, "name_and_id", None):
        return found[0], found[1]
    # Not `request.user`, which would read the session for answers that need none.
    user = getattr(request, "_cached_user", None)
    return (user.get_username(), user_id(user)) if isinstance(user, User) else ("", "")
