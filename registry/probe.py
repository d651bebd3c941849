"""Does an agent's endpoint answer? One request to an address that others wrote, so it is bounded on all sides.

Off unless `AGENT_PROBE_HOSTS` names hosts. Every address that the name has must be public, and the connection
goes to the address that was checked, so that a name which changes meanwhile leads nowhere else. No redirect is
followed, no proxy and no credentials are used, no body is read, and all of it ends within the time given.
"""

import contextlib
import http.client
import ipaddress
import logging
import queue
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

from opsportal import addresses
from opsportal.operations.entries import Actor

logger = logging.getLogger(__name__)

PORTS = {"http": 80, "https": 443}
# Probes at once in one process; each holds a thread until its time is over.
MOST_AT_ONCE = 4
# Whatever the setting says: a probe holds one of the web server's threads.
LEAST_SECONDS, MOST_SECONDS = 0.1, 10.0
# Characters of what a foreign server says.
MOST_TEXT = 200
_places = threading.BoundedSemaphore(MOST_AT_ONCE)


class Refused(Exception):
    """An endpoint that is not asked. `sentence`: why, for people."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class Target:
    """What to ask: `path` with its query, `host` as in a certificate."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What came of it, as data. `status` is None where there was no answer, and `trouble` says why.

    `location` is where a redirect points, which is not followed."""

    host: str
    address: str = ""
    status: int | None = None
    reason: str = ""
    content_type: str = ""
    location: str = ""
    seconds: float = 0.0
    trouble: str = ""


def is_on() -> bool:
    return bool(settings.AGENT_PROBE_HOSTS)


def why_not(endpoint: object) -> str:
    """Why this endpoint is not asked, as far as its text shows; "" where it may be."""
    try:
        target_of(endpoint)
    except Refused as refused:
        return refused.sentence
    return ""


def target_of(endpoint: object) -> Target:
    """Raises `Refused`: no http or https URL, or its host is not on the list."""
    if not is_on():
        raise Refused("Probing is off: AGENT_PROBE_HOSTS names no host.")
    if not isinstance(endpoint, str) or not endpoint.strip():
        raise Refused("It has no endpoint.")
    text = endpoint.strip()
    if any(ord(character) <= 32 or ord(character) == 127 for character in text):
        raise Refused("Its endpoint is no URL: it holds spaces or control characters.")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise Refused("Its endpoint is no URL.") from error
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not host:
        raise Refused("Its endpoint is no http or https URL.")
    if parts.username is not None or parts.password is not None:
        raise Refused("Its endpoint holds a user name or a password, which the console does not send.")
    port = PORTS[scheme] if port is None else port
    if not _is_listed(host, port, scheme):
        raise Refused(f"{host[:MOST_TEXT]} on port {port} is not among AGENT_PROBE_HOSTS.")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return Target(scheme, host, port, path + query)


def _is_listed(host: str, port: int, scheme: str) -> bool:
    """An entry is a host, for the ports of http and https, or host:port; `*.` stands for every host below."""
    for entry in settings.AGENT_PROBE_HOSTS:
        name, colon, wanted = str(entry).strip().lower().rpartition(":")
        if not (colon and wanted.isdigit()):
            name, wanted = str(entry).strip().lower(), ""
        if str(port) != (wanted or str(PORTS[scheme])):
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


def probe(endpoint: object, *, by: Actor, agent_id: str) -> Answer:
    """Ask the endpoint once, with GET. Raises `Refused`; whatever the network does is in the answer.

    Logged, with who asked: it changes nothing that the audit trail is about."""
    target = target_of(endpoint)
    if not _places.acquire(blocking=False):
        raise Refused(f"{MOST_AT_ONCE} other probes are under way; try again in a moment.")
    attempt = _Attempt(target, min(max(settings.AGENT_PROBE_SECONDS, LEAST_SECONDS), MOST_SECONDS))
    threading.Thread(target=attempt.run, name="probe", daemon=True).start()
    answer = attempt.wait()
    logger.info(
        "probe of agent %r by %r (%s): %s %s -> %s",
        agent_id, by.name, by.id, target.authority, answer.address or "unresolved", answer.status or answer.trouble,
    )  # fmt: skip
    return answer


class _Attempt:
    """One probe, in a thread of its own: looking up a name knows no time limit."""

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.seconds = seconds
        self.started = time.monotonic()
        self.address = ""
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.handle: socket.socket | None = None

    def wait(self) -> Answer:
        """The answer, or that there was none in time; then whatever is open is closed."""
        try:
            return self.answers.get(timeout=self.seconds)
        except queue.Empty:
            return self._failed(f"no answer within {self.seconds:g} s")
        finally:
            self.seconds = 0.0
            if self.handle is not None:
                _shut(self.handle)

    def run(self) -> None:
        try:
            self.answers.put(self._ask())
        except Refused as refused:
            self.answers.put(self._failed(refused.sentence))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.answers.put(self._failed(_said(error)))
        finally:
            _places.release()
            if self.handle is not None:
                self.handle.close()

    def _ask(self) -> Answer:
        self.address = checked_address(self.target)
        if not self.seconds:
            raise TimeoutError  # looking up took too long, and the request has ended
        connection = _Pinned(self)
        try:
            connection.request(
                "GET",
                self.target.path,
                headers={
                    "Host": self.target.authority,
                    "User-Agent": "ops-portal-probe",
                    "Accept": "*/*",
                    "Connection": "close",
                },
            )
            response = connection.getresponse()
            return Answer(
                self.target.authority,
                self.address,
                response.status,
                response.reason[:MOST_TEXT],
                response.getheader("Content-Type", "")[:MOST_TEXT],
                response.getheader("Location", "")[:MOST_TEXT],
                time.monotonic() - self.started,
            )
        finally:
            connection.close()

    def _failed(self, trouble: str) -> Answer:
        return Answer(
            self.target.authority,
            self.address,
            seconds=time.monotonic() - self.started,
            trouble=trouble[:MOST_TEXT],
        )


class _Pinned(http.client.HTTPConnection):
    """Connects to the address that was checked, whatever the name says now."""

    def __init__(self, attempt: _Attempt) -> None:
        super().__init__(attempt.target.host, attempt.target.port, timeout=max(attempt.seconds, 0.1))
        self.attempt = attempt

    def connect(self) -> None:
        target = self.attempt.target
        plain = open_socket(self.attempt.address, target.port, self.timeout or 0.1)
        # A second handle on the connection, to end it from another thread whatever is being waited for.
        self.attempt.handle = plain.dup()
        if not self.attempt.seconds:
            _shut(self.attempt.handle)  # too late already
        self.sock: Any = plain
        if target.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=target.host)


def open_socket(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout)


def _shut(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):  # ended by itself
        handle.shutdown(socket.SHUT_RDWR)


def checked_address(target: Target) -> str:
    """An address of the host. Raises `Refused` where any of them is not public, OSError where it has none."""
    found = addresses_of(target.host, target.port)
    for address in found:
        if not is_public(address):
            raise Refused(f"{target.host} has the address {address}, which is not public.")
    if not found:
        raise OSError("the name has no address")
    return found[0]


def addresses_of(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _said(error: Exception) -> str:
    """The kind of trouble; the text of a foreign server only as far as the library quotes it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"its name could not be looked up: {error.strerror}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return f"no connection: {error.strerror or error}"
    return f"its answer is no HTTP: {type(error).__name__}"
