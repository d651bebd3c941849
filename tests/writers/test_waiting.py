"""A caller waits for its own call alone, and hears of what is lost when it flushes. No engine is needed."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from writers import RequestWriter, StatusWriter

FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}


class Hanging:
    """A client whose every call fails, or waits, once `hangs`, until the test ends."""

    def __init__(self) -> None:
        self.hangs, self.asked, self.over = False, threading.Event(), threading.Event()
        self.writers: list[StatusWriter] = []

    def writer(self, **options: Any) -> StatusWriter:
        self.writers.append(StatusWriter("t", client=self, **options))
        return self.writers[-1]

    def _call(self, **_: Any) -> Any:
        if self.hangs:
            self.asked.set()
            self.over.wait(30)
        raise EndpointConnectionError(endpoint_url="http://engine")

    get_item = put_item = update_item = batch_write_item = _call


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    client = Hanging()
    yield client
    client.over.set()
    for writer in client.writers:
        writer.close(0)


def soon(call: Callable[[], Any]) -> Any:
    """What the call returns, long before `Hanging` lets go of one."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    thread.join(10)
    assert answers, "it waits"
    return answers[0]


def test_a_call_about_an_item_does_not_wait_for_its_replay(hanging: Hanging, tmp_path: Path) -> None:
    writer = hanging.writer(spool_dir=tmp_path, progress_interval=0)
    assert writer.initialize("s", **FACTS).outcome == "spooled"
    hanging.hangs = True
    threading.Thread(target=writer.flush, daemon=True).start()
    assert hanging.asked.wait(10)
    assert soon(lambda: writer.start_step("s", "pdfAdapter", "Reading")).outcome == "spooled"
    assert soon(lambda: writer.progress("s", "pdfAdapter", "Page 1")).outcome == "spooled"


def test_a_flush_ends_in_its_time_while_another_thread_replays(hanging: Hanging, tmp_path: Path) -> None:
    writer = hanging.writer(spool_dir=tmp_path)
    assert writer.initialize("s", **FACTS).outcome == "spooled"
    hanging.hangs = True
    threading.Thread(target=writer.flush, daemon=True).start()
    assert hanging.asked.wait(10)
    assert soon(lambda: writer.flush(0.2)) is False


def test_a_flush_says_that_what_waited_is_lost(hanging: Hanging) -> None:
    writer = hanging.writer(progress_interval=60)
    assert writer.progress("s", "pdfAdapter", "Page 1").outcome == "failed"
    for end in (writer.flush, writer.close):
        assert writer.progress("s", "pdfAdapter", "Page 2").outcome == "buffered"
        assert end() is False
    assert writer.flush() is True  # nothing waits any more


def test_a_worker_that_closes_says_that_lines_of_its_log_are_lost(hanging: Hanging) -> None:
    worker = RequestWriter("t", worker_id="w", logs_table="l", client=hanging, log_interval=60)
    assert worker.logs is not None
    assert worker.logs.add("r", "INFO", "lost", "s", {}).outcome == "failed"
    assert worker.logs.add("r", "INFO", "lost too", "s", {}).outcome == "buffered"
    assert worker.close() is False


def test_what_is_kept_is_not_lost(hanging: Hanging, tmp_path: Path) -> None:
    """It is left, which is why `close` is False all the same; the next writer has it."""
    writer = hanging.writer(spool_dir=tmp_path, progress_interval=60)
    writer.progress("s", "pdfAdapter", "Page 1")
    assert writer.progress("s", "pdfAdapter", "Page 2").outcome == "buffered"
    assert writer.close(0) is False
    (file,) = tmp_path.rglob("*.spool")
    assert [page in file.read_text() for page in ("Page 1", "Page 2")] == [True, True]


def test_a_flush_waits_for_what_another_thread_writes_and_says_that_it_is_lost(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = hanging.writer(progress_interval=60)
    delivery = writer.delivery
    writer.progress("s", "pdfAdapter", "Page 1")
    hanging.hangs = True
    assert writer.progress("s", "pdfAdapter", "Page 2").outcome == "buffered"
    with delivery._changed:  # its time has come
        for waiting in delivery._buffer._waiting.values():
            waiting.due = 0.0
        delivery._changed.notify_all()
    assert hanging.asked.wait(10)  # the thread is at it
    assert soon(lambda: writer.flush(0)) is False
    real = delivery._nothing_under_way

    def meanwhile(deadline: float) -> bool:
        hanging.over.set()
        return real(deadline)

    monkeypatch.setattr(delivery, "_nothing_under_way", meanwhile)
    assert soon(writer.flush) is False
    assert soon(writer.flush) is True


def test_after_its_close_a_writer_buffers_nothing(hanging: Hanging, tmp_path: Path) -> None:
    writer = hanging.writer(spool_dir=tmp_path, progress_interval=60)
    writer.close(0)
    outcomes = [writer.progress("s", "pdfAdapter", f"Page {number}").outcome for number in range(3)]
    assert outcomes == ["spooled"] * 3


def test_the_time_to_close_is_for_statuses_and_logs_together(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = RequestWriter("t", worker_id="w", logs_table="l", client=hanging)
    assert worker.logs is not None
    now, given = [0.0], list[float]()
    monkeypatch.setattr("writers.requests.time.monotonic", lambda: now[0])
    for name in ("flush", "close"):

        def takes_two(timeout: float) -> bool:
            given.append(timeout)
            now[0] += 2
            return True

        monkeypatch.setattr(worker.delivery, name, takes_two)
        monkeypatch.setattr(worker.logs.delivery, name, takes_two)
        assert getattr(worker, name)(3)
    assert given == [3, 1, 3, 1]
