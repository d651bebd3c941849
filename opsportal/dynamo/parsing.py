"""Parsing of AWS's answers: faster than botocore's of DynamoDB's, and with one error for all that is none of theirs.

botocore walks every attribute value through its shapes, which is most of a list page's time; the values are already
what callers get, but for binary ones. And of an answer that another server gave it raises whatever Python does where
a dict was expected, or takes it for one without values.

Hooks into botocore by its public component registry and overrides private methods of its JSON parser;
tests/dynamo/test_parsing.py compares every kind of answer with the stock parser's.
"""

import base64
import zlib
from typing import Any

from botocore import parsers

from opsportal.dynamo.answers import CHANGED, REPORTS_CAPACITY, NotItsAnswer, check


def _decode(value: dict[str, Any]) -> None:
    """Decode the binary parts of one AttributeValue in place."""
    for tag, content in value.items():
        if tag == "B":
            value[tag] = base64.b64decode(content)
        elif tag == "BS":
            value[tag] = [base64.b64decode(item) for item in content]
        elif tag == "M":
            for item in content.values():
                _decode(item)
        elif tag == "L":
            for item in content:
                _decode(item)


# DynamoDB's own, of the body: what fits it need not be looked at value by value.
CHECKSUM = "x-amz-crc32"
_PYTHON: dict[str, type[Any]] = {
    "S": str, "N": str, "B": str, "BOOL": bool, "NULL": bool, "M": dict, "L": list, "SS": list, "NS": list, "BS": list,
}  # fmt: skip


def _check_values(values: Any) -> None:
    """Raise unless each of these is an AttributeValue: one type, and content that is of it."""
    for value in values:
        ((tag, content),) = value.items()
        if type(content) is not _PYTHON[tag]:
            raise TypeError(f"an attribute of type {tag} holds {type(content).__name__}")
        if tag == "N":
            float(content)
        elif tag == "M":
            _check_values(content.values())
        elif tag == "L":
            _check_values(content)
        elif len(tag) == 2:
            _check_values({tag[0]: item} for item in content)


class _FastJSONParser(parsers.JSONParser):
    """One instance per answer (see the factory), so its flags are not shared between threads."""

    fits_checksum = False
    _may_hold_binary = True
    _may_hold_null = True

    def _do_parse(self, response: Any, shape: Any) -> Any:
        # DynamoDB leaves out what is not there.
        self._may_hold_null = response["context"]["operation_name"] not in REPORTS_CAPACITY
        return super()._do_parse(response, shape)  # type: ignore[misc]

    def _handle_json_body(self, raw_body: bytes, shape: Any) -> Any:
        parsed = self._parse_body_as_json(raw_body)
        if type(parsed) is not dict or (None in parsed.values() and not self._may_hold_null):
            raise TypeError("no object of values")
        return self._parse_shape(shape, parsed)  # type: ignore[attr-defined]

    def _parse_body_as_json(self, body_contents: bytes) -> Any:
        # A binary value needs the key "B" or "BS", or an escape that could spell one; most answers
        # hold none and need no walk.
        self._may_hold_binary = any(mark in body_contents for mark in (b'"B"', b'"BS"', b"\\u"))
        return super()._parse_body_as_json(body_contents)  # type: ignore[misc]

    def _handle_map(self, shape: Any, value: Any) -> Any:
        if shape.value.name != "AttributeValue" or value is None:
            return super()._handle_map(shape, value)  # type: ignore[misc]
        if not self.fits_checksum:
            _check_values(value.values())
        if self._may_hold_binary:
            for item in value.values():
                _decode(item)
        return value

    def _handle_list(self, shape: Any, node: Any) -> Any:
        if type(node) is not list or None in node:
            raise TypeError(f"{shape.name} is no list of values")
        return super()._handle_list(shape, node)  # type: ignore[misc]

    def _handle_string(self, shape: Any, value: Any) -> Any:
        if type(value) is not str:
            raise TypeError(f"{shape.name} is no text")
        return value

    def _handle_integer(self, shape: Any, value: Any) -> Any:
        if type(value) is not int:
            raise TypeError(f"{shape.name} is no whole number")
        return value

    def _handle_double(self, shape: Any, value: Any) -> Any:
        if type(value) not in (int, float):
            raise TypeError(f"{shape.name} is no number")
        return value

    def _handle_boolean(self, shape: Any, value: Any) -> Any:
        if type(value) is not bool:
            raise TypeError(f"{shape.name} is neither true nor false")
        return value

    _handle_long = _handle_integer
    _handle_float = _handle_double


class _Checked:
    """A parser that raises `NotItsAnswer` and nothing else."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: dict[str, Any], shape: Any) -> Any:
        status = response["status_code"]
        checksum = response["headers"].get(CHECKSUM)
        if checksum is not None:
            if not checksum.isdecimal():
                raise NotItsAnswer("its checksum is no number")  # botocore would fail at it
            self._parser.fits_checksum = zlib.crc32(response["body"]) == int(checksum)
            if status == 200 and not self._parser.fits_checksum:
                return {CHANGED: True}
        try:
            parsed = self._parser.parse(response, shape)
        except Exception as error:
            # Of any kind, by what stands where botocore takes another type for granted.
            if status <= 300:
                raise NotItsAnswer(f"{type(error).__name__}: {error}"[:MAX_REASON]) from error
            headers = {name.lower(): value for name, value in response["headers"].items()}
            parsed = {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
        if status <= 300:
            check(response["context"]["operation_name"], parsed)
        elif not (shape and shape.metadata.get("exception")):
            parsed["Error"] = _error(parsed, status)
        return parsed


# Characters of what Python says of an answer.
MAX_REASON = 200


def _error(parsed: dict[str, Any], status: int) -> dict[str, Any]:
    """The error with a code and a message that are text. One that names no code is none of the service's: its code is
    the HTTP status, by which botocore tries again and `errors` knows it, and its text, a page maybe, is left out."""
    found = parsed.get("Error")
    error = found if isinstance(found, dict) else {}
    code, message = error.get("Code"), error.get("Message")
    if not isinstance(code, str) or not code or code.isdecimal():
        return {"Code": str(status), "Message": "not an answer of this service"}
    return error | {"Message": message if isinstance(message, str) else ""}


class ParserFactory(parsers.ResponseParserFactory):
    """botocore's factory with the JSON protocol's parser replaced, and every parser checked."""

    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "json":
            return _Checked(_FastJSONParser(**self._defaults))  # type: ignore[attr-defined]
        return _Checked(super().create_parser(protocol_name))
