"""Reading of an answer's head. Python's own takes it for that of a mail, which is a thirtieth of the CPU of a status
document."""

import http.client
import re
from email.parser import Parser
from types import FunctionType
from typing import Any

# `name: value`, whole on its line, as every server writes it.
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r?\n")


def parse(lines: list[bytes]) -> http.client.HTTPMessage:
    """The fields of a head, of which the last line is empty. What is written in another way, Python's parser judges."""
    message = http.client.HTTPMessage()
    for line in lines[:-1]:
        field = _FIELD.fullmatch(line.decode("iso-8859-1"))
        if field is None:
            text = b"".join(lines).decode("iso-8859-1")
            return Parser(_class=http.client.HTTPMessage).parsestr(text)
        message.set_raw(*field.groups())
    return message


def _parse_headers(fp: Any, _class: Any = None) -> http.client.HTTPMessage:
    return parse(http.client._read_headers(fp))  # type: ignore[attr-defined]  # which bounds their number and length


class Answer(http.client.HTTPResponse):
    """The `response_class` of a connection."""

    # Python's own, which finds the parser by a name in its module. Others' connections keep theirs.
    begin = FunctionType(
        http.client.HTTPResponse.begin.__code__,
        {**vars(http.client), "parse_headers": _parse_headers},
        "begin",
    )
