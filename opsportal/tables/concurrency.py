"""Calls that wait for other machines, at the same time, and none longer than is said."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
# Calls at once; as many as a client's connections by default.
AT_ONCE = 32


def together(calls: Mapping[K, Callable[[], T]], seconds: float) -> dict[K, T]:
    """What the calls return, in their order, without those that took longer than `seconds` altogether.

    What a call raises is raised, the first in order. One that is late goes on in a thread that keeps no process
    from its end.
    """
    results: dict[K, T] = {}
    errors: dict[K, Exception] = {}
    room = threading.Semaphore(AT_ONCE)
    until = time.monotonic() + seconds

    def carry_out(key: K, call: Callable[[], T]) -> None:
        with room:
            if time.monotonic() >= until:
                return
            try:
                results[key] = call()
            except Exception as error:  # handed to the caller below
                errors[key] = error

    threads = [
        threading.Thread(target=carry_out, args=(key, call), daemon=True) for key, call in calls.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    for key in calls:
        if key in errors:
            raise errors[key]
    return {key: results[key] for key in calls if key in results}
