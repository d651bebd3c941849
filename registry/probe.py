"""Does an agent's endpoint answer? One GET to an address that others wrote, so it is bounded on all sides.

Off unless `AGENT_PROBE_HOSTS` names hosts. Every address that the name has must be public. No credentials are used
and no body is read.
"""

import ipaddress
import logging
import threading

from django.conf import settings

from opsportal import addresses, outbound
from opsportal.operations.entries import Actor
from opsportal.origins import DEFAULT_PORTS
from opsportal.outbound import Answer, Refused, Target

logger = logging.getLogger(__name__)

# Probes at once in one process; each holds one of the web server's threads.
MAX_AT_ONCE = 4
# Whatever the setting says.
LEAST_SECONDS, MAX_SECONDS = 0.1, 10.0
_places = threading.BoundedSemaphore(MAX_AT_ONCE)


def is_on() -> bool:
    return bool(settings.AGENT_PROBE_HOSTS)


def why_not(endpoint: object) -> str:
    """Why this endpoint is not asked, as far as its text shows; "" where it may be."""
    try:
        target_of(endpoint)
    except Refused as refused:
        return str(refused)
    return ""


def target_of(endpoint: object) -> Target:
    """Raises `Refused`: no http or https URL, or its host is not on the list."""
    if not is_on():
        raise Refused("Probing is off: AGENT_PROBE_HOSTS names no host.")
    if not isinstance(endpoint, str) or not endpoint.strip():
        raise Refused("It has no endpoint.")
    target = outbound.target_of(endpoint.strip())
    if not _is_listed(target):
        raise Refused(f"{target.host} on port {target.port} is not among AGENT_PROBE_HOSTS.")
    return target


def _is_listed(target: Target) -> bool:
    """An entry is a host, for the ports of http and https, or host:port; `*.` stands for every host below."""
    host = target.host
    for entry in settings.AGENT_PROBE_HOSTS:
        name, colon, wanted = str(entry).strip().lower().rpartition(":")
        if not (colon and wanted.isdigit()):
            name, wanted = str(entry).strip().lower(), ""
        if str(target.port) != (wanted or str(DEFAULT_PORTS[target.scheme])):
            continue
        name = name.strip("[]")
        if host == name or (name.startswith("*.") and host.endswith(name[1:]) and len(host) >= len(name)):
            return True
    return False


def is_public(address: str) -> bool:
    """Whether an address is one of the Internet: no private, loopback, link-local, shared, reserved or multicast
    one, nor any that only wraps an IPv4 address (mapped, 6to4, Teredo, NAT64)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # Refused even where the wrapped address is public: no agent has reason to be named so.
    return addresses.unwrapped(found) == [found] and addresses.is_public(found)


def _check(host: str, address: str) -> str:
    if is_public(address):
        return ""
    if host == address:
        return f"{host} is not a public address."
    return f"{host} has the address {address}, which is not public."


def probe(endpoint: object, *, by: Actor, agent_id: str) -> Answer:
    """Ask the endpoint once. Raises `Refused`; whatever the network does is in the answer.

    Logged, with who asked: it changes nothing that the audit trail is about."""
    target = target_of(endpoint)
    if not _places.acquire(blocking=False):
        raise Refused(f"{MAX_AT_ONCE} other probes are running. Try again in a moment.")
    seconds = min(max(settings.AGENT_PROBE_SECONDS, LEAST_SECONDS), MAX_SECONDS)
    headers = {"User-Agent": "ops-portal-probe", "Accept": "*/*"}
    try:
        answer = outbound.ask("GET", target, _check, seconds, headers=headers)
    finally:
        _places.release()
    logger.info(
        "probe of agent %r by %r (%s): %s %s -> %s",
        agent_id, by.name, by.id, target.authority, answer.address or "unresolved", answer.error or answer.status,
    )  # fmt: skip
    return answer
