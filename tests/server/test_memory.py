"""The web server's processes allocate from one heap, whatever the number of their threads."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from opsportal.server import memory

memory.{call}()
held, all_hold = [], threading.Barrier(5)

def hold():
    held.append(ctypes.CDLL(None).strdup(b"x" * 10_000))
    all_hold.wait(30)

threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads:
    thread.start()
all_hold.wait(30)
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
@pytest.mark.parametrize(("call", "many"), [("one_arena", False), ("give_back", True)])
def test_all_threads_allocate_from_one_heap(call: str, many: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(call=call)], capture_output=True, text=True, check=True
    )
    assert (done.stderr.count("Arena ") > 1) is many, done.stderr
