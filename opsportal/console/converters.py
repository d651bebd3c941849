"""The text of an item's key (`Key.text`) in addresses: one spelling for each, and one key for each spelling."""

import re
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.urls.converters import StringConverter

# Left as they are: ids such as req_1757412789250_a08ac7ad stay readable. No character here has a
# meaning in a path segment, and `~` (the escape) is one that URLs never percent-encode.
_ESCAPED = re.compile(r"[^A-Za-z0-9_.:@=+,-]")
# Addresses next to those of the items: an item of that id has an escape in its own.
RESERVED = frozenset({"new", "register", "heartbeat", "fleet", "stages", "steps"})
_ESCAPES = re.compile(rb"~([0-9A-F]{2})")


def quote_key(key: str) -> str:
    """`key` as one path segment: what is not plain becomes `~XX` per byte of its UTF-8.

    A leading dot is escaped too, since browsers and proxies resolve the segments `.` and `..`.
    """
    if key in RESERVED:
        return _escape(key[0]) + key[1:]
    quoted = _ESCAPED.sub(lambda found: _escape(found[0]), key)
    return f"~2E{quoted[1:]}" if quoted.startswith(".") else quoted


def unquote_key(segment: str) -> str:
    """The key that `quote_key` quotes as this segment. Any other segment is taken literally, so that a pasted id
    opens, and only its own item. Raises ValueError where the escaped bytes are no UTF-8."""
    key = _ESCAPES.sub(lambda found: bytes.fromhex(found[1].decode()), segment.encode()).decode()
    return key if quote_key(key) == segment else segment


def other_spelling(request: HttpRequest) -> HttpResponse | None:
    """A redirect to the one address of an item's page, where the page was asked for by a literal key."""
    match = request.resolver_match
    if request.method not in ("GET", "HEAD") or match is None or "<key:" not in match.route:
        return None
    address = reverse(match.view_name, kwargs=match.kwargs)
    if unquote(address) == request.path:
        return None
    query = request.META.get("QUERY_STRING", "")
    return redirect(f"{address}?{query}" if query else address)


def _escape(character: str) -> str:
    # A lone surrogate can't be a key, but must not break the page that shows one: its link answers 404.
    return "".join(f"~{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


class KeyConverter:
    """`<key:pk>` in a URL pattern: one segment that stands for any non-empty string."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        return unquote_key(value)

    def to_url(self, value: str) -> str:
        if not value:
            raise ValueError("DynamoDB has no empty keys.")
        return quote_key(value)


class TextConverter(StringConverter):
    """`<text:pk>` in a URL pattern: any text as it is, slashes and line breaks included (Django's `path`
    has none of the latter)."""

    regex = "(?s:.+)"
