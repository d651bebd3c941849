"""One HTTP request to where others say: to an address that was checked, in bounded time and memory.

The name is looked up once, every address that it has is checked, and the connection goes to the address that was
checked, so that a name which changes a moment later leads nowhere else. No redirect is followed and no proxy of
the environment is used.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from opsportal.addresses import Address
from opsportal.dynamo.deadlines import BoundedSocket, BoundedTLS, within
from opsportal.origins import DEFAULT_PORTS

# (host, address) -> why nothing is sent to this address of the host, as a sentence; "" where it may be.
Check = Callable[[str, str], str]

_UNQUOTED = "/%:@!$&'()*+,;=~-._"
# Characters of what a foreign server says.
MAX_TEXT = 200
# A lookup can't be ended from outside: one that hangs holds its thread.
_lookups = threading.BoundedSemaphore(16)


class Refused(Exception):
    """Why nothing is sent there, in a sentence."""


@dataclass(frozen=True)
class Target:
    """What to ask, and from `pinned` on the checked `address` to connect to. `host` is the name for TLS and the
    Host header; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str
    address: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What came of it. `status` is None where there was no answer. `error` says why, and of a status without the
    whole head, that the rest did not come in time."""

    seconds: float = 0.0
    status: int | None = None
    reason: str = ""
    headers: Mapping[str, str] | http.client.HTTPMessage = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    target: Target | None = None

    @property
    def address(self) -> str:
        return self.target.address if self.target else ""

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")[:MAX_TEXT]

    @property
    def location(self) -> str:
        """Where a redirect points, which is not followed."""
        return self.headers.get("Location", "")[:MAX_TEXT]

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def wait(self) -> float | None:
        """Seconds of Retry-After, which is a number or a date; None where it is neither."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError):
            return None
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def target_of(url: str) -> Target:
    """What the URL asks for, before any lookup. Raises `Refused`."""
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise Refused("This is not a URL: it has spaces or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise Refused("This is not a URL.") from error
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise Refused("This is not a whole http or https URL, such as https://hooks.example.com/alerts.")
    if parts.username is not None or parts.password is not None:
        raise Refused("The URL has a user name or a password, which the console does not send.")
    path = quote(parts.path or "/", safe=_UNQUOTED)
    query = f"?{quote(parts.query, safe=_UNQUOTED + '?')}" if parts.query else ""
    return Target(parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, path + query)


def pinned(target: Target, why_not: Check, seconds: float) -> Target:
    """The target with an address. One address that is not allowed refuses the name as a whole: a name with a public
    address and a private one is a trap. Raises `Refused`, and TimeoutError when the lookup takes longer."""
    address = literal(target.host)
    found = [str(address)] if address else _looked_up(target.host, target.port, seconds)
    for text in found:
        if why := why_not(target.host, text):
            raise Refused(why)
    if not found:
        raise Refused(f"The host {target.host} has no address.")
    return replace(target, address=found[0])


def literal(host: str) -> Address | None:
    """The address that the host is written as; None of a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _looked_up(host: str, port: int, seconds: float) -> list[str]:
    if not _lookups.acquire(blocking=False):
        raise Refused("Too many names are being looked up; try again in a moment.")

    def look_up() -> list[str]:
        try:
            return addresses_of(host, port)
        finally:
            _lookups.release()

    try:
        return within(seconds, look_up)
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise Refused(f"The host {host} can't be found: {error}.") from error


def ask(
    method: str,
    target: Target,
    why_not: Check,
    seconds: float,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    max_body: int = 0,
) -> Answer:
    """Send it once, all within `seconds`, and read at most `max_body` bytes of the answer's body. Never raises for
    what the network or the other side does."""
    began = time.monotonic()
    status: int | None = None
    try:
        target = pinned(target, why_not, seconds)
        with contextlib.closing(_connected(target, began + seconds)) as sock:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = sock
            sent = {**headers, "Host": target.authority, "Connection": "close"}
            connection.request(method, target.path, body, sent)
            with contextlib.closing(http.client.HTTPResponse(sock, method=method)) as response:
                try:
                    response.begin()
                finally:  # the status is read before the rest of the head
                    status = response.status if isinstance(response.status, int) else None
                return Answer(
                    time.monotonic() - began,
                    status,
                    response.reason[:MAX_TEXT],
                    response.headers,
                    _start_of(response, max_body),
                    target=target,
                )
    except TimeoutError:
        error, status_in_time = f"No whole answer within {seconds:g} s.", status
    except (Refused, OSError, http.client.HTTPException, ValueError) as problem:
        error, status_in_time = _sentence(problem), None
    return Answer(time.monotonic() - began, status_in_time, error=error, target=target)


def _start_of(response: http.client.HTTPResponse, size: int) -> bytes:
    """What came of the body in time: the status says enough."""
    read = b""
    with contextlib.suppress(OSError, http.client.HTTPException):
        while len(read) < size and (piece := response.read1(size - len(read))):
            read += piece
    return read


class _Socket(BoundedSocket):
    MAX_EXTRA_BYTES = 0


class _TLS(BoundedTLS):
    MAX_EXTRA_BYTES = 0


def _connected(target: Target, until: float) -> BoundedSocket | BoundedTLS:
    """A connection to the checked address, on which nothing waits longer than `until` (of the monotonic clock)."""

    def left() -> float:
        if (seconds := until - time.monotonic()) <= 0:
            raise TimeoutError
        return seconds

    opened = open_socket(target.address, target.port, left())
    sock: _Socket | _TLS = _Socket(opened.family, opened.type, opened.proto, opened.detach())
    try:
        sock.settimeout(left())
        if target.scheme == "https":
            # Certificates are checked against the system's authorities (SSL_CERT_FILE names others).
            context = ssl.create_default_context()
            context.sslsocket_class = _TLS
            sock = context.wrap_socket(sock, server_hostname=target.host)  # type: ignore[assignment]
            sock.settimeout(left())
    except BaseException:
        sock.close()
        raise
    return sock


def open_socket(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout)


def addresses_of(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _sentence(error: Exception) -> str:
    """The text of a foreign server only as far as the library quotes it."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {error.verify_message}."
    if isinstance(error, OSError):
        return f"No connection: {error.strerror or error}."
    return f"The answer is not HTTP: {type(error).__name__}."
