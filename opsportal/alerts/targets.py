"""Where a webhook may point: never to an address of this network, unless `ALERT_WEBHOOK_ALLOW` names it.

The name is looked up once, all that it stands for is checked, and the connection is made to the address that was
checked (`sending`), so a name that stands for something else a moment later leads nowhere.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from opsportal.addresses import Address, is_public, unwrapped
from opsportal.environments import is_strict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], list[str]]

# A host of digits, hex and dots that is no address as RFC 1123 and 4291 spell it: 2130706433, 0x7f.1, 127.1.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*\.?", re.IGNORECASE)
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.IGNORECASE)
MOST_URL = 500


class Refused(Exception):
    """Why a webhook may not point there, in a sentence."""


@dataclass(frozen=True)
class Target:
    """An address that was checked, and what to ask for there. `host` is the name for TLS and the Host header."""

    scheme: str
    host: str
    port: int
    address: str
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


DEFAULT_PORTS = {"https": 443, "http": 80}


def resolve(host: str, port: int) -> list[str]:
    """Every address that the name stands for. Raises `Refused`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(f"The host {host} can't be found: {error}.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def spelled(url: str) -> Target:
    """The target as far as the URL alone says, without an address. Raises `Refused`."""
    if len(url) > MOST_URL or any(ord(character) <= 32 or ord(character) > 126 for character in url):
        raise Refused(f"A URL of at most {MOST_URL} ASCII characters without spaces, please.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Refused(f"This is not a URL: {error}.") from error
    if "\\" in url or not host or parts.scheme not in DEFAULT_PORTS:
        raise Refused("Write the whole URL, such as https://hooks.example.com/alerts.")
    if parts.username is not None or parts.password is not None:
        raise Refused("No user name or password in the URL: receivers check the signature.")
    if parts.fragment:
        raise Refused("No fragment (#) in the URL: it is never sent.")
    if port == 0:
        raise Refused("There is no port 0.")
    literal = _literal(host)
    if literal is None and (_NUMERIC.fullmatch(host) or not _HOST.fullmatch(host)):
        raise Refused(f"{host} is neither a host name nor an IP address as they are usually written.")
    if parts.scheme == "http" and not _may_be_plain(host, literal):
        raise Refused("Only https: what is sent over http can be read and changed on its way.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], "", path)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _may_be_plain(host: str, literal: Address | None) -> bool:
    """In development, to this machine."""
    loopback = host == "localhost" or (literal is not None and literal.is_loopback)
    return loopback and not is_strict(settings.OPSPORTAL_ENV)


def checked(url: str, resolver: Resolver | None = None) -> Target:
    """Where to connect to. One address that is not allowed refuses the name as a whole: a name that stands for a
    public address and a private one is a trap. Raises `Refused`."""
    target = spelled(url)
    literal = _literal(target.host)
    found = [str(literal)] if literal else (resolver or resolve)(target.host, target.port)
    if not found:
        raise Refused(f"The host {target.host} has no address.")
    for text in found:
        if why := why_not(target.host, text):
            raise Refused(why)
    return Target(target.scheme, target.host, target.port, found[0], target.path)


def why_not(host: str, text: str) -> str:
    """Why nothing may be sent to this address of `host`; "" where it may."""
    try:
        # A scope ("%eth0") only ever follows a link-local address.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return f"{host} stands for {text}, which is no address."
    names, networks = allowed()
    for one in unwrapped(address):
        if is_public(one):
            continue
        if any(one in network for network in networks if network.version == one.version):
            continue
        if one.is_loopback and not is_strict(settings.OPSPORTAL_ENV):
            continue
        # A name in the list may stand for what is private; for this machine itself, and for the metadata service
        # of a cloud, the address has to be there.
        private = one.is_private and not (one.is_loopback or one.is_link_local or one.is_unspecified)
        if host.rstrip(".").lower() in names and private and not (one.is_multicast or one.is_reserved):
            continue
        return (
            f"{host} stands for {text}, which is not an address of the public internet. If that is meant, "
            "an administrator of the console's machines can list it in ALERT_WEBHOOK_ALLOW."
        )
    return ""


def allowed() -> tuple[frozenset[str], tuple[Network, ...]]:
    """The names, and the addresses and networks, of `ALERT_WEBHOOK_ALLOW`."""
    names, networks = set(), []
    for entry in settings.ALERT_WEBHOOK_ALLOW:
        try:
            networks.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            names.add(entry.strip().rstrip(".").lower())
    return frozenset(names), tuple(networks)
