"""A status writer whose DynamoDB goes away: nothing is lost, nothing newer is undone, nothing is out of order."""

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsportal.dynamo.clients import client
from opsportal.operations import entries
from opsportal.operations.entries import Actor
from opsportal.supervisor import die_with
from tests.dynamo.fake_aws import error, fake_dynamo
from tests.processes import eventually
from tests.queues import Queue
from tests.writing import Clock, Heard, Line, refusal
from tracking import action_views
from tracking.writer import STEPS, StatusWriter, values

# What is written is tried on both engines in test_writer.py.
pytestmark = pytest.mark.no_moto

ROOT = Path(__file__).resolve().parent.parent.parent
FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}


class Bench:
    """A writer with a spool, whose line can be cut, and a look at the table."""

    def __init__(self, binding: Any, folder: Path) -> None:
        self.binding, self.table, self.key, self.folder = binding, binding.name, binding.key, folder
        self.client = client(binding.region, binding.endpoint, background=True)
        self.clock, self.line, self.heard = Clock(), Line(self.client), Heard()
        self.writers: list[StatusWriter] = []
        self.writer = self.another()

    def another(self, line: Any = None, **options: Any) -> StatusWriter:
        made = StatusWriter(
            self.table,
            key=self.key,
            client=line or self.line,
            clock=self.clock,
            spool_dir=self.folder,
            **{"progress_interval": 60.0, "on_trouble": self.heard} | options,
        )
        self.writers.append(made)
        return made

    def steady(self) -> StatusWriter:
        """One whose line is never cut, and that spools nothing."""
        return StatusWriter(
            self.table, key=self.key, client=self.client, clock=self.clock, progress_interval=60
        )

    def begin(self, session: str = "s") -> None:
        assert self.writer.initialize(session, **FACTS)

    def item(self, session: str = "s") -> dict[str, Any]:
        key = {self.key: {"S": session}}
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})

    def set(self, session: str = "s", **texts: str) -> None:
        self.client.update_item(
            TableName=self.table,
            Key={self.key: {"S": session}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in texts),
            ExpressionAttributeValues={f":{name}": {"S": text} for name, text in texts.items()},
        )

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.spool"))

    def quarantined(self) -> list[dict[str, Any]]:
        path = next(iter(self.folder.rglob("quarantine.jsonl")), None)
        return [json.loads(line) for line in path.read_text().splitlines()] if path else []


@pytest.fixture
def bench(tables: dict[str, Any], tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tables["workflows"], tmp_path / "spool")
    yield bench
    bench.line.cut()
    for writer in bench.writers:
        writer.close(0)


def a_whole_run(bench: Bench, session: str = "s") -> None:
    """One step fails and is retried; then the workflow completes."""
    bench.clock.forward(1)
    assert bench.writer.start_step(session, "pdfAdapter", "Reading")
    bench.clock.forward(2)
    assert bench.writer.fail_step(session, "pdfAdapter", "no text", tokens={"inputTokens": 5})
    bench.clock.forward(1)
    assert bench.writer.start_step(session, "pdfAdapter", "Again")
    bench.clock.forward(4)
    assert bench.writer.finish_step(session, "pdfAdapter", "Read", {"inputTokens": 9, "outputTokens": 3})
    bench.clock.forward(1)
    assert bench.writer.finalize(session, "completed")


def test_what_is_recorded_while_dynamodb_is_away_is_written_when_it_is_back(bench: Bench) -> None:
    bench.begin("direct")
    bench.begin("spooled")
    started = bench.clock.now
    a_whole_run(bench, "direct")
    bench.clock.now = started
    bench.line.cut()
    a_whole_run(bench, "spooled")
    assert bench.writer.trouble is not None
    assert bench.writer.trouble.kind == "away"
    assert bench.item("spooled")["overallStatus"] == {"S": "initializing"}
    bench.line.fix()
    assert bench.writer.flush()
    expected = bench.item("direct") | {bench.key: {"S": "spooled"}}
    assert bench.item("spooled") == expected
    assert bench.writer.trouble is None
    assert bench.heard.kinds == ["away"]
    assert bench.files() == []


def test_a_workflow_that_begins_while_dynamodb_is_away_is_there_whole(bench: Bench) -> None:
    bench.line.cut()
    result = bench.writer.initialize("s", **FACTS)
    assert result.outcome == "spooled"
    assert "EndpointConnectionError" in result.reason
    a_whole_run(bench)
    bench.clock.forward(600)
    bench.line.fix()
    assert bench.writer.flush()
    item = bench.item()
    assert item["createdAt"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert item["lastUpdated"] == {"S": "2025-12-24T10:00:09.000Z"}
    assert item["overallStatus"] == {"S": "completed"}
    assert item["totalDuration"] == {"N": "4"}


def test_while_it_is_away_calls_do_not_wait_for_it(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.line.calls.clear()
    a_whole_run(bench)
    assert bench.line.calls == ["get_item"]  # one found out; the others knew


def test_what_follows_waits_behind_what_is_spooled_and_others_do_not(bench: Bench) -> None:
    bench.begin("a")
    bench.begin("b")
    bench.line.cut()
    bench.writer.start_step("a", "pdfAdapter", "Reading")
    bench.line.fix()
    bench.writer.delivery._retry_at = 0.0
    with bench.writer.delivery._replaying:  # the replay has not come to it yet
        assert bench.writer.finish_step("a", "pdfAdapter", "Read").outcome == "spooled"
        assert bench.writer.start_step("b", "pdfAdapter", "Reading").outcome == "written"
    assert bench.writer.flush()
    assert bench.item("a")["pdfAdapter"]["M"]["status"] == {"S": "success"}


def test_it_comes_back_by_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("writers.delivery.FIRST_PAUSE", 0.05)
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.line.fix()
    assert eventually(lambda: bench.item()["overallStatus"] == {"S": "processing"})
    assert eventually(lambda: bench.writer.trouble is None and bench.files() == [])


def test_an_answer_that_was_lost_changes_nothing_when_it_is_repeated(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.clock.forward(2)
    bench.line.loses = 1
    assert bench.writer.finish_step("s", "pdfAdapter", "Read", {"inputTokens": 7}).outcome == "spooled"
    before = bench.item()
    assert before["pdfAdapter"]["M"]["status"] == {"S": "success"}
    assert bench.writer.flush()
    assert bench.item() == before


def test_a_replay_that_is_repeated_whole_changes_nothing(bench: Bench) -> None:
    """What a crash between the last write and the deletion of the file leaves."""
    bench.begin()
    bench.line.cut()
    a_whole_run(bench)
    (file,) = bench.files()
    kept = file.read_bytes()
    bench.line.fix()
    assert bench.writer.flush()
    before = bench.item()
    file.write_bytes(kept)
    assert bench.writer.flush()
    assert bench.item() == before
    assert bench.quarantined() == []
    assert bench.files() == []


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"]
)
def test_throttling_and_errors_of_the_service_are_away(bench: Bench, code: str) -> None:
    bench.begin()
    bench.line.down = refusal(code)
    assert bench.writer.start_step("s", "pdfAdapter", "Reading").outcome == "spooled"
    assert bench.heard.kinds == ["away"]


def test_throttling_as_aws_words_it_is_spooled(tmp_path: Path) -> None:
    with fake_dynamo() as fake:
        fake.says(error("ThrottlingException", "Rate of requests exceeds the allowed throughput."))
        writer = StatusWriter("t", client=impatient(fake.endpoint), spool_dir=tmp_path)
        assert writer.start_step("s", "pdfAdapter", "Reading").outcome == "spooled"
        fake.says(error("AccessDeniedException", "User is not authorized"))
        assert not writer.flush(0.1)
        assert writer.trouble is not None
        assert writer.trouble.kind == "denied"
        assert not writer.close(0.1)


def impatient(endpoint: str) -> Any:
    import botocore.session
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=1)
    session = botocore.session.Session()
    return session.create_client("dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=config)


def test_missing_rights_are_spooled_and_said_loudly(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.begin()
    bench.line.down = refusal("AccessDeniedException")
    with caplog.at_level(logging.INFO, "tracking.writer"):
        assert bench.writer.start_step("s", "pdfAdapter", "Reading").outcome == "spooled"
        bench.writer.progress("s", "pdfAdapter", "Page 1")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "someone has to fix this" in record.getMessage()
    assert "AccessDeniedException" in record.getMessage()
    assert bench.heard.kinds == ["denied"]
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "in-progress"}


def test_without_a_spool_a_problem_is_reported_and_the_record_lost(bench: Bench) -> None:
    writer = StatusWriter(bench.table, key=bench.key, client=bench.line, on_trouble=bench.heard)
    bench.line.cut()
    assert writer.start_step("s", "pdfAdapter", "Reading").outcome == "failed"
    bench.line.fix()
    assert writer.finalize("s", "done").outcome == "failed"
    assert bench.heard.kinds == ["away", "mistake"]


def test_a_listener_that_fails_stops_no_writer(bench: Bench) -> None:
    def fails(trouble: object) -> None:
        raise RuntimeError

    bench.begin()
    writer = bench.another(on_trouble=fails)
    bench.line.cut()
    assert writer.start_step("s", "pdfAdapter", "Reading").outcome == "spooled"


# --- Nothing newer is undone -------------------------------------------------------------------------


def test_a_cancel_in_the_meantime_stays(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.line.cut()
    bench.clock.forward(1)
    bench.writer.finish_step("s", "pdfAdapter", "Read", {"inputTokens": 9})
    bench.writer.start_step("s", "tradeExtraction", "Extracting")
    bench.writer.finalize("s", "completed")
    bench.set(overallStatus="cancelled", lastUpdated="2025-12-24T10:05:00.000Z")
    bench.line.fix()
    assert bench.writer.flush()
    item = bench.item()
    assert item["overallStatus"] == {"S": "cancelled"}
    assert item["tradeExtraction"]["M"]["status"] == {"S": "pending"}
    # The tokens were spent; and what comes late is not the newest news.
    assert item["totalTokenUsage"]["M"]["inputTokens"] == {"N": "9"}
    assert item["lastUpdated"] == {"S": "2025-12-24T10:05:00.000Z"}


def test_a_later_run_of_a_step_by_another_process_stays(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.clock.forward(1)
    bench.writer.start_step("s", "pdfAdapter", "Old")
    bench.clock.forward(1)
    bench.writer.fail_step("s", "pdfAdapter", "old error", tokens={"inputTokens": 99})
    bench.writer.finalize("s", "failed")
    other = bench.another(bench.client)
    bench.clock.forward(5)
    other.start_step("s", "pdfAdapter", "New")
    bench.clock.forward(2)
    other.finish_step("s", "pdfAdapter", "New done", {"inputTokens": 4})
    before = bench.item()
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item() == before


def test_a_retry_in_the_console_makes_what_was_spooled_before_old(bench: Bench, commands: Queue) -> None:
    bench.clock.now = datetime.now(UTC) - timedelta(hours=1)
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.line.cut()
    bench.clock.forward(1)
    bench.writer.fail_step("s", "pdfAdapter", "the old error")
    bench.writer.finalize("s", "failed")
    who = Actor("olga", "operator", "user:1001")
    action_views.RETRY.act("s", by=who, reason="stuck", action_id=entries.new_action_id())
    before = bench.item()
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item() == before


def test_a_step_that_a_foreign_writer_replaced_since_stays(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.client.update_item(
        TableName=bench.table,
        Key={bench.key: {"S": "s"}},
        UpdateExpression="SET pdfAdapter = :m, lastUpdated = :now",
        ExpressionAttributeValues={
            ":m": {"M": {"status": {"S": "success"}}},
            ":now": {"S": "2025-12-24T10:00:30Z"},
        },
    )
    before = bench.item()
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item() == before


def test_a_purged_workflow_is_not_recreated_and_its_records_are_kept_aside(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.finalize("s", "failed")
    bench.client.delete_item(TableName=bench.table, Key={bench.key: {"S": "s"}})
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item() == {}
    (entry,) = bench.quarantined()
    assert "no such item" in entry["reason"]
    assert json.loads(entry["record"])["args"]["status"] == "failed"


# --- Progress ----------------------------------------------------------------------------------------


def test_of_many_progress_reports_the_first_and_the_last_are_written(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.line.calls.clear()
    outcomes = [
        bench.writer.progress("s", "pdfAdapter", f"Page {number}", {"inputTokens": number}).outcome
        for number in range(1, 51)
    ]
    assert outcomes == ["written", *["buffered"] * 49]
    assert bench.line.writes == 1
    assert bench.item()["pdfAdapter"]["M"]["activity"] == {"S": "Page 1"}
    assert bench.writer.flush()
    assert bench.line.writes == 2
    assert bench.item()["pdfAdapter"]["M"]["activity"] == {"S": "Page 50"}
    assert bench.item()["totalTokenUsage"]["M"]["inputTokens"] == {"N": "50"}


def test_a_progress_is_written_when_its_time_has_come(bench: Bench) -> None:
    writer = bench.another(progress_interval=0.1)
    bench.begin()
    writer.start_step("s", "pdfAdapter", "Reading")
    writer.progress("s", "pdfAdapter", "Page 1")
    writer.progress("s", "pdfAdapter", "Page 2")
    assert eventually(lambda: bench.item()["pdfAdapter"]["M"]["activity"] == {"S": "Page 2"})
    assert eventually(lambda: writer.delivery._thread is None)


def test_the_end_of_a_step_is_written_at_once_with_what_was_recorded_before(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.writer.progress("s", "pdfAdapter", "Page 1")
    bench.writer.progress("s", "pdfAdapter", "Page 2", {"inputTokens": 8})
    bench.line.calls.clear()
    assert bench.writer.fail_step("s", "pdfAdapter", "broken").outcome == "written"
    assert bench.line.writes == 1
    step = bench.item()["pdfAdapter"]["M"]
    assert (step["status"], step["activity"]) == ({"S": "error"}, {"S": "Page 2"})
    assert step["tokenUsage"]["M"]["inputTokens"] == {"N": "8"}
    assert bench.writer.flush()
    assert bench.line.writes == 1
    assert bench.writer.progress("s", "pdfAdapter", "too late").outcome == "refused"


def test_a_progress_of_another_step_is_written_before_the_end_of_the_workflow(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    for page in (1, 2):
        bench.writer.progress("s", "pdfAdapter", f"Page {page}")
    bench.writer.finalize("s", "failed")
    assert bench.item()["pdfAdapter"]["M"]["activity"] == {"S": "Page 2"}
    assert bench.item()["overallStatus"] == {"S": "failed"}


def test_progress_starts_a_step_that_was_not_started(bench: Bench) -> None:
    bench.begin()
    assert bench.writer.progress("s", "extraStep", "Page 1", {"inputTokens": 2})
    step = bench.item()["extraStep"]["M"]
    assert (step["status"], step["startedAt"]) == ({"S": "in-progress"}, {"S": "2025-12-24T10:00:00.000Z"})
    bench.writer.finalize("s", "completed")
    assert bench.writer.progress("s", "extraStep", "x").outcome == "buffered"
    bench.writer.flush()
    assert bench.item()["extraStep"]["M"]["activity"] == {"S": "Page 1"}


def test_a_mistake_in_a_buffered_progress_is_surfaced(bench: Bench) -> None:
    bench.begin()
    bench.writer.progress("s", "pdfAdapter", "Page 1")
    bench.writer.progress("s", "pdfAdapter", "Page 2")
    bench.line.down = refusal("ValidationException")
    bench.writer.flush()
    assert bench.heard.kinds == ["mistake"]
    assert "ValidationException" in bench.heard.troubles[0].sentence
    assert bench.files() == []


# --- The files ---------------------------------------------------------------------------------------


def test_a_torn_last_line_is_passed_over(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    (file,) = bench.files()
    whole = file.read_bytes()
    bench.writer.close(0)
    file.write_bytes(whole + whole[: len(whole) // 2])
    bench.line.fix()
    other = bench.another()
    assert other.flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "in-progress"}
    assert bench.quarantined() == []
    assert bench.files() == []


def test_lines_that_are_no_records_are_put_aside_and_hold_nothing_up(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.clock.forward(1)
    bench.writer.finish_step("s", "pdfAdapter", "Read")
    (file,) = bench.files()
    first, second = file.read_bytes().splitlines(keepends=True)
    bench.writer.close(0)
    from writers.segments import line_of

    odd = [
        b"garbage\n",
        line_of(b"[]"),
        line_of(b'{"op":"no_such","item":"s","at":"2025-12-24T10:00:00+00:00","args":{}}'),
    ]
    file.write_bytes(first + b"".join(odd) + second)
    bench.line.fix()
    assert bench.another().flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "success"}
    reasons = [entry["reason"] for entry in bench.quarantined()]
    assert len(reasons) == 3
    assert "checksum" in reasons[0]
    assert "not a record" in reasons[1]
    assert "KeyError" in reasons[2]
    assert bench.heard.kinds.count("poison") == 3


def test_a_record_that_dynamodb_refuses_is_put_aside_and_the_next_is_written(bench: Bench) -> None:
    bench.begin("full")
    bench.begin("fine")
    bench.line.cut()
    bench.writer.start_step("full", "pdfAdapter", "Reading")
    bench.writer.start_step("fine", "pdfAdapter", "Reading")
    bench.line.fix()
    real = bench.client.update_item

    class Refusing(Line):
        def __getattr__(self, name: str) -> Any:
            if name == "update_item":
                return lambda **call: (
                    (_ for _ in ()).throw(refusal("ValidationException"))
                    if call["Key"][bench.key] == {"S": "full"}
                    else real(**call)
                )
            return super().__getattr__(name)

    bench.writer.client = Refusing(bench.client)
    assert bench.writer.flush()
    assert bench.item("fine")["pdfAdapter"]["M"]["status"] == {"S": "in-progress"}
    (entry,) = bench.quarantined()
    assert "ValidationException" in entry["reason"]


def test_the_spool_is_bounded_and_says_so_and_keeps_room_for_what_is_vital(bench: Bench) -> None:
    writer = bench.another(spool_bytes=4_000, progress_interval=0)
    bench.begin()
    writer.start_step("s", "pdfAdapter", "Reading")
    bench.line.cut()
    while writer.progress("s", "pdfAdapter", "x" * 100):
        pass
    assert writer.finish_step("s", "pdfAdapter", "Read").outcome == "spooled"
    while result := writer.finish_step("s", "pdfAdapter", "Read"):
        pass
    assert "SpoolFull" in result.reason
    assert set(bench.heard.kinds) == {"away", "full"}
    assert sum(file.stat().st_size for file in bench.files()) <= 4_000
    bench.line.fix()
    assert writer.flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "success"}
    assert writer.finalize("s", "completed")


def test_a_disk_that_fails_is_reported_and_the_file_stays_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    real = os.pwrite

    def half(file: int, data: bytes, at: int) -> int:
        real(file, data[:10], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("writers.segments.os.pwrite", half)
    result = bench.writer.finish_step("s", "pdfAdapter", "Read")
    assert result.outcome == "failed"
    assert "No space left" in result.reason
    assert bench.heard.kinds == ["away", "disk"]
    monkeypatch.undo()
    assert bench.writer.finish_step("s", "pdfAdapter", "Read once more").outcome == "spooled"
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item()["pdfAdapter"]["M"]["activity"] == {"S": "Read once more"}
    assert bench.quarantined() == []


def test_a_replay_that_the_disk_fails_is_reported_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.line.fix()

    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("writers.segments.os.pread", broken)
    assert not bench.writer.flush(0.1)
    assert "disk" in bench.heard.kinds
    monkeypatch.undo()
    assert bench.writer.flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "in-progress"}


def test_a_file_that_was_never_written_to_is_cleared_away(bench: Bench) -> None:
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    folder = bench.files()[0].parent
    old, fresh = folder / "1.new", folder / "2.new"
    for path in (old, fresh):
        path.touch()
    os.utime(old, (0, 0))
    bench.writer.flush(0)
    assert not old.exists()
    assert fresh.exists()


def test_files_are_for_their_user_alone(bench: Bench) -> None:
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    (file,) = bench.files()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.parent.name == bench.table


def test_the_quarantine_is_bounded(tmp_path: Path) -> None:
    from writers.spool import Record, Spool

    spool = Spool(tmp_path, "t", 8_000)
    spool.append(Record("start_step", "s", "2025-12-24T10:00:00+00:00"))
    for _ in range(100):
        spool.quarantine(b"x" * 100, "because")
    held = [path for path in spool.folder.iterdir() if path.name.startswith("quarantine")]
    assert len(held) == 2
    assert sum(path.stat().st_size for path in held) < 8_000 / 4 + 400
    spool.close()


# --- Processes ---------------------------------------------------------------------------------------

PROGRAM = """
import json, os, sys, time
import botocore.session
from botocore.config import Config
from tracking.writer import StatusWriter
given = json.loads(sys.argv[1])
config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5)
client = botocore.session.Session().create_client(
    "dynamodb", region_name="us-east-1", endpoint_url=given["endpoint"], config=config)
writer = StatusWriter(given["table"], key=given["key"], client=client, spool_dir=given["folder"])
"""
SPOOLS = """
from botocore.exceptions import EndpointConnectionError
def away(**_): raise EndpointConnectionError(endpoint_url="http://engine")
client.meta.events.register("before-call.dynamodb", away)
for number in range(10_000):
    session = f"s-{number}"
    for call in (
        writer.initialize(session, correlation_id="c", document_id="d", source_type="BANK"),
        writer.start_step(session, "pdfAdapter", "Reading"),
        writer.finish_step(session, "pdfAdapter", "Read", {"inputTokens": 7}, 1.5),
    ):
        assert call.outcome == "spooled", call
    print(session, flush=True)
"""
REPLAYS = """
class Slow:
    def __init__(self): self.exceptions, self.written = client.exceptions, 0
    def __getattr__(self, name): return getattr(client, name)
    def update_item(self, **call):
        answer = client.update_item(**call)
        self.written += 1
        print(self.written, flush=True)
        return answer
writer.client = Slow()
print("done", writer.flush(20), flush=True)
"""


@pytest.fixture
def program(bench: Bench, tables: dict[str, Any]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(text: str) -> "subprocess.Popen[str]":
        given = {
            "endpoint": bench.binding.endpoint,
            "table": bench.table,
            "key": bench.key,
            "folder": str(bench.folder),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM + text, json.dumps(given)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
            preexec_fn=die_with(os.getpid()),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines_until(process: "subprocess.Popen[str]", wanted: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(wanted)]


def test_a_process_killed_while_it_spools_or_replays_loses_nothing_it_was_promised(
    bench: Bench, program: Callable[..., "subprocess.Popen[str]"]
) -> None:
    spooling = program(SPOOLS)
    promised = lines_until(spooling, 12)
    assert promised[0] == "s-0", (promised, spooling.stdout)
    spooling.send_signal(signal.SIGKILL)
    promised += spooling.communicate()[0].split()
    assert bench.files()

    replaying = program(REPLAYS)
    assert lines_until(replaying, 7)[-1] == "7"
    replaying.send_signal(signal.SIGKILL)
    replaying.communicate()
    assert bench.files()

    # Two that share what is left.
    both = [program(REPLAYS), program(REPLAYS)]
    outputs = [process.communicate(timeout=30)[0] for process in both]
    assert [output.splitlines()[-1] for output in outputs] == ["done True"] * 2, outputs
    for session in promised:
        item = bench.item(session)
        assert item["pdfAdapter"]["M"]["status"] == {"S": "success"}, session
        assert item["totalDuration"] == {"N": "1.5"}
        assert item["totalTokenUsage"]["M"]["inputTokens"] == {"N": "7"}
    assert bench.files() == []
    assert bench.quarantined() == []


def test_a_file_of_a_living_process_is_left_to_it(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    other = bench.another(bench.client)
    assert other.flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "pending"}
    bench.writer.close(0)
    assert other.flush()
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "in-progress"}


def test_what_a_dead_process_left_comes_before_what_its_successor_says(bench: Bench) -> None:
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.writer.close(0)
    bench.line.fix()
    other = bench.another()
    bench.clock.forward(3)
    with other.delivery._replaying:
        assert other.finish_step("s", "pdfAdapter", "Read").outcome == "spooled"
    assert other.flush()
    step = bench.item()["pdfAdapter"]["M"]
    assert step["startedAt"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert step["duration"] == {"N": "3"}


def test_a_forked_process_has_a_file_of_its_own(bench: Bench) -> None:
    """Also where threads of its parent hold every lock there is."""
    bench.begin()
    bench.line.cut()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    delivery = bench.writer.delivery
    spool = delivery._spool
    assert spool is not None

    def child() -> None:
        same = len(spool) == 0
        kept = bench.writer.start_step("s", "tradeMatching", "Comparing").outcome == "spooled"
        os._exit(0 if same and kept else 1)

    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with delivery.lock("s"), delivery._changed, spool._lock, delivery._buffer._lock:
            held.set()
            let_go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(5)
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    let_go.set()
    thread.join()
    process.join(10)
    process.kill()
    assert process.exitcode == 0
    assert len(bench.files()) == 2
    process.join()
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item()["tradeMatching"]["M"]["status"] == {"S": "in-progress"}


# --- Any order of events -----------------------------------------------------------------------------

events = st.tuples(
    st.sampled_from(["start", "finish", "fail", "progress", "finalize", "cut", "mend", "lose", "restart"]),
    st.sampled_from([name for name, _ in STEPS[:2]]),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(events, max_size=14))
@example([(event, "pdfAdapter") for event in ("progress", "start", "restart", "progress")])
def test_whatever_fails_in_between_the_item_ends_as_without_failures(bench: Bench, made: list[Any]) -> None:
    """The same calls, by a writer whose line is never cut, on an item beside it."""
    for session in ("s", "t"):
        bench.client.delete_item(TableName=bench.table, Key={bench.key: {"S": session}})
    bench.line.fix()
    bench.line.loses = 0
    bench.writer.close(0)
    bench.writer = bench.another()  # which knows nothing of the example before
    steady = bench.steady()
    bench.begin("s")
    steady.initialize("t", **FACTS)
    for event, step in made:
        bench.clock.forward(0.5)
        if event == "cut":
            bench.line.cut()
        elif event == "mend":
            bench.line.fix()
        elif event == "lose":
            bench.line.loses = 1
        elif event == "restart":
            bench.writer.close(0)
            bench.writer = bench.another()
            # A new one has no interval to wait for, and what it writes at once has another time.
            steady.flush()
            steady = bench.steady()
        else:
            for writer, session in ((bench.writer, "s"), (steady, "t")):
                tell(writer, session, event, step)
    bench.line.fix()
    bench.line.loses = 0
    bench.clock.forward(0.5)
    assert bench.writer.flush()
    assert steady.flush()
    ours, theirs = bench.item("s"), bench.item("t")
    assert {**ours, bench.key: None} == {**theirs, bench.key: None}
    totals = {
        measure: values.decimal(values.at(ours, *path)) for measure, (_, path) in values.MEASURES.items()
    }
    assert totals == values.sums(ours)
    assert bench.files() == []
    assert bench.quarantined() == []


def tell(writer: StatusWriter, session: str, event: str, step: str) -> None:
    if event == "start":
        writer.start_step(session, step, "working")
    elif event == "finish":
        writer.finish_step(session, step, "done", {"inputTokens": 3})
    elif event == "fail":
        writer.fail_step(session, step, "broken", tokens={"inputTokens": 1})
    elif event == "progress":
        writer.progress(session, step, "halfway", {"inputTokens": 2})
    else:
        writer.finalize(session, "failed")
