"""Rounds of requests by wrk, the targets one after the other in each."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import cpu_seconds

SCRIPT = Path(__file__).with_name("wrk.lua")
MISSING = (
    "wrk was not found, which makes the requests: install it with `apt-get install wrk` (Debian, as root)."
)
# By target: one mapping per round.
Rounds = dict[str, list[dict[str, float]]]


class CannotRun(Exception):
    """The benchmark can't run; the text is one sentence with the fix."""


@dataclass(frozen=True)
class Target:
    """`pids`: of the processes that answer, as they are now."""

    url: str
    pids: Callable[[], Sequence[int]]
    headers: Mapping[str, str] = field(default_factory=dict)


def find() -> str:
    """Raises CannotRun."""
    if path := shutil.which("wrk"):
        return path
    raise CannotRun(MISSING)


def asked(target: Target, connections: int, seconds: int) -> dict[str, float]:
    """One round: microseconds p50, p95, p99, a second `rate`, ms of processor and bytes per answer, and how many
    answers were errors or missing. One in which nothing was answered is repeated, longer. Raises CannotRun."""
    for length in (seconds, 4 * seconds, 10 * seconds):
        if (found := _asked(target, connections, length))["requests"]:
            return found
    raise CannotRun(f"{target.url} did not answer within {10 * seconds} s.")


def _asked(target: Target, connections: int, seconds: int) -> dict[str, float]:
    command = [find(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    before = cpu_seconds(target.pids())
    done = subprocess.run(
        [*command, target.url], capture_output=True, text=True, timeout=seconds + 30, check=False
    )
    used = cpu_seconds(target.pids()) - before
    lines = [line for line in done.stdout.splitlines() if line.startswith("JSON ")]
    if not lines:
        raise CannotRun(f"wrk said nothing of {target.url}: {done.stderr.strip() or done.stdout.strip()}")
    found: dict[str, float] = json.loads(lines[0].removeprefix("JSON "))
    count = max(1.0, found["requests"])
    return {
        **{name: found[name] for name in ("p50", "p95", "p99", "requests", "bad")},
        "rate": found["requests"] / found["microseconds"] * 1e6,
        "cpu": used * 1000 / count,
        "bytes": found["bytes"] / count,
    }


def interleaved(targets: Mapping[str, Target], *, connections: int, rounds: int, seconds: int = 1) -> Rounds:
    """Every other round in the opposite order, so that none of them is always the first."""
    found: Rounds = {name: [] for name in targets}
    for number in range(rounds):
        names = list(targets)
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(asked(targets[name], connections, seconds))
    return found
