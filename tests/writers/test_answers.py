"""What is not DynamoDB's answer is none: nothing is written, absent, refused or claimed by it, and nothing is lost."""

import asyncio
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cases import short
from tests.dynamo.fake_aws import Answer, error, fake_dynamo
from tests.operations.proxy import Proxy, passes
from tests.writers.answers import ALL, COMMON, MOMENTS, OTHERS, READS, WRITES, after, before
from tests.writing import Clock, Heard, looped
from writers import (
    AsyncRequestWriter,
    AsyncStatusWriter,
    RequestWriteError,
    RequestWriter,
    StatusWriteError,
    StatusWriter,
)

# Of each kind of false answer one: no JSON, no object, not of this operation, not what its parts are.
SOME = ("nothing", "a list", "cut short", "another operation", "an error that answers 200", "no capacity")
FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}
WORK: dict[str, Callable[[Any, str], Any]] = {
    "initialize": lambda writer, session: writer.initialize(session, **FACTS),
    "start_step": lambda writer, session: writer.start_step(session, "pdfAdapter", "Reading"),
    "progress": lambda writer, session: writer.progress(
        session, "tradeExtraction", "Page 2", {"inputTokens": 7}
    ),
    "finish_step": lambda writer, session: writer.finish_step(
        session, "tradeExtraction", "Done", {"inputTokens": 9}
    ),
    "fail_step": lambda writer, session: writer.fail_step(session, "tradeExtraction", ValueError("no text")),
    "stop_step": lambda writer, session: writer.stop_step(session, "tradeExtraction", "Stopped"),
    "finalize": lambda writer, session: writer.finalize(session, "failed"),
}
JOB: dict[str, Callable[[Any], Any]] = {
    "progress": lambda job: job.progress("serp_discovery", share=0.5, urls_found=12),
    "executing": lambda job: job.executing(),
    "complete": lambda job: job.complete({"report": "r.json"}),
    "fail": lambda job: job.fail("no results"),
    "error": lambda job: job.error("a page is gone"),
    "warning": lambda job: job.warning("a page is slow"),
    "log": lambda job: job.log("INFO", "12 URLs found"),
}


def made_client(region: str, endpoint: str) -> Any:
    """The one that a writer makes."""
    return StatusWriter("t", region=region, endpoint_url=endpoint).client


engines_client = functools.cache(made_client)


class Bench:
    """Writers behind a proxy, and the tables that they write."""

    def __init__(self, tables: dict[str, Any], proxied: Proxy, folder: Path) -> None:
        self.workflows, self.requests, self.logs = (
            tables[name] for name in ("workflows", "requests", "request_logs")
        )
        self.proxied, self.folder, self.clock, self.heard = proxied, folder, Clock(), Heard()
        self.engine = engines_client(self.workflows.region, self.workflows.endpoint)
        # Of this test's own: botocore tries again less often the more has failed.
        self.client = made_client(self.workflows.region, proxied.endpoint)
        self.writers: list[Any] = []

    def status(self, **options: Any) -> StatusWriter:
        """A writer of workflows with a spool of its own."""
        given = self._given(options)
        return self._kept(StatusWriter(self.workflows.name, key=self.workflows.key, **given))

    def worker(self, **options: Any) -> RequestWriter:
        given = self._given({"log_interval": 0.0, "logs_table": self.logs.name, "worker_id": "w-1"} | options)
        return self._kept(
            RequestWriter(self.requests.name, key=self.requests.key, logs_key=self.logs.key, **given)
        )

    def begin(self, session: str) -> None:
        """A workflow whose extraction runs."""
        writer = self.status(spool_dir=None)
        assert writer.initialize(session, **FACTS).outcome == "written"
        assert writer.start_step(session, "tradeExtraction", "Reading")
        assert writer.progress(session, "tradeExtraction", "Page 1", {"inputTokens": 5})

    def pend(self, ident: str) -> None:
        item = {
            self.requests.key: {"S": ident},
            "status": {"S": "pending"},
            "processing_strategy": {"S": "table"},
            "created_at": {"S": "2025-12-24T09:59:00.000000"},
            "updated_at": {"S": "2025-12-24T09:59:00.000000"},
            "processing_metadata": {"M": {"status_history": {"L": []}}},
        }
        self.engine.put_item(TableName=self.requests.name, Item=item)

    def workflow(self, session: str) -> dict[str, Any]:
        return self._get(self.workflows, session)

    def request(self, ident: str) -> dict[str, Any]:
        return self._get(self.requests, ident)

    def lines(self, ident: str) -> list[str]:
        found = self.engine.scan(TableName=self.logs.name, ConsistentRead=True)["Items"]
        return sorted(line["message"]["S"] for line in found if line["request_id"] == {"S": ident})

    def falsely(self, interfere: Any) -> None:
        self.proxied.interfere, self.proxied.asked = interfere, []

    def truly(self) -> None:
        self.proxied.interfere = passes

    def _given(self, options: dict[str, Any]) -> dict[str, Any]:
        own = self.folder / str(len(self.writers))
        return {
            "client": self.client,
            "clock": self.clock,
            "spool_dir": own,
            "progress_interval": 0.0,
            "on_trouble": self.heard,
        } | options

    def _kept(self, writer: Any) -> Any:
        # The thread that replays waits for the test, which replays where it wants to.
        for one in (writer, getattr(writer, "logs", None)):
            if one is not None:
                one.delivery._wake = lambda: None
        if getattr(writer, "logs", None) is not None:  # all of them log in one millisecond
            writer.logs._numbers = itertools.count(40 * len(self.writers))
        self.writers.append(writer)
        return writer

    def _get(self, table: Any, ident: str) -> dict[str, Any]:
        answer = self.engine.get_item(
            TableName=table.name, Key={table.key: {"S": ident}}, ConsistentRead=True
        )
        return {name: value for name, value in answer.get("Item", {}).items() if name != table.key}


@pytest.fixture
def bench(tables: dict[str, Any], proxied: Proxy, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tables, proxied, tmp_path)
    yield bench
    bench.falsely(before(ALL["null"], *READS, *WRITES))
    for writer in bench.writers:
        writer.close(0)


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.rglob("*") if path.is_file() and path.suffix != ".done")


def check_status(bench: Bench, answer: Answer, moment: str, call: str) -> None:
    """Each call of a status writer, with and without a spool; afterwards the item is as if nothing had been."""
    ask, never = WORK[call], before(answer, *READS, *WRITES)
    if moment == "its read" and call == "initialize":
        return  # it does not read
    names = [f"{call}-{moment}-{number}" for number in range(3)]
    if call != "initialize":
        for name in names:
            bench.begin(name)
    bench.clock.forward(1)
    assert ask(bench.status(spool_dir=None), names[0]).outcome == "written"

    spooling, losing = bench.status(), bench.status(spool_dir=None)
    bench.falsely(MOMENTS[moment](answer))
    bench.heard.troubles.clear()
    result = ask(spooling, names[1])
    assert result.outcome == "spooled", result
    assert spooling.trouble is not None
    assert (spooling.trouble.kind, bench.heard.kinds) == ("away", ["away"])
    assert files(spooling.delivery._spool.folder) == [".spool"]  # type: ignore[union-attr]
    bench.falsely(never)
    assert not spooling.flush(0)  # a replay that is not answered takes nothing from the disk
    assert files(spooling.delivery._spool.folder) == [".spool"]  # type: ignore[union-attr]
    bench.falsely(MOMENTS[moment](answer))
    bench.heard.troubles.clear()
    result = ask(losing, names[2])
    assert (result.outcome, bool(result), bench.heard.kinds) == ("failed", False, ["away"]), result

    bench.truly()
    assert spooling.flush()
    assert (spooling.trouble, files(spooling.delivery._spool.folder)) == (None, [])  # type: ignore[union-attr]
    expected = bench.workflow(names[0])
    assert expected
    assert bench.workflow(names[1]) == expected
    # The caller may say it again, which changes nothing where it was done.
    assert ask(losing, names[2])
    assert bench.workflow(names[2]) == expected


def turns(name: str, calls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A moment for each call, another one for the next answer: so each answer meets each call, and each call
    each moment, at a third of what all of them together take."""
    moments = itertools.cycle(MOMENTS)
    first = itertools.islice(moments, list(ALL).index(name) % len(MOMENTS), None)
    return zip(calls, first, strict=False)


@pytest.mark.no_moto
@pytest.mark.parametrize("name", COMMON)
def test_a_status_that_is_not_answered_by_dynamodb_is_spooled_and_exact_afterwards(
    bench: Bench, name: str
) -> None:
    for call, moment in turns(name, WORK):
        check_status(bench, COMMON[name], moment, call)


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", ALL)
def test_a_status_is_exact_after_any_answer_that_is_not_dynamodbs(
    bench: Bench, name: str, moment: str
) -> None:
    for call in WORK:
        check_status(bench, ALL[name], moment, call)


@pytest.mark.no_moto
@pytest.mark.parametrize("name", short(OTHERS, *SOME))
def test_no_other_answer_counts_as_written_either(bench: Bench, name: str) -> None:
    for call, moment in turns(name, ("finish_step",)):
        check_status(bench, OTHERS[name], moment, call)


def check_job(bench: Bench, answer: Answer, moment: str, call: str) -> None:
    """Each call of a job, as `check_status`."""
    if moment == "its read" and call == "log":
        return  # it does not read
    names = [f"{call}-{moment}-{number}" for number in range(3)]
    for name in names:
        bench.pend(name)
    true, spooling, losing = bench.worker(spool_dir=None), bench.worker(), bench.worker(spool_dir=None)
    jobs = [writer.claim(name) for writer, name in zip((true, spooling, losing), names, strict=True)]
    bench.clock.forward(1)
    assert JOB[call](jobs[0]).outcome == "written"
    bench.falsely(MOMENTS[moment](answer))
    bench.heard.troubles.clear()
    result = JOB[call](jobs[1])
    assert result.outcome == "spooled", result
    assert set(bench.heard.kinds) == {"away"}
    bench.falsely(before(answer, *READS, *WRITES))
    assert not spooling.flush(0)
    bench.falsely(MOMENTS[moment](answer))
    bench.heard.troubles.clear()
    assert JOB[call](jobs[2]).outcome == "failed"
    assert set(bench.heard.kinds) == {"away"}
    bench.truly()
    assert spooling.flush()
    assert files(spooling.delivery._spool.folder) == []  # type: ignore[union-attr]
    assert JOB[call](jobs[2]).outcome in ("written", "unchanged")
    expected = bench.request(names[0])
    assert [bench.request(name) for name in names[1:]] == [expected, expected]
    lines = bench.lines(names[0])
    assert bench.lines(names[1]) == lines
    # A line that was lost is another when it is said again.
    assert set(bench.lines(names[2])) == set(lines)


@pytest.mark.no_moto
@pytest.mark.parametrize("name", COMMON)
def test_what_a_job_says_is_spooled_where_dynamodb_does_not_answer(bench: Bench, name: str) -> None:
    for call, moment in turns(name, JOB):
        check_job(bench, COMMON[name], moment, call)


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", ALL)
def test_what_a_job_says_is_exact_after_any_answer_that_is_not_dynamodbs(
    bench: Bench, name: str, moment: str
) -> None:
    for call in JOB:
        check_job(bench, ALL[name], moment, call)


@pytest.mark.no_moto
@pytest.mark.parametrize("name", short(OTHERS, *SOME))
def test_no_other_answer_loses_a_line_of_a_log_or_takes_a_job_away(bench: Bench, name: str) -> None:
    for call, moment in turns(name, ("log", "complete")):
        check_job(bench, OTHERS[name], moment, call)


@pytest.mark.no_moto
@pytest.mark.parametrize("name", short(ALL, "null", *SOME))
def test_nothing_is_claimed_and_no_queue_is_empty_by_an_answer_that_is_not_dynamodbs(
    bench: Bench, name: str
) -> None:
    answer = ALL[name]
    bench.pend("r")
    writer = bench.worker()
    bench.falsely(before(answer, "Query"))
    with pytest.raises(RequestWriteError, match="pending"):
        writer.pending()
    for operations in (READS, WRITES):
        bench.falsely(before(answer, *operations))
        with pytest.raises(RequestWriteError, match="claim r"):
            writer.claim("r")
    assert bench.heard.kinds == ["away"] * 3
    assert bench.request("r")["status"] == {"S": "pending"}
    # The claim is written, its answer is not DynamoDB's: the request is this worker's when it asks again.
    bench.falsely(after(answer, *WRITES))
    with pytest.raises(RequestWriteError, match="claim r"):
        writer.claim("r")
    bench.clock.forward(1)
    bench.truly()
    assert bench.worker(worker_id="w-2").claim("r") is None
    job = writer.claim("r")
    assert job is not None
    assert writer.claim("r") is None
    assert job.complete()
    history = bench.request("r")["processing_metadata"]["M"]["status_history"]["L"]
    assert [entry["M"]["new_status"]["S"] for entry in history] == ["processing", "completed"]
    assert writer.pending() == []


def test_work_goes_on_where_it_cannot_be_read_whether_it_is_cancelled(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.pend("r")
    job = bench.worker().claim("r")
    bench.begin("s")
    writer, strict = bench.status(), bench.status(raise_errors=True)
    assert writer.finalize("s", "cancelled")
    for answer in ALL.values():
        bench.falsely(before(answer, *READS))
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="tracking.writer"):  # the simulator's test silences it
            job.check()
            assert writer.is_cancelled("s") is False
        said = [record.getMessage() for record in caplog.records]
        assert any("is_cancelled: failed" in line for line in said), said
        assert any("whether it is cancelled can't be read" in line for line in said), said
        with pytest.raises(StatusWriteError):
            strict.is_cancelled("s")
    bench.truly()
    assert writer.is_cancelled("s") is True


def test_what_is_spooled_stays_there_until_dynamodb_has_confirmed_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Every answer, in the middle of a replay, at each operation of it."""
    writer = bench.status()
    bench.begin("true")
    bench.begin("false")
    bench.clock.forward(1)
    bench.falsely(before(ALL["null"], *READS, *WRITES))
    for call in ("progress", "start_step", "finish_step", "finalize"):
        assert WORK[call](writer, "false").outcome == "spooled"
    for answer in ALL.values():
        for operations in (READS, WRITES):
            bench.falsely(before(answer, *operations))
            assert not writer.flush(0)
            assert files(writer.delivery._spool.folder) == [".spool"]  # type: ignore[union-attr]
            assert writer.trouble is not None
    bench.truly()
    assert writer.flush()
    direct = bench.status(spool_dir=None)
    for call in ("progress", "start_step", "finish_step", "finalize"):
        assert WORK[call](direct, "true")
    assert bench.workflow("false") == bench.workflow("true")
    assert bench.workflow("false")["totalTokenUsage"]["M"]["inputTokens"] == {"N": "9"}
    assert set(bench.heard.kinds) == {"away"}
    assert "quarantine" not in caplog.text


@pytest.mark.parametrize("name", ["a page", "null", "an empty object", "an error without a type"])
def test_totals_are_exact_where_every_second_write_is_done_and_answered_by_another(
    bench: Bench, name: str
) -> None:
    """As botocore's retry meets it: what was done is done once more, or found done."""
    turn = [0]

    def every_second(asked: str, arguments: Any, forward: Any) -> Answer:
        turn[0] += asked in WRITES
        false = asked in WRITES and turn[0] % 2 == 1
        return after(ALL[name], *WRITES)(asked, arguments, forward) if false else forward()  # type: ignore[return-value]

    bench.falsely(every_second)
    bench.pend("r")
    writer, worker = bench.status(), bench.worker()
    with writer.workflow("s", **FACTS) as workflow, workflow.step("pdfAdapter", "Reading") as step:
        for page in range(10):
            step.add_tokens(10, 1)
            assert step.progress(f"page {page}").outcome in ("written", "unchanged")
    job = worker.claim("r")
    assert job is not None
    with job:
        for line in range(3):
            job.log("INFO", f"line {line}")
        job.warning("slow")
        job.complete()
    item = bench.workflow("s")
    assert item["overallStatus"] == {"S": "completed"}
    assert item["totalTokenUsage"]["M"]["totalTokens"] == {"N": "110"}
    request = bench.request("r")
    assert len(request["processing_metadata"]["M"]["status_history"]["L"]) == 2
    assert len(request["warnings"]["L"]) == 1
    assert bench.lines("r") == ["Request completed", "line 0", "line 1", "line 2"]
    assert (writer.trouble, worker.trouble, bench.heard.kinds) == (None, None, [])


@pytest.mark.no_moto
@pytest.mark.parametrize("name", COMMON)
def test_the_same_with_asyncio(bench: Bench, name: str) -> None:
    bench.pend("r")
    bench.pend("other")
    answer = COMMON[name]

    async def work() -> None:
        status, requests = bench.status(), bench.worker()
        job = await AsyncRequestWriter(requests).claim("r")
        assert job is not None
        async with AsyncStatusWriter(status) as writer, AsyncRequestWriter(requests) as worker:
            bench.falsely(after(answer, *READS, *WRITES))
            workflow = writer.workflow("s", **FACTS)
            async with workflow, workflow.step("pdfAdapter", "Reading") as step:
                step.add_tokens(10, 1)
                results = [
                    await step.progress("page 1"),
                    await job.warning("slow"),
                    await job.log("INFO", "x"),
                ]
            assert {result.outcome for result in results} == {"spooled"}
            assert await writer.is_cancelled("s") is False
            with pytest.raises(RequestWriteError):
                await worker.claim("other")
            with pytest.raises(RequestWriteError):
                await worker.pending()
            bench.truly()
            await asyncio.to_thread(status.flush)
            assert (await job.complete()).outcome == "spooled"
            await asyncio.to_thread(requests.flush)

    looped(work())
    item = bench.workflow("s")
    assert item["overallStatus"] == {"S": "completed"}
    assert item["totalTokenUsage"]["M"]["totalTokens"] == {"N": "11"}
    request = bench.request("r")
    assert (request["status"], len(request["warnings"]["L"])) == ({"S": "completed"}, 1)
    assert bench.lines("r") == ["Request completed", "x"]


# --- What DynamoDB itself says ---------------------------------------------------------------------------


@pytest.mark.no_moto
def test_what_dynamodb_refuses_for_good_is_refused(bench: Bench) -> None:
    bench.begin("s")
    writer = bench.status()
    bench.falsely(before(error("ValidationException", "too large"), *WRITES))
    result = WORK["finish_step"](writer, "s")
    assert (result.outcome, writer.trouble) == ("failed", None)
    assert bench.heard.kinds == ["mistake"]
    bench.falsely(before(error("AccessDeniedException"), *WRITES))
    assert WORK["finish_step"](writer, "s").outcome == "spooled"
    assert bench.heard.kinds == ["mistake", "denied"]


@pytest.mark.no_moto
def test_lines_that_dynamodb_leaves_unprocessed_are_sent_again_whatever_table_it_names(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("writers.logs.time.sleep", lambda _: None)
    bench.pend("r")
    job = bench.worker().claim("r")
    left: list[Any] = [True]

    def leaves_one(asked: str, arguments: Any, forward: Any) -> Answer:
        if asked != "BatchWriteItem" or not left.pop():
            return forward()
        left.append(False)
        ((_, puts),) = arguments["RequestItems"].items()
        return Answer({"UnprocessedItems": {"arn:aws:dynamodb:::table/t": puts}, "ConsumedCapacity": []})

    bench.falsely(leaves_one)
    left[:] = [False, True]
    assert job.log("INFO", "kept").outcome == "written"
    assert bench.lines("r") == ["kept"]


@pytest.mark.no_moto
def test_an_item_that_is_another_than_was_asked_for_is_no_answer(bench: Bench) -> None:
    """As a connection would give it that answers with what an earlier call had asked for."""
    bench.begin("theirs")
    bench.begin("mine")
    theirs = bench.engine.get_item(
        TableName=bench.workflows.name, Key={bench.workflows.key: {"S": "theirs"}}
    )["Item"]
    mine, writer = bench.workflow("mine"), bench.status(spool_dir=None)
    bench.falsely(before(Answer({"Item": theirs, "ConsumedCapacity": {}}), *READS))
    assert WORK["finish_step"](writer, "mine").outcome == "failed"
    bench.falsely(before(Answer({"Item": {}, "ConsumedCapacity": {}}), *READS))
    assert WORK["finish_step"](writer, "mine").outcome == "failed"
    assert bench.workflow("mine") == mine


# --- The program's own client ----------------------------------------------------------------------------


def test_a_programs_own_calls_with_its_client_stay_as_they_are() -> None:
    with fake_dynamo() as fake:
        mine = boto3.client("dynamodb", "us-east-1", endpoint_url=fake.endpoint)
        key = {"sessionId": {"S": "s"}}
        fake.says(Answer("{}"))
        before_it = mine.get_item(TableName="t", Key=key)
        writers = [StatusWriter("t", client=mine), StatusWriter("u", client=mine)]
        fake.asked.clear()
        after_it = mine.get_item(TableName="t", Key=key)
        assert "Item" not in after_it
        assert after_it.keys() == before_it.keys()
        assert fake.asked == [("GetItem", {"TableName": "t", "Key": key})]
        for writer in writers:
            fake.asked.clear()
            assert writer.initialize("s", **FACTS).outcome == "failed"
            assert {arguments["ReturnConsumedCapacity"] for _, arguments in fake.asked} == {"TOTAL"}
        fake.says(Answer("<html>", 404))
        with pytest.raises(mine.exceptions.ClientError, match="404"):
            mine.get_item(TableName="t", Key=key)


def test_each_operation_of_the_writers_asks_for_the_capacity(bench: Bench) -> None:
    bench.pend("r")
    bench.falsely(passes)
    worker = bench.worker()
    assert worker.pending() == ["r"]
    with worker.claim("r") as job:
        job.log("INFO", "x")
    with bench.status().workflow("s", **FACTS) as workflow, workflow.step("pdfAdapter", "Reading"):
        pass
    asked = {
        operation: arguments.get("ReturnConsumedCapacity") for operation, arguments in bench.proxied.asked
    }
    assert asked == dict.fromkeys((*READS, *WRITES), "TOTAL")


def test_a_client_of_ones_own_making_is_looked_at_too() -> None:
    class Made:
        """As a program's tests put it in the place of a client."""

        def put_item(self, **_: Any) -> dict[str, Any]:
            return {}

        def get_item(self, **_: Any) -> Any:
            raise AttributeError("'list' object has no attribute 'get'")

    writer = StatusWriter("t", client=Made())
    result = writer.initialize("s", **FACTS)
    assert (result.outcome, "not as DynamoDB does" in result.reason) == ("failed", True)
    result = writer.finalize("s", "completed")
    assert (result.outcome, "has no answer" in result.reason) == ("failed", True)
