"""Requests are read as UTF-8, whatever their sender names.

Django looks up the codec that a request names: in Content-Type (`charset=`), and in the headers of a multipart body's
parts (RFC 2231, `name*=codec''text`). Some of Python's codecs are no encodings of text (`hex`: an error), some take
minutes for a form of a megabyte (`punycode`). Here no such name is ever looked up; what names another encoding than
UTF-8 is answered 415 before it is read.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponseBase, UnreadablePostError, multipartparser
from django.utils.http import parse_header_parameters

from opsportal.console.access import Refusal
from opsportal.console.problems import problem_response

# Characters of a Content-Type. A boundary has at most 70; patterns below run over the whole.
MAX_CONTENT_TYPE = 1_000
# US-ASCII is UTF-8 of fewer characters.
UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})
# Of a part of a form: as it is. RFC 7578 knows no others, and no browser sends any.
PLAIN = frozenset({"7bit", "8bit", "binary"})
_CHARSET = re.compile(r"charset\s*=([^;]*)", re.IGNORECASE)
# RFC 2231: name*=, and name*0=, name*0*= of a value in pieces. By the last star alone: linear in the length.
_EXTENDED = re.compile(r"\*[\d\s]*=")
# Headers of a form's parts and their parameters, together: each costs microseconds, and 2 MB hold a million.
MAX_PART_PARAMETERS = 5_000
_part_parameters_left: ContextVar[int] = ContextVar("part_parameters_left")


class OtherEncoding(Exception):
    """What was sent names another encoding than UTF-8. The text is for its sender."""

    def __init__(self, sentence: str, accepted: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.accepted = dict(accepted or {})


def check_header(value: str, where: str) -> None:
    """Raise OtherEncoding where the header's parameters name a decoder that is not UTF-8's. Takes rather too much for
    such a name than too little: Django's reading of quotes and comments need not be repeated here."""
    _, _, parameters = value.partition(";")
    if _EXTENDED.search(parameters):
        raise OtherEncoding(f"{where} has a parameter in the form name*=, which can name any encoding.")
    for charset in _CHARSET.findall(parameters):
        if charset.strip().strip('"').strip().lower() not in UTF8:
            raise OtherEncoding(f"{where} names another encoding than UTF-8.")


def check_headers(meta: Mapping[str, Any]) -> None:
    """Raise OtherEncoding for the headers of a request whose body is not plain UTF-8."""
    content_type = str(meta.get("CONTENT_TYPE") or "")
    if len(content_type) > MAX_CONTENT_TYPE:
        raise OtherEncoding(f"Content-Type has more than {MAX_CONTENT_TYPE:,} characters.")
    check_header(content_type, "Content-Type")
    if str(meta.get("HTTP_CONTENT_ENCODING") or "identity").strip().lower() != "identity":
        raise OtherEncoding(
            "Content-Encoding says that the body is compressed.", {"Accept-Encoding": "identity"}
        )


class Utf8Request(WSGIRequest):
    """Django's request, which does not take its encoding from Content-Type."""

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        self.content_type = str(meta.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
        self.content_params = {}


def _part_parameters(line: str) -> tuple[str, dict[str, str]]:
    left = _part_parameters_left.get(MAX_PART_PARAMETERS) - 1 - line.count(";")
    _part_parameters_left.set(left)
    if left < 0:
        raise TooManyFieldsSent(f"The parts of the form have more than {MAX_PART_PARAMETERS:,} parameters.")
    check_header(line, "A part of the form")
    name, _, value = line.partition(":")
    if name.strip().lower() == "content-transfer-encoding" and value.strip().lower() not in PLAIN:
        raise OtherEncoding("A part of the form has a Content-Transfer-Encoding.")
    return parse_header_parameters(line)


# Django's parser of forms in parts has no other place for it.
multipartparser.parse_header_parameters = _part_parameters  # type: ignore[attr-defined]


class Utf8Middleware:
    """Answers 415 to what names another encoding than UTF-8. Forms in parts are parsed here, since the headers of the
    parts may name one too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            check_headers(request.META)
            if request.content_type == "multipart/form-data":
                _parse(request)
        except OtherEncoding as refused:
            return _unsupported(request, refused)
        return self.get_response(request)


def _parse(request: HttpRequest) -> None:
    with suppress(UnreadablePostError):  # the sender has gone; views find an empty form
        _ = request.body  # first, so that a view may still read it
        _part_parameters_left.set(MAX_PART_PARAMETERS)
        try:
            _ = request.POST
        except (OtherEncoding, TooManyFieldsSent):
            request._mark_post_parse_error()  # type: ignore[attr-defined]
            raise


def _unsupported(request: HttpRequest, refused: OtherEncoding) -> HttpResponseBase:
    problem = Refusal(
        f"{refused} The console reads UTF-8 only.",
        "Send it as UTF-8, uncompressed, with charset=utf-8 or none.",
        title="Unsupported encoding",
        kind="unsupported_encoding",
        status=415,
    )
    response = problem_response(request, problem)
    for name, value in refused.accepted.items():
        response[name] = value
    return response
