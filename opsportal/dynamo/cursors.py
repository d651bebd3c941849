"""Cursors of lists: where a page ended, signed and bound to its list.

A cursor is part of the URL. Its signature refuses a start key that the console did not write; its purpose, a digest of
the list and its filters, refuses the cursor of another list.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.core import signing

from opsportal.dynamo.attributes import Typed, binary_text
from opsportal.dynamo.errors import MalformedCursor

SALT = "opsportal.dynamo.cursor"
# Characters. The console writes none that is longer: it has a few keys of 2,048 bytes.
MAX_CURSOR = 20_000


class _Serializer:
    """JSON in which a key attribute of bytes is Base64, as in the API's own: ``{"B": "eHk="}``."""

    def dumps(self, position: Any) -> bytes:
        return json.dumps(position, separators=(",", ":"), default=binary_text).encode("latin-1")

    def loads(self, data: bytes) -> Any:
        return json.loads(data.decode("latin-1"), object_hook=_with_bytes)


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """A typed value of bytes has its one member under "B"; a partition of that name has no text there."""
    if list(value) == ["B"] and isinstance(value["B"], str):
        return {"B": base64.b64decode(value["B"])}
    return value


def start_after(item: Mapping[str, Typed], names: Iterable[str]) -> dict[str, Typed]:
    """The ExclusiveStartKey that goes on behind the item; see `Binding.start_names`."""
    return {name: item[name] for name in names}


def dump(position: dict[str, Any], *, purpose: str) -> str:
    """The position (JSON data) as text for a URL."""
    return signing.dumps(position, salt=f"{SALT}:{purpose}", serializer=_Serializer, compress=True)


def load(text: str, *, purpose: str) -> dict[str, Any]:
    """The position that `dump` was given for the same purpose. Raises MalformedCursor."""
    try:
        position = signing.loads(text, salt=f"{SALT}:{purpose}", serializer=_Serializer)
    except (signing.BadSignature, ValueError) as error:
        raise MalformedCursor(
            "The position in this address was cut off, changed, or made by another list.",
            "Start again from the first page.",
        ) from error
    return position
