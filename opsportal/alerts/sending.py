"""One POST to one webhook, in bounded time and memory, to the address that was checked and to no other.

urllib3 (botocore's own client) does HTTP and TLS: no proxy of the environment, no redirect, no retry of its own.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from opsportal.alerts import targets
from opsportal.alerts.targets import Refused
from opsportal.console.text import plain_line

# Seconds to connect, between two bytes, and for all of it: an answer that comes a byte at a time is cut off.
CONNECT, READ, WHOLE = 3.0, 5.0, 10.0
# Bytes of an answer that are read, and characters of it that are kept.
MOST_READ, MOST_KEPT = 4_096, 200


@dataclass(frozen=True)
class Answer:
    """`status`: None where there was no HTTP answer, and `error` says why. `wait`: seconds of Retry-After."""

    milliseconds: int
    status: int | None = None
    text: str = ""
    error: str = ""
    wait: float | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send it. Never raises for what the other side does: the answer says so."""
    began = time.monotonic()
    try:
        target = targets.checked(url, targets.resolve)
        status, text, wait = _exchange(target, body, headers)
    except Refused as refused:
        return Answer(_since(began), error=str(refused))
    except (HTTPError, OSError, ValueError) as error:
        late = time.monotonic() - began >= WHOLE
        what = f"No whole answer within {WHOLE:g} s." if late else _reason(error)
        return Answer(_since(began), error=what)
    return Answer(_since(began), status, text, wait=wait)


def tls() -> ssl.SSLContext:
    """Certificates are checked against the system's authorities (SSL_CERT_FILE names others)."""
    return ssl.create_default_context()


def _exchange(
    target: targets.Target, body: bytes, headers: Mapping[str, str]
) -> tuple[int, str, float | None]:
    opened: list[HTTPConnection] = []
    pool = _pool(target, opened)
    alarm = threading.Timer(WHOLE, _cut, [opened])
    alarm.daemon = True
    alarm.start()
    try:
        response = pool.urlopen(
            "POST",
            target.path,
            body=body,
            headers={**headers, "Host": target.authority, "Connection": "close"},
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        read = b""
        with contextlib.suppress(HTTPError, OSError):  # the status says enough
            read = response.read(MOST_READ)
        text = plain_line(read.decode(errors="replace"), MOST_KEPT)
        return response.status, text, _wait(response.headers.get("Retry-After"))
    finally:
        alarm.cancel()
        pool.close()
        _cut(opened)


def _pool(target: targets.Target, opened: list[HTTPConnection]) -> HTTPConnectionPool:
    timeout = Timeout(connect=CONNECT, read=READ)
    options: dict[str, Any] = {"maxsize": 1, "block": False, "timeout": timeout}
    pool: HTTPConnectionPool
    if target.scheme == "http":
        pool = HTTPConnectionPool(target.address, target.port, **options)
        pool.ConnectionCls = _noting(HTTPConnection, opened)
        return pool
    pool = HTTPSConnectionPool(
        target.address,
        target.port,
        ssl_context=tls(),
        server_hostname=target.host,
        assert_hostname=target.host,
        **options,
    )
    pool.ConnectionCls = _noting(HTTPSConnection, opened)
    return pool


def _noting(kind: Any, opened: list[HTTPConnection]) -> Any:
    """The connection class, noting what it opens, so that it can be cut off from outside."""

    class Noted(kind):  # type: ignore[misc]
        def connect(self) -> None:
            opened.append(self)
            super().connect()

    return Noted


def _cut(opened: list[HTTPConnection]) -> None:
    for connection in opened:
        sock = connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _reason(error: Exception) -> str:
    """The innermost cause in one line; urllib3's own text names pools and objects."""
    cause: BaseException = error
    seen = {id(cause)}
    while (deeper := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__) is not None:
        if not isinstance(deeper, BaseException) or id(deeper) in seen:
            break
        cause = deeper
        seen.add(id(cause))
    if isinstance(cause, TimeoutError):
        return "It did not answer in time."
    return plain_line(f"{type(cause).__name__}: {cause}")


def _wait(header: str | None) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None where it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
