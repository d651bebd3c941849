"""The clock of a machine is set while a writer works: its own order stays, and nothing is lost."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsportal.dynamo.clients import client
from tests.writing import Clock, Line
from writers import RequestWriter, StatusWriter, values

FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}


class Bench:
    """Writers of one machine, whose clock a test sets and whose line it can cut."""

    def __init__(self, tables: dict[str, Any], folder: Path) -> None:
        self.workflows, self.requests, self.logs = (
            tables[name] for name in ("workflows", "requests", "request_logs")
        )
        self.folder, self.clock = folder, Clock()
        self.client = client(self.workflows.region, self.workflows.endpoint, background=True)
        self.line = Line(self.client)
        self.shared: dict[str, Any] = {"client": self.line, "clock": self.clock, "spool_dir": folder}
        self.made: list[Any] = []

    def status(self) -> StatusWriter:
        self.made.append(StatusWriter(self.workflows.name, key=self.workflows.key, **self.shared))
        return self.made[-1]

    def worker(self) -> RequestWriter:
        keys = {"key": self.requests.key, "logs_table": self.logs.name, "logs_key": self.logs.key}
        writer = RequestWriter(
            self.requests.name, worker_id="w", progress_interval=0, log_interval=0, **keys, **self.shared
        )
        self.made.append(writer)
        return writer

    def item(self, table: Any, ident: str = "s") -> dict[str, Any]:
        key = {table.key: {"S": ident}}
        return self.client.get_item(TableName=table.name, Key=key, ConsistentRead=True)["Item"]


@pytest.fixture
def bench(tables: dict[str, Any], tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tables, tmp_path)
    yield made
    made.line.fix()
    for writer in made.made:
        writer.close(0)


# Seconds by which the clock is set before each call after the first.
STEPS = {
    "back": (-300, 0, 0),
    "a little back": (-0.5, 0, 0),
    "back before the end": (1, -30, 0),
    "back twice": (-300, 5, -3600),
    "forward": (3600, 0, 0),
    "forward and back": (3600, -3600, 1),
}


@pytest.mark.no_moto
@pytest.mark.parametrize("cut_before", [0, 1, 2, 3], ids=lambda call: f"away from call {call} on")
@pytest.mark.parametrize("step", STEPS)
def test_a_run_ends_as_it_did_however_the_clock_was_set(
    bench: Bench, caplog: pytest.LogCaptureFixture, step: str, cut_before: int
) -> None:
    writer = bench.status()
    calls: list[Callable[[], Any]] = [
        lambda: writer.initialize("s", **FACTS),
        lambda: writer.start_step("s", "pdfAdapter", "Reading"),
        lambda: writer.fail_step("s", "pdfAdapter", "no text", tokens={"inputTokens": 5}),
        lambda: writer.finalize("s", "failed"),
    ]
    for number, (call, seconds) in enumerate(zip(calls, (0, *STEPS[step]), strict=True)):
        bench.clock.forward(seconds)
        if number == cut_before:
            bench.line.cut()
        assert call().outcome == ("spooled" if number >= cut_before else "written")
    bench.line.fix()
    with caplog.at_level(logging.INFO, "tracking.writer"):
        assert writer.flush() is True
    assert "superseded" not in caplog.text
    item = bench.item(bench.workflows)
    ended = item["pdfAdapter"]["M"]
    assert (item["overallStatus"], ended["status"]) == ({"S": "failed"}, {"S": "error"})
    stamps = [item["createdAt"], ended["startedAt"], ended["completedAt"], item["lastUpdated"]]
    moments = [values.moment(stamp) for stamp in stamps]
    assert moments == sorted(moments)  # type: ignore[type-var]


@pytest.mark.no_moto
@pytest.mark.parametrize("away", [False, True], ids=["live", "away"])
def test_so_does_a_request(bench: Bench, away: bool) -> None:
    bench.client.put_item(
        TableName=bench.requests.name, Item={bench.requests.key: {"S": "s"}, "status": {"S": "pending"}}
    )
    writer = bench.worker()
    job = writer.claim("s")
    assert job is not None
    expected = {"spooled"} if away else {"written"}
    if away:
        bench.line.cut()
    outcomes = {job.progress("serp_discovery", 10).outcome}
    bench.clock.forward(-300)
    outcomes |= {
        job.progress("serp_discovery", 20).outcome,
        job.executing().outcome,
        job.error("no text").outcome,
    }
    bench.clock.forward(-20)
    outcomes |= {
        job.progress("aggregation", 90).outcome,
        job.log("INFO", "last").outcome,
        job.complete().outcome,
    }
    assert outcomes == expected
    bench.line.fix()
    assert writer.flush() is True
    item = bench.item(bench.requests)
    assert item["progress"]["M"]["percentage"] == {"N": "100"}
    history = [entry["M"] for entry in item["processing_metadata"]["M"]["status_history"]["L"]]
    assert [entry["new_status"]["S"] for entry in history] == ["processing", "executing", "completed"]
    moments = [values.moment(entry["timestamp"]) for entry in history]
    assert moments == sorted(moments)  # type: ignore[type-var]
    assert item["started_at"]["S"] <= item["completed_at"]["S"]
    lines = bench.client.scan(TableName=bench.logs.name, ConsistentRead=True)["Items"]
    lines.sort(key=lambda line: line["timestamp"]["S"])
    assert [line["message"]["S"] for line in lines] == ["Executing", "last", "Request completed"]


@pytest.mark.no_moto
def test_what_a_process_says_comes_behind_what_an_ended_one_has_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names of their files too, whatever the clock was when they were made."""
    first = bench.status()
    bench.line.cut()
    first.initialize("s", **FACTS)
    first.start_step("s", "pdfAdapter", "Reading")
    first.close(0)
    bench.clock.forward(-300)
    monkeypatch.setattr("writers.segments.time.time_ns", lambda: 5)
    second = bench.status()
    assert second.finish_step("s", "pdfAdapter", "Read").outcome == "spooled"
    assert second.delivery._spool is not None
    spooled = [
        b"".join(payload for _, payload, _ in one.records()) for one in second.delivery._spool.segments()
    ]
    assert [b"start_step" in text for text in spooled] == [True, False]
    bench.line.fix()
    assert second.flush() is True
    ended = bench.item(bench.workflows)["pdfAdapter"]["M"]
    assert ended["status"] == {"S": "success"}
    assert ended["startedAt"]["S"] <= ended["completedAt"]["S"]


def test_an_item_that_begins_after_the_clock_was_put_right_has_its_time(bench: Bench) -> None:
    writer = bench.status()
    bench.clock.forward(10 * 365 * 86_400)
    writer.initialize("wrong", **FACTS)
    bench.clock.forward(-10 * 365 * 86_400)
    writer.initialize("right", **FACTS)
    assert bench.item(bench.workflows, "right")["createdAt"] == {"S": "2025-12-24T10:00:00.000Z"}


@pytest.mark.no_moto
def test_time_goes_on_while_the_clock_is_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic = [100.0]
    monkeypatch.setattr("writers.moments.time.monotonic", lambda: monotonic[0])
    writer = bench.status()
    writer.initialize("s", **FACTS)
    writer.start_step("s", "pdfAdapter", "Reading")
    bench.clock.forward(-300)
    monotonic[0] += 7
    writer.finish_step("s", "pdfAdapter", "Read")
    assert bench.item(bench.workflows)["pdfAdapter"]["M"]["duration"] == {"N": "7"}


@pytest.mark.no_moto
def test_what_another_process_made_old_is_logged_as_a_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    writer = bench.status()
    writer.initialize("s", **FACTS)
    bench.line.cut()
    writer.start_step("s", "pdfAdapter", "Reading")
    bench.client.update_item(
        TableName=bench.workflows.name,
        Key={bench.workflows.key: {"S": "s"}},
        UpdateExpression="SET pdfAdapter = :m",
        ExpressionAttributeValues={
            ":m": {"M": {"status": {"S": "success"}, "completedAt": {"S": "2025-12-24T10:05:00Z"}}}
        },
    )
    bench.line.fix()
    caplog.clear()
    assert writer.flush() is True
    assert [record.levelname for record in caplog.records if "superseded" in record.getMessage()] == [
        "WARNING"
    ]
