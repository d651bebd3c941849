"""Run several child processes as one: they start in order, stop in reverse, and none outlives us.

Whatever ends the parent (Ctrl-C, SIGTERM, a closed terminal, kill -9) ends the children: the first
three because :meth:`Supervisor.run` stops them, the last because the kernel does (Linux).
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def signal_on_parent_death(number: int) -> None:
    """Have the kernel send this process ``number`` when its parent ends (Linux; elsewhere nothing).

    The kernel watches the parent's *thread* that forked: fork from the main thread.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def die_with(parent: int) -> Callable[[], None]:
    """A ``preexec_fn`` for ``subprocess``: the child is killed when process ``parent`` ends."""

    def before_exec() -> None:
        signal_on_parent_death(signal.SIGKILL)
        if os.getppid() != parent:  # it ended between fork and prctl
            os._exit(126)

    return before_exec


class NotListeningError(Exception):
    """A child ended, or did not answer on its port in time."""


def wait_until_listening(process: subprocess.Popen[bytes], port: int, *, timeout: float = 15) -> None:
    """Return once something accepts on loopback ``port``; raise NotListeningError if ``process`` ends first."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotListeningError(f"it ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.005)
    raise NotListeningError(f"no answer on port {port} within {timeout:g} s")


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class StoppedError(Exception):
    """A stop signal arrived while something was still starting."""


@dataclass
class Child:
    """One supervised process. ``grace``: seconds between SIGTERM and SIGKILL."""

    name: str
    process: subprocess.Popen[bytes]
    grace: float
    log: Path | None


class Supervisor:
    """Start children with :meth:`start`, then :meth:`run` until a signal or until one of them ends."""

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self.children: list[Child] = []
        self._say = say
        self._stop_asked = False
        self._wake, self._woken = os.pipe()
        for end in (self._wake, self._woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        # Handlers, not a blocked mask: exec resets them, so children start with the defaults.
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            signal.signal(number, _noted)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        grace: float = 10,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a child in a session of its own, its output in ``log`` (or ours). Raises OSError."""
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            process = subprocess.Popen(  # noqa: S603 (a list, no shell)
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                env=env,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
                preexec_fn=die_with(os.getpid()),
            )
        self.children.append(Child(name, process, grace, log))
        return process

    def run(self) -> int:
        """Wait; then stop every child. 0 after a stop signal, 1 if a child ended by itself."""
        ended = None
        try:
            while ended is None and not self._stop_asked:
                ended = next((child for child in self.children if child.process.poll() is not None), None)
                if ended is None:
                    self._wait_for_signal(1.0)
            if ended is not None:
                self._say(f"{ended.name} ended with {ended.process.returncode}; stopping the rest.")
                if tail := last_lines(ended.log):
                    self._say(f"The last lines of {ended.log}:\n{tail}")
        finally:
            self.stop()
        return 0 if ended is None else 1

    def complete(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
        """Run a child that ends by itself, and return its exit code. Raises StoppedError on a stop signal."""
        process = self.start(name, command, env=env)
        while process.poll() is None:
            self.pause(1.0)
        self.children.pop()
        return process.returncode

    def pause(self, seconds: float) -> None:
        """Sleep, at most until a child ends. Raises StoppedError on a stop signal."""
        self._wait_for_signal(seconds)
        if self._stop_asked:
            raise StoppedError

    def stop(self) -> None:
        """Stop every child, the last started first, and whatever they started."""
        for child in reversed(self.children):
            process = child.process
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(child.grace)
                except subprocess.TimeoutExpired:
                    self._say(f"{child.name}: no end within {child.grace:g} s, killed.")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.children.clear()

    def close(self) -> None:
        """Give up the pipe (the signal handlers stay)."""
        signal.set_wakeup_fd(-1)
        os.close(self._wake)
        os.close(self._woken)

    def _wait_for_signal(self, timeout: float) -> None:
        if select.select([self._wake], [], [], timeout)[0]:
            # One byte per signal: its number.
            self._stop_asked |= not set(STOP_SIGNALS).isdisjoint(os.read(self._wake, 4096))


def last_lines(log: Path | None, count: int = 12) -> str:
    """The end of a child's log, indented; empty when there is none."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        lines = file.read().decode(errors="replace").splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)


def _noted(number: int, frame: object) -> None:
    """The wakeup pipe has the signal's number; the handler only keeps the default from acting."""
