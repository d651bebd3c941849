"""Whose address a request comes from, where proxies stand between."""

from collections.abc import Mapping
from typing import Any


def peer_of(meta: Mapping[str, Any], proxies: int) -> str:
    """The address that spoke to the outermost of our `proxies` (TRUSTED_PROXY_COUNT), from a WSGI environment.

    Each proxy appends its own peer to X-Forwarded-For, so only that many entries from the right are ours; what
    stands before them, anyone can have written. Empty where there are fewer: it did not come through them all.
    Without the header it came through none, as a scrape does from beside us, and the connection's peer it is.
    """
    if proxies <= 0 or "HTTP_X_FORWARDED_FOR" not in meta:
        return str(meta.get("REMOTE_ADDR", ""))
    entries = [
        entry.strip() for entry in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if entry.strip()
    ]
    return entries[-proxies] if len(entries) >= proxies else ""
