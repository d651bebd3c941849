"""benchmarks/discovery.py says whether seed 004's (docs/data.md) figure is met, and ends by itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.discovery import report

ROOT = Path(__file__).resolve().parent.parent.parent
FLOOR = ("floor", 2.0, 100)
LAST = ("one that reads the registry whole", 400.0, 10)


def test_the_verdict_names_what_is_too_slow_and_ends_with_1() -> None:
    lines, status = report(1_000, [FLOOR, ("quick", 4.0, 1_000), ("slow", 50.0, 10), LAST])
    assert status == 1
    assert lines[0] == "1,000 agents"
    assert lines[2].split() == ["quick", "4.00", "ms", "2.0", "x", "floor", "1,000", "bytes"]
    assert lines[-1] == "Seed 004 asks for less than 50 ms: 4.0 to 50.0 ms at the median, not met by: slow."
    # The one that reads everything is shown, and is no part of it.
    lines, status = report(1_000, [FLOOR, ("quick", 4.0, 1_000), LAST])
    assert (status, lines[-1][-4:]) == (0, "met.")
    assert "200.0 x floor" in lines[-2]


@pytest.mark.long
def test_it_measures_and_ends() -> None:
    """With few agents, for what it prints; the figures are this machine's."""
    command = [sys.executable, "benchmarks/discovery.py", "--agents", "30", "--requests", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    assert (lines[0], len(lines)) == ("30 agents", 9)
    assert all(re.search(r" x floor +[\d,]+ bytes$", line) for line in lines[1:-1])
    assert lines[-1].startswith("Seed 004 asks for less than 50 ms: ")
