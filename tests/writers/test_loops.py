"""Calls that were made in an event loop are carried out, however the loop ends."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import eventually
from tests.writing import apart
from writers import AsyncRequestWriter, AsyncStatusWriter, RequestWriter, StatusWriter, WriteResult

ROOT = Path(__file__).resolve().parent.parent.parent
FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}
RUN = ["initialize", "start_step", "end_step", "finalize"]


class Held:
    """A status writer whose calls wait in their threads until `go`. ``done``: what was carried out."""

    def __init__(self) -> None:
        self.go, self.done, self.writer = threading.Event(), list[str](), StatusWriter("t", client=object())
        self.status = AsyncStatusWriter(self.writer)
        self.writer.delivery._apply = self._apply

    def _apply(self, record: Any, replayed: bool) -> WriteResult:
        assert self.go.wait(20)
        self.done.append(record.op + (":" + record.args["error"] if "error" in record.args else ""))
        return WriteResult("written")

    def calls(self) -> list[Any]:
        """A whole run, of which the first call holds up the others."""
        return [
            self.status.initialize("s", **FACTS),
            self.status.start_step("s", "pdfAdapter", "Reading"),
            self.status.finish_step("s", "pdfAdapter", "Read"),
            self.status.finalize("s", "completed"),
        ]

    async def main(self) -> None:
        """It returns while its tasks wait."""
        self.tasks = [asyncio.create_task(call) for call in self.calls()]
        await asyncio.sleep(0)


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.go.set()


async def interrupted(held: Held) -> None:
    await held.main()
    raise KeyboardInterrupt


async def timed_out(held: Held) -> None:
    calls = held.calls()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.gather(*calls)


async def sibling_fails(held: Held) -> None:
    async def fail() -> None:
        raise ValueError("sibling")

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for call in held.calls():
                group.create_task(call)
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await work()


def closed_without_a_run(held: Held) -> None:
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(call) for call in held.calls()]
    loop.close()
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def closed_in_between(held: Held) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(held.main())
    loop.close()
    for task in held.tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def run_is_interrupted(held: Held) -> None:
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted(held))


ENDS: dict[str, Callable[[Held], None]] = {
    "main returns": lambda held: asyncio.run(held.main()),
    "interrupted": run_is_interrupted,
    "timed out": lambda held: asyncio.run(timed_out(held)),
    "a sibling fails": lambda held: asyncio.run(sibling_fails(held)),
    "closed without a run": closed_without_a_run,
    "closed in between": closed_in_between,
}


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_was_made_is_carried_out_however_its_loop_ends(held: Held, end: str) -> None:
    apart(lambda: ENDS[end](held))
    assert held.done == []
    held.go.set()
    # Also closed by another loop, which waits for what the first one left.
    assert apart(lambda: asyncio.run(closed(held.status))) is True
    assert held.done == RUN


async def closed(writer: Any) -> bool:
    return await writer.close()


def test_a_block_whose_loop_is_closed_under_it_leaves_a_failed_step(held: Held) -> None:
    held.go.set()
    entered: list[str] = []

    async def body() -> None:
        async with held.status.step("s", "pdfAdapter", "Waiting"):
            entered.append("pdfAdapter")
            await asyncio.Event().wait()

    async def until_it_waits() -> None:
        task = asyncio.create_task(body())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        while not entered:
            await asyncio.sleep(0.001)

    def work() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(until_it_waits())
        loop.close()
        gc.collect()

    apart(work)
    assert eventually(lambda: held.done == ["start_step", "end_step:GeneratorExit"])


def test_a_close_that_is_cancelled_goes_on(held: Held) -> None:
    async def work() -> None:
        calls = held.calls()
        closing = asyncio.create_task(held.status.close())
        await asyncio.sleep(0)
        closing.cancel()
        for call in calls:
            call.close()

    apart(lambda: asyncio.run(work()))
    assert held.done == []
    held.go.set()
    assert eventually(lambda: held.writer.delivery._closed)
    assert held.done == RUN


def test_a_claim_whose_loop_ends_leaves_a_failed_request() -> None:
    go, done = threading.Event(), list[str]()

    class Client:
        def get_item(self, **call: Any) -> Any:
            assert go.wait(20)
            status = "processing" if "claimed" in done else "pending"
            item = {"request_id": {"S": "r"}, "status": {"S": status}, "started_at": {"S": self.started}}
            return {"ConsumedCapacity": {}, "Item": item}

        started = ""

        def update_item(self, **call: Any) -> Any:
            given = call["ExpressionAttributeValues"].values()
            if "claimed" not in done:
                self.started = next(value["S"] for value in given if "T" in value.get("S", ""))
            done.append("failed" if {"S": "failed"} in given else "claimed")
            return {"ConsumedCapacity": {}}

    writer = RequestWriter("t", worker_id="w", client=Client())

    async def work() -> None:
        asyncio.create_task(AsyncRequestWriter(writer).claim("r"))  # noqa: RUF006
        await asyncio.sleep(0)

    threading.Timer(0.05, go.set).start()
    apart(lambda: asyncio.run(work()))
    assert eventually(lambda: done == ["claimed", "failed"])


def test_a_program_waits_for_the_calls_that_it_made(tmp_path: Path) -> None:
    program = """
import asyncio, sys, time
from writers import AsyncStatusWriter, StatusWriter, WriteResult
writer = StatusWriter("t", client=object())
def apply(record, replayed):
    time.sleep(0.2 if record.op == "start_step" else 0)
    print(record.op, flush=True)
    return WriteResult("written")
writer.delivery._apply = apply
status = AsyncStatusWriter(writer)
async def main():
    for call in (status.start_step("s", "a", "b"), status.finish_step("s", "a", "b"), status.finalize("s", "completed")):
        task = asyncio.create_task(call)
    await asyncio.sleep(0)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == RUN[1:], done.stderr
