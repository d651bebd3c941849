"""Children end with the supervisor, however it ends, and it ends with any of them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.supervisor import (
    NotListeningError,
    StoppedError,
    Supervisor,
    free_port,
    last_lines,
    wait_until_listening,
)
from tests.processes import alive, all_end, descendants, eventually, parent_of

SLEEP = ["sleep", "60"]
IGNORES_SIGTERM = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]
# A supervisor in a process of its own: two children, one of which has a child.
PROGRAM = """
import sys
from opsportal.supervisor import Supervisor
supervisor = Supervisor()
for number in "12":
    script = f"trap 'echo {number} >> {sys.argv[1]}; exit 0' TERM; sleep 60 & wait"
    supervisor.start(number, ["sh", "-c", script])
print("started", flush=True)
sys.exit(supervisor.run())
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    """A supervisor in this process, whose signal handlers are put back afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    made = Supervisor(said.append)
    yield made
    made.stop()
    made.close()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """PROGRAM, started; it notes which of its children SIGTERM reached, in order, in ``tmp_path/order``."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "order")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "started\n"
    assert eventually(lambda: len(descendants(process.pid)) == 4)  # the shells have set their traps
    yield process
    process.stdout.close()
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_every_child_the_last_started_first(
    program: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    children = descendants(program.pid)
    program.send_signal(number)
    assert program.wait(10) == 0
    assert (tmp_path / "order").read_text().split() == ["2", "1"]
    assert all_end(children)


def test_kill_9_of_the_supervisor_leaves_no_child(program: subprocess.Popen[str]) -> None:
    everyone = descendants(program.pid)
    children = [pid for pid in everyone if parent_of(pid) == program.pid]
    program.kill()
    try:
        assert len(children) == 2
        assert all_end(children)
    finally:
        for pid in set(everyone) - set(children):  # a shell's own child does not die with it
            os.kill(pid, signal.SIGKILL)


def test_a_hang_up_is_ignored_under_nohup(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["nohup", sys.executable, "-c", PROGRAM, str(tmp_path / "order")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def test_one_child_that_ends_stops_the_rest_and_its_last_words_are_shown(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    other = supervisor.start("The other", SLEEP)
    supervisor.start("The engine", ["sh", "-c", "echo disk is full; exit 3"], log=tmp_path / "engine.log")
    assert supervisor.run() == 1
    assert not alive(other.pid)
    assert said[0] == "The engine ended with 3; stopping the rest."
    assert "    disk is full" in said[1]


def test_a_child_that_does_not_heed_sigterm_is_killed_after_its_grace(
    supervisor: Supervisor, said: list[str]
) -> None:
    child = supervisor.start("The worker", IGNORES_SIGTERM, grace=0.2)
    assert eventually(lambda: bool(descendants(child.pid)))  # its trap is set
    supervisor.stop()
    assert child.returncode == -signal.SIGKILL
    assert said == ["The worker: no end within 0.2 s, killed."]


def test_what_a_child_has_started_ends_with_it(supervisor: Supervisor) -> None:
    child = supervisor.start("The shell", ["sh", "-c", "sleep 60 & wait"])
    assert eventually(lambda: len(descendants(child.pid)) == 1)
    grandchildren = descendants(child.pid)
    supervisor.stop()
    assert all_end(grandchildren)


def test_complete_gives_the_exit_code_of_a_child_that_ends(supervisor: Supervisor) -> None:
    assert supervisor.complete("The preparation", ["sh", "-c", "exit 4"]) == 4
    assert supervisor.children == []


def test_a_stop_signal_interrupts_what_is_still_starting(supervisor: Supervisor) -> None:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with pytest.raises(StoppedError):
        supervisor.complete("The preparation", SLEEP)
    timer.join()
    (child,) = supervisor.children
    supervisor.stop()
    assert not alive(child.process.pid)


def test_waiting_for_a_port_ends_when_the_process_does() -> None:
    with (
        subprocess.Popen(["sh", "-c", "exit 1"]) as process,
        pytest.raises(NotListeningError, match="with 1"),
    ):
        wait_until_listening(process, free_port())


def test_waiting_for_a_port_has_an_end() -> None:
    with subprocess.Popen(SLEEP) as process:
        with pytest.raises(NotListeningError, match=r"within 0\.1 s"):
            wait_until_listening(process, free_port(), timeout=0.1)
        process.kill()


def test_the_last_lines_of_a_log_are_its_last(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == ""
    log.write_text("".join(f"{number}\n" for number in range(10_000)))
    assert last_lines(log, 2) == "    9998\n    9999"
