"""Who sends slowly holds no thread, is ended in time, and is answered why."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases import short
from tests.processes import eventually
from tests.server.peers import GET, Drips, Server, read_all, server, statuses

HEAD = b"GET /echo HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
SECONDS = 2
# Opening, what drips after it, and the statuses that it gets.
KINDS = {
    "heads": (b"GET /ec", b"ho", [408]),
    "headers": (HEAD, b"X: y\r\n", [408]),
    "bodies": (POST + b"Content-Length: 5000\r\n\r\n", b"x", [408]),
    "bodies that were asked for": (
        POST + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n", b"x", [100, 408],
    ),
    "bodies after a request": (GET + POST + b"Content-Length: 5000\r\n\r\n", b"x", [200, 408]),
    "heads of a probe": (b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n", [408]),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", [411]),
    "trailers": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", [411]),
    "line feeds": (b"GET /echo HTTP/1.1\n", b"X: y\n", [400]),
    "a body whose length is too much": (POST + b"Content-Length: 90000000\r\n\r\n", b"x", [413]),
}  # fmt: skip


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server"), WEB_REQUEST_SECONDS=str(SECONDS)) as made:
        yield made


@pytest.mark.parametrize("kind", short(KINDS, "heads", "bodies", "chunks", "a body whose length is too much"))
def test_24_that_drip_stop_nobody(at: Server, kind: str) -> None:
    opening, drops, expected = KINDS[kind]
    with Drips(at, 24, opening, drops) as drips:
        answered = [(at.ask("/echo")[0], at.ask("/healthz")[0]) for _ in range(3)]
        drips.wait(30)
    assert answered == [(200, 200)] * 3
    assert [statuses(answer) for answer in drips.answers] == [expected] * 24
    if 408 in expected:
        assert min(drips.ended) > SECONDS - 0.5


def test_a_long_body_has_a_second_more_for_each_100_kb(at: Server) -> None:
    opening = POST + b"Content-Length: 200000\r\n\r\n"
    with Drips(at, 1, opening, b"x") as drips:
        drips.wait(30)
    assert drips.ended[0] > SECONDS + 1.5
    assert statuses(drips.answers[0]) == [408]


def test_who_says_nothing_is_let_go_without_a_word(at: Server) -> None:
    with at.connect(seconds=30) as sock:
        assert read_all(sock) == b""


def test_a_connection_that_was_kept_may_be_silent_for_longer(at: Server) -> None:
    with at.connect() as sock:
        for _ in range(2):
            sock.settimeout(15)
            sock.sendall(GET)
            answer = b""
            while not answer.endswith(b"GET 0"):
                answer += sock.recv(65536)
            sock.settimeout(SECONDS + 1)
            with pytest.raises(TimeoutError):
                sock.recv(1)


def many(at: Server, count: int, seconds: float) -> None:
    """`count` of each kind that drips for long, at once."""
    with contextlib.ExitStack() as stack:
        kinds = [KINDS[name] for name in ("heads", "headers", "bodies", "bodies that were asked for")]
        kinds.append((POST + b"Content-Length: 100000\r\n\r\n" + bytes(20_000), b"x", [408]))
        every = [stack.enter_context(Drips(at, count, opening, drops)) for opening, drops, _ in kinds]
        for _ in range(3):
            assert at.ask("/healthz")[0] == 200
            assert at.ask("/echo")[0] == 200
        for drips in every:
            drips.wait(seconds)
    # Of large bodies few are held; the oldest make room.
    large = [statuses(answer) for answer in every[-1].answers]
    assert large.count([408]) + large.count([503]) + large.count([]) == count
    for drips, (_, _, expected) in zip(every[:-1], kinds, strict=False):
        assert [statuses(answer) for answer in drips.answers] == [expected] * count


def test_200_that_drip_are_one_line_of_the_log(tmp_path: Path) -> None:
    with server(tmp_path, WEB_REQUEST_SECONDS="1") as at:
        many(at, 40, 30)
        assert eventually(lambda: "Requests ended" in at.said)
        assert len(at.said.splitlines()) <= 2  # one when the first ended, one a minute later or at the end
        assert "Traceback" not in at.said


def test_a_large_body_makes_room_for_one_that_is_sent_fast(at: Server) -> None:
    slow = POST + b"Content-Length: 1000000\r\n\r\n"
    with Drips(at, 16, slow, b"x") as drips:
        assert eventually(lambda: at.ask()[0] == 200)
        answer = at.exchange(POST + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000))
        assert statuses(answer) == [200]
        assert eventually(lambda: len(drips.ended) >= 1)
    assert statuses(drips.answers[0]) == [503]


def test_the_end_waits_for_none_that_drips(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with server(tmp_path, "--graceful-timeout", "60", WEB_REQUEST_SECONDS="600") as at:
        gate.touch()
        with Drips(at, 24, *KINDS["bodies"][:2]) as drips, at.connect() as sock:
            sock.sendall(f"GET /wait?while={gate} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert at.ask()[0] == 200
            at.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: at.ask(seconds=1)[0] == 0)
            gate.unlink()
            assert b"waited" in read_all(sock)  # a request under way is answered
            assert at.process.wait(30) == 0  # half of the grace
            drips.wait(10)
        assert "Traceback" not in at.said


@pytest.mark.long
@pytest.mark.parametrize("count", [24, 200])
@pytest.mark.parametrize("kind", ["heads", "headers", "bodies", "bodies that were asked for"])
def test_the_real_times(tmp_path: Path, kind: str, count: int) -> None:
    opening, drops, expected = KINDS[kind]
    with server(tmp_path) as at, Drips(at, count, opening, drops) as drips:
        while len(drips.ended) < count:
            assert at.ask("/healthz", seconds=2)[0] == 200
            assert at.ask("/echo", seconds=2)[0] == 200
        assert [statuses(answer) for answer in drips.answers] == [expected] * count
        assert min(drips.ended) > 9.5
        assert max(drips.ended) < 13


@pytest.mark.long
def test_1000_that_drip(tmp_path: Path) -> None:
    with server(tmp_path) as at:
        many(at, 200, 60)
        assert eventually(lambda: "Requests ended" in at.said)
        assert len(at.said.splitlines()) <= 2
        assert "Traceback" not in at.said
