"""Numbers of answers: with their digits, or as text for programs whose own numbers are doubles (`?numbers=text`)."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from opsportal.dynamo.json_values import numbers_as_text

NAME, CHOICES = "numbers", ("json", "text")
PARAMETER: dict[str, Any] = {
    "in": "query",
    "name": NAME,
    "required": False,
    "description": "`text`: each number of the answer is a string with all its digits. JavaScript, and whatever else "
    "reads JSON's numbers as doubles, rounds a number of more than 15 digits: 9007199254740993 becomes "
    "9007199254740992. Problems stay as they are.",
    "schema": {"type": "string", "enum": list(CHOICES), "default": CHOICES[0]},
}
_JSON = ("application/json", "application/x-ndjson")


def in_text(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The answer, with its numbers as text where the query says so."""
    # However it is escaped in the address: the guard has read it the same way.
    if request.GET.get(NAME) != "text" or not response.get("Content-Type", "").startswith(_JSON):
        return response
    if isinstance(response, HttpResponse):
        response.content = numbers_as_text(response.content.decode()).encode()
        if "Content-Length" in response:
            response["Content-Length"] = str(len(response.content))
    elif isinstance(response, StreamingHttpResponse):
        response.streaming_content = _lines(response.streaming_content)  # type: ignore[arg-type]
    return response


def _lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Each part of a stream is one whole document."""
    for line in lines:
        yield numbers_as_text(line.decode()).encode()
