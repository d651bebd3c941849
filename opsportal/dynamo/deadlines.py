"""Timeouts over the whole of an answer, for every connection that botocore makes in this process.

A socket's timeout is for the wait between two bytes: who sends one each second holds a thread for hours. Here it is
for all that follows until it is set again, and urllib3 sets it twice: for a request, and for its answer, head and
body. What is sent and read on behalf of a page ends with the page's deadline too.

The classes take the place of botocore's own, so that the calls by which it fetches credentials are bounded as well
(of an instance, a container, STS, SSO), and those by way of a proxy. With a proxy that is spoken to by TLS itself
(HTTPS_PROXY=https://...) a timeout is between two bytes, as it was.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from botocore import awsrequest
from urllib3.exceptions import ConnectTimeoutError

from opsportal.dynamo import heads, spending

T = TypeVar("T")

# A large answer over a slow line is no silence: so many bytes give it one second more.
BYTES_A_SECOND = 256 * 1024
# The addresses of a name are tried in turn, each for the time that is given to connect.
MAX_ADDRESSES = 4


class _Whole:
    """A socket whose timeout is over all that is sent and received until it is set again."""

    # Bytes that give more time: the largest answer of DynamoDB's (16 MB, of BatchGetItem).
    MAX_EXTRA_BYTES = 16 * 1024 * 1024
    _until = _deadline = float("inf")
    _received = 0
    _just_set = False  # what was given is all that is left

    def settimeout(self, value: float | None) -> None:
        account = spending.current()
        self._until = float("inf") if value is None else time.monotonic() + value
        self._deadline = float("inf") if account is None or account.deadline is None else account.deadline
        self._received = 0
        # Not 0, which would be not to wait at all: what follows says that the time is over.
        left = self._left()
        self._set(max(left, 0.001))
        self._just_set = left > 0

    def _left(self) -> float:
        return min(self._until, self._deadline) - time.monotonic()

    def _set(self, seconds: float) -> None:
        super().settimeout(None if seconds == float("inf") else seconds)  # type: ignore[misc]

    def _limit(self) -> None:
        if self._just_set:
            self._just_set = False
            return
        if (left := self._left()) <= 0:
            raise TimeoutError("timed out")
        self._set(left)

    def _count(self, received: int) -> None:
        counted = min(received, self.MAX_EXTRA_BYTES - self._received)
        self._received += counted
        self._until += counted / BYTES_A_SECOND

    def recv_into(self, *arguments: Any) -> int:
        self._limit()
        received: int = super().recv_into(*arguments)  # type: ignore[misc]
        self._count(received)
        return received

    def recv(self, *arguments: Any) -> bytes:
        self._limit()
        received: bytes = super().recv(*arguments)  # type: ignore[misc]
        self._count(len(received))
        return received

    def send(self, *arguments: Any) -> int:
        self._limit()
        return super().send(*arguments)  # type: ignore[misc]


class BoundedSocket(_Whole, socket.socket):
    def sendall(self, *arguments: Any) -> None:  # that of the other sends piece by piece
        self._limit()
        super().sendall(*arguments)


class BoundedTLS(_Whole, ssl.SSLSocket):
    pass


class _Connecting:
    """A connection over such a socket. The lookup of a name has no timeout of its own, so a thread does it.

    Head and body of a request are sent at once. urllib3 sends the one after the other: two calls of the system, two
    segments, and a peer that wakes twice.
    """

    timeout: float | None
    response_class = heads.Answer
    _held: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._held = []
        try:
            super().request(*args, **kwargs)  # type: ignore[misc]
            held, self._held = self._held, None
            self.send(b"".join(held))
        finally:
            self._held = None

    def send(self, data: Any) -> None:
        if self._held is not None and isinstance(data, bytes):
            self._held.append(data)
        else:
            super().send(data)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        account = spending.current()
        given = float("inf") if self.timeout is None else self.timeout * MAX_ADDRESSES
        seconds = given if account is None else max(0.0, min(given, account.seconds_left))
        try:
            made = within(seconds, super()._new_conn, socket.socket.close)  # type: ignore[misc]
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"No connection within {seconds:.1f} s.") from error
        whole = BoundedSocket(made.family, made.type, made.proto, made.detach())
        whole.settimeout(self.timeout)
        return whole


def within(seconds: float, work: Callable[[], T], discard: Callable[[T], object] | None = None) -> T:
    """What `work` returns, done in a thread. Raises TimeoutError when it takes longer, and discards what it makes
    then."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            made = work()
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(made)

    def drop(late: Future[T]) -> None:
        if discard and not late.exception():
            discard(late.result())

    threading.Thread(target=run, name="connect", daemon=True).start()
    try:
        return future.result(None if seconds == float("inf") else seconds)
    except TimeoutError:
        future.add_done_callback(drop)
        raise


class _PlainConnection(_Connecting, awsrequest.AWSHTTPConnection):  # type: ignore[misc]
    pass


class _EncryptedConnection(_Connecting, awsrequest.AWSHTTPSConnection):  # type: ignore[misc]
    def connect(self) -> None:
        self.ssl_context.sslsocket_class = BoundedTLS  # type: ignore[union-attr]
        super().connect()


def install() -> None:
    """Have botocore connect so, from now on and in the whole process."""
    awsrequest.AWSHTTPConnectionPool.ConnectionCls = _PlainConnection
    awsrequest.AWSHTTPSConnectionPool.ConnectionCls = _EncryptedConnection
