"""Answers that are streamed: a few at once in a process.

As long as one is sent it holds a thread of the server. Were all held by readers who take their time, nobody else
would be answered. None is cut for its length; the server ends one whose reader takes nothing any more
(`opsportal.server.connection.Socket`).
"""

import weakref
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from opsportal.console.admission import Busy, Load, Slot
from opsportal.console.problems import problem_response


def streamed(
    request: HttpRequest, lines: Iterator[str] | Iterator[bytes], content_type: str
) -> HttpResponseBase:
    """The lines as an answer, or 503 where as many as may be are under way."""
    slot = Slot(Load.DOWNLOAD)
    try:
        slot.take()
    except Busy as busy:
        return problem_response(request, busy)

    def body() -> Iterator[str | bytes]:
        try:
            yield from lines
        finally:
            slot.leave()

    response = StreamingHttpResponse(body(), content_type=content_type)
    # `body` ends nothing where it was never begun: a reader that has gone, or a failure further out.
    response._resource_closers.append(slot.leave)  # type: ignore[attr-defined]
    weakref.finalize(response, slot.leave)
    return response
