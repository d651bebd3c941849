"""No argument fails the work that is recorded, or costs the record that it comes with."""

import inspect
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from opsportal.dynamo.clients import client
from tests.cases import short
from tests.writers.odd import ODD, Color, MuteError, Scalar, generated
from tests.writing import START, Clock, Heard, looped
from writers import (
    AsyncRequestWriter,
    AsyncStatusWriter,
    Job,
    RequestWriter,
    RunningStep,
    RunningWorkflow,
    StatusWriteError,
    StatusWriter,
    values,
)

pytestmark = pytest.mark.no_moto
FACTS: dict[str, Any] = {"correlation_id": "c", "document_id": "d", "source_type": "BANK"}


class Bench:
    """Both writers, as a program has them that passes nothing but names, and a look at the tables."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.tables, self.clock, self.heard = tables, Clock(), Heard()
        table = tables["workflows"]
        self.client = client(table.region, table.endpoint, background=True)
        self.status, self.requests = self.status_writer(), self.request_writer()

    def status_writer(self, **options: Any) -> StatusWriter:
        table = self.tables["workflows"]
        given = {"key": table.key, "client": self.client, "clock": self.clock, "on_trouble": self.heard}
        return StatusWriter(table.name, **given | {"progress_interval": 60.0} | options)

    def request_writer(self, **options: Any) -> RequestWriter:
        table, logs = self.tables["requests"], self.tables["request_logs"]
        given: dict[str, Any] = {
            "worker_id": "w-1",
            "logs_table": logs.name,
            "key": table.key,
            "logs_key": logs.key,
            "client": self.client,
            "clock": self.clock,
            "on_trouble": self.heard,
            "progress_interval": 60.0,
            "log_interval": 60.0,
        }
        return RequestWriter(table.name, **given | options)

    def item(self, logical: str, ident: str) -> dict[str, Any]:
        table = self.tables[logical]
        key = {table.key: {"S": ident}}
        return self.client.get_item(TableName=table.name, Key=key, ConsistentRead=True).get("Item", {})

    def put(self, logical: str, ident: str, **more: Any) -> None:
        table = self.tables[logical]
        self.client.put_item(TableName=table.name, Item={table.key: {"S": ident}} | more)

    def claimed(self, ident: str = "r", **more: Any) -> Job:
        item = {"status": {"S": "pending"}, "created_at": {"S": "2025-12-24T09:59:00.000000"}}
        self.put("requests", ident, **item | more)
        job = self.requests.claim(ident)
        assert job is not None
        return job

    def lines(self, ident: str) -> list[dict[str, Any]]:
        found = self.client.scan(TableName=self.tables["request_logs"].name, ConsistentRead=True)["Items"]
        return [line for line in found if line["request_id"] == {"S": ident}]


@pytest.fixture
def bench(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("writers.trees.VALUES", 5_000)
    bench = Bench(tables)
    yield bench
    bench.status.close(0)
    bench.requests.close(0)


# --- Every argument of every call, each with every odd value -----------------------------------------


def steps_of(bench: Bench, session: str, odd: Any) -> None:
    writer, tokens = bench.status, {"inputTokens": odd, "outputTokens": 5}
    with writer.workflow(session, correlation_id=odd, document_id=odd, source_type=odd) as workflow:
        with workflow.step("block", odd, reopen=odd) as step:
            step.progress(odd)
            for said in (odd, tokens, {"inputTokens": 5, "totalTokens": odd}):
                step.progress("page", said)
            step.add_tokens(odd, 5)
            step.add_tokens(input_tokens=5, output_tokens=odd)
            step.add_tokens(5, 5, odd)
            step.activity = odd
            step.check()
        with writer.step(session, "alone", odd, reopen=odd):
            writer.progress(session, "alone", odd, odd)
        writer.start_step(session, "finished", odd, reopen=odd)
        assert writer.finish_step(session, "finished", odd, odd, odd).outcome == "written"
        assert writer.fail_step(session, "failed", odd, activity=odd, tokens=tokens, duration=odd)
        assert writer.stop_step(session, "stopped", odd, tokens, odd)
        writer.finalize(session, odd)
        # What can't name an item or a step is nobody's record.
        for call in (
            writer.start_step,
            writer.progress,
            writer.finish_step,
            writer.fail_step,
            writer.stop_step,
        ):
            call(odd, "block", "x")
            call(session, odd, "x")
        with writer.workflow(odd, **FACTS) as other, other.step(odd, odd), writer.step(odd, odd, odd):
            pass
        writer.initialize(odd, **FACTS)
        writer.finalize(odd, "failed", force=odd)
        assert writer.is_cancelled(odd) is False
    writer.finalize(session, "completed", force=odd)


def jobs_of(bench: Bench, ident: str, odd: Any) -> None:
    with bench.claimed(ident) as job:
        for named in ("percentage", "share", "urls_found", "content_extracted", "processing_errors"):
            job.progress("serp_discovery", **{named: odd})
            job.progress(odd, **{named: odd})
        job.progress("serp_discovery", share=0.5, urls_found=12, estimated_completion=odd)
        job.executing(odd)
        job.error(odd)
        job.warning(odd)
        job.log(odd, "odd level")
        job.log("INFO", odd)
        job.log("INFO", "odd stage", stage=odd)
        job.log("INFO", "odd metadata", odd=odd, deep={"in": [odd]}, good=1)
        job.check()
        bench.requests.claim(odd)
        bench.requests.pending(odd, odd)
        job.complete(odd, odd)
    with bench.claimed(f"{ident}-failed") as job:
        job.fail(odd)
    with bench.claimed(f"{ident}-more") as job:
        job.complete({"odd": odd, "good": 1})


@pytest.mark.parametrize(
    "name",
    short(ODD, "None", "NaN", "signaling NaN", "5,000 digits", "bytes", "no offset", "mute", "endless", "circular",
          "keys that are no text", "many values", "surrogate", "empty", "text of 500 KB", "scalar of scalar"),
)  # fmt: skip
def test_no_argument_fails_the_work_or_costs_its_record(bench: Bench, name: str) -> None:
    steps_of(bench, "s", ODD[name])
    item = bench.item("workflows", "s")
    assert item["overallStatus"] == {"S": "completed"}
    ended = {step: item[step]["M"] for step in ("block", "alone", "finished", "failed", "stopped")}
    assert [step["status"]["S"] for step in ended.values()] == [
        "success",
        "success",
        "success",
        "error",
        "stopped",
    ]
    for step in ended.values():
        assert values.moment(step["completedAt"]) == START
    for running in ("block", "alone", "finished"):
        assert values.decimal(ended[running]["duration"]) is not None
        assert values.moment(ended[running]["startedAt"]) == START
    assert ended["failed"]["error"]["S"] or name == "empty"
    assert values.decimal(ended["failed"]["tokenUsage"]["M"]["outputTokens"]) == 5
    recorded = {m: values.decimal(values.at(item, *path)) for m, (_, path) in values.MEASURES.items()}
    assert recorded == values.sums(item)

    jobs_of(bench, "r", ODD[name])
    bench.requests.flush()
    item = bench.item("requests", "r")
    history = [entry["M"] for entry in item["processing_metadata"]["M"]["status_history"]["L"]]
    assert [entry["new_status"]["S"] for entry in history] == ["processing", "executing", "completed"]
    assert (item["status"], item["completed_at"]["S"]) == ({"S": "completed"}, "2025-12-24T10:00:00.000000")
    assert item["progress"]["M"]["percentage"] == {"N": "100"}
    assert item["progress"]["M"]["urls_found"] == {"N": "12"}
    assert (len(item["errors"]["L"]), len(item["warnings"]["L"])) >= (1, 1)
    assert bench.item("requests", "r-failed")["status"] == {"S": "failed"}
    more = bench.item("requests", "r-more")
    assert more["status"] == {"S": "completed"}
    assert "results" in more or "left out" in more["warnings"]["L"][0]["S"]
    lines = bench.lines("r")
    assert len(lines) == 6
    for line in lines:
        assert line["log_level"]["S"]
        assert line["stage"]["S"]
        assert line["metadata"]["M"]["worker_id"] == {"S": "w-1"}


def test_every_argument_of_every_public_call_is_in_the_test_above() -> None:
    """A new one has to come with its odd values."""
    used = "".join(map(inspect.getsource, (steps_of, jobs_of, test_no_option_of_a_writer_fails_the_program)))
    calls = [
        (owner, name, call)
        for owner in (StatusWriter, RequestWriter, RunningStep, RunningWorkflow, Job)
        for name, call in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_") and name not in INNER and (owner, name) != (RequestWriter, "is_cancelled")
    ]
    assert len(calls) > 20
    assert not [f"{owner.__name__}.{name}" for owner, name, _ in calls if f".{name}" not in used]
    known = {
        "session_id", "step", "name", "activity", "tokens", "error", "duration", "status", "force", "reopen",
        "correlation_id", "document_id", "source_type", "input_tokens", "output_tokens", "total_tokens",
        "stage", "percentage", "share", "urls_found", "content_extracted", "processing_errors", "level",
        "estimated_completion", "message", "results", "metadata", "request_id", "limit", "strategy", "timeout",
    }  # fmt: skip
    found = {name for _, _, call in calls for name in inspect.signature(call).parameters} - {"self"}
    assert found == known


# Methods that the writers call of one another.
INNER = {"record", "after_fork", "moment", "say_left_out", "with_left_out"}


@pytest.mark.parametrize("name", ODD)
def test_no_option_of_a_writer_fails_the_program(bench: Bench, name: str, tmp_path: Path) -> None:
    odd = ODD[name]
    for option in inspect.signature(StatusWriter).parameters.keys() - WITHOUT:
        given: dict[str, Any] = {"client": bench.client, "raise_errors": False} | {option: odd}
        if option == "spool_dir" and issubclass(type(odd), str | bytes | Path):
            continue
        writer = StatusWriter("t", **given)
        writer.flush(odd)
        assert writer.moment().utcoffset() == timedelta(0)
        assert writer.steps == values.STEPS or option == "steps"
        assert writer.ttl_days >= 0
    for option in inspect.signature(RequestWriter).parameters.keys() - WITHOUT - {"steps"}:
        given = {"client": bench.client, "worker_id": "w", "logs_table": "l"} | {option: odd}
        if option == "spool_dir" and issubclass(type(odd), str | bytes | Path):
            continue
        worker = RequestWriter("t", **given)
        worker.flush(odd)
        assert worker.logs is None or worker.logs.ttl_days is None or worker.logs.ttl_days >= 0
    StatusWriter(odd, client=bench.client).close(odd)
    AsyncStatusWriter(bench.status, threads=odd)


# A client that is none is found out at the first call; a region or an endpoint is boto3's to judge.
WITHOUT = {"table_name", "client", "region", "endpoint_url"}


# --- What is kept of a call, and what is said of the rest --------------------------------------------


def test_what_a_call_could_not_take_is_said_and_the_rest_is_written(bench: Bench) -> None:
    writer = bench.status
    writer.initialize("s", **FACTS)
    result = writer.finish_step(
        "s", "pdfAdapter", "Read", {"inputTokens": -1, "outputTokens": 5}, float("nan")
    )
    assert (result.outcome, bool(result)) == ("written", True)
    assert "inputTokens is left out: -1 is not a whole number" in result.reason
    assert "duration is left out: nan is not a number" in result.reason
    (trouble,) = bench.heard.troubles
    assert (trouble.kind, trouble.item) == ("mistake", "s")
    assert "inputTokens" in trouble.sentence
    step = bench.item("workflows", "s")["pdfAdapter"]["M"]
    assert step["tokenUsage"]["M"] == {
        "inputTokens": {"N": "0"}, "outputTokens": {"N": "5"}, "totalTokens": {"N": "5"},
    }  # fmt: skip
    # Whoever wants errors gets this one too, after the rest is written.
    loud = bench.status_writer(raise_errors=True)
    with pytest.raises(StatusWriteError, match="duration is left out"):
        loud.finish_step("s", "tradeExtraction", "Read", duration="soon")
    assert bench.item("workflows", "s")["tradeExtraction"]["M"]["status"] == {"S": "success"}


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ({"input_tokens": None, "output_tokens": 5}, ("0", "5", "5")),
        ({"input_tokens": "12", "output_tokens": 3.0, "total_tokens": 20}, ("12", "3", "20")),
        ({"input_tokens": Scalar(7), "output_tokens": -1}, ("7", "0", "7")),
        ({"input_tokens": 100.5, "output_tokens": 2, "total_tokens": None}, ("0", "2", "2")),
        ({"input_tokens": 10**29 + 1, "output_tokens": 1}, (f"{10**29 + 1}", "1", f"{10**29 + 2}")),
    ],
)
def test_tokens_are_counted_as_providers_send_them(
    bench: Bench, said: dict[str, Any], counted: tuple[str, ...]
) -> None:
    with bench.status.workflow("s", **FACTS) as workflow, workflow.step("pdfAdapter", "x") as step:
        step.add_tokens(1, 1)
        step.add_tokens(**said)
    item = bench.item("workflows", "s")
    found = [item["pdfAdapter"]["M"]["tokenUsage"]["M"][name]["N"] for name in values.TOKENS]
    assert [int(n) for n in found] == [int(n) + more for n, more in zip(counted, (1, 1, 2), strict=True)]
    assert item["totalTokenUsage"] == item["pdfAdapter"]["M"]["tokenUsage"]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (42, "42"),
        (b"\xc3\xa9", "é"),
        (Path("/a/b"), "/a/b"),
        (Color.RED, "red"),
        ("s \ud800", "s ?"),
    ],
)
def test_an_id_of_another_type_is_its_text(bench: Bench, given: Any, written: str) -> None:
    with bench.status.workflow(given, **FACTS) as workflow, workflow.step(given, "x"):
        pass
    item = bench.item("workflows", written)
    assert item["overallStatus"] == {"S": "completed"}
    assert item[written]["M"]["status"] == {"S": "success"}
    bench.put("requests", written, status={"S": "pending"})
    job = bench.requests.claim(given)
    assert job is not None
    with job:
        pass
    assert bench.item("requests", written)["status"] == {"S": "completed"}


@pytest.mark.parametrize(
    "name", ["None", "empty", "NaN", "set", "generator", "mute", "text of 500 KB", "exception"]
)
def test_what_is_no_id_is_said_and_nobodys_record(bench: Bench, name: str) -> None:
    given = ODD[name]

    async def asynchronous() -> None:
        writer = AsyncStatusWriter(bench.status)
        async with writer.workflow(given, **FACTS) as workflow, workflow.step("pdfAdapter", given):
            pass
        assert await AsyncRequestWriter(bench.requests).claim(given) is None

    with bench.status.workflow(given, **FACTS) as workflow, workflow.step("pdfAdapter", "x"):
        pass
    looped(asynchronous())
    assert bench.requests.claim(given) is None
    assert set(bench.heard.kinds) == {"mistake"}
    assert bench.heard.troubles[0].sentence.endswith("it has to be a text of 1 to 2,048 bytes")
    assert bench.client.scan(TableName=bench.tables["workflows"].name)["Items"] == []


def test_an_error_without_a_text_ends_a_step_and_a_request(bench: Bench) -> None:
    """And goes on as it is."""
    with (  # noqa: PT012
        pytest.raises(MuteError),
        bench.claimed() as job,
        bench.status.workflow("s", **FACTS) as workflow,
        workflow.step("pdfAdapter", "x"),
    ):
        job.log(None, ValueError("boom"))
        job.log(20, {"pages": [1, 2.5], "none": None})
        job.log(Color.RED, b"caf\xc3\xa9")
        raise MuteError
    item = bench.item("workflows", "s")
    assert item["overallStatus"] == {"S": "failed"}
    assert item["pdfAdapter"]["M"]["error"] == {"S": "[MuteError without a text]"}
    assert bench.item("requests", "r")["status"] == {"S": "failed"}
    said = {(line["log_level"]["S"], line["message"]["S"]) for line in bench.lines("r")}
    assert said == {
        ("INFO", "ValueError: boom"),
        ("INFO", '{"pages": [1, 2.5], "none": null}'),
        ("RED", "café"),
        ("ERROR", "[MuteError without a text]"),
    }


def test_what_data_can_not_be_is_text_in_its_place_and_the_rest_stays(bench: Bench) -> None:
    data: dict[str, Any] = {
        name: ODD[name] for name in ODD if name not in ("many values", "text of 500 KB", "endless")
    }
    data["generator"] = own = generated()
    with bench.claimed() as job:
        job.complete(data)
    item = bench.item("requests", "r")
    found = item["results"]["M"]
    assert found["60 digits"] == {"S": "9" * 60}
    assert found["circular"]["M"]["self"]["L"] == [{"S": "[left out: it contains itself]"}] * 2
    assert found["mute"] == {"S": "[left out: a Mute can't be written]"}
    assert found["generator"] == {"S": "[left out: a generator can't be written]"}
    assert found["keys that are no text"]["M"] == {
        "1": {"S": "a"}, "1 (2)": {"S": "b"}, "(no text)": {"S": "c"}, "[1, 2]": {"S": "d"}, "(empty)": {"S": "e"},
    }  # fmt: skip
    assert (found["scalar"], found["scalar float"]) == ({"N": "7"}, {"N": "0.25"})
    assert (found["Enum"], found["bytes"]) == ({"S": "red"}, {"S": "café \\xff"})
    assert (found["UUID"]["S"], found["exception"]["S"]) == (str(uuid.UUID(int=7)), "ValueError: boom")
    deep, levels = found["40 levels"], 1
    while "S" not in deep:
        (inner,) = deep.values()
        deep, levels = (inner[0] if isinstance(inner, list) else inner["in"]), levels + 1
    assert (deep, levels) == ({"S": "[left out: it is more than 30 levels deep]"}, 30)
    (warning,) = item["warnings"]["L"]
    assert "a part of results is left out" in warning["S"]
    assert list(own) == [1]  # it is the program's to go through


# --- Times --------------------------------------------------------------------------------------------


@pytest.fixture(params=["America/New_York", "Asia/Kolkata"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(
    "given",
    [
        datetime(2025, 12, 24, 10),  # noqa: DTZ001
        datetime(2025, 12, 24, 10, tzinfo=UTC),
        datetime(2025, 12, 24, 15, 30, tzinfo=timezone(timedelta(hours=5.5))),
    ],
)
def test_a_moment_without_a_zone_is_utc_wherever_the_machine_is(bench: Bench, given: datetime) -> None:
    bench.clock.now = given
    with bench.claimed() as job:
        job.progress("serp_discovery", estimated_completion=given)
        job.log("INFO", given, at=given)
        job.complete({"at": given, "days": [given]})
    item = bench.item("requests", "r")
    expected = {"S": "2025-12-24T10:00:00.000000"}
    assert (
        item["progress"]["M"]["estimated_completion"]
        == item["started_at"]
        == item["completed_at"]
        == expected
    )
    assert item["processing_metadata"]["M"]["status_history"]["L"][-1]["M"]["timestamp"] == expected
    assert item["results"]["M"]["at"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert item["results"]["M"]["days"]["L"] == [item["results"]["M"]["at"]]
    line = next(line for line in bench.lines("r") if "at" in line["metadata"]["M"])
    assert (line["timestamp"], line["message"]) == (expected, {"S": "2025-12-24T10:00:00.000Z"})
    assert line[bench.tables["request_logs"].key]["S"].startswith("log_1766570400000_")
    with bench.status.workflow("s", **FACTS) as workflow, workflow.step("pdfAdapter", "x"):
        pass
    workflow_item = bench.item("workflows", "s")
    assert workflow_item["createdAt"] == workflow_item["pdfAdapter"]["M"]["startedAt"]
    assert workflow_item["createdAt"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert workflow_item["expiresAt"] == {"N": str(int((START + timedelta(days=90)).timestamp()))}


@pytest.mark.usefixtures("_zone")
def test_a_start_without_a_zone_is_read_as_utc(bench: Bench) -> None:
    writer = bench.status
    writer.initialize("s", **FACTS)
    bench.put(
        "workflows", "t", started={"M": {"startedAt": {"S": "2025-12-24T09:59:00"}, "status": {"S": "x"}}}
    )
    writer.finish_step("t", "started", "x")
    assert bench.item("workflows", "t")["started"]["M"]["duration"] == {"N": "60"}


# --- Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(values.RESERVED))
def test_no_step_takes_the_place_of_a_fact_of_the_workflow(bench: Bench, name: str) -> None:
    bench.put("workflows", "s", **{name: {"S": "kept"}} if name != bench.tables["workflows"].key else {})
    before = bench.item("workflows", "s")
    for call in (
        bench.status.start_step,
        bench.status.progress,
        bench.status.finish_step,
        bench.status.fail_step,
    ):
        result = call("s", name, "x")
        assert result.outcome == "failed"
        assert result.reason == f"ValueError: {name!r} is an attribute of the workflow and cannot name a step"
    assert bench.item("workflows", "s") == before
    assert (name, "x") not in bench.status_writer(steps=[(name, "x"), ("intake", "Waiting")]).steps


def test_the_reserved_names_are_all_that_the_console_reads_of_a_workflow() -> None:
    from tracking.models import Workflow
    from tracking.steps import NOT_STEPS

    declared = {attribute.attr_name for attribute in Workflow.get_attributes().values()}
    assert declared | {"error", "ttl"} <= values.RESERVED == NOT_STEPS


@pytest.mark.parametrize("given", ["", " ", None, [], "x" * 1_001])
def test_a_step_without_a_name_is_a_clear_mistake(bench: Bench, given: Any) -> None:
    with bench.status.workflow("s", **FACTS) as workflow, workflow.step(given, "x"):
        pass
    assert bench.item("workflows", "s")["overallStatus"] == {"S": "completed"}
    reason = bench.status.start_step("s", given, "x").reason
    assert reason.startswith("ValueError: a step's name is ")
    assert reason.endswith("it has to be a text of 1 to 1,000 bytes")


def test_a_step_does_not_replace_what_another_program_keeps_under_its_name(bench: Bench) -> None:
    bench.put("workflows", "s", report={"S": "s3://bucket/report"}, empty={"NULL": True})
    assert "an attribute of the item and no step" in bench.status.start_step("s", "report", "x").reason
    assert bench.item("workflows", "s")["report"] == {"S": "s3://bucket/report"}
    assert bench.status.start_step("s", "empty", "x")
