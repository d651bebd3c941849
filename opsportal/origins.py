"""Origins of web pages (RFC 6454), as browsers send them."""

import ipaddress
import re

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(text: str) -> str:
    """`text`, a scheme://host[:port], in the spelling of browsers: lower case, without the scheme's own port. Raises
    ValueError for anything else: a path, a wildcard, "null"."""
    found = _ORIGIN.fullmatch(text.lower())
    if not found:
        raise ValueError(text)
    host, port = found["host"], int(found["port"] or 0)
    if host.startswith("["):
        host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
    if found["port"] and not 0 < port < 65_536:
        raise ValueError(text)
    shown = f":{port}" if port and port != DEFAULT_PORTS[found["scheme"]] else ""
    return f"{found['scheme']}://{host}{shown}"
