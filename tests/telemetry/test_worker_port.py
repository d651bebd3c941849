"""The worker's port answers whatever else connects to it, and holds few threads for those who are slow."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest

from opsportal.telemetry import worker_port
from opsportal.telemetry.worker_port import MAX_OPEN, WorkerPort
from tests.processes import eventually


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPort]:
    monkeypatch.setattr(worker_port, "MAX_SECONDS", 1.0)
    made = WorkerPort("127.0.0.1", 0, lambda: 0.0)
    yield made
    made.close()


def healthy(port: WorkerPort) -> bool:
    connection = HTTPConnection("127.0.0.1", port.port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read() == b"ok"
    except (OSError, ValueError):
        return False
    finally:
        connection.close()


@pytest.fixture
def handlers(port: WorkerPort) -> Callable[[], int]:
    """How many threads it has."""
    before = {*threading.enumerate()}
    return lambda: len({*threading.enumerate()} - before)


DROPS = (b"", b"G", b"X: y\r\n", b"\r\n")


@pytest.mark.parametrize(
    ("count", "drop"),
    [
        *((1, drop) for drop in DROPS),
        (MAX_OPEN + 8, b"G"),
        *(pytest.param(3 * MAX_OPEN, drop, marks=pytest.mark.long) for drop in DROPS),
    ],
)
def test_peers_that_drip_or_are_silent_are_cut_off(
    port: WorkerPort,
    handlers: Callable[[], int],
    drop: bytes,
    count: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port.port), 10)) for _ in range(count)
        ]
        end = time.monotonic() + 20
        while peers:
            assert time.monotonic() < end
            for peer in list(peers):
                peer.settimeout(0.01)
                try:
                    if drop:
                        peer.sendall(drop)
                    gone = not peer.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    gone = True
                if gone:
                    peers.remove(peer)
            assert healthy(port)
            assert handlers() <= MAX_OPEN + 5
    assert eventually(lambda: handlers() == 0)
    assert capsys.readouterr().err == ""


def test_a_reader_that_does_not_read_is_cut_off(port: WorkerPort, handlers: Callable[[], int]) -> None:
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        peer.connect(("127.0.0.1", port.port))
        peer.setblocking(False)
        with contextlib.suppress(OSError):
            peer.send(b"GET /healthz HTTP/1.0\r\n\r\n" * 1000)
        assert healthy(port)
        assert eventually(lambda: handlers() == 0)
