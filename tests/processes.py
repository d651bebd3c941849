"""Watching processes from outside: who lives, who descends from whom. Linux (/proc)."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def _stat(pid: int) -> tuple[str, int] | None:
    """(state, parent) of a process, or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def alive(pid: int) -> bool:
    """Whether a process runs. A zombie does not: process 1 of a container may never reap it."""
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def parent_of(pid: int) -> int | None:
    """The parent of a process; None when it has ended."""
    stat = _stat(pid)
    return stat[1] if stat else None


def descendants(pid: int) -> list[int]:
    """The living children of a process, their children, and so on."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) and stat[0] not in "ZX":
            parents[int(entry.name)] = stat[1]
    found: list[int] = []
    generation = {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found += generation
    return found


def cpu_seconds(pid: int) -> float:
    """The processor time that a process, its descendants and their ended children have used."""
    ticks = 0
    for process in [pid, *descendants(pid)]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return ticks / os.sysconf("SC_CLK_TCK")


def command_of(pid: int) -> str:
    """A process's command line, or "" when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether ``condition`` becomes true in that time. A busy machine is slow, not wrong."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def all_end(pids: Iterable[int], seconds: float = 30) -> bool:
    """Whether all of these processes end in that time."""
    watched = list(pids)
    assert watched, "nothing to watch: the test would prove nothing"
    return eventually(lambda: not any(alive(pid) for pid in watched), seconds)
