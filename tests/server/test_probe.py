"""/healthz answers whatever else there is to do, by a thread of its own that serves nothing else."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import descendants, eventually
from tests.server.peers import GET, Server, read_all, server, statuses

PROBE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server"), "--worker-connections", "100") as made:
        yield made


@contextlib.contextmanager
def busy(at: Server, count: int, gate: Path) -> Iterator[list[socket.socket]]:
    """`count` requests that threads work on, or that wait for one, as long as `gate` is there."""
    gate.touch()
    with contextlib.ExitStack() as stack:
        stack.callback(gate.unlink, missing_ok=True)
        open_ones = [stack.enter_context(at.connect(seconds=60)) for _ in range(count)]
        for sock in open_ones:
            sock.sendall(f"GET /wait?while={gate} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        yield open_ones


def test_it_answers_while_all_threads_work(at: Server, tmp_path: Path) -> None:
    with busy(at, 4, tmp_path / "gate"):
        assert [at.ask("/healthz", seconds=15)[0] for _ in range(5)] == [200] * 5
        assert at.ask("/echo", seconds=0.5)[0] == 0  # they do


def thread_of(at: Server, request: bytes) -> bytes:
    answer = at.exchange(request)
    return answer.rpartition(b"\r\n")[2] if statuses(answer) == [200] else b"%d" % statuses(answer)[0]


def test_its_thread_serves_nothing_else(at: Server) -> None:
    own = thread_of(at, PROBE).split(b"_")[0]
    for same in (PROBE.replace(b"healthz", b"healthz?a=b"), PROBE.replace(b"1.1", b"1.0")):
        assert thread_of(at, same).split(b"_")[0] == own
    others = [
        PROBE.replace(b"GET", b"POST"),
        PROBE.replace(b"healthz", b"%68ealthz"),
        PROBE.replace(b"/healthz", b"/x/healthz").replace(b"Host", b"SCRIPT_NAME: /x\r\nHost"),
    ]
    for other in others:
        assert thread_of(at, other).split(b"_")[0] not in (own, b"400")
    for nothing in (b"/healthz/", b"//healthz", b"/healthz%00", b"/HEALTHZ"):
        answer = at.exchange(PROBE.replace(b"/healthz", nothing))
        assert own not in answer


def test_more_than_may_wait_are_sent_away_and_it_still_answers(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with server(tmp_path, "--worker-connections", "20") as at, busy(at, 15, gate) as waiting:
        assert at.ask("/healthz", seconds=15)[0] == 200
        with at.connect() as sock:
            sock.sendall(GET)
            answer = sock.recv(65536)
        assert statuses(answer) == [503]
        assert b"Retry-After: " in answer
        assert statuses(read_all(waiting[-1])) == [503]
        gate.unlink()
        assert statuses(read_all(waiting[0])) == [200]


def test_who_asks_for_it_and_does_not_read_does_not_stop_it(at: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(at.connect(window=1024))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(50):
                    sock.send(PROBE * 100)
        assert [at.ask("/healthz")[0] for _ in range(5)] == [200] * 5


def silent(at: Server, count: int, said: bytes = b"") -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    for _ in range(count):
        sock = stack.enter_context(at.connect())
        sock.sendall(said)
        if said.endswith(b"\r\n\r\n"):
            sock.recv(65536)
    return stack


@pytest.mark.parametrize("said", [b"", GET, GET[:10], GET * 2 + GET[:-1], PROBE])
def test_connections_that_do_nothing_lock_nobody_out(at: Server, said: bytes) -> None:
    with silent(at, 150, said):
        assert at.ask("/healthz")[0] == 200
        # So many whole requests at once that some are sent away, and then none.
        assert eventually(lambda: at.ask("/echo")[0] == 200)
    assert "Traceback" not in at.said


def test_the_oldest_of_those_goes_first(at: Server) -> None:
    with at.connect() as first, silent(at, 150):
        assert first.recv(1) == b""


def test_more_connections_than_files_may_be_open(tmp_path: Path) -> None:
    with server(tmp_path) as at:
        (worker,) = children(at)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (60, 60))
        with silent(at, 100):
            assert at.ask("/healthz")[0] == 200
        assert children(at) == [worker]


def children(at: Server) -> list[int]:
    return descendants(at.process.pid)


@pytest.mark.long
@pytest.mark.parametrize("said", [b"", GET, GET[:10], PROBE])
def test_1200_connections(tmp_path: Path, said: bytes) -> None:
    with server(tmp_path) as at, silent(at, 1200, said):
        for _ in range(10):
            assert at.ask("/healthz", seconds=2)[0] == 200
            assert at.ask("/echo", seconds=2)[0] == 200
