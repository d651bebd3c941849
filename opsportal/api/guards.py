"""Who calls the API: a token in the Authorization header, or the console's own session, and what they may.

In this order: who it is (401), how often (429), what they may (403), and what they sent (411, 413,
415). How often is counted in windows of a minute, over all processes (`opsportal.api.rate`): at the edge of two, twice
the rate can pass. It keeps a runaway program from the tables; it is no meter.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from ninja.security.base import AuthBase

from opsportal.accounts.actors import token_id, user_id
from opsportal.accounts.roles import role_of
from opsportal.accounts.scopes import scope_with
from opsportal.accounts.throttle import Limit, network, take
from opsportal.accounts.tokens import MARK, ApiToken
from opsportal.api import numbers
from opsportal.api.problems import ApiProblem, Invalid, Wrong
from opsportal.api.rate import WINDOW, seconds_to_wait
from opsportal.console.access import Access, refusal
from opsportal.console.failures import SAFE
from opsportal.console.refusals import CHALLENGE, NOT_SIGNED_IN, other_origin
from opsportal.operations.entries import Actor
from opsportal.telemetry.access_log import address_of

# Longer is no token of ours.
MAX_TOKEN = 200
QUERY_NAMES = frozenset({"access_token", "api_key", "apikey", "token", "authorization"})


@dataclass(frozen=True)
class Caller:
    """Whoever calls: a signed-in `user`, or a `token`."""

    user: User | None = None
    token: ApiToken | None = None

    @cached_property
    def actor(self) -> Actor:
        """As the audit trail names them."""
        name, actor_id = self.name_and_id
        if self.token:
            return Actor(name, self.token.acting_role, actor_id)
        assert self.user
        return Actor(name, role_of(self.user), actor_id)

    @property
    def name_and_id(self) -> tuple[str, str]:
        """Those of the actor, for whoever needs no role."""
        if self.token:
            return self.token.actor_name, token_id(self.token)
        assert self.user
        return self.user.get_username(), user_id(self.user)

    def may(self, permission: str) -> bool:
        """Whether the person has it now; of a token, its scopes too."""
        if self.token:
            return self.token.may(permission)
        return self.user is not None and self.user.has_perm(permission)

    @property
    def limit_key(self) -> str:
        if self.token:
            return f"token-{self.token.pk}"
        assert self.user
        return f"user-{self.user.pk}"


def caller_of(request: HttpRequest) -> Caller:
    """Of a request that its operation's guard let in."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return caller


class ApiGuard(AuthBase):
    """django-ninja's authentication of one operation, and the permission that it asks for."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, access: Access | None) -> None:
        super().__init__()
        self.access = access

    def __call__(self, request: HttpRequest) -> Any:
        _refuse_tokens_in(request.GET)
        given = request.headers.get("Authorization")
        # A header that is no good is not made up for by a cookie: its sender means to be that token.
        try:
            caller = _session(request) if given is None else _bearer(request, given)
        except ApiProblem as problem:
            if problem.status == 401 and (wait := seconds_after_failure(address_of(request))):
                most = f"At most {settings.API_FAILED_LIMIT} failed attempts a minute from one address."
                raise _too_many(most, wait) from None
            raise
        if wait := seconds_to_wait(caller.limit_key):
            raise _too_many(f"At most {settings.API_RATE_LIMIT} requests a minute.", wait)
        allow(caller, self.access)
        _check_numbers(request)
        _check_body(request)
        return caller


def _too_many(sentence: str, wait: int) -> ApiProblem:
    return ApiProblem(429, "Too many requests", sentence, headers={"Retry-After": str(wait)})


def _refuse_tokens_in(query: Mapping[str, str]) -> None:
    """An address ends in logs, histories and Referer headers."""
    if any(name.lower() in QUERY_NAMES or str(value).startswith(MARK) for name, value in query.items()):
        raise ApiProblem(
            400,
            "A token does not belong into an address",
            "Send it as the header Authorization: Bearer. One that stood in an address is in logs by now: "
            "revoke it.",
        )


def _session(request: HttpRequest) -> Caller:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        raise unauthenticated(NOT_SIGNED_IN)
    # A cookie carries no intent.
    if request.method not in SAFE and (reason := _csrf_problem(request)):
        if found := other_origin(request, reason):
            otherwise = "With a token (Authorization: Bearer) and no cookie, no origin is asked for."
            raise ApiProblem(403, found.title, f"{found.sentence} {found.fix} {otherwise}")
        raise ApiProblem(
            403,
            "The CSRF token is missing or wrong",
            "With the session's cookie, writing needs the header X-CSRFToken with the value of the cookie "
            f"{settings.CSRF_COOKIE_NAME}; with a token it does not.",
        )
    return Caller(user=user)


class _Csrf(CsrfViewMiddleware):
    """Django's check, which answers with its reason instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _csrf_problem(request: HttpRequest) -> str:
    """Django's reason, "" where there is none."""
    check = _Csrf(lambda _: HttpResponse())
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    check.process_request(request)
    # It asks of the view only whether it is exempt, as this is not.
    return str(check.process_view(request, lambda _: HttpResponse(), (), {}) or "")


def _bearer(request: HttpRequest, given: str) -> Caller:
    scheme, _, text = given.partition(" ")
    text = text.strip()
    token = None
    if scheme.lower() == "bearer" and text.startswith(MARK) and len(text) <= MAX_TOKEN:
        token = ApiToken.objects.of_text(text)
    # Whoever has its text may know what became of it; a guess learns nothing.
    if token is None:
        raise unauthenticated("This is no token of this console.", "invalid_token")
    if token.state != "live":
        raise unauthenticated(f"This token is {token.state}.", "invalid_token")
    if token.owner and not token.owner.is_active:
        raise unauthenticated("The account of this token is not active.", "invalid_token")
    token.note_use(timezone.now())
    # Nothing further on may take a cookie that came along for the caller.
    request.user = token.owner or AnonymousUser()
    return Caller(token=token)


def unauthenticated(detail: str, error: str = "") -> ApiProblem:
    challenge = CHALLENGE.format(settings.SESSION_COOKIE_NAME)
    if error:
        challenge = f'Bearer realm="opsportal", error="{error}"'
    return ApiProblem(401, "Not signed in", detail, headers={"WWW-Authenticate": challenge})


def allow(caller: Caller, access: Access | None) -> None:
    """Raises ApiProblem (403) where it is not allowed."""
    token = caller.token
    account = caller.user or (token.owner if token else None)
    if account and (found := refusal(account, access)):
        raise ApiProblem(403, found.title, f"{found.sentence} {found.fix}".strip())
    if token is None:
        return
    if access is None or access.kind not in ("staff", "permission"):
        raise ApiProblem(403, "No access rule", "No access rule is declared for this operation.")
    if access.kind == "staff" or token.may(access.permission):
        return
    scope = scope_with(access.permission)
    if scope and scope in token.scope_names:  # a service's, which has no account
        raise ApiProblem(
            403, "The token's role does not allow this", f"The role {token.role} lacks {access.permission}."
        )
    raise ApiProblem(
        403,
        "The token's scopes do not allow this",
        f"It needs the scope {scope}." if scope else "No scope allows this.",
        headers={
            "WWW-Authenticate": f'Bearer realm="opsportal", error="insufficient_scope", scope="{scope}"'
        },
        more={"scope": scope},
    )


def _check_numbers(request: HttpRequest) -> None:
    given = request.GET.getlist(numbers.NAME)
    if given and (len(given) > 1 or given[0] not in numbers.CHOICES):
        raise Invalid([Wrong("query", (numbers.NAME,), f"It is {' or '.join(numbers.CHOICES)}.")])


def _check_body(request: HttpRequest) -> None:
    # Django reads as many bytes as Content-Length says: of a body without one, none, in silence.
    if "HTTP_TRANSFER_ENCODING" in request.META:
        raise ApiProblem(
            411,
            "The request has no Content-Length",
            "Send the body with Content-Length. Chunked bodies are not accepted.",
        )
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > settings.API_MAX_BODY:
        raise ApiProblem(
            413, "The body is too large", f"At most {settings.API_MAX_BODY:,} bytes; these are {length:,}."
        )
    if length and request.content_type != "application/json":
        raise ApiProblem(
            415,
            "The body is not application/json",
            f"Send it as application/json, not as {json.dumps(request.content_type)}.",
        )


def seconds_after_failure(address: str) -> int:
    """Counts one request of that address that was not let in; 0 while that may be told, else whole seconds that
    it has to wait. Who is let in is not counted: others may share the address. Each counts in the database."""
    try:
        exceeded = take([Limit("API failures", settings.API_FAILED_LIMIT, WINDOW, network(address))])
    except DatabaseError:  # nothing can be written, and who is known reads on
        return 0
    return exceeded.wait if exceeded else 0
