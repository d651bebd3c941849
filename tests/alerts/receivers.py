"""Receivers of webhooks, as other people write them: what they got, and what they answer."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Says:
    """One answer. `drip`: seconds between its headers, which never end; of status 0, the status line never comes."""

    status: int = 200
    body: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0


@dataclass
class Receiver:
    url: str
    port: int = 0
    got: list[Got] = field(default_factory=list)
    answer: Callable[[Got], Says] = lambda _got: Says()
    over: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        self.over.set()
        self.over = threading.Event()
        self.got.clear()
        self.answer = lambda _got: Says()

    def says(self, *answers: Says) -> None:
        """These in order; the last one again and again."""
        left = list(answers)
        self.answer = lambda _got: left.pop(0) if len(left) > 1 else left[0]

    @property
    def events(self) -> list[str]:
        return [got.headers["x-opsportal-event"] for got in self.got]


@contextlib.contextmanager
def receiver_server(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(length := int(self.headers["Content-Length"]))
            if len(body) < length:
                return  # its sender was killed over it: nothing was received
            got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            receiver.got.append(got)
            says = receiver.answer(got)
            if not says.status:
                receiver.over.wait(5)
                return
            self.send_response(says.status)
            for name, value in says.headers.items():
                self.send_header(name, value)
            with contextlib.suppress(OSError):
                if not says.drip:
                    self.end_headers()
                    self.wfile.write(says.body)
                    return
                self.wfile.write(b"".join(self._headers_buffer))  # type: ignore[attr-defined]
                while not receiver.over.wait(says.drip):
                    self.wfile.write(b"X: y\r\n")

        def do_GET(self) -> None:
            raise AssertionError("nothing is fetched")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # a client that gave up, or refused the certificate

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    receiver = Receiver(f"{scheme}://127.0.0.1:{server.server_port}/hook", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
