"""An id for each request: in its answer, in every problem that it is answered with, and on the lines of the
log that it causes."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
# A caller's own id is kept where it can stand in a header and in a log line as it is.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][\w.:=/+@-]{0,127}", re.ASCII)
NONE = "-"

_current: ContextVar[str] = ContextVar("request_id", default=NONE)


def current() -> str:
    """The id of the request under way; "-" where there is none (a worker, a command)."""
    return _current.get()


class RequestIdMiddleware:
    """Gives each request an id, the caller's own if it sent a well-formed `X-Request-ID`, and answers it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        request_id = given if _WELL_FORMED.fullmatch(given) else uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        token = _current.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response[HEADER] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Puts `request_id` on every record, for formatters."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django writes its line about an answer when every middleware is through with it.
        record.request_id = getattr(getattr(record, "request", None), "request_id", current())
        return True
