"""Before-images: a whole item, packed so that it fits beside its entry, and unpacked for an undo."""

import json
import zlib
from typing import Any

from opsportal.dynamo.attributes import Raw

# AWS: an item is at most 400 KB; the rest is for the image item's own attributes.
MAX_BYTES = 390_000


class ImageTooLarge(Exception):
    """The packed item does not fit into an item: no undo can be kept."""


class Unreadable(Exception):
    """What was kept is no image of this console's."""


def pack(raw: Raw) -> bytes:
    """The item exactly as the wire has it, compressed. Raises ImageTooLarge."""
    written = json.dumps(raw, ensure_ascii=False, default=_encoded)
    packed = zlib.compress(written.encode("utf-8", "surrogatepass"), 9)
    if len(packed) > MAX_BYTES:
        raise ImageTooLarge(f"{len(packed):,} bytes")
    return packed


def unpack(packed: bytes) -> Raw:
    """The item that `pack` was given. Raises Unreadable."""
    try:
        decoded = _decoded(json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass")))
    except (zlib.error, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if not isinstance(decoded, dict):
        raise Unreadable("It is no item.")
    return decoded


def fits(raw: Raw) -> bool:
    """Whether an image of the item can be kept."""
    try:
        pack(raw)
    except ImageTooLarge:
        return False
    return True


# Binary values travel as latin-1 text under tags of their own, since JSON has no bytes.
def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"\x00bytes": value.decode("latin-1")}
    return [*value]  # a set


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"\x00bytes"} and isinstance(value["\x00bytes"], str):
            return value["\x00bytes"].encode("latin-1")
        return {name: _decoded(member) for name, member in value.items()}
    return [_decoded(member) for member in value] if isinstance(value, list) else value
