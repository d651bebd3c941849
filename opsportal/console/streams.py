"""Answers that are streamed: a few at once in a process.

As long as one is sent it holds a thread of the server. Were all held by readers who take their time, nobody else
would be answered. None is cut for its length; the server ends one whose reader takes nothing any more
(`opsportal.server.connection.Socket`).
"""

import threading
import weakref
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from opsportal.console.access import Refusal
from opsportal.console.problems import problem_response

BUSY = Refusal(
    "The console is at its limit of simultaneous downloads.",
    "Try again when one of them has finished.",
    title="Too many downloads",
    kind="busy",
    status=503,
    retry=True,
)


class _Place:
    """One of the `settings.STREAMS_AT_ONCE` that a process has."""

    # Whoever holds it may be interrupted by `weakref.finalize`.
    taken, _lock = 0, threading.RLock()

    def __init__(self) -> None:
        self.held = False

    def take(self) -> bool:
        with self._lock:
            if _Place.taken >= settings.STREAMS_AT_ONCE:
                return False
            _Place.taken += 1
            self.held = True
            return True

    def leave(self) -> None:
        """Any number of times."""
        with self._lock:
            if self.held:
                self.held = False
                _Place.taken -= 1


def streamed(
    request: HttpRequest, lines: Iterator[str] | Iterator[bytes], content_type: str
) -> HttpResponseBase:
    """The lines as an answer, or 503 where as many as may be are under way."""
    location = _Place()
    if not location.take():
        return problem_response(request, BUSY)

    def body() -> Iterator[str | bytes]:
        try:
            yield from lines
        finally:
            location.leave()

    response = StreamingHttpResponse(body(), content_type=content_type)
    # `body` ends nothing where it was never begun: a reader that has gone, or a failure further out.
    response._resource_closers.append(location.leave)  # type: ignore[attr-defined]
    weakref.finalize(response, location.leave)
    return response
