"""One POST to one webhook: never to an address of this network, unless `ALERT_WEBHOOK_ALLOW` names it."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

from opsportal import outbound
from opsportal.addresses import Address, is_public, unwrapped
from opsportal.environments import is_strict
from opsportal.origins import DEFAULT_PORTS
from opsportal.outbound import Answer, Refused, Target

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A host of digits, hex and dots that is no address as RFC 1123 and 4291 spell it: 2130706433, 0x7f.1, 127.1.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*", re.IGNORECASE)
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.IGNORECASE)
MAX_URL = 500
# Seconds for the lookup of the name, the connection and the whole answer.
WHOLE = 10.0
# Bytes of an answer that are read.
MAX_READ = 4_096


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send it. Never raises for what the other side does: the answer says so."""
    try:
        target = target_of(url)
    except Refused as refused:
        return Answer(error=str(refused))
    return outbound.ask(
        "POST", target, _check_of(target), WHOLE, headers=headers, body=body, max_body=MAX_READ
    )


def check(url: str) -> Target:
    """Where a webhook would be sent now. Raises `Refused`."""
    try:
        target = target_of(url)
        return outbound.pinned(target, _check_of(target), WHOLE)
    except TimeoutError as error:
        raise Refused(f"The host was not found within {WHOLE:g} s.") from error


def target_of(url: str) -> Target:
    """The target as far as the URL alone shows, without an address. Raises `Refused`."""
    if len(url) > MAX_URL or any(ord(character) <= 32 or ord(character) > 126 for character in url):
        raise Refused(f"A URL of at most {MAX_URL} ASCII characters without spaces, please.")
    if "\\" in url:
        raise Refused("This is not a URL: it has a backslash.")
    target = outbound.target_of(url)
    if urlsplit(url).fragment:
        raise Refused("No fragment (#) in the URL: it is never sent.")
    if target.port == 0:
        raise Refused("There is no port 0.")
    literal = outbound.literal(target.host)
    if literal is None and (_NUMERIC.fullmatch(target.host) or not _HOST.fullmatch(target.host)):
        raise Refused(f"{target.host} is neither a host name nor an IP address as they are usually written.")
    if target.scheme == "http" and not _may_be_plain(target.host, literal):
        raise Refused("Only https: what is sent over http can be read and changed on its way.")
    return target


def _check_of(target: Target) -> outbound.Check:
    """Why nothing is sent to an address, or to the target's port there: another than that of https is for what the
    setting lists, and for development."""

    def check_both(host: str, text: str) -> str:
        if why := why_not(host, text):
            return why
        names, networks = allowed()
        listed = any(one in network for one in unwrapped(_address(text)) for network in networks)
        named = target.host in names or target.authority in names
        usual = target.port == DEFAULT_PORTS["https"]
        if usual or listed or named or not is_strict(settings.OPSPORTAL_ENV):
            return ""
        return (
            f"Only port 443. If port {target.port} is intended, add {target.authority} to the setting "
            "ALERT_WEBHOOK_ALLOW."
        )

    return check_both


def _address(text: str) -> Address:
    # A scope ("%eth0") only ever follows a link-local address.
    return ipaddress.ip_address(text.partition("%")[0])


def _may_be_plain(host: str, literal: Address | None) -> bool:
    """In development, to this machine."""
    loopback = host == "localhost" or (literal is not None and literal.is_loopback)
    return loopback and not is_strict(settings.OPSPORTAL_ENV)


def why_not(host: str, text: str) -> str:
    """Why nothing may be sent to this address of `host`; "" where it may."""
    try:
        address = _address(text)
    except ValueError:
        return f"{host} resolves to {text}, which is not an address."
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
        said = text if host.strip("[]") == text else f"{text}, to which {host} resolves,"
        return (
            f"{said} is not a public address. If this is intended, add it to the setting ALERT_WEBHOOK_ALLOW."
        )
    return ""


def allowed() -> tuple[frozenset[str], tuple[Network, ...]]:
    """The names (some with a port, as "host:8443" or "[::1]:8443"), and the addresses and networks, of `ALERT_WEBHOOK_ALLOW`."""
    names, networks = set(), []
    for entry in settings.ALERT_WEBHOOK_ALLOW:
        try:
            networks.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            names.add(entry.strip().rstrip(".").lower())
    return frozenset(names), tuple(networks)
