"""Cursors of lists: where a page ended, signed, and bound to the list that made it.

A cursor travels in the URL. The signature keeps a start key from being made up; the purpose, a digest of
the list and its filters, keeps one from being used on another list.
"""

from typing import Any

from django.core import signing

from opsportal.dynamo.errors import MalformedCursor

SALT = "opsportal.dynamo.cursor"
# Longer is none of ours: keys of 2,048 bytes, signed, with room.
MOST_CURSOR = 20_000


def dump(position: dict[str, Any], *, purpose: str) -> str:
    """The position (JSON data) as text for a URL."""
    return signing.dumps(position, salt=f"{SALT}:{purpose}", compress=True)


def load(text: str, *, purpose: str) -> dict[str, Any]:
    """The position that `dump` was given for the same purpose. Raises MalformedCursor."""
    try:
        position = signing.loads(text, salt=f"{SALT}:{purpose}")
    except (signing.BadSignature, ValueError) as error:
        raise MalformedCursor(
            "The position in this address was cut off, changed, or made by another list.",
            "Start again from the first page.",
        ) from error
    return position
