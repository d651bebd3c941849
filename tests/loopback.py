"""A guard: no test may speak to another machine."""

import ipaddress
import socket
from typing import Any


class OutboundRefusedError(Exception):
    """A test tried to reach another machine. Not an OSError: those are retried and swallowed."""


def is_loopback(host: object) -> bool:
    """Whether a host, as given to ``connect`` or ``getaddrinfo``, is this machine."""
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        text = host.decode() if isinstance(host, bytes) else str(host)
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse_other_machines() -> None:
    """Make ``connect``, ``connect_ex``, ``sendto`` and name lookups raise OutboundRefusedError off loopback."""
    for name in ("connect", "connect_ex", "sendto"):
        _guard(name)
    lookup = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        # The wildcard is for binding, not for reaching anybody.
        if host not in ("0.0.0.0", "::") and not is_loopback(host):
            raise OutboundRefusedError(f"A test looked up {host!r}; only loopback is allowed.")
        return lookup(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def _guard(name: str) -> None:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
            raise OutboundRefusedError(f"A test connected to {address!r}; only loopback is allowed.")
        return original(self, *args)

    setattr(socket.socket, name, guarded)
