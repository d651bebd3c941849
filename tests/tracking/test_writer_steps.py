# ruff: noqa: PT012, SIM117 (blocks within blocks are what these tests are about)
"""Blocks that record a workflow and its steps, with threads and with asyncio; and the folder on its own."""

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opsportal.dynamo.clients import client
from tests.writing import Clock, Line, looped
from tracking.writer import AsyncStatusWriter, Cancelled, StatusWriter, TakenAway, values

# What is written is tried on both engines in test_writer.py.
pytestmark = pytest.mark.no_moto

ROOT = Path(__file__).resolve().parent.parent.parent
FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}


class Bench:
    def __init__(self, binding: Any, folder: Path) -> None:
        self.table, self.key = binding.name, binding.key
        self.client = client(binding.region, binding.endpoint, background=True)
        self.line, self.clock = Line(self.client), Clock()
        self.writer = StatusWriter(
            self.table,
            key=self.key,
            client=self.line,
            clock=self.clock,
            spool_dir=folder,
            progress_interval=60,
        )

    def item(self, session: str = "s") -> dict[str, Any]:
        key = {self.key: {"S": session}}
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})

    def step(self, name: str = "pdfAdapter", session: str = "s") -> dict[str, Any]:
        found: dict[str, Any] = self.item(session)[name]["M"]
        return found

    def cancel(self) -> None:
        self.client.update_item(
            TableName=self.table,
            Key={self.key: {"S": "s"}},
            UpdateExpression="SET overallStatus = :c",
            ExpressionAttributeValues={":c": {"S": "cancelled"}},
        )


@pytest.fixture
def bench(tables: dict[str, Any], tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tables["workflows"], tmp_path)
    bench.writer.initialize("s", **FACTS)
    yield bench
    bench.writer.close(0.1)


def test_a_block_records_a_step_from_start_to_end(bench: Bench) -> None:
    with bench.writer.step("s", "pdfAdapter", "Extracting") as step:
        assert bench.step()["status"] == {"S": "in-progress"}
        assert bench.item()["overallStatus"] == {"S": "processing"}
        time.sleep(0.02)
        step.add_tokens(100, 20)
        step.add_tokens(input_tokens=10, total_tokens=15)
        step.activity = "12 pages read"
    found = bench.step()
    assert (found["status"], found["activity"]) == ({"S": "success"}, {"S": "12 pages read"})
    assert found["tokenUsage"] == {
        "M": {"inputTokens": {"N": "110"}, "outputTokens": {"N": "20"}, "totalTokens": {"N": "135"}}
    }
    duration = Decimal(found["duration"]["N"])
    assert Decimal("0.02") <= duration < 5
    assert bench.item()["totalDuration"] == {"N": str(duration)}


def test_an_exception_becomes_the_steps_error_and_goes_on(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), bench.writer.step("s", "pdfAdapter", "Dividing") as step:
        step.add_tokens(7)
        _ = 1 / 0
    found = bench.step()
    assert (found["status"], found["error"]) == ({"S": "error"}, {"S": "ZeroDivisionError: division by zero"})
    assert found["tokenUsage"]["M"]["inputTokens"] == {"N": "7"}
    assert "completedAt" in found
    with pytest.raises(KeyboardInterrupt), bench.writer.step("s", "pdfAdapter", "Again"):
        raise KeyboardInterrupt
    assert bench.step()["error"] == {"S": "KeyboardInterrupt"}
    assert bench.item()["totalTokenUsage"]["M"]["inputTokens"] == {"N": "0"}


def test_progress_in_a_block_carries_the_tokens_so_far(bench: Bench) -> None:
    with bench.writer.step("s", "pdfAdapter", "Extracting") as step:
        step.add_tokens(50)
        step.progress("page 3 of 12")
        assert bench.step()["activity"] == {"S": "page 3 of 12"}
        assert bench.item()["totalTokenUsage"]["M"]["inputTokens"] == {"N": "50"}
        step.progress("page 4 of 12")
    assert bench.step()["activity"] == {"S": "page 4 of 12"}


def test_a_workflow_from_block_to_block(bench: Bench) -> None:
    with bench.writer.workflow("w", **FACTS) as workflow:
        assert bench.item("w")["overallStatus"] == {"S": "initializing"}
        with workflow.step("pdfAdapter", "Extracting"):
            pass
    assert bench.item("w")["overallStatus"] == {"S": "completed"}
    with pytest.raises(ValueError, match="no trade"), bench.writer.workflow("x", **FACTS) as workflow:
        with workflow.step("pdfAdapter", "Extracting"):
            raise ValueError("no trade")
    assert bench.item("x")["overallStatus"] == {"S": "failed"}
    assert bench.step("pdfAdapter", "x")["error"] == {"S": "ValueError: no trade"}
    with pytest.raises(TakenAway, match="the workflow is completed"):  # the message came twice
        with bench.writer.workflow("w", **FACTS) as workflow, workflow.step("pdfAdapter", "Extracting"):
            pytest.fail("a finished workflow is not run again")
    assert bench.item("w")["overallStatus"] == {"S": "completed"}


def test_a_cancel_stops_the_workflow_at_its_next_step(bench: Bench) -> None:
    entered = []
    with pytest.raises(Cancelled), bench.writer.workflow("s", **FACTS) as workflow:
        with workflow.step("pdfAdapter", "Extracting"):
            bench.cancel()
        with workflow.step("tradeExtraction", "Reading"):
            entered.append("tradeExtraction")
    assert entered == []
    assert bench.item()["overallStatus"] == {"S": "cancelled"}
    assert bench.step()["status"] == {"S": "success"}  # it was done
    assert bench.step("tradeExtraction")["status"] == {"S": "pending"}


def test_a_step_that_asks_is_stopped_in_the_middle(bench: Bench) -> None:
    with pytest.raises(Cancelled), bench.writer.step("s", "pdfAdapter", "Extracting") as step:
        step.check()
        step.add_tokens(3)
        bench.cancel()
        step.check()
    found = bench.step()
    assert found["status"] == {"S": "stopped"}
    assert found["activity"] == {"S": "Stopped: the workflow is cancelled"}
    assert "error" not in found
    assert bench.item()["totalTokenUsage"]["M"]["inputTokens"] == {"N": "3"}
    bench.client.delete_item(TableName=bench.table, Key={bench.key: {"S": "s"}})


def test_a_progress_that_finds_the_cancel_raises_it(bench: Bench) -> None:
    with pytest.raises(Cancelled), bench.writer.step("s", "pdfAdapter", "Extracting") as step:
        bench.cancel()
        step.progress("page 1")
    assert bench.item()["overallStatus"] == {"S": "cancelled"}


def test_blocks_go_on_while_dynamodb_is_away_and_are_recorded_later(bench: Bench) -> None:
    bench.line.cut()
    with bench.writer.workflow("w", **FACTS) as workflow, workflow.step("pdfAdapter", "Extracting") as step:
        step.check()
        step.add_tokens(4)
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item("w")["overallStatus"] == {"S": "completed"}
    assert bench.item("w")["totalTokenUsage"]["M"]["inputTokens"] == {"N": "4"}


def test_parallel_steps_by_threads_keep_each_others_totals(bench: Bench) -> None:
    def work(number: int) -> None:
        with bench.writer.step("s", f"step{number}", "Working") as step:
            step.add_tokens(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.item()["totalTokenUsage"]["M"]["inputTokens"] == {"N": "15"}


def test_the_table_as_deployed_with_another_key_and_foreign_steps(engine: Any, tmp_path: Path) -> None:
    """The key is `processing_id`, steps have no `startedAt`, totals stayed at zero."""
    made = client("us-east-1", engine.endpoint, background=True)
    made.create_table(
        TableName="deployed",
        KeySchema=[{"AttributeName": "processing_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "processing_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        done = {
            "status": {"S": "success"},
            "duration": {"N": "17.095"},
            "completedAt": {"S": "2025-12-24T10:00:00+00:00Z"},
        }
        made.put_item(
            TableName="deployed",
            Item={
                "processing_id": {"S": "p"},
                "overallStatus": {"S": "Processing"},
                "pdfAdapter": {"M": done},
                "totalDuration": {"N": "0"},
                "project_request_id": {"S": "kept"},
            },
        )
        line = Line(made)
        writer = StatusWriter("deployed", key="processing_id", client=line, spool_dir=tmp_path)
        line.cut()
        with writer.step("p", "tradeExtraction", "Reading"):
            pass
        line.fix()
        assert writer.flush()
        assert writer.finalize("p", "completed")
        item = made.get_item(TableName="deployed", Key={"processing_id": {"S": "p"}})["Item"]
        assert item["tradeExtraction"]["M"]["status"] == {"S": "success"}
        assert item["pdfAdapter"] == {"M": done}
        assert item["project_request_id"] == {"S": "kept"}
        assert values.sums(item)["duration"] == Decimal(item["totalDuration"]["N"]) >= Decimal("17.095")
        writer.close()
    finally:
        made.delete_table(TableName="deployed")


# --- asyncio ---------------------------------------------------------------------------------------------


def test_the_same_with_asyncio(bench: Bench) -> None:
    async def work() -> None:
        async with AsyncStatusWriter(bench.writer) as writer:
            async with writer.workflow("a", **FACTS) as workflow:
                async with workflow.step("pdfAdapter", "Extracting") as step:
                    step.add_tokens(5)
                    await step.progress("page 1")
                    await step.check()
            with pytest.raises(ValueError, match="broken"):
                async with writer.step("s", "pdfAdapter", "Extracting"):
                    raise ValueError("broken")

    looped(work())
    assert bench.item("a")["overallStatus"] == {"S": "completed"}
    assert bench.item("a")["totalTokenUsage"]["M"]["inputTokens"] == {"N": "5"}
    assert bench.step()["error"] == {"S": "ValueError: broken"}


def test_calls_about_one_session_keep_their_order_and_others_do_not_wait(bench: Bench) -> None:
    bench.writer.initialize("t", **FACTS)
    slow, seen = threading.Event(), list[str]()
    real = bench.writer._apply

    def apply(record: Any, replayed: bool) -> Any:
        if record.item == "s" and record.args.get("activity") == {"S": "0"}:
            assert slow.wait(60)
        seen.append(f"{record.item}{record.args['activity']['S']}")
        return real(record, replayed)

    bench.writer.delivery._apply = apply

    async def work() -> None:
        async with AsyncStatusWriter(bench.writer) as writer:
            calls = [
                asyncio.create_task(writer.start_step("s", "pdfAdapter", str(number))) for number in range(5)
            ]
            await writer.start_step("t", "pdfAdapter", "0")
            assert seen == ["t0"]
            slow.set()
            await asyncio.gather(*calls)

    looped(work())
    assert seen == ["t0", "s0", "s1", "s2", "s3", "s4"]


def test_a_task_that_is_cancelled_leaves_a_failed_step(bench: Bench) -> None:
    async def work() -> None:
        async with AsyncStatusWriter(bench.writer) as writer:

            async def body() -> None:
                async with writer.step("s", "pdfAdapter", "Waiting"):
                    await asyncio.sleep(60)

            task = asyncio.create_task(body())
            while bench.step()["status"] != {"S": "in-progress"}:
                await asyncio.sleep(0.005)
            task.cancel()
            task.cancel()  # an impatient one
            with pytest.raises(asyncio.CancelledError):
                await task

    looped(work())
    assert (bench.step()["status"], bench.step()["error"]) == ({"S": "error"}, {"S": "CancelledError"})


def test_a_task_that_is_cancelled_while_its_step_starts_leaves_a_failed_step(bench: Bench) -> None:
    entered: list[str] = []
    starting, go_on = threading.Event(), threading.Event()
    real = bench.writer._apply

    def apply(record: Any, replayed: bool) -> Any:
        if record.op == "start_step":
            starting.set()
            assert go_on.wait(5)
        return real(record, replayed)

    bench.writer.delivery._apply = apply

    async def work() -> None:
        async with AsyncStatusWriter(bench.writer) as writer:

            async def body() -> None:
                async with writer.step("s", "pdfAdapter", "Waiting"):
                    entered.append("pdfAdapter")

            task = asyncio.create_task(body())
            while not starting.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    looped(work())
    assert entered == []
    assert (bench.step()["status"], bench.step()["error"]) == ({"S": "error"}, {"S": "CancelledError"})


def test_a_call_goes_on_when_the_task_that_waits_for_it_is_cancelled(bench: Bench) -> None:
    async def work() -> None:
        async with AsyncStatusWriter(bench.writer) as writer:
            first = asyncio.create_task(writer.start_step("s", "pdfAdapter", "Reading"))
            second = asyncio.create_task(writer.finish_step("s", "pdfAdapter", "Read"))
            await asyncio.sleep(0)
            second.cancel()
            await first
            with pytest.raises(asyncio.CancelledError):
                await second

    looped(work())
    assert bench.step()["status"] == {"S": "success"}


# --- The folder on its own ---------------------------------------------------------------------------------


def test_the_folder_can_be_copied_under_any_name_and_needs_boto3_alone(
    tables: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(
        ROOT / "writers", tmp_path / "ours" / "recording", ignore=shutil.ignore_patterns("__pycache__")
    )
    table = tables["workflows"]
    program = f"""
import sys
from ours.recording import StatusWriter
with StatusWriter({table.name!r}, key={table.key!r}, region="us-east-1", endpoint_url={table.endpoint!r}, spool_dir="spool") as writer:
    with writer.workflow("copied", correlation_id="c", document_id="d", source_type="BANK") as workflow:
        with workflow.step("pdfAdapter", "Extracting") as step:
            step.add_tokens(1, 2)
known = {{name.split(".")[0] for name in sys.modules if getattr(sys.modules[name], "__file__", None)}}
foreign = {{"django", "opsportal", "pynamodb", "pydantic", "tracking", "requests_app", "registry", "writers"}}
print(sorted(known & foreign))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    made = client(table.region, table.endpoint, background=True)
    item = made.get_item(TableName=table.name, Key={table.key: {"S": "copied"}})["Item"]
    assert item["overallStatus"] == {"S": "completed"}
    assert item["totalTokenUsage"]["M"]["totalTokens"] == {"N": "3"}
