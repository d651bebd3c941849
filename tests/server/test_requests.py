"""What gunicorn's parser takes and refuses is taken and refused as before, wherever the bytes are cut."""

import socket
from collections.abc import Iterator

import pytest

from tests.server.peers import GET, Server, read_all, server, statuses

LIMIT = 2_621_440  # Django's own, of a form


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server")) as made:
        yield made


def post(*lines: str, body: bytes = b"", version: str = "1.1", path: str = "/echo") -> bytes:
    head = [f"POST {path} HTTP/{version}", "Host: a", *lines, "", ""]
    return "\r\n".join(head).encode() + body


TAKEN = {
    "get": (GET, [200], b"GET 0"),
    "http/1.0": (b"GET /echo HTTP/1.0\r\n\r\n", [200], b"GET 0"),
    "body": (post("Content-Length: 5", body=b"abcde"), [200], b"POST 5"),
    "empty body": (post("Content-Length: 0"), [200], b"POST 0"),
    "no length": (post(), [200], b"POST 0"),
    "an empty line first": (b"\r\n" + GET, [200], b"GET 0"),
    "body of http/1.0": (post("Content-Length: 5", body=b"abcde", version="1.0"), [200], b"POST 5"),
    "body with the end of a head in it": (post("Content-Length: 6", body=b"a\r\n\r\nb"), [200], b"POST 6"),
    "absolute form": (b"GET http://a/echo HTTP/1.1\r\nHost: a\r\n\r\n", [200], b"GET 0"),
    "three at once": (GET * 3, [200] * 3, b"GET 0"),
    "a body and a request": (post("Content-Length: 5", body=b"abcde") + GET, [200] * 2, b"GET 0"),
    "a body that nobody reads, and a request": (
        post("Content-Length: 5", body=b"abcde", path="/deaf") + GET, [200] * 2, b"GET 0",
    ),
    "expect, with the body": (post("Expect: 100-continue", "Content-Length: 5", body=b"abcde"), [100, 200], b"POST 5"),
}  # fmt: skip
REFUSED = {
    "length and chunks": (
        post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + GET), 400,
    ),
    "two lengths": (post("Content-Length: 5", "Content-Length: 6", body=b"abcdef" + GET), 400),
    "twice the same length": (post("Content-Length: 5", "Content-Length: 5", body=b"abcde" + GET), 400),
    "a list of lengths": (post("Content-Length: 5, 5", body=b"abcde" + GET), 400),
    "a sign": (post("Content-Length: +5", body=b"abcde" + GET), 400),
    "a minus": (post("Content-Length: -5", body=b"abcde" + GET), 400),
    "a space inside": (post("Content-Length: 1 0", body=b"abcde" + GET), 400),
    "a space before the colon": (post("Content-Length : 5", body=b"abcde" + GET), 400),
    "hexadecimal": (post("Content-Length: 0x5", body=b"abcde" + GET), 400),
    "an underscore": (post("Content-Length: 1_0", body=b"abcdeabcde" + GET), 400),
    "another script's digit": (post("Content-Length: \u00b25", body=b"abcde" + GET), 400),
    "no digits": (post("Content-Length: ", body=GET), 400),
    "10,000 digits": (post(f"Content-Length: {'1' * 5000}"), 400),
    "chunks of http/1.0": (post("Transfer-Encoding: chunked", body=b"0\r\n\r\n", version="1.0"), 400),
    "chunks": (post("Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n0\r\n\r\n" + GET), 411),
    "chunks without an end": (post("Transfer-Encoding: chunked", body=b"5\r\nab"), 411),
    "trailers": (post("Transfer-Encoding: chunked", "Trailer: X", body=b"0\r\nX: y\r\n"), 411),
    "zipped chunks": (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + GET), 411),
    "another coding": (post("Transfer-Encoding: identity", body=GET), 400),
    "an unknown coding": (post("Transfer-Encoding: xchunked", body=GET), 501),
    "a folded header": (b"GET /echo HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    "line feeds alone": (b"GET /echo HTTP/1.1\nHost: a\n\n" + GET, 400),
    "a line feed alone in the head": (b"GET /echo HTTP/1.1\r\nHost: a\nX: b\n", 400),
    "two empty lines": (b"\r\n\r\n" + GET, 400),
    "no request at all": (b"hello\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\n" + bytes(50), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
    "many headers": (b"GET /echo HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
    "a long header": (b"GET /echo HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n", 431),
    "a head without an end": (b"GET /echo HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
    "a line without an end": (b"G" * 100_000, 431),
    "a body over the limit": (post(f"Content-Length: {LIMIT + 1}", body=b"x" * 1000), 413),
    "a body over the limit, to be asked for": (
        post("Expect: 100-continue", f"Content-Length: {LIMIT + 1}"), 413,
    ),
    "another expectation": (post("Expect: something", "Content-Length: 1", body=b"a"), 417),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_whole_requests_are_answered(at: Server, name: str) -> None:
    request, expected, last = TAKEN[name]
    answer = at.exchange(request)
    assert statuses(answer) == expected
    assert answer.endswith(last)


@pytest.mark.parametrize("name", REFUSED)
def test_what_gunicorn_refuses_is_refused_and_nothing_after_it_is_answered(at: Server, name: str) -> None:
    request, status = REFUSED[name]
    assert statuses(at.exchange(request)) == [status]


@pytest.mark.parametrize("cut", [1, 17, 18, 19, 20, 29, 30, 31, 32, 33])
@pytest.mark.parametrize(
    "request_",
    [GET, GET.replace(b"\r\n\r\n", b"\r\nX: y\nZ: z\r\n\r\n"), post("Content-Length: 5", body=b"abcde")],
)
def test_where_it_is_cut_does_not_matter(at: Server, request_: bytes, cut: int) -> None:
    whole = at.exchange(request_)
    assert statuses(at.exchange(request_[:cut], request_[cut:])) == statuses(whole)


def test_byte_by_byte(at: Server) -> None:
    request = post("Content-Length: 5", body=b"abcde") + GET
    with at.connect() as sock:
        for byte in request:
            sock.sendall(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock)
    assert statuses(answer) == [200, 200]


def test_a_body_of_exactly_the_limit(at: Server) -> None:
    answer = at.exchange(post(f"Content-Length: {LIMIT}"), b"x" * LIMIT)
    assert answer.endswith(b"POST %d" % LIMIT)


def test_a_body_is_asked_for_where_its_sender_waits_for_that(at: Server) -> None:
    with at.connect() as sock:
        sock.sendall(post("Expect: 100-continue", "Content-Length: 5"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abcde")
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock)
    assert statuses(answer) == [200, 200]
    assert b"POST 5" in answer


def test_who_stops_in_the_middle_gets_none(at: Server) -> None:
    assert at.exchange(post("Content-Length: 5", body=b"abc")) == b""
    assert at.exchange(GET[:10]) == b""
    assert at.exchange() == b""


def test_after_an_answer_that_closes_nothing_more_is_answered(at: Server) -> None:
    closing = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert statuses(at.exchange(closing + GET)) == [200]
    assert statuses(at.exchange(b"GET /echo HTTP/1.0\r\n\r\n" + GET)) == [200]
