"""A proxy before an engine, which loses answers, refuses, or waits where a test says so."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.dynamo.fake_aws import Answer

# The connection is closed without an answer.
LOST = None
Forward = Callable[[], Answer]
Interfere = Callable[[str, dict[str, Any], Forward], Answer | None]


def passes(_operation: str, _arguments: dict[str, Any], forward: Forward) -> Answer | None:
    return forward()


@dataclass
class Proxy:
    """`engine`: host:port behind it. `interfere(operation, arguments, forward)` gives each answer."""

    endpoint: str
    engine: str = ""
    interfere: Interfere = passes
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reset(self, engine: str) -> None:
        self.engine, self.interfere, self.asked = engine, passes, []

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def on(self, operation: str, *answers: "Answer | Interfere | None") -> None:
        """What becomes of the calls of `operation` in turn: an answer in place of the engine's, `LOST`, or a
        function; those after the last pass."""
        left = list(answers)
        lock = threading.Lock()

        def interfere(asked: str, arguments: dict[str, Any], forward: Forward) -> Answer | None:
            with lock:
                if asked != operation or not left:
                    answer: Answer | Interfere | None = passes
                else:
                    answer = left.pop(0)
            return answer(asked, arguments, forward) if callable(answer) else answer

        self.interfere = interfere


def instead(answer: Answer, *, of: Container[str] = (), after: bool = False) -> Interfere:
    """This answer in place of the engine's, to these operations or to all; `after` the engine did what was asked."""

    def interfere(operation: str, _arguments: dict[str, Any], forward: Forward) -> Answer:
        if of and operation not in of:
            return forward()
        if after:
            forward()
        return answer

    return interfere


def dripping(pause: float, of: Container[str] = ()) -> Interfere:
    """The engine's answers in forty parts, `pause` seconds apart."""

    def interfere(operation: str, _arguments: dict[str, Any], forward: Forward) -> Answer:
        return forward() if of and operation not in of else replace(forward(), drip=pause)

    return interfere


def lost_after_commit(_operation: str, _arguments: dict[str, Any], forward: Forward) -> None:
    """The engine does it; its answer is lost."""
    forward()


@contextlib.contextmanager
def proxy() -> Iterator[Proxy]:
    """A proxy on loopback for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # it would hold each body back for 40 ms
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            arguments = json.loads(body)
            through.asked.append((operation, arguments))
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "connection")
            }

            def forward() -> Answer:
                connection = http.client.HTTPConnection(through.engine, timeout=20)
                try:
                    connection.request("POST", "/", body, headers)
                    answer = connection.getresponse()
                    kept = {n: v for n, v in answer.getheaders() if n.lower().startswith("x-amz")}
                    return Answer(answer.read().decode(), answer.status, kept)
                finally:
                    connection.close()

            answer = through.interfere(operation, arguments, forward)
            if answer is LOST:
                self.close_connection = True
                return
            content = json.dumps(answer.body) if isinstance(answer.body, dict) else answer.body
            body = content if isinstance(content, bytes) else content.encode()
            self.send_response(answer.status)
            sent = {"Content-Type": "application/x-amz-json-1.0", **answer.headers}
            sent.setdefault("x-amzn-RequestId", f"REQUEST{len(through.asked)}")
            for name, value in sent.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):
                if not answer.drip:
                    self.end_headers()
                    self.wfile.write(body)
                    return
                whole = b"".join(self._headers_buffer) + b"\r\n" + body  # type: ignore[attr-defined]
                self._headers_buffer = []
                size = len(whole) // 40 + 1
                for at in range(0, len(whole), size):
                    self.wfile.write(whole[at : at + size])
                    time.sleep(answer.drip)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    through = Proxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield through
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
