"""Who reads slowly holds no thread, unless the answer is very large; who reads nothing is let go."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases import short
from tests.processes import eventually
from tests.server.peers import GET, Server, read_all, server, statuses

STALL = 2


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server"), WEB_STALL_SECONDS=str(STALL)) as made:
        yield made


def big(size: int) -> bytes:
    return f"GET /big?bytes={size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()


@contextlib.contextmanager
def readers(at: Server, count: int, size: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(at.connect(window=2048)) for _ in range(count)]
        for sock in open_ones:
            sock.sendall(big(size))
        yield open_ones


@pytest.mark.parametrize("size", [200_000, 1_000_000])
def test_24_who_read_nothing_stop_nobody(at: Server, size: int) -> None:
    with readers(at, 24, size):
        assert at.ask("/echo", seconds=10)[0] == 200
        assert at.ask("/healthz", seconds=10)[0] == 200


def test_who_reads_nothing_is_let_go(at: Server) -> None:
    with at.connect(window=2048) as sock:
        sock.sendall(big(1_000_000))
        time.sleep(STALL + 2)
        with contextlib.suppress(ConnectionResetError):
            assert len(read_all(sock)) < 1_000_000


def test_very_large_answers_hold_a_thread_until_their_readers_stall(at: Server) -> None:
    with readers(at, 2, 8_000_000):
        assert at.ask("/healthz")[0] == 200
        assert eventually(lambda: at.ask("/echo", seconds=1)[0] == 200, 30)
        assert eventually(lambda: f"stalled for {STALL} s" in at.said)
    assert "Traceback" not in at.said


@pytest.mark.parametrize("how", ["stalls", "leaves", "resets"])
def test_a_stream_ends_with_its_reader(at: Server, how: str) -> None:
    with at.connect(window=2048) as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
        assert at.ask("/streams") == (200, "1")
        if how == "resets":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how != "stalls":
            sock.close()
        assert eventually(lambda: at.ask("/streams") == (200, "0"), 30)


def test_a_stream_goes_on_for_longer_than_a_stall(at: Server) -> None:
    with at.connect() as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        end = time.monotonic() + 2 * STALL
        while time.monotonic() < end:
            assert sock.recv(65536)


@pytest.mark.parametrize("size", short([600_000, 6_000_000], 600_000))
def test_who_reads_a_little_now_and_then_gets_all(at: Server, size: int) -> None:
    # Far less in the time of a stall than what makes the kernel wake a sender.
    with at.connect(window=2048) as sock:
        sock.sendall(big(size))
        got = 0
        end = time.monotonic() + 2.5 * STALL
        while time.monotonic() < end:
            got += len(sock.recv(1000))
            time.sleep(0.2)
        answer = read_all(sock)
    assert got + len(answer) > size


def test_an_answer_that_is_read_late_is_whole_and_the_connection_goes_on(at: Server) -> None:
    with at.connect(window=2048) as sock:
        sock.sendall(big(900_000).replace(b"Connection: close\r\n", b"") + GET)
        time.sleep(1)
        sock.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
        answer = read_all(sock)
    assert statuses(answer) == [200, 200, 200]
    assert len(answer) > 900_000


def test_what_is_kept_for_readers_is_bounded(tmp_path: Path) -> None:
    with server(tmp_path) as at:
        with readers(at, 90, 1_000_000) as open_ones:
            assert eventually(lambda: at.ask("/echo")[0] == 200)
            whole = 0
            for sock in open_ones:
                with contextlib.suppress(ConnectionResetError):
                    whole += len(read_all(sock)) > 1_000_000
        assert 20 < whole < 40
        assert at.ask("/echo")[0] == 200
