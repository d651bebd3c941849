"""A server that answers a little at a time, on loopback: each client keeps what it gets, and when it hangs up."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Drip:
    """An answer in pieces, `pause` seconds apart; then silence, for as long as the client stays, or the end
    of the connection."""

    pieces: tuple[bytes, ...]
    pause: float = 0.1
    ends: bool = False


def http(body: bytes = b"", *more: str, status: str = "200 OK") -> bytes:
    """A whole answer. `more`: lines of its head."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


def whole(answer: bytes) -> Drip:
    return Drip((answer,))


def bytewise(answer: bytes, begun: int = 0, pause: float = 0.1) -> Drip:
    """Byte by byte, once the first `begun` bytes came at once."""
    rest = [answer[at : at + 1] for at in range(begun, len(answer))]
    return Drip((answer[:begun], *rest) if begun else tuple(rest), pause)


@dataclass
class Dripping:
    """`answers`: for each request in turn, the last one again and again. `connections`: how many there were.
    `closed`: set when a client has hung up on an answer that was not over."""

    port: int
    answers: list[Drip] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, client: socket.socket, tls: ssl.SSLContext | None) -> None:
        with contextlib.suppress(OSError), contextlib.closing(client):
            if tls:
                client = tls.wrap_socket(client, server_side=True)
            with contextlib.closing(client):
                while request := _request(client):
                    self.requests.append(request)
                    drip = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    if not self._answer(client, drip):
                        return

    def _answer(self, client: socket.socket, drip: Drip) -> bool:
        for number, piece in enumerate(drip.pieces):
            if number and self.over.wait(drip.pause):
                return False
            try:
                client.sendall(piece)
            except OSError:
                self.closed.set()
                return False
        return not drip.ends


def _request(client: socket.socket) -> bytes:
    """The next one, whole; b"" when the client has hung up."""
    seen = b""
    while True:
        head, found, body = seen.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if found and len(body) >= (int(length[1]) if length else 0):
            return seen
        if not (received := client.recv(65536)):
            return b""
        seen += received


@contextlib.contextmanager
def dripping(*answers: Drip, tls: ssl.SSLContext | None = None) -> Iterator[Dripping]:
    """Serve for the time of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Dripping(listener.getsockname()[1], list(answers))
    threads: list[threading.Thread] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server.connections += 1
                threads.append(threading.Thread(target=server._serve, args=(client, tls), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
