"""gunicorn's threaded worker, with five differences.

- A thread gets a request once it is whole. Until then its bytes are held by the main loop, for a bounded time and in
  bounded memory, so that no number of slow senders holds a thread.
- A list gets one only while others are left for what is none (`opsportal.server.gate`).
- ``/healthz`` has a thread of its own, which answers whatever the others do.
- A connection that ends is waited for by the main loop without standing still. gunicorn's own would wait up to two
  seconds for each.
- Its end loses no connection (`opsportal.server.listeners`).

Where gunicorn itself ends TLS, or speaks anything but plain HTTP/1, it works as gunicorn's does.
"""

import contextlib
import errno
import selectors
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from opsportal.server.connection import BUSY, LARGE, TOO_SLOW, Connection, Refusal, Refused, Socket
from opsportal.server.gate import Gate, turn
from opsportal.server.listeners import SlotWorker

READ = 16_384
# Bodies over LARGE that a process holds at once, those that threads work on among them.
MAX_LARGE = 16
# Bytes of answers that a process keeps for slow readers, all together; past that the oldest is let go.
MAX_REST_OF_ALL = 33_554_432
# What is read of a peer that was refused, so that it gets to read why.
LINGER_SECONDS = 2.0
MAX_DRAINED = 4_194_304
TICK = 0.2
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Worker(SlotWorker):
    # gunicorn_conf.py sets them.
    request_seconds = 10.0
    max_body = 2_621_440

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cfg = self.cfg
        self.plain = not cfg.is_ssl and cfg.proxy_protocol == "off" and cfg.protocol == "http"
        self.plain &= cfg.http2_cleartext == "off"
        self.probes = ThreadPoolExecutor(max_workers=1)
        # Oldest first: whose request is not whole, who has yet to read (and of how much), who ends (and what it
        # sent since), and whose request is large.
        self.arriving: dict[Connection, None] = {}
        self.reading: dict[Connection, int] = {}
        self.ending: dict[Connection, int] = {}
        self.large: dict[Connection, None] = {}
        self.working: set[Connection] = set()
        self.gate = Gate()
        # Half of the connections: the others may go on asking for the probe.
        self.max_working = max(1, self.worker_connections // 2)
        self.refused = Refused()
        self.next_tick = 0.0

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.probes.shutdown(wait=False)
            self.refused.log(self.log, time.monotonic())

    # --- A request comes ------------------------------------------------------------------------

    def accept(self, listener: Any) -> None:
        if not self.plain:
            super().accept(listener)
            return
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                if not self._make_room():
                    time.sleep(0.01)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        sock = Socket(accepted.family, accepted.type, accepted.proto, accepted.detach())
        if self.nr_conns >= self.worker_connections - 1:
            self._make_room()
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, client, listener.getsockname())
        conn.begin(time.monotonic(), self.request_seconds)
        self._read(conn)

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """A connection that was kept gets its next request, or its end."""
        if not self.plain:
            super().on_client_socket_readable(conn, client)
        elif client.fileno() >= 0:
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            conn.begin(time.monotonic(), self.request_seconds)
            self._read(conn)

    def _wait_for_more(self, conn: Connection) -> None:
        self.arriving[conn] = None
        self._poll(conn, self._on_more)

    def _on_more(self, conn: Connection, _: Any) -> None:
        if conn in self.arriving:  # and was not ended by another event of this turn
            self._read(conn)

    def _read(self, conn: Connection) -> None:
        try:
            data = conn.sock.recv(READ)
        except BlockingIOError:
            self._wait_for_more(conn)
            return
        except OSError:
            data = b""
        if data:
            self._judge(conn, data)
        else:
            self._close(conn)

    def _judge(self, conn: Connection, data: bytes) -> None:
        verdict = conn.judge(data, self.max_body)
        if isinstance(verdict, Refusal):
            self._refuse(conn, verdict)
        elif conn.length > LARGE and not self._has_place_for(conn):
            self._refuse(conn, BUSY)
        elif verdict:
            self._hand_over(conn)
        else:
            if conn.awaits_continue():
                with contextlib.suppress(OSError):
                    conn.sock.send(CONTINUE)
            self._wait_for_more(conn)

    def _has_place_for(self, conn: Connection) -> bool:
        """Among the large ones. The oldest that is still coming makes room: who sends fast is through by then."""
        if conn not in self.large and len(self.large) >= MAX_LARGE:
            oldest = next((other for other in self.large if other in self.arriving), None)
            if oldest is None:
                return False
            self._refuse(oldest, BUSY)
        self.large[conn] = None
        return True

    def _poll(self, conn: Connection, callback: Any, event: int = selectors.EVENT_READ) -> None:
        if not conn.polled:
            self.poller.register(conn.sock, event, partial(callback, conn))
            conn.polled = True

    # --- A thread answers it ----------------------------------------------------------------------

    def _hand_over(self, conn: Connection) -> None:
        """To a thread, when it is its turn, unless as many wait for one as may."""
        is_probe = conn.is_probe
        if not is_probe and len(self.working) >= self.max_working:
            self._refuse(conn, BUSY)
            return
        self.arriving.pop(conn, None)
        self._unpoll(conn)
        if is_probe:
            self._submit(self.probes, conn)
            return
        self.working.add(conn)
        if self.gate.enter(conn, time.monotonic()):
            self._submit(self.tpool, conn, True if conn in self.gate.inside else None)

    def _submit(self, pool: ThreadPoolExecutor, conn: Connection, has_turn: bool | None = None) -> None:
        future = pool.submit(self._answer, conn, has_turn)
        future.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _answer(self, conn: Connection, has_turn: bool | None) -> Any:
        turn.set(has_turn)
        return self.handle(conn)

    def finish_request(self, conn: Connection, future: "Future[Any]") -> None:
        if not self.plain:
            super().finish_request(conn, future)
            return
        self.working.discard(conn)
        self.large.pop(conn, None)
        for following in self.gate.leave(conn):
            self._submit(self.tpool, following, True)
        try:
            conn.kept = bool(future.result())
        except Exception:
            self._close(conn)
            return
        self._send_rest(conn)

    def _send_rest(self, conn: Connection) -> None:
        """What the thread left of the answer, at the pace of its reader; then the connection's next request."""
        try:
            conn.sock.send_rest()
        except OSError:
            self._close(conn)
            return
        if conn.sock.rest:
            if conn not in self.reading:
                self._note_progress(conn)
                self._poll(conn, self._on_writable, selectors.EVENT_WRITE)
                while sum(len(other.sock.rest) for other in self.reading) > MAX_REST_OF_ALL:
                    self._close(next(iter(self.reading)))
            return
        self._forget(conn)
        if not conn.kept:
            self._end(conn)
            return
        conn.request = None
        if len(conn.parser.unreader):
            conn.begin(time.monotonic(), self.request_seconds)
            self._judge(conn, b"")
        else:
            conn.since = time.monotonic()
            conn.set_timeout()
            if not self.alive:
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.keepalived_conns.append(conn)
            self.poller.register(
                conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn)
            )

    def _on_writable(self, conn: Connection, _: Any) -> None:
        if conn in self.reading:
            self._send_rest(conn)

    def _note_progress(self, conn: Connection) -> None:
        """Its reader has as long as before to take more."""
        self.reading[conn] = conn.sock.left()
        conn.deadline = time.monotonic() + conn.sock.stall_seconds

    # --- A connection ends --------------------------------------------------------------------------

    def _refuse(self, conn: Connection, refusal: Refusal) -> None:
        self.refused.note(refusal, conn.client, time.monotonic())
        with contextlib.suppress(OSError):
            conn.sock.send(refusal.answer())
        self._end(conn)

    def _end(self, conn: Connection) -> None:
        """Close it. Where its peer has more to say, let it read what there was before: closed at once, the kernel would
        throw away what is on its way to it."""
        self._forget(conn)
        try:
            if conn.is_answered and not conn.sock.has_more():
                self._close(conn)
                return
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.deadline = time.monotonic() + LINGER_SECONDS
        self.ending[conn] = 0
        self._poll(conn, self._drain)

    def _drain(self, conn: Connection, _: Any) -> None:
        if conn not in self.ending:
            return
        try:
            data = conn.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.ending[conn] += len(data)
        if not data or self.ending[conn] > MAX_DRAINED:
            self._close(conn)

    def _forget(self, conn: Connection) -> None:
        for locations in (self.arriving, self.reading, self.ending, self.large):
            locations.pop(conn, None)
        self._unpoll(conn)

    def _unpoll(self, conn: Connection) -> None:
        if conn.polled:
            conn.polled = False
            self.poller.unregister(conn.sock)

    def _close(self, conn: Connection) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def _make_room(self) -> bool:
        """Close whoever has ended, or else has waited the longest. False where all work."""
        waiting = [next(iter(locations)) for locations in (self.arriving, self.reading) if locations]
        if self.keepalived_conns:
            waiting.append(self.keepalived_conns[0])
        if self.ending:
            waiting = [next(iter(self.ending))]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda conn: conn.since)
        if self.keepalived_conns and oldest is self.keepalived_conns[0]:
            self.keepalived_conns.popleft()
            self.poller.unregister(oldest.sock)
        self._close(oldest)
        return True

    # --- Time passes ------------------------------------------------------------------------------

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self.arriving or self.reading or self.ending or self.refused.counts or self.gate.waiting:
            timeout = min(timeout, TICK)
        super().wait_for_and_dispatch_events(timeout)

    def murder_pending(self) -> None:
        """gunicorn calls it in each turn of the main loop."""
        super().murder_pending()
        now = time.monotonic()
        if now < self.next_tick:
            return
        self.next_tick = now + TICK
        for conn in [conn for conn in self.arriving if conn.deadline <= now]:
            # Nothing is said to who has said nothing, such as a browser that connected ahead.
            if conn.has_come:
                self._refuse(conn, TOO_SLOW)
            else:
                self._close(conn)
        for conn, before in list(self.reading.items()):
            if conn.sock.left() < before:
                self._note_progress(conn)
            elif conn.deadline <= now:
                self._close(conn)
        for conn in [conn for conn in self.ending if conn.deadline <= now]:
            self._close(conn)
        for conn in self.gate.late(now):
            self._submit(self.tpool, conn, False)
        if self.refused.counts and now >= self.refused.next_line:
            self.refused.log(self.log, now)

    def _cap_keepalive(self, deadline: float) -> None:
        """gunicorn calls it when it begins to stop: who is in the middle of a request has as long as who may be
        about to send one."""
        super()._cap_keepalive(deadline)
        for conn in self.arriving:
            conn.deadline = min(conn.deadline, deadline)
