"""The writer of requests: claims, progress, logs; what it undoes (nothing) and what it survives."""

import asyncio
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsportal.dynamo.clients import client
from opsportal.operations import entries
from opsportal.operations.entries import Actor
from requests_app import action_views
from requests_app.models import IntelligenceRequest
from requests_app.statuses import is_open
from requests_app.writer import (
    STAGES,
    AsyncRequestWriter,
    Cancelled,
    Job,
    RequestWriteError,
    RequestWriter,
    TakenAway,
)
from tests.shapes import examples
from tests.writing import START, Clock, Heard, Line, looped, refusal

WHO = Actor("olga", "operator", "user:1001")


class Bench:
    """A writer on tables of the test's own, whose line can be cut, and a look at what is in them."""

    def __init__(self, tables: dict[str, Any], folder: Path) -> None:
        self.table, self.logs, self.folder = tables["requests"], tables["request_logs"], folder
        self.client = client(self.table.region, self.table.endpoint, background=True)
        self.clock, self.line, self.heard = Clock(), Line(self.client), Heard()
        self.writers: list[RequestWriter] = []
        self.writer = self.another("w-1")

    def another(self, worker: str, line: Any = None, **options: Any) -> RequestWriter:
        given: dict[str, Any] = {
            "spool_dir": self.folder,
            "progress_interval": 60.0,
            "log_interval": 60.0,
            "on_trouble": self.heard,
            "logs_table": self.logs.name,
        }
        made = RequestWriter(
            self.table.name,
            worker_id=worker,
            key=self.table.key,
            logs_key=self.logs.key,
            client=line or self.line,
            clock=self.clock,
            **given | options,
        )
        if made.logs is not None:
            made.logs._numbers = itertools.count()  # so that ids sort as they are made
        self.writers.append(made)
        return made

    def put(self, ident: str = "r", **more: Any) -> None:
        item: dict[str, Any] = {
            self.table.key: {"S": ident},
            "status": {"S": "pending"},
            "priority": {"S": "high"},
            "processing_strategy": {"S": "table"},
            "config": {"M": {"keywords": {"L": [{"S": "wegovy"}]}, "batch_size": {"N": "5"}}},
            "created_at": {"S": "2025-12-24T09:59:00.000000"},
            "updated_at": {"S": "2025-12-24T09:59:00.000000"},
            "started_at": {"NULL": True},
            "errors": {"L": []},
            "warnings": {"L": []},
            "progress": {"M": {"current_stage": {"S": "initialization"}, "percentage": {"N": "0"}}},
            "processing_metadata": {"M": {"status_history": {"L": []}, "kept": {"N": "7"}}},
        }
        made = {name: value for name, value in (item | more).items() if value is not None}
        self.client.put_item(TableName=self.table.name, Item=made)

    def claimed(self, ident: str = "r", **more: Any) -> Job:
        self.put(ident, **more)
        job = self.writer.claim(ident)
        assert job is not None
        self.clock.forward(1)
        return job

    def item(self, ident: str = "r") -> dict[str, Any]:
        key = {self.table.key: {"S": ident}}
        return self.client.get_item(TableName=self.table.name, Key=key, ConsistentRead=True).get("Item", {})

    def history(self, ident: str = "r") -> list[tuple[str, str, str]]:
        entries = self.item(ident)["processing_metadata"]["M"]["status_history"]["L"]
        names = ("timestamp", "old_status", "new_status")
        return [tuple(entry["M"][name]["S"] for name in names) for entry in entries]  # type: ignore[misc]

    def statuses(self, ident: str = "r") -> list[str]:
        return [new for _, _, new in self.history(ident)]

    def lines(self) -> list[dict[str, Any]]:
        found = self.client.scan(TableName=self.logs.name, ConsistentRead=True)["Items"]
        return sorted(found, key=lambda line: (line["timestamp"]["S"], line[self.logs.key]["S"]))

    def messages(self) -> list[str]:
        return [line["message"]["S"] for line in self.lines()]

    def cancel(self, ident: str = "r") -> None:
        action_views.CANCEL.act(ident, by=WHO, reason="enough", action_id=entries.new_action_id())


@pytest.fixture
def bench(tables: dict[str, Any], tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tables, tmp_path / "spool")
    yield bench
    bench.line.cut()
    for writer in bench.writers:
        writer.close(0)


# --- From claim to end -------------------------------------------------------------------------------


def test_a_request_from_claim_to_completion(bench: Bench) -> None:
    bench.put()
    job = bench.writer.claim("r")
    assert job is not None
    with job:
        assert job.config["batch_size"] == 5
        bench.clock.forward(1)
        job.progress("serp_discovery", share=0.5, urls_found=12)
        job.log("info", "12 URLs found", pages=3)
        bench.clock.forward(1)
        job.executing()
        bench.clock.forward(8)
        job.progress("content_extraction", 65, content_extracted=9)
        job.complete({"report_path": "reports/r.json", "summary": {"count": 9, "share": 0.75}})
    item = bench.item()
    assert item["status"] == {"S": "completed"}
    assert item["started_at"] == {"S": "2025-12-24T10:00:00.000000"}
    assert item["completed_at"] == item["updated_at"] == {"S": "2025-12-24T10:00:10.000000"}
    assert bench.history() == [
        ("2025-12-24T10:00:00.000000", "pending", "processing"),
        ("2025-12-24T10:00:02.000000", "processing", "executing"),
        ("2025-12-24T10:00:10.000000", "executing", "completed"),
    ]
    metadata = item["processing_metadata"]["M"]
    assert (metadata["worker_id"], metadata["kept"]) == ({"S": "w-1"}, {"N": "7"})
    assert item["progress"]["M"] == {
        "current_stage": {"S": "completed"},
        "percentage": {"N": "100"},
        "urls_found": {"N": "12"},
        "content_extracted": {"N": "9"},
        "last_updated": {"S": "2025-12-24T10:00:10.000000"},
    }
    assert item["results"]["M"]["summary"]["M"] == {"count": {"N": "9"}, "share": {"N": "0.75"}}
    assert bench.messages() == ["12 URLs found", "Executing", "Request completed"]
    line = bench.lines()[0]
    assert re.fullmatch(r"log_\d{13}_\d{3}", line[bench.logs.key]["S"])
    assert line["request_id"] == {"S": "r"}
    assert line["timestamp"] == {"S": "2025-12-24T10:00:01.000000"}
    assert line["log_level"] == {"S": "INFO"}
    assert line["stage"] == {"S": "serp_discovery"}
    assert line["metadata"] == {"M": {"worker_id": {"S": "w-1"}, "pages": {"N": "3"}}}
    shown = IntelligenceRequest.read("r")
    assert shown is not None
    assert shown.elapsed == timedelta(seconds=10)


def test_a_block_that_says_nothing_completes_and_one_that_raises_fails(bench: Bench) -> None:
    with bench.claimed("a"):
        pass
    assert bench.item("a")["status"] == {"S": "completed"}
    with pytest.raises(ValueError, match="no pages"), bench.claimed("b", errors={"L": [{"S": "before"}]}):
        raise ValueError("no pages")
    item = bench.item("b")
    assert item["status"] == {"S": "failed"}
    assert item["status_message"] == {"S": "ValueError: no pages"}
    assert [line["S"] for line in item["errors"]["L"]] == [
        "before",
        "2025-12-24T10:00:02.000000: ValueError: no pages",
    ]
    with pytest.raises(KeyboardInterrupt), bench.claimed("c"):
        raise KeyboardInterrupt
    assert bench.item("c")["status_message"] == {"S": "KeyboardInterrupt"}
    with bench.claimed("d") as job:
        job.fail("the source is closed")
    assert bench.statuses("d") == ["processing", "failed"]


def test_errors_and_warnings_are_appended(bench: Bench) -> None:
    job = bench.claimed(errors={"S": "odd"}, warnings=None)
    job.warning("Low confidence")
    job.error("Page 3 could not be read")
    job.error("Page 4 could not be read")
    item = bench.item()
    assert [line["S"] for line in item["errors"]["L"]] == [
        "2025-12-24T10:00:01.000000: Page 3 could not be read",
        "2025-12-24T10:00:01.000000: Page 4 could not be read",
    ]
    assert [line["S"] for line in item["warnings"]["L"]] == ["2025-12-24T10:00:01.000000: Low confidence"]


@pytest.mark.parametrize(
    "metadata", [None, {"S": "none"}, {"NULL": True}, {"M": {"status_history": {"S": "x"}}}]
)
def test_a_request_of_odd_shape_is_carried_to_its_end(bench: Bench, metadata: Any) -> None:
    with bench.claimed(processing_metadata=metadata, progress={"L": []}) as job:
        job.progress("aggregation", share=1)
        job.executing()
    assert bench.statuses() == ["processing", "executing", "completed"]
    assert bench.item()["processing_metadata"]["M"]["worker_id"] == {"S": "w-1"}
    assert bench.item()["progress"]["M"]["percentage"] == {"N": "100"}


def test_stamps_have_the_form_of_the_table(bench: Bench) -> None:
    job = bench.claimed(created_at={"S": "2025-12-24T09:59:00Z"}, updated_at={"S": "2025-12-24T09:59:00Z"})
    assert bench.item()["started_at"] == {"S": "2025-12-24T10:00:00.000000Z"}
    job.executing()
    assert bench.item()["updated_at"] == {"S": "2025-12-24T10:00:01.000000Z"}


@pytest.mark.parametrize(
    ("stage", "said", "found"),
    [
        ("initialization", {}, "0"),
        ("serp_discovery", {"share": 0}, "5"),
        ("serp_discovery", {"share": 1}, "25"),
        ("content_extraction", {"share": 0.5}, "52.5"),
        ("content_extraction", {"percentage": 80}, "80"),
        ("aggregation", {"percentage": 94.5}, "94.5"),
    ],
)
def test_a_percentage_is_within_its_stage(bench: Bench, stage: str, said: Any, found: str) -> None:
    bench.claimed().progress(stage, **said)
    progress = bench.item()["progress"]["M"]
    assert (progress["current_stage"], progress["percentage"]) == ({"S": stage}, {"N": found})


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("serp_discovery", {"percentage": 4.9}),
        ("serp_discovery", {"percentage": 26}),
        ("aggregation", {"share": 1.1}),
        ("aggregation", {"percentage": "many"}),
        ("thinking", {}),
    ],
)
@pytest.mark.no_moto
def test_a_percentage_outside_of_its_stage_is_left_out(bench: Bench, stage: str, said: Any) -> None:
    job = bench.claimed()
    assert job.progress(stage, urls_found=3, **said).outcome == "written"
    assert bench.heard.kinds == ["mistake"]
    progress = bench.item()["progress"]["M"]
    assert progress["urls_found"] == {"N": "3"}
    assert progress["percentage"] == {"N": "0"}  # as it was
    assert progress["current_stage"] == {"S": stage if stage in STAGES else "initialization"}
    bench.writer.raise_errors = True
    with pytest.raises(RequestWriteError, match="is left out"):
        job.progress(stage, **said)


@pytest.mark.no_moto
def test_a_progress_that_says_nothing_is_a_mistake(bench: Bench) -> None:
    job = bench.claimed()
    before = bench.item()
    assert job.progress("thinking").outcome == "failed"
    assert bench.item() == before


def test_the_bounds_of_the_stages_are_the_documented_ones() -> None:
    assert list(STAGES.values()) == [(0, 5), (5, 25), (25, 80), (80, 95), (95, 100)]


# --- Who has it --------------------------------------------------------------------------------------


def test_requests_that_wait_come_by_priority_and_then_the_oldest_first(bench: Bench) -> None:
    for number, (ident, priority) in enumerate(
        [("l", "low"), ("m1", "medium"), ("h", "HIGH"), ("m2", "medium")]
    ):
        bench.put(ident, priority={"S": priority}, created_at={"S": f"2025-12-24T09:0{number}:00.000000"})
    bench.put("queued", processing_strategy={"S": "sqs"})
    bench.put("done", status={"S": "completed"})
    assert bench.writer.pending() == ["h", "m1", "m2", "l"]
    assert bench.writer.pending(2) == ["h", "m1"]
    assert set(bench.writer.pending(strategy=None)) == {"h", "m1", "m2", "l", "queued"}


@pytest.mark.no_moto
def test_of_many_workers_one_gets_a_request(bench: Bench) -> None:
    bench.put()
    writers = [bench.another(f"w-{number}", bench.client) for number in range(8)]
    barrier, got = threading.Barrier(8), list[str]()

    def work(writer: RequestWriter) -> None:
        barrier.wait()
        if writer.claim("r"):
            got.append(writer.worker_id)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert bench.item()["processing_metadata"]["M"]["worker_id"] == {"S": got[0]}
    assert bench.statuses() == ["processing"]


def test_a_claim_whose_answer_was_lost_is_a_claim(bench: Bench) -> None:
    class Losing(Line):
        """As botocore's own retry shows it: the second attempt finds the condition failed."""

        def update_item(self, **call: Any) -> Any:
            self.client.update_item(**call)
            return self.client.update_item(**call)

    bench.put()
    job = bench.another("w-2", Losing(bench.client)).claim("r")
    assert job is not None
    assert bench.statuses() == ["processing"]
    job.executing()
    assert bench.statuses() == ["processing", "executing"]


@pytest.mark.no_moto
def test_a_claim_that_is_written_late_is_still_found(bench: Bench) -> None:
    """Its answer was lost, and it arrives just before the second one."""

    class Late(Line):
        def __init__(self, client: Any) -> None:
            super().__init__(client)
            self.on_its_way: list[dict[str, Any]] = []
            self.answers = False

        def update_item(self, **call: Any) -> Any:
            if not self.answers:
                self.answers = True
                self.on_its_way.append(call)
                raise EndpointConnectionError(endpoint_url="http://engine")
            while self.on_its_way:
                self.client.update_item(**self.on_its_way.pop())
            return self.client.update_item(**call)

    bench.put()
    writer = bench.another("w-2", Late(bench.client))
    with pytest.raises(RequestWriteError):
        writer.claim("r")
    bench.clock.forward(1)
    with writer.claim("r"):  # type: ignore[union-attr]
        pass
    assert bench.statuses() == ["processing", "completed"]
    assert bench.item()["started_at"] == {"S": "2025-12-24T10:00:00.000000"}


def test_a_claim_that_is_not_answered_at_all_is_found_when_it_is_asked_for_again(bench: Bench) -> None:
    bench.put()
    writer = bench.another("w-2")
    for _ in range(2):
        bench.line.loses = 1
        if bench.item()["status"] == {"S": "processing"}:
            bench.line.cut()  # the second time not even the item can be read
        with pytest.raises(RequestWriteError):
            writer.claim("r")
        bench.clock.forward(1)
    bench.line.fix()
    bench.line.loses = 0
    assert bench.another("w-3").claim("r") is None
    with writer.claim("r"):  # type: ignore[union-attr]
        pass
    assert bench.statuses() == ["processing", "completed"]


def test_what_is_not_pending_or_not_there_cannot_be_claimed(bench: Bench) -> None:
    bench.put("done", status={"S": "completed"})
    assert bench.writer.claim("done") is None
    assert bench.writer.claim("nobody") is None
    assert bench.item("nobody") == {}
    bench.put("loud", status={"S": "PENDING"})
    assert bench.writer.claim("loud")


def test_without_dynamodb_nobody_claims(bench: Bench) -> None:
    bench.line.cut()
    with pytest.raises(RequestWriteError, match="EndpointConnectionError"):
        bench.writer.claim("r")
    with pytest.raises(RequestWriteError):
        bench.writer.pending()
    assert set(bench.heard.kinds) == {"away"}


def test_a_cancel_stops_the_worker_and_stays(bench: Bench) -> None:
    job = bench.claimed()
    bench.cancel()
    with pytest.raises(Cancelled):
        job.check()
    with pytest.raises(Cancelled, match="the request is cancelled"), job:
        job.executing()
    item = bench.item()
    assert item["status"] == {"S": "cancelled"}
    assert bench.statuses() == ["processing", "cancelled"]
    assert item["errors"] == {"L": []}
    assert bench.messages() == ["Stopped: the request is cancelled"]


def test_a_cancel_at_the_very_end_is_raised_from_the_block(bench: Bench) -> None:
    with pytest.raises(Cancelled), bench.claimed():
        bench.cancel()
    assert bench.item()["status"] == {"S": "cancelled"}
    job = bench.claimed("b")
    bench.cancel("b")
    with pytest.raises(ValueError, match="broken"), job:
        raise ValueError("broken")
    assert bench.item("b")["status"] == {"S": "cancelled"}


def test_a_cancel_between_reading_and_writing_is_not_overwritten(bench: Bench) -> None:
    job = bench.claimed()
    real = bench.writer._read

    def read_then_cancelled(ident: str) -> dict[str, Any]:
        bench.writer._read = real  # type: ignore[method-assign]
        item = real(ident)
        bench.cancel()
        return item

    bench.writer._read = read_then_cancelled  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        job.complete({"summary": "x"})
    assert bench.item()["status"] == {"S": "cancelled"}
    assert "results" not in bench.item()


def test_a_cancel_that_a_buffered_progress_meets_stops_the_next_call(bench: Bench) -> None:
    job = bench.claimed()
    for share in (0.1, 0.2):
        job.progress("serp_discovery", share=share)
    bench.cancel()
    bench.writer.flush()
    bench.line.calls.clear()
    with pytest.raises(Cancelled):
        job.warning("x")
    assert bench.line.calls == []  # it is known
    assert bench.item()["progress"]["M"]["percentage"] == {"N": "7"}


def test_a_request_that_was_retried_and_taken_by_another_is_left_to_it(bench: Bench) -> None:
    job = bench.claimed()
    bench.cancel()
    action_views.RETRY.act("r", by=WHO, reason="", action_id=entries.new_action_id())
    bench.clock.forward(5)
    theirs = bench.another("w-2", bench.client).claim("r")
    assert theirs is not None
    before = bench.item()
    for call in (job.executing, lambda: job.progress("aggregation", 90), lambda: job.fail("x"), job.check):
        with pytest.raises(TakenAway, match="another worker has the request"):
            call()
    assert bench.item() == before
    theirs.complete()


def test_a_purged_request_is_not_created_again(bench: Bench) -> None:
    job = bench.claimed()
    bench.client.delete_item(TableName=bench.table.name, Key={bench.table.key: {"S": "r"}})
    with pytest.raises(TakenAway, match="gone"):
        job.complete()
    assert bench.item() == {}


def test_a_finished_job_says_no_more(bench: Bench) -> None:
    job = bench.claimed()
    job.complete()
    bench.put(status={"S": "pending"})
    with pytest.raises(TakenAway):
        job.warning("late")


# --- While DynamoDB is away --------------------------------------------------------------------------


def test_what_happens_while_dynamodb_is_away_is_there_when_it_is_back(bench: Bench) -> None:
    job = bench.claimed()
    bench.line.cut()
    with job:
        job.executing()
        bench.clock.forward(1)
        job.progress("content_extraction", share=0.5, urls_found=4)
        job.progress("content_extraction", share=0.6)
        job.error("Page 3 could not be read")
        job.log("WARNING", "Page 3 skipped")
        job.check()
        bench.clock.forward(1)
        job.complete({"count": 3})
    assert bench.item()["status"] == {"S": "processing"}
    assert bench.writer.trouble is not None
    bench.clock.forward(600)
    bench.line.fix()
    assert bench.writer.flush()
    item = bench.item()
    assert bench.history()[1:] == [
        ("2025-12-24T10:00:01.000000", "processing", "executing"),
        ("2025-12-24T10:00:03.000000", "executing", "completed"),
    ]
    assert len(item["errors"]["L"]) == 1
    assert item["progress"]["M"]["urls_found"] == {"N": "4"}
    assert item["updated_at"] == {"S": "2025-12-24T10:00:03.000000"}
    assert bench.messages() == ["Executing", "Page 3 skipped", "Request completed"]
    assert list(bench.folder.rglob("*.spool")) == []


def test_a_cancel_while_it_was_away_stays_and_stops_the_worker(bench: Bench) -> None:
    job = bench.claimed()
    bench.line.cut()
    job.executing()
    bench.cancel()
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item()["status"] == {"S": "cancelled"}
    assert bench.statuses() == ["processing", "cancelled"]
    with pytest.raises(Cancelled):
        job.complete()


def test_a_replay_that_is_repeated_changes_nothing(bench: Bench) -> None:
    job = bench.claimed()
    bench.line.cut()
    job.executing()
    bench.clock.forward(1)
    job.warning("Low confidence")
    job.log("INFO", "halfway")
    bench.clock.forward(1)
    job.complete()
    kept = {file: file.read_bytes() for file in bench.folder.rglob("*.spool")}
    assert len(kept) == 2  # of requests and of logs
    bench.line.fix()
    assert bench.writer.flush()
    before, lines = bench.item(), bench.lines()
    for file, data in kept.items():
        file.write_bytes(data)
    assert bench.writer.flush()
    assert bench.item() == before
    assert bench.lines() == lines


def test_without_a_spool_the_work_goes_on_and_what_is_lost_is_surfaced(bench: Bench) -> None:
    writer = bench.another("w-2", spool_dir=None, log_interval=0)
    bench.put()
    job = writer.claim("r")
    assert job is not None
    bench.line.cut()
    job.check()
    assert job.executing().outcome == "failed"
    assert job.log("INFO", "x").outcome == "failed"
    assert bench.heard.kinds == ["away", "away"]
    writer.raise_errors = True
    assert writer.logs is not None
    writer.logs.raise_errors = True
    with pytest.raises(RequestWriteError):
        job.check()
    with pytest.raises(RequestWriteError):
        job.log("INFO", "x")
    bench.line.fix()
    writer.raise_errors = False
    assert job.executing()
    assert bench.statuses() == ["processing", "executing"]


def test_a_newer_progress_is_not_replaced_by_an_older(bench: Bench) -> None:
    job = bench.claimed()
    bench.line.cut()
    job.progress("serp_discovery", share=0.1)
    newer = {"M": {"percentage": {"N": "20"}, "last_updated": {"S": "2025-12-24T10:30:00.000000"}}}
    bench.client.update_item(
        TableName=bench.table.name,
        Key={bench.table.key: {"S": "r"}},
        UpdateExpression="SET progress = :p",
        ExpressionAttributeValues={":p": newer},
    )
    bench.line.fix()
    assert bench.writer.flush()
    assert bench.item()["progress"] == newer


def test_an_item_that_others_change_all_the_time_is_spooled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("writers.requests._wait", lambda attempt: None)

    job = bench.claimed()
    refused = bench.client.exceptions.ConditionalCheckFailedException

    class Busy(Line):
        def update_item(self, **_: Any) -> Any:
            raise refused({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")

    bench.writer.client = Busy(bench.client)
    result = job.executing()
    assert (result.outcome, "12 times in a row" in result.reason) == ("spooled", True)
    bench.put("other")
    with pytest.raises(RequestWriteError, match="12 times in a row"):
        bench.writer.claim("other")
    bench.writer.client = bench.client
    assert bench.writer.flush()
    assert bench.item()["status"] == {"S": "executing"}


events = st.sampled_from(["executing", "progress", "note", "log", "cut", "mend", "lose", "restart", "cancel"])


@pytest.mark.no_moto
@settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(events, max_size=12), st.sampled_from(["complete", "fail"]))
def test_whatever_fails_in_between_nothing_is_lost_doubled_or_undone(
    bench: Bench, made: list[str], end: str
) -> None:
    bench.line.fix()
    bench.line.loses = 0
    for line in bench.lines():
        bench.client.delete_item(TableName=bench.logs.name, Key={bench.logs.key: line[bench.logs.key]})
    job, notes, logged, changed, cancelled = bench.claimed(), [], [], ["processing"], False
    for number, event in enumerate([*made, end]):
        bench.clock.forward(0.5)
        try:
            if event == "cut":
                bench.line.cut()
            elif event == "mend":
                bench.line.fix()
            elif event == "lose":
                bench.line.loses = 1
            elif event == "cancel":
                if not cancelled and is_open(bench.item()["status"]["S"]):
                    bench.cancel()
                    cancelled = True
            elif event == "restart":  # by its successor, who knows what it did
                bench.writer.close(0)
                bench.writer = bench.another("w-1")
                job.writer = bench.writer
            elif event == "progress":
                job.progress("content_extraction", share=number / 20)
            elif event == "note":
                job.warning(f"note {number}")
                notes.append(f"note {number}")
            elif event == "log":
                job.log("INFO", f"line {number}")
                logged.append(f"line {number}")
            elif event == "executing":
                if job.status == "processing":
                    job.executing()
                    changed.append("executing")
            else:
                (job.complete if end == "complete" else lambda: job.fail("broken"))()
                changed.append(job.status)
        except Cancelled:
            assert cancelled
    bench.line.fix()
    bench.line.loses = 0
    bench.writer.logs.settle("r")  # type: ignore[union-attr]
    assert bench.writer.flush()
    item = bench.item()
    told = [line["S"].split(": ", 1)[1] for line in item["warnings"]["L"]]
    if cancelled:
        assert item["status"] == {"S": "cancelled"}
        assert [status for status in bench.statuses() if status != "cancelled"] == changed[
            : len(bench.statuses()) - 1
        ]
        assert told == notes[: len(told)]
    else:
        assert bench.statuses() == changed
        assert item["status"] == {"S": changed[-1]}
        assert told == notes
    assert sorted(message for message in bench.messages() if message.startswith("line")) == sorted(logged)
    ids = [line[bench.logs.key]["S"] for line in bench.lines()]
    assert len(ids) == len(set(ids))


# --- Too large ---------------------------------------------------------------------------------------


def test_results_that_the_item_cannot_hold_are_left_out_and_it_says_so(bench: Bench) -> None:
    bench.claimed().complete({"report": "x" * 500_000})
    item = bench.item()
    assert item["status"] == {"S": "completed"}
    assert "results" not in item
    assert "bytes left out" in item["warnings"]["L"][0]["S"]


@pytest.mark.no_moto  # whose items end at 405,000 bytes
def test_an_over_long_error_is_cut_and_says_so(bench: Bench) -> None:
    bench.claimed("a").fail("é" * 300_000)
    assert bench.item("a")["errors"]["L"][0]["S"].endswith("[cut: 568,000 of 600,000 bytes left out]")
    assert len(bench.item("a")["status_message"]["S"].encode()) < 2_100
    bench.claimed("b", report={"S": "x" * 385_000}).fail("y" * 50_000)
    assert bench.item("b")["status"] == {"S": "failed"}
    assert "bytes left out" in bench.item("b")["errors"]["L"][0]["S"]


# --- Logs --------------------------------------------------------------------------------------------


def test_lines_are_written_in_batches(bench: Bench) -> None:
    job = bench.claimed()
    bench.line.calls.clear()
    for number in range(76):
        bench.clock.forward(0.0001)
        job.log("DEBUG", f"line {number:02d}")
    assert bench.line.calls.count("batch_write_item") == 4  # the first one, then three times 25
    assert [line for line in bench.messages() if line.startswith("line")] == [
        f"line {n:02d}" for n in range(76)
    ]
    assert len({line[bench.logs.key]["S"] for line in bench.lines()}) == 76


def test_ids_never_repeat_in_one_process(bench: Bench) -> None:
    logs = bench.writer.logs
    assert logs is not None
    ids = [logs._id(START) for _ in range(2_500)] + [
        logs._id(START + timedelta(milliseconds=1)) for _ in range(10)
    ]
    assert len(set(ids)) == len(ids)
    assert ids[0].startswith("log_1766570400000_")


def test_what_dynamodb_leaves_unprocessed_is_written_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("writers.logs.time.sleep", lambda _: None)
    left = [2]

    class Leaving(Line):
        def batch_write_item(self, RequestItems: dict[str, list[Any]], **more: Any) -> dict[str, Any]:  # noqa: N803
            ((name, asked),) = RequestItems.items()
            rest = asked[1:] if left[0] else []
            left[0] -= bool(rest)
            some = {name: asked[: len(asked) - len(rest)]}
            answer: dict[str, Any] = self.client.batch_write_item(RequestItems=some, **more)
            return answer | {"UnprocessedItems": {name: rest} if rest else {}}

    writer = bench.another("w-2", Leaving(bench.client), spool_dir=None)
    bench.put()
    job = writer.claim("r")
    assert job is not None
    for number in range(6):
        job.log("INFO", f"line {number}")
    job.complete()
    assert len(bench.lines()) == 7
    assert left == [0]


def test_lines_that_stay_unprocessed_go_to_the_spool(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("writers.logs.time.sleep", lambda _: None)

    class Never(Line):
        def batch_write_item(self, RequestItems: dict[str, list[Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
            return {"UnprocessedItems": RequestItems, "ConsumedCapacity": []}

    job = bench.claimed()
    assert bench.writer.logs is not None
    bench.writer.logs.client = Never(bench.client)
    assert job.log("INFO", "kept").outcome == "spooled"
    bench.writer.logs.client = bench.client
    assert bench.writer.flush()
    assert bench.messages() == ["kept"]


def test_a_line_that_is_refused_does_not_take_the_others_with_it(bench: Bench) -> None:
    class Refusing(Line):
        def batch_write_item(self, **_: Any) -> Any:
            raise refusal("ValidationException")

        def put_item(self, **call: Any) -> Any:
            if "bad" in call["Item"]["message"]["S"]:
                raise refusal("ValidationException")
            return self.client.put_item(**call)

    job = bench.claimed()
    assert bench.writer.logs is not None
    job.log("INFO", "first")
    bench.writer.logs.client = Refusing(bench.client)
    for message in ("good", "bad", "good too"):
        job.log("INFO", message)
    bench.writer.logs.flush()
    assert [message for message in bench.messages() if "oo" in message] == ["good", "good too"]
    assert "mistake" in bench.heard.kinds


def test_metadata_and_messages_of_any_kind_are_written(bench: Bench) -> None:
    job = bench.claimed()
    job.log("INFO", "x" * 40_000, big="y" * 40_000)
    job.log("INFO", "\ud800", nan=float("nan"), when=START, nothing=None, some={1, 2}, deep={"a": [True]})
    bench.writer.flush()
    long, odd = bench.lines()
    assert "bytes left out" in long["message"]["S"]
    assert "bytes" in long["metadata"]["M"]["left_out"]["S"]
    assert odd["message"] == {"S": "?"}
    assert odd["metadata"]["M"]["nan"] == {"S": "NaN"}
    assert odd["metadata"]["M"]["when"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert odd["metadata"]["M"]["deep"] == {"M": {"a": {"L": [{"BOOL": True}]}}}


def test_a_line_may_have_an_end(bench: Bench) -> None:
    writer = bench.another("w-2", logs_ttl_days=30)
    bench.put()
    job = writer.claim("r")
    assert job is not None
    job.log("INFO", "x")
    assert bench.lines()[0]["ttl"] == {"N": str(int((START + timedelta(days=30)).timestamp()))}


def test_without_a_table_of_logs_there_are_none(bench: Bench) -> None:
    writer = bench.another("w-2", logs_table=None)
    assert writer.logs is None
    bench.put()
    job = writer.claim("r")
    assert job is not None
    with job:
        assert job.log("INFO", "x").outcome == "refused"
    assert bench.item()["status"] == {"S": "completed"}


# --- asyncio, and what it needs ------------------------------------------------------------------------


def test_the_same_with_asyncio(bench: Bench) -> None:
    async def work() -> None:
        async with AsyncRequestWriter(bench.writer) as writer:
            (ident,) = await writer.pending()
            job = await writer.claim(ident)
            assert job is not None
            assert await writer.claim(ident) is None
            async with job:
                await asyncio.gather(
                    job.progress("serp_discovery", share=0.2),
                    job.log("INFO", "searching"),
                    job.warning("Low confidence"),
                    job.executing(),
                )
                await job.complete({"count": 1})

    bench.put()
    looped(work())
    assert bench.statuses() == ["processing", "executing", "completed"]
    assert bench.messages() == ["searching", "Executing", "Request completed"]


def test_a_cancelled_task_leaves_a_failed_request(bench: Bench) -> None:
    async def work() -> None:
        async with AsyncRequestWriter(bench.writer) as writer:
            job = await writer.claim("r")
            assert job is not None

            inside = asyncio.Event()

            async def body() -> None:
                async with job:
                    inside.set()
                    await asyncio.sleep(60)

            task = asyncio.create_task(body())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    bench.put()
    looped(work())
    assert bench.item()["status_message"] == {"S": "CancelledError"}


@pytest.mark.no_moto
def test_a_task_that_is_cancelled_while_it_claims_leaves_a_failed_request(bench: Bench) -> None:
    reading, go_on = threading.Event(), threading.Event()
    real = bench.writer._read

    def read(ident: str) -> dict[str, Any]:
        reading.set()
        assert go_on.wait(5)
        return real(ident)

    bench.writer._read = read  # type: ignore[method-assign]

    async def work() -> None:
        async with AsyncRequestWriter(bench.writer) as writer:
            task = asyncio.create_task(writer.claim("r"))
            while not reading.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    bench.put()
    looped(work())
    assert bench.statuses() == ["processing", "failed"]


def test_it_needs_neither_django_nor_the_rest_of_the_project() -> None:
    program = (
        "import sys, json; import requests_app.writer; "
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in ('django', 'opsportal', 'pynamodb')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
