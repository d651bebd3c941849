"""What /proc says of processes and of the machine. Linux."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def fields_of(pid: int) -> list[str]:
    """Of /proc/<pid>/stat, from the state on; none where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := fields_of(int(entry.name))) and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of the processor, by these processes until now."""
    return sum(int(field) for pid in pids for field in fields_of(pid)[11:13]) / TICKS


def pss_mb(pid: int) -> float:
    """Memory in MB; what several processes share counts in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no Pss of {pid}")


def load() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]


def described() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "load": load()}


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes true in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
