"""The worker is gunicorn's in all else: where it listens, how it ends, and what it takes from gunicorn."""

import inspect
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import gunicorn
import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.http import body, message, parser, unreader
from gunicorn.sock import create_sockets
from gunicorn.workers import gthread

from opsportal.server.environment import addresses, whole_number
from opsportal.server.worker import Worker
from opsportal.supervisor import free_port
from tests.processes import descendants, eventually
from tests.server.peers import GET, ROOT, Drips, server, statuses


def test_gunicorn_is_still_built_as_the_worker_needs_it() -> None:
    """The worker overrides and calls what gunicorn does not promise. Where this fails after an upgrade, read its
    workers/gthread.py and http/ again before anything else."""
    assert gunicorn.version_info[0] == 27
    signatures = {
        gthread.ThreadWorker.accept: "(self, listener)",
        gthread.ThreadWorker.on_client_socket_readable: "(self, conn, client)",
        gthread.ThreadWorker.finish_request: "(self, conn, fs)",
        gthread.ThreadWorker.handle: "(self, conn)",
        gthread.ThreadWorker.murder_pending: "(self)",
        gthread.ThreadWorker.wait_for_and_dispatch_events: "(self, timeout)",
        gthread.ThreadWorker._cap_keepalive: "(self, deadline)",
        gthread.ThreadWorker.handle_exit: "(self, sig, frame)",
        gthread.ThreadWorker.set_accept_enabled: "(self, enabled)",
        create_sockets: "(conf, log, fds=None)",
        gthread.TConn.__init__: "(self, cfg, sock, client, server)",
        parser.Parser.__next__: "(self)",
        message.Message.set_body_reader: "(self)",
        unreader.Unreader.chunk: "(self, size_hint=None)",
    }
    assert {name: str(inspect.signature(name)) for name in signatures} == signatures
    assert "if not self.LISTENERS:" in inspect.getsource(Arbiter.start)
    run = inspect.getsource(gthread.ThreadWorker.run)
    for called in ("murder_pending()", "wait_for_and_dispatch_events(", "_cap_keepalive(", "nr_conns"):
        assert called in run
    handle = inspect.getsource(gthread.ThreadWorker.handle)
    for step in ("if not conn.initialized", "conn.init()", "next(conn.parser)", "self._keepalive_after("):
        assert step in handle
    assert "self.mesg_class(self.cfg, self.unreader" in inspect.getsource(parser.Parser.__next__)
    assert {"length", "unreader"} <= set(inspect.signature(body.LengthReader.__init__).parameters)
    made = Worker(0, 0, [], None, 30, Config(), None)
    for name in ("tpool", "poller", "method_queue", "keepalived_conns", "nr_conns", "worker_connections"):
        assert hasattr(made, name), name
    assert made.plain
    made.tmp.close()


@pytest.mark.parametrize("bind", ["unix:{}/web.sock", "[::1]:{}"])
def test_other_places_to_listen_at(tmp_path: Path, bind: str) -> None:
    port = free_port()
    place = bind.format(tmp_path if bind.startswith("unix") else port)
    with server(tmp_path, bind=place, port=port, WEB_REQUEST_SECONDS="1") as at:
        assert at.ask("/healthz")[0] == 200
        assert statuses(at.exchange(GET * 2)) == [200, 200]
        with Drips(at, 24, b"GET /", b"a") as drips:
            assert at.ask()[0] == 200
            drips.wait(20)
        assert {tuple(statuses(answer)) for answer in drips.answers} == {(408,)}


def test_a_worker_that_has_answered_enough_is_replaced(tmp_path: Path) -> None:
    with server(tmp_path, "--max-requests", "20") as at:
        (first,) = descendants(at.process.pid)
        with Drips(at, 5, b"GET /", b"a"):
            for _ in range(30):
                assert eventually(lambda: at.ask()[0] == 200)
            assert eventually(lambda: first not in descendants(at.process.pid))
        assert at.ask()[0] == 200
        assert "Traceback" not in at.said


def test_two_processes_share_the_connections(tmp_path: Path) -> None:
    with server(tmp_path, WEB_CONCURRENCY="2") as at:
        assert eventually(lambda: len({at.ask("/pid") for _ in range(20)}) == 2)
        with Drips(at, 100, b"GET /", b"a"):
            assert len({at.ask("/pid") for _ in range(20)}) == 2
            for _ in range(20):
                assert at.ask("/healthz")[0] == 200


def test_where_gunicorn_ends_tls_it_works_as_gunicorns_own(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with server(tmp_path, "--keyfile", str(key), "--certfile", str(certificate), ready=False) as at:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        assert eventually(lambda: listens(at.port))
        for _ in range(2):
            with at.connect() as plain, context.wrap_socket(plain) as sock:
                for _ in range(2):
                    sock.sendall(GET)
                    answer = b""
                    while not answer.endswith(b"GET 0"):
                        answer += sock.recv(65536)
        assert "Traceback" not in at.said


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "name", ["WEB_CONCURRENCY", "WEB_THREADS", "WEB_KEEPALIVE", "WEB_REQUEST_SECONDS", "WEB_STALL_SECONDS"]
)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "\u0662", "9" * 5000])
def test_a_number_that_is_none_is_one_sentence(name: str, value: str, tmp_path: Path) -> None:
    if value not in ("0", "many"):  # a start each takes its time; the others by the function alone
        with pytest.raises(ValueError, match=f"{name} is '.*'; it must be a whole number from 1 to 7"):
            whole_number(name, value, 1, 7)
        return
    done = subprocess.run(
        [sys.executable, "-m", "opsportal.serve", "web"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), name: value},
        capture_output=True,
        text=True,
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name} is {value!r}; it must be a whole number from 1 to ")
    assert done.returncode == 1


def test_the_server_listens_where_it_is_told_or_says_what_is_wrong() -> None:
    assert addresses({}) == ["127.0.0.1:8000"]
    for text, found in (
        (" 0.0.0.0:8000\n", ["0.0.0.0:8000"]), ("[::]:8000, :8001", ["[::]:8000", ":8001"]),
        ("unix:/run/web.sock", ["unix:/run/web.sock"]), ("fd://3", ["fd://3"]), ("ops-1.internal:80", ["ops-1.internal:80"]),
    ):  # fmt: skip
        assert addresses({"WEB_BIND": text}) == found
    for text in (
        "",
        " ",
        "8000",
        "http://0.0.0.0:8000",
        "0.0.0.0:http",
        "0.0.0.0:65536",
        "::1:8000",
        "a b:80",
        "'x:80'",
    ):
        with pytest.raises(
            ValueError, match=r"\AWEB_BIND is .*; it must be host:port, such as 127.0.0.1:8000"
        ):
            addresses({"WEB_BIND": text})
