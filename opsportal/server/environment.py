"""The web server's addresses and numbers, from the environment."""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Numbers(NamedTuple):
    """Processes, threads of each, and seconds: an idle connection is kept, a request's head may take, a peer may take
    nothing of its answer."""

    concurrency: int
    threads: int
    keepalive: int
    request_seconds: int
    stall_seconds: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Numbers":
        """Raises ValueError, whose sentence names the variable."""
        return cls(
            whole_number("WEB_CONCURRENCY", environ.get("WEB_CONCURRENCY", "2"), 1, 64),
            whole_number("WEB_THREADS", environ.get("WEB_THREADS", "8"), 1, 200),
            whole_number("WEB_KEEPALIVE", environ.get("WEB_KEEPALIVE", "75"), 1, 3600),
            whole_number("WEB_REQUEST_SECONDS", environ.get("WEB_REQUEST_SECONDS", "10"), 1, 600),
            whole_number("WEB_STALL_SECONDS", environ.get("WEB_STALL_SECONDS", "20"), 1, 600),
        )


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """`text` as a number from `low` to `high`. Raises ValueError, whose sentence names the variable."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high:
        return int(text)
    raise ValueError(f"{name} is {text!r}; it must be a whole number from {low} to {high}.")


BIND = "127.0.0.1:8000"
_ADDRESS = re.compile(
    r"unix:\S+|fd://\d+|(?:\[[0-9a-f:.]+\]|[\w.-]*):(?P<port>[0-9]{1,5})", re.IGNORECASE | re.ASCII
)


def addresses(environ: Mapping[str, str]) -> list[str]:
    """Where to listen: WEB_BIND, separated by commas. Raises ValueError, whose sentence names the variable."""
    text = environ.get("WEB_BIND", BIND)
    found = [one for part in text.split(",") if (one := part.strip())]
    for one in found or [text]:
        match = _ADDRESS.fullmatch(one)
        if not match or int(match["port"] or 0) > 65_535:
            raise ValueError(
                f"WEB_BIND is {text!r}; it must be host:port, such as {BIND} or [::]:8000, or unix:/path."
            )
    return found
