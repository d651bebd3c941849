"""A reload, and the end of a worker in any way, loses no connection: the master holds the listeners."""

import contextlib
import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import descendants, eventually
from tests.server.peers import GET, Server, read_all, server, statuses

CLIENTS = 10


class Load:
    """CLIENTS that ask one after another, half of them on connections that they keep. `lost`: what was no 200."""

    def __init__(self, at: Server) -> None:
        self.at, self.over = at, threading.Event()
        self.lost: list[str] = []
        self.answered: Counter[int] = Counter()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        kept = http.client.HTTPConnection("127.0.0.1", self.at.port, timeout=60)
        while not self.over.is_set():
            try:
                kept.request("GET", "/echo")
                answer = kept.getresponse()
                answer.read()
                if answer.status != 200:
                    self.lost.append(str(answer.status))
                self.answered[number] += 1
                if number % 2:
                    kept.close()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                kept.close()
        kept.close()


def workers(at: Server) -> set[int]:
    return set(descendants(at.process.pid))


def reload(at: Server, load: Load, count: int = 2) -> None:
    """Until all workers are new ones, and every client has had an answer of theirs."""
    old = workers(at)
    at.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: len(workers(at)) == count and not workers(at) & old, 60)
    before = load.answered.copy()
    assert eventually(lambda: all(load.answered[number] > before[number] for number in range(CLIENTS)), 60)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file; while it is there, no worker becomes ready."""
    return tmp_path / "gate"


@pytest.fixture
def at(tmp_path: Path, gate: Path) -> Iterator[Server]:
    environ = {
        "WEB_CONCURRENCY": "2",
        "BOOT_GATE": str(gate),
        "METRICS_TOKEN": "x" * 20,
        "TMPDIR": str(tmp_path),
    }
    with server(tmp_path, **environ) as made:
        assert eventually(lambda: len(pids(made)) == 2, 30)  # both are ready
        assert [*tmp_path.glob("opsportal-metrics-*")]
        yield made
    assert not [*tmp_path.glob("opsportal-metrics-*")]  # a reload forgets nothing that its end tidies up


def pids(at: Server, count: int = 20) -> set[str]:
    """Of those that answer `count` requests, none of which may fail."""
    answers = [at.ask("/pid", seconds=60) for _ in range(count)]
    assert {status for status, _ in answers} == {200}
    return {pid for _, pid in answers}


def test_a_reload_under_load_loses_nothing(at: Server, gate: Path) -> None:
    with Load(at) as load:
        for _ in range(3):
            reload(at, load)
        # New workers that take their time: the old ones go on meanwhile.
        old = workers(at)
        gate.touch()
        at.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: len(workers(at)) == 4, 30)
        assert pids(at) == {str(pid) for pid in old}
        gate.unlink()
        assert eventually(lambda: not workers(at) & old, 60)
    assert load.lost == []
    assert len(pids(at)) == 2
    assert "Traceback" not in at.said


def test_workers_that_are_replaced_by_and_by_lose_nothing(tmp_path: Path) -> None:
    with server(tmp_path, "--max-requests", "100", WEB_CONCURRENCY="2") as at, Load(at) as load:
        first = workers(at)
        assert eventually(lambda: load.answered.total() > 1000, 120)
    assert not first & workers(at)
    assert load.lost == []


def test_a_reload_ends_no_long_answer(tmp_path: Path, gate: Path) -> None:
    """Without a place in the loop of its worker, one is killed after the grace and the timeout."""
    gate.touch()
    # Long enough for a busy machine to give each worker its turn.
    with server(tmp_path, "--graceful-timeout", "1", "--timeout", "5", WEB_CONCURRENCY="1") as at:
        (old,) = workers(at)
        with at.connect() as sock:
            sock.sendall(f"GET /wait?while={gate} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            assert eventually(lambda: at.ask("/pid") == (200, str(old)))
            at.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: at.ask("/pid", seconds=60) != (200, str(old)), 30)
            time.sleep(7)  # the grace and the timeout
            gate.unlink()
            assert read_all(sock).endswith(b"waited")
        assert eventually(lambda: old not in workers(at), 30)
        assert "TIMEOUT" not in at.said


def test_the_others_serve_the_listener_of_a_worker_that_has_gone(at: Server, gate: Path) -> None:
    gate.touch()
    first, second = sorted(workers(at))
    os.kill(first, signal.SIGKILL)
    assert pids(at) == {str(second)}
    gate.unlink()
    assert eventually(lambda: len(pids(at)) == 2, 30)
    # With one worker fewer, and with one more than there are listeners.
    at.process.send_signal(signal.SIGTTOU)
    assert eventually(lambda: len(workers(at)) == 1, 30)
    assert pids(at) == {str(pid) for pid in workers(at)}
    for count in (2, 3):
        at.process.send_signal(signal.SIGTTIN)
        assert eventually(lambda count=count: len(pids(at, 60)) == count, 30)
    assert "Traceback" not in at.said


def test_the_end_answers_whoever_is_connected(at: Server) -> None:
    for pid in workers(at):
        os.kill(pid, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        # The kernel has accepted them, and no worker has.
        waiting = [stack.enter_context(at.connect()) for _ in range(20)]
        for sock in waiting:
            sock.sendall(GET)
        at.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: not master_listens(at))
        for pid in workers(at):
            os.kill(pid, signal.SIGCONT)
        assert [statuses(read_all(sock)) for sock in waiting] == [[200]] * 20
    assert at.process.wait(9) == 0


def master_listens(at: Server) -> bool:
    """By its open files: who asked by connecting would be one more in the queue."""
    opened = Path(f"/proc/{at.process.pid}/fd").iterdir()
    return any(os.readlink(file).startswith("socket:") for file in opened)


@pytest.mark.long
def test_20_reloads_lose_none_of_thousands(at: Server) -> None:
    with Load(at) as load:
        for _ in range(20):
            reload(at, load)
        assert eventually(lambda: load.answered.total() > 5000, 60)
    assert load.lost == []
    assert "Traceback" not in at.said
