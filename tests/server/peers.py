"""A web server of the tests' own, and the peers that are hard on it."""

import contextlib
import os
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opsportal.supervisor import free_port
from tests.processes import eventually

ROOT = Path(__file__).resolve().parents[2]
GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Server:
    """gunicorn with the console's configuration."""

    port: int
    process: subprocess.Popen[bytes]
    output: Path
    address: tuple[str, int] | str = field(init=False)

    def __post_init__(self) -> None:
        self.address = ("127.0.0.1", self.port)

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def connect(self, *, window: int = 0, seconds: float = 15) -> socket.socket:
        """`window`: bytes that this side's kernel takes before its reader does."""
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        if not isinstance(self.address, str) and ":" in self.address[0]:
            family = socket.AF_INET6
        sock = socket.socket(family)
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.settimeout(seconds)
        try:
            sock.connect(self.address)
        except OSError:
            sock.close()
            raise
        return sock

    def ask(self, path: str = "/echo", *, seconds: float = 15) -> tuple[int, str]:
        """Status and body of a request on a connection of its own; (0, "") without an answer in time."""
        try:
            with self.connect(seconds=seconds) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                return parsed(read_all(sock))
        except OSError:
            return 0, ""

    def exchange(self, *parts: bytes) -> bytes:
        """All that it answers to who says this and no more."""
        with self.connect() as sock:
            for number, part in enumerate(parts):
                if number:
                    time.sleep(0.05)
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    answer = b""
    while data := sock.recv(65536):
        answer += data
    return answer


def parsed(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body.decode()) if head else (0, "")


def statuses(answer: bytes) -> list[int]:
    """Of all answers on one connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


@contextlib.contextmanager
def server(
    tmp: Path, *options: str, bind: str = "", port: int = 0, ready: bool = True, **environ: str
) -> Iterator[Server]:
    """One process with two threads unless `environ` says otherwise."""
    port = port or free_port()
    output = tmp / f"server-{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEB_", "DATA_DIR"))}
    small = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "2", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "opsportal/gunicorn_conf.py",
        "--chdir",
        str(ROOT),
    ]
    environ["WEB_BIND"] = bind or f"127.0.0.1:{port}"
    command += [*options, "tests.server.app:application"]
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=kept | small | environ, stdout=file, stderr=subprocess.STDOUT
        )
    made = Server(port, process, output)
    if bind:
        made.address = bind.removeprefix("unix:") if bind.startswith("unix:") else ("::1", port)
    try:
        if ready:
            assert eventually(lambda: made.ask("/healthz")[0] == 200 or process.poll() is not None, 30)
        assert process.poll() is None, made.said
        yield made
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


class Drips:
    """`count` peers that send `opening`, then `drops`, over and over, a byte each `every` seconds; they read what
    they are answered. `ended`: seconds after which each was ended; `answers`: what it had got by then."""

    def __init__(self, at: Server, count: int, opening: bytes, drops: bytes, every: float = 0.1) -> None:
        self.at, self.count, self.opening, self.drops, self.every = at, count, opening, drops, every
        self.ended: list[float] = []
        self.answers: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Drips":
        self.open = [self.at.connect() for _ in range(self.count)]
        self.began = time.monotonic()
        for sock in self.open:
            sock.sendall(self.opening)
            sock.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self.open:
            sock.close()

    def _run(self) -> None:
        got: dict[socket.socket, bytes] = {}
        with selectors.DefaultSelector() as selector:
            for sock in self.open:
                selector.register(sock, selectors.EVENT_READ)
            number, next_drop = 0, time.monotonic()
            while selector.get_map() and not self._stop.is_set():
                for key, _ in selector.select(max(0.0, next_drop - time.monotonic())):
                    sock: socket.socket = key.fileobj  # type: ignore[assignment]
                    try:
                        data = sock.recv(65536)
                    except OSError:
                        data = b""
                    got[sock] = got.get(sock, b"") + data
                    if not data:
                        selector.unregister(sock)
                        self.answers.append(got[sock])
                        self.ended.append(time.monotonic() - self.began)
                if time.monotonic() >= next_drop:
                    next_drop += self.every
                    drop = self.drops[number % len(self.drops) :][:1]
                    number += 1
                    for key in list(selector.get_map().values()):
                        with contextlib.suppress(OSError):
                            key.fileobj.send(drop)  # type: ignore[union-attr]

    def wait(self, seconds: float) -> None:
        """Until all were ended."""
        assert eventually(lambda: len(self.ended) == self.count, seconds), (
            f"{len(self.ended)} of {self.count}"
        )
