"""What the tests of the server serve: no console, so that nothing else has a share in what they see."""

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

STREAMS: list[object] = []


def wait_while_there(gate: str) -> None:
    while Path(gate).exists():
        time.sleep(0.02)


# A worker starts for as long as this file is there.
os.register_at_fork(after_in_child=lambda: wait_while_there(os.environ.get("BOOT_GATE", "/nonexistent")))


def stream() -> Iterator[bytes]:
    """Without an end; among STREAMS until it is closed."""
    mark = object()
    STREAMS.append(mark)
    try:
        while True:
            yield b"x" * 1000
    finally:
        STREAMS.remove(mark)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """/echo: the body's length and method. /wait?while=, until that file is gone. /big?bytes=. /healthz: ok, and the thread's name."""
    query = parse_qs(environ["QUERY_STRING"])
    match environ["PATH_INFO"]:
        case "/wait":
            wait_while_there(query["while"][0])
            body = b"waited"
        case "/big":
            # What the kernel keeps is another at each machine.
            environ["gunicorn.socket"].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            body = b"x" * int(query["bytes"][0])
        case "/pid":
            body = str(os.getpid()).encode()
        case "/stream":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return stream()
        case "/streams":
            body = str(len(STREAMS)).encode()
        case "/deaf":
            body = b"nothing was read"
        case "/healthz":
            body = threading.current_thread().name.encode()
        case _:
            body = f"{environ['REQUEST_METHOD']} {len(environ['wsgi.input'].read())}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
