"""The worker's own port: /healthz for its supervisor, /metrics under the same guard as the console's."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opsportal.telemetry.scrapes import exposition, judge

# Seconds from a connection to the end of its answer, and how many are open at once: whoever takes longer is cut off,
# and so is the oldest where there would be more.
MAX_SECONDS = 10.0
MAX_OPEN = 32


class _Server(ThreadingHTTPServer):
    """A thread for each connection, of which few are open and none for long, however slow its peer is."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        # Oldest first: when each began.
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= MAX_OPEN:
                self._cut(next(iter(self._open)))
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Called several times a second."""
        with self._lock:
            for request, began in list(self._open.items()):
                if time.monotonic() - began > MAX_SECONDS:
                    self._cut(request)

    def _cut(self, request: socket.socket) -> None:
        """Its thread finds the end of the connection, and closes it."""
        del self._open[request]
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Of a peer that left or was cut off there is nothing to say."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class WorkerPort:
    """Serves in a thread until `close`. `overdue`: what of the worker is stuck. Raises OSError where it can't listen;
    port 0 takes a free one."""

    def __init__(self, host: str, port: int, overdue: Callable[[], Sequence[str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version = "opsportal", ""

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    if stuck := overdue():
                        self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"stuck: {', '.join(stuck)}".encode())
                    else:
                        self._answer(HTTPStatus.OK, b"ok")
                elif self.path == "/metrics":
                    verdict = judge(self.headers.get("Authorization", ""), self.client_address[0])
                    if verdict == HTTPStatus.OK:
                        self._answer(verdict, *exposition(self.headers.get("Accept", "")))
                    else:
                        self._answer(verdict, b"")
                else:
                    self._answer(HTTPStatus.NOT_FOUND, b"")

            def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Probes come every few seconds."""

        self.server = _Server((host, port), Handler)
        self.port: int = self.server.server_address[1]
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
