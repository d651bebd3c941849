"""How long one attempt of a call may take in all: its connection, its request, and its answer to the last byte.

botocore's timeouts are between two bytes, so a peer that sends one in time, again and again, would hold the
caller without a bound. Here each read and write gets no more than what is left of the attempt. What has run
out of time is a timeout like any other: the connection is closed, and botocore tries again. The lookup of the
host's name has no limit, though, and each address that the name has gets the client's time to connect.
"""

import logging
import socket
import ssl
import threading
import time
from typing import Any

logger = logging.getLogger("writers")


class _Attempt(threading.local):
    until: float | None = None  # of the monotonic clock; None outside of the writers' calls


_attempt = _Attempt()
_warned = threading.Event()


def begin(seconds: float | None) -> None:
    """What this thread reads and writes from now on has so long in all. None: as long as the client allows."""
    _attempt.until = None if seconds is None else time.monotonic() + seconds


def seconds_of(client: Any) -> float | None:
    """What an attempt of that client may take: its time to connect and its time to read, taken together."""
    config = client.meta.config
    unlimited = config.connect_timeout is None or config.read_timeout is None
    return None if unlimited else config.connect_timeout + config.read_timeout


def bound(client: Any) -> None:
    """Have the client make connections that keep to `begin`. Outside of an attempt they are as they were.

    The names inside of botocore and urllib3 are not promised to stay: where they are others, the client works
    as it did, and the log says so once. Where another has set connections of its own, they stay.
    """
    try:
        session = client._endpoint.http_session
        pools, manager = session._pool_classes_by_scheme, session._manager
        if any(pool.ConnectionCls.__module__ != "botocore.awsrequest" for pool in pools.values()):
            return
        pools.update({scheme: _bounded(pools[scheme], mixin) for scheme, mixin in _MIXINS.items()})
        manager.clear()  # of connections that it has already
    except (AttributeError, KeyError):
        if not _warned.is_set():
            _warned.set()
            logger.warning(
                "this botocore is another inside than the writers know it: DynamoDB's answer may take longer than "
                "the timeouts of the client, if it comes in small parts"
            )


def _bounded(pool: Any, mixin: type) -> type:
    connection = pool.ConnectionCls
    _ = connection._new_conn  # which the class beside it takes the place of
    return type(pool.__name__, (pool,), {"ConnectionCls": type(connection.__name__, (mixin, connection), {})})


class _Bounded:
    """Beside a class of sockets."""

    _between: float | None = None  # seconds: what is allowed between two bytes

    def settimeout(self: Any, value: float | None) -> None:
        self._between = value
        super().settimeout(value)  # type: ignore[misc]

    def recv_into(self: Any, *args: Any, **named: Any) -> int:
        self._take_what_is_left()
        return super().recv_into(*args, **named)  # type: ignore[misc]

    def sendall(self: Any, *args: Any, **named: Any) -> None:
        self._take_what_is_left()
        super().sendall(*args, **named)  # type: ignore[misc]

    def _take_what_is_left(self: Any) -> None:
        left = self._between
        if _attempt.until is not None:
            whole = _attempt.until - time.monotonic()
            if whole <= 0:
                raise TimeoutError("the attempt took too long in all")
            left = whole if left is None else min(left, whole)
        super().settimeout(left)  # type: ignore[misc]


class _Socket(_Bounded, socket.socket):
    pass


class _TLSSocket(_Bounded, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self._take_what_is_left()
        super().do_handshake(block)


class _Plain:
    """Beside botocore's class of connections."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()  # type: ignore[misc]
        between = made.gettimeout()
        bounded = _Socket(fileno=made.detach())
        bounded.settimeout(between)
        return bounded


class _TLS(_Plain):
    def connect(self: Any) -> None:
        if self.ssl_context is not None:
            self.ssl_context.sslsocket_class = _TLSSocket
        super().connect()  # type: ignore[misc]


_MIXINS = {"http": _Plain, "https": _TLS}
