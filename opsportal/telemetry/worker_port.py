"""The worker's own port: /healthz for its supervisor, /metrics under the same guard as the console's."""

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opsportal.telemetry.scrapes import exposition, judge

# Seconds within which the worker must have begun something, or it is stuck. A message is claimed for 60.
STUCK_AFTER = 300.0


class WorkerPort:
    """Serves in a thread until `close`. `idle_seconds`: since the worker last began something. Raises OSError
    where it can't listen; port 0 takes a free one."""

    def __init__(self, host: str, port: int, idle_seconds: Callable[[], float]) -> None:
        class Handler(BaseHTTPRequestHandler):
            # A peer that sends nothing does not hold its thread for long.
            timeout = 10
            server_version, sys_version = "opsportal", ""

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    alive = idle_seconds() < STUCK_AFTER
                    self._answer(
                        HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE,
                        b"ok" if alive else b"stuck",
                    )
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

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self.server = Server((host, port), Handler)
        self.server.daemon_threads = True
        self.port: int = self.server.server_address[1]
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
