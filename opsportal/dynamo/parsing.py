"""Faster parsing of DynamoDB answers: botocore's walks every attribute value through its shapes, which
is most of a list page's time; the values are already what callers get, but for binary ones.

Hooks into botocore by its public component registry and overrides two private methods of its JSON
parser; tests/dynamo/test_parsing.py compares every kind of answer with the stock parser's.
"""

import base64
from typing import Any

from botocore import parsers


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


class _FastJSONParser(parsers.JSONParser):
    """One instance per answer (see the factory), so its flag is not shared between threads."""

    _may_hold_binary = True

    def _parse_body_as_json(self, body_contents: bytes) -> Any:
        # A binary value needs the key "B" or "BS", or an escape that could spell one; most answers
        # hold none and need no walk.
        self._may_hold_binary = any(mark in body_contents for mark in (b'"B"', b'"BS"', b"\\u"))
        return super()._parse_body_as_json(body_contents)  # type: ignore[misc]

    def _handle_map(self, shape: Any, value: Any) -> Any:
        if shape.value.name != "AttributeValue" or value is None:
            return super()._handle_map(shape, value)  # type: ignore[misc]
        if self._may_hold_binary:
            for item in value.values():
                _decode(item)
        return value


class FastParserFactory(parsers.ResponseParserFactory):
    """botocore's factory with the JSON protocol's parser replaced."""

    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "json":
            return _FastJSONParser(**self._defaults)  # type: ignore[attr-defined]
        return super().create_parser(protocol_name)
