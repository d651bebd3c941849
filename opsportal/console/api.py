"""The JSON API: one `NinjaAPI`, to which `opsportal.urls` adds each app's router.

An operation without `@requires` answers nobody. No schema is published.
"""

import logging

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError

from opsportal.console.access import SessionGuard
from opsportal.console.problems import problem_json, problem_response
from opsportal.console.refusals import not_signed_in
from opsportal.dynamo.errors import DynamoError

logger = logging.getLogger(__name__)

api = NinjaAPI(
    title="Ops Portal",
    version="1",
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    auth=SessionGuard(None),
)


@api.exception_handler(AuthenticationError)
def unauthenticated(request: HttpRequest, error: Exception) -> HttpResponse:
    return not_signed_in()


@api.exception_handler(DynamoError)
def dynamo_trouble(request: HttpRequest, error: DynamoError) -> HttpResponse:
    return problem_response(request, error)


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """500 that tells the caller nothing of the inside; the log has it all."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem_json("Internal error", 500, "The console failed to answer; its log says why.")
