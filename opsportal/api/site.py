"""The API itself: one `NinjaAPI`, on which `opsportal.urls` mounts each app's routers, and its error answers.

An operation without `@requires` or `@staff` answers nobody.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI, Router
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser

from opsportal.api.description import finished
from opsportal.api.guards import ApiGuard, unauthenticated
from opsportal.api.problems import ApiProblem, Away, Invalid, Wrong, answered
from opsportal.console.failures import failure_of
from opsportal.console.problems import failure_json
from opsportal.console.refusals import NOT_SIGNED_IN
from opsportal.dynamo.errors import DynamoError, Rejected
from opsportal.dynamo.json_values import Unreadable, parse
from opsportal.operations import outcomes

logger = logging.getLogger(__name__)

DESCRIPTION = """\
Workflows, requests, agents, jobs and the audit trail of this console, for programs.

Send a token as `Authorization: Bearer opsp_...`; people make theirs under Accounts, API tokens. Everything done
with it is recorded in the audit trail under its name, and it may never do more than its person may at that time.

Ids in addresses are written as in the console's own: letters, digits and `_.:@=+,-` stand for themselves,
any other byte is `~` and two hexadecimal digits in capitals; an id that is written in another way is taken
literally. Each item's answer has its address as `url`.

Trouble is answered as `application/problem+json` (RFC 9457) with the `request_id` that the log has.
"""


# Levels of a body; more than DynamoDB has, which says itself where there are too many.
MAX_LEVELS = 40


class StrictParser(Parser):
    """One meaning, and exact numbers. django-ninja wraps what is raised here into its own error, whose cause the
    handler looks at."""

    def parse_body(self, request: HttpRequest) -> Any:
        return parse(request.body, levels=MAX_LEVELS, subject="The body")


class ConsoleAPI(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        return finished(super().get_openapi_schema(**kwargs), self.operations())

    def operations(self) -> Iterator[Operation]:
        for bound in self._get_bound_routers():
            for path_view in bound.path_operations.values():
                yield from path_view.operations

    def mount(self, routers: Iterable[Router]) -> None:
        """Add the routers, and give each operation the guard of its view's mark."""
        for router in routers:
            self.add_router("", router)
        for operation in self.operations():
            operation.auth_callbacks = [ApiGuard(getattr(operation.view_func, "access", None))]


api = ConsoleAPI(
    title="Ops Portal",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    auth=ApiGuard(None),
    parser=StrictParser(),
)


@api.exception_handler(ApiProblem)
def problem(request: HttpRequest, error: ApiProblem) -> HttpResponse:
    if error.status == 401 and _is_browsing(request):
        return redirect_to_login(request.get_full_path())
    return answered(error)


def _is_browsing(request: HttpRequest) -> bool:
    """Whether a person opened this address in a browser, such as that of the reference: no program asks for HTML."""
    asks = "text/html" in request.headers.get("Accept", "") and "Authorization" not in request.headers
    return request.method == "GET" and asks


@api.exception_handler(AuthenticationError)
def not_authenticated(request: HttpRequest, error: Exception) -> HttpResponse:
    return answered(unauthenticated(NOT_SIGNED_IN))


@api.exception_handler(DynamoError)
def dynamo_trouble(request: HttpRequest, error: DynamoError) -> HttpResponse:
    if isinstance(error, Rejected):
        # Nothing is away: DynamoDB could not hold it (an item of more than 400 KB), now or later.
        return answered(ApiProblem(422, error.title, error.sentence, more={"kind": error.kind}))
    if error.status == 503:
        return answered(Away(error.title, error.sentence, {"kind": error.kind}).problem)
    more = {"kind": error.kind}
    return answered(ApiProblem(error.status, error.title, error.sentence, more=more))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return answered(Invalid([_wrong(one) for one in error.errors]))


def _wrong(one: dict[str, Any]) -> Wrong:
    """django-ninja's error: its `loc` begins with the place, and for a body with the argument's name."""
    location, *path = one["loc"]
    if location in ("body", "query") and path and path[0] in ("body", "query"):
        path = path[1:]
    return Wrong(str(location), path, str(one["msg"]).removeprefix("Value error, "))


@api.exception_handler(HttpError)
def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """django-ninja raises it where a body can't be parsed."""
    cause = error.__cause__
    detail = str(cause) if isinstance(cause, Unreadable) else str(error)
    return answered(ApiProblem(error.status_code, "The request body can't be read", detail))


@api.exception_handler(Http404)
def not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    return answered(ApiProblem(404, "Not found", str(error) or "No page or operation has this address."))


@api.exception_handler(outcomes.Unreadable)
def written_otherwise(request: HttpRequest, error: outcomes.Unreadable) -> HttpResponse:
    return answered(ApiProblem(404, "It can't be read", error.sentence))


@api.exception_handler(BadRequest)
@api.exception_handler(MultiPartParserError)
@api.exception_handler(SuspiciousOperation)
@api.exception_handler(UnreadablePostError)
def refused_by_django(request: HttpRequest, error: Exception) -> HttpResponse:
    """What Django refuses to read, such as a query of more than DATA_UPLOAD_MAX_NUMBER_FIELDS parameters."""
    status = 413 if isinstance(error, RequestDataTooBig) else 400
    return answered(ApiProblem(status, "The request can't be read", "It is too large or malformed."))


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """Tells the caller nothing of the inside; the log has it all."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return failure_json(request, failure_of(error))
