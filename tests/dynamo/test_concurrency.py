"""Calls at the same time: all have ended when one fails, and no call waits for a thread that waits for it."""

import os
import threading
from contextvars import ContextVar

import pytest

from opsportal.dynamo import concurrency
from opsportal.dynamo.concurrency import MAX_THREADS, gather

WHO = ContextVar("who", default="nobody")


def test_calls_are_made_at_once_in_the_callers_context_and_answer_in_their_order():
    WHO.set("a page")
    met = threading.Barrier(4)

    def call(number):
        met.wait(timeout=60)
        return number, WHO.get(), threading.current_thread().name.startswith("dynamo")

    # The caller makes the first one itself.
    assert gather([lambda number=number: call(number) for number in range(4)]) == [
        (number, "a page", number > 0) for number in range(4)
    ]
    assert gather([]) == []
    assert gather([threading.current_thread]) == [threading.current_thread()]


@pytest.mark.parametrize("failing", [0, 2])
def test_an_error_waits_for_the_others(failing):
    ended, failed = [], threading.Event()

    def call(number):
        if number == failing:
            failed.set()
            raise LookupError(number)
        assert failed.wait(timeout=60)
        ended.append(number)

    with pytest.raises(LookupError, match=str(failing)):
        gather([lambda number=number: call(number) for number in range(4)])
    assert sorted(ended) == [number for number in range(4) if number != failing]


def test_calls_within_calls_do_not_wait_for_a_thread():
    def outer(number):
        return sum(gather([lambda inner=inner: inner for inner in range(3)])) + number

    count = 4 * MAX_THREADS
    assert gather([lambda number=number: outer(number) for number in range(count)]) == [
        3 + number for number in range(count)
    ]


def test_a_fork_makes_threads_of_its_own():
    gather([threading.get_ident, threading.get_ident])
    if not (child := os.fork()):
        os._exit(0 if concurrency._pool is None and gather([lambda: 1, lambda: 2]) == [1, 2] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
