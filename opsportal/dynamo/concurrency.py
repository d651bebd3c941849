"""Calls of one page at the same time, on threads that the process keeps for that."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
# Of all pages of a process together. With WEB_THREADS no more than the connections that a client keeps
# (DYNAMO_MAX_POOL_CONNECTIONS): a further one would be made for each call.
MAX_THREADS = 16

_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()
_here = threading.local()


def gather(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What the calls return, in their order, once all have ended: none goes on behind its page's back. Raises what the
    first in their order raised.

    Each has a copy of the caller's context, so that the request's account and deadline hold for it. On one of these
    threads they are made one after the other: who waits for the pool on its own thread could wait for ever.
    """
    if len(calls) < 2 or getattr(_here, "is_task", False):
        return [call() for call in calls]
    others = [_threads().submit(copy_context().run, _task, call) for call in calls[1:]]
    try:
        first = calls[0]()
    finally:
        wait(others)
    return [first, *(other.result() for other in others)]


def _task(call: Callable[[], T]) -> T:
    _here.is_task = True
    return call()


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(MAX_THREADS, "dynamo")
        return _pool


def _forget() -> None:
    """A fork has no threads but the one that made it."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
