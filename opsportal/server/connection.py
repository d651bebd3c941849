"""One connection of the web server: what has come of its next request, and whether that is whole.

The request is parsed by gunicorn alone, from the bytes that are held here. So nothing that gunicorn refuses can pass
for whole, and there is one opinion of where a request ends.
"""

import contextlib
import fcntl
import re
import select
import socket
import sys
import termios
import time
from collections import Counter
from typing import Any, NamedTuple

from gunicorn.http.body import Body, ChunkedReader, EOFReader, LengthReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn

# Bytes. A head may be as long as nginx takes one.
MAX_HEAD = 32_768
# A body that is longer counts among the large ones, of which a process holds few. So 1,000 connections that send as
# much as they may without an end cost a process 110 MB (measured).
LARGE = 16_384
# Of an answer, for a reader who is slow: more than any static file and nearly every page has.
MAX_REST = 1_048_576
PROBE = "/healthz"
BYTES_PER_SECOND = 100_000
LOG_SECONDS = 60.0
END_OF_HEAD = b"\r\n\r\n"
# gunicorn refuses it at once; it must not be waited on.
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class Refusal(NamedTuple):
    status: int
    reason: str
    sentence: str
    headers: str = ""

    def answer(self) -> bytes:
        body = f"{self.sentence}\n"
        head = f"HTTP/1.1 {self.status} {self.reason}\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        return f"{head}{self.headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


TOO_SLOW = Refusal(408, "Request Timeout", "The request did not arrive whole within its time. Send it again.")
NO_LENGTH = Refusal(
    411, "Length Required", "Send the body with a Content-Length; this server reads no chunks."
)
TOO_LARGE = Refusal(413, "Content Too Large", "The body is larger than anything this server reads.")
LONG_HEAD = Refusal(431, "Request Header Fields Too Large", f"A head may have {MAX_HEAD:,} bytes.")
BUSY = Refusal(
    503, "Service Unavailable", "The server is busy. Try again in a few seconds.", "Retry-After: 5\r\n"
)


class Refused:
    """How many were refused, and of whom the last: a line of the log each minute, however many there are."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last = ""
        self.next_line = 0.0

    def note(self, refusal: Refusal, client: Any, now: float) -> None:
        if not self.counts:
            self.next_line = max(self.next_line, now + 1)
        self.counts[f"{refusal.status} {refusal.reason}"] += 1
        self.last = client[0] if isinstance(client, tuple) else "a local peer"

    def log(self, log: Any, now: float) -> None:
        self.next_line = now + LOG_SECONDS
        if self.counts:
            counts = ", ".join(f"{count} x {reason}" for reason, count in sorted(self.counts.items()))
            log.warning(
                "Requests ended before a thread had them: %s. The last was from %s.", counts, self.last
            )
            self.counts.clear()


class Socket(socket.socket):
    """A socket that keeps what its peer does not take yet, so that the thread that answers is free before a slow
    reader has read. `sendall` waits only where `rest` is over MAX_REST, and raises BlockingIOError where the peer
    takes nothing for `stall_seconds`."""

    stall_seconds = 20.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        super().setblocking(False)
        self.rest = bytearray()

    def setblocking(self, flag: bool) -> None:
        """It never blocks, whatever gunicorn asks for: `sendall` waits by itself, and no thread reads."""

    def sendall(self, data: Any, flags: int = 0) -> None:
        if not self.rest:
            try:
                sent = self.send(data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
        self.rest += data
        self.send_rest()
        left, since = sys.maxsize, 0.0
        while len(self.rest) > MAX_REST:
            before, left = left, self.left()
            if left < before:
                since = time.monotonic()
            elif time.monotonic() - since >= self.stall_seconds:
                raise BlockingIOError(f"its peer took nothing for {self.stall_seconds:g} s")
            waiting = select.poll()
            waiting.register(self, select.POLLOUT)
            waiting.poll(self.stall_seconds * 1000 / 20)
            self.send_rest()

    def send_rest(self) -> None:
        """As much as the kernel takes."""
        with contextlib.suppress(BlockingIOError):
            while self.rest:
                del self.rest[: self.send(self.rest)]

    def left(self) -> int:
        """Bytes that its peer's machine has not taken. The kernel alone would call a peer stalled that takes a
        little: it has room for more only once a third of its buffer is free."""
        return len(self.rest) + self.unread()

    def unread(self) -> int:
        """Those of them that the kernel has; 0 where that can't be known."""
        return self._ask_kernel(termios.TIOCOUTQ) if sys.platform == "linux" else 0

    def has_more(self) -> bool:
        """Whether its peer has sent what was not read."""
        return self._ask_kernel(termios.FIONREAD) > 0

    def _ask_kernel(self, question: int) -> int:
        return int.from_bytes(fcntl.ioctl(self, question, bytes(4)), sys.byteorder)


class Held(Unreader):  # type: ignore[misc]
    """What has come: of the next head in `head`, and in `buf` of what follows a head that was parsed. No thread reads
    more of it: a request is parsed when its head is whole, and answered when all of it is."""

    head = b""

    def chunk(self, size_hint: int | None = None) -> bytes:
        head, self.head = self.head, b""
        return head

    def add(self, data: bytes) -> None:
        self.buf.seek(0, 2)
        self.buf.write(data)

    def __len__(self) -> int:
        return len(self.head) + int(self.buf.getbuffer().nbytes)


class HeldRequest(Request):  # type: ignore[misc]
    """A request without a length has no body; gunicorn would read on to the end of the connection."""

    body: Any

    def set_body_reader(self) -> None:
        super().set_body_reader()
        if isinstance(self.body.reader, EOFReader):
            self.body = Body(LengthReader(self.unreader, 0))


class HeldParser(RequestParser):  # type: ignore[misc]
    """Parses in the main thread, by `look`; the thread that answers gets what came of it, which may be an error."""

    mesg_class = HeldRequest

    def __init__(self, cfg: Any, client: Any) -> None:
        super().__init__(cfg, (), client)
        self.unreader = Held()
        self.found: Any = None

    def look(self) -> None:
        try:
            self.found = super().__next__()
        except Exception as error:
            self.found = error

    def __next__(self) -> Any:
        found, self.found = self.found, None
        if isinstance(found, Exception):
            raise found
        return found


class Connection(TConn):  # type: ignore[misc]
    """By the monotonic clock, `since`: when it began to wait, `deadline`: when what it waits for must have come."""

    def __init__(self, cfg: Any, sock: Socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.parser = HeldParser(cfg, client)
        # What TConn.init would do in the thread, TLS and HTTP/2 aside, is done.
        self.initialized = True
        # Whether the main loop looks at it; whether it goes on after this answer.
        self.polled = self.kept = False
        self.begin(0.0, 0.0)

    def begin(self, now: float, seconds: float) -> None:
        """Wait for the next request, of which a part may be there; its head has `seconds`."""
        self.parser.unreader.head = self.parser.unreader.take_buffered()
        self.since, self.deadline = now, now + seconds
        self.searched = 0
        self.length = 0
        self.request: Any = None

    def judge(self, data: bytes, max_body: int) -> Refusal | bool:
        """Whether the request is whole with this (also where it is none, which the thread that answers will say), or
        why it is refused without one."""
        held: Held = self.parser.unreader
        if self.request is not None:
            held.add(data)
        else:
            come = held.head = held.head + data
            if come.find(END_OF_HEAD, max(0, self.searched - 3)) < 0 and not BARE_LINE_FEED.search(
                come, self.searched
            ):
                self.searched = len(come)
                return LONG_HEAD if len(come) > MAX_HEAD else False
            self.parser.look()
            if isinstance(self.parser.found, Exception):
                return True
            self.request = self.parser.found
            if isinstance(self.request.body.reader, ChunkedReader):
                return NO_LENGTH
            self.length = self.request.body.reader.length
            if self.length > max_body:
                return TOO_LARGE
            self.deadline += self.length / BYTES_PER_SECOND
        return not self.length or len(held) >= self.length

    def awaits_continue(self) -> bool:
        """Whether its peer sends the body only after it was asked to; true once."""
        awaits = self.request is not None and self.request._expected_100_continue
        if awaits:
            self.request._expected_100_continue = False
        return bool(awaits)

    @property
    def is_probe(self) -> bool:
        """Exactly what the route of the probe has."""
        request = self.request
        return request is not None and request.path == PROBE and request.method in ("GET", "HEAD")

    @property
    def is_answered(self) -> bool:
        """Whether all that came of it was a request that a thread has answered."""
        return self.request is not None and not self.parser.found and not len(self.parser.unreader)

    @property
    def has_come(self) -> bool:
        """Whether anything of its next request is there."""
        return self.request is not None or len(self.parser.unreader) > 0
