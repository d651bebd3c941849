"""The StatusWriter against real engines: what it writes, what it leaves alone, what it survives."""

import logging
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsportal.dynamo.clients import client
from opsportal.supervisor import free_port
from tests.shapes import examples
from tests.writing import START, Clock
from tracking.writer import STEPS, StatusWriteError, StatusWriter, values

NAMES = [name for name, _ in STEPS]


class Bench:
    """A writer on a table of the test's own, and a look at what is in it."""

    def __init__(self, binding: Any, **options: Any) -> None:
        self.table, self.key = binding.name, binding.key
        self.client = client(binding.region, binding.endpoint, background=True)
        self.clock = Clock()
        self.writer = StatusWriter(
            self.table, key=self.key, client=self.client, clock=self.clock, raise_errors=True, **options
        )

    def begin(self, session: str = "s") -> None:
        self.writer.initialize(session, correlation_id="corr", document_id="doc.pdf", source_type="BANK")

    def item(self, session: str = "s") -> dict[str, Any]:
        key = {self.key: {"S": session}}
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})

    def put(self, item: dict[str, Any], session: str = "s") -> None:
        self.client.put_item(TableName=self.table, Item={self.key: {"S": session}, **item})

    def total(self, session: str = "s") -> dict[str, Decimal]:
        item = self.item(session)
        return {
            measure: values.decimal(values.at(item, *path)) or Decimal(0)
            for measure, (_, path) in values.MEASURES.items()
        }


@pytest.fixture
def bench(tables: dict[str, Any]) -> Bench:
    return Bench(tables["workflows"])


def test_initialize_makes_the_item_of_the_documents(bench: Bench) -> None:
    assert bench.writer.initialize("s", correlation_id="c", document_id="d", source_type="BANK")
    assert bench.item() == {
        bench.key: {"S": "s"},
        "correlationId": {"S": "c"},
        "documentId": {"S": "d"},
        "sourceType": {"S": "BANK"},
        "overallStatus": {"S": "initializing"},
        **{name: {"M": {"status": {"S": "pending"}, "activity": {"S": text}}} for name, text in STEPS},
        "totalTokenUsage": {
            "M": {"inputTokens": {"N": "0"}, "outputTokens": {"N": "0"}, "totalTokens": {"N": "0"}}
        },
        "totalDuration": {"N": "0"},
        "createdAt": {"S": "2025-12-24T10:00:00.000Z"},
        "lastUpdated": {"S": "2025-12-24T10:00:00.000Z"},
        "expiresAt": {"N": str(int((START + timedelta(days=90)).timestamp()))},
    }


@pytest.mark.no_moto
def test_a_fact_that_is_missing_or_no_text_does_not_cost_the_workflow(bench: Bench) -> None:
    facts: Any = {"correlation_id": None, "document_id": "scan-\udce4.pdf", "source_type": 7}
    assert bench.writer.initialize("s", **facts)
    item = bench.item()
    assert "correlationId" not in item
    assert (item["documentId"], item["sourceType"]) == ({"S": "scan-?.pdf"}, {"S": "7"})
    assert bench.writer.start_step("s", "pdfAdapter", "Reading")


def test_initialize_again_resets_nothing(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    before = bench.item()
    assert bench.writer.initialize("s", correlation_id="x", document_id="y", source_type="z").outcome == (
        "unchanged"
    )
    assert bench.item() == before


def test_a_workflow_from_start_to_end(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Extracting")
    bench.clock.forward(5.1234)
    bench.writer.finish_step("s", "pdfAdapter", "Extracted", {"inputTokens": 11689, "outputTokens": 2480})
    item = bench.item()
    assert item["overallStatus"] == {"S": "processing"}
    assert item["lastUpdated"] == {"S": "2025-12-24T10:00:05.123Z"}
    assert item["pdfAdapter"]["M"] == {
        "status": {"S": "success"},
        "activity": {"S": "Extracted"},
        "startedAt": {"S": "2025-12-24T10:00:00.000Z"},
        "completedAt": {"S": "2025-12-24T10:00:05.123Z"},
        "duration": {"N": "5.123"},
        "tokenUsage": {
            "M": {"inputTokens": {"N": "11689"}, "outputTokens": {"N": "2480"}, "totalTokens": {"N": "14169"}}
        },
    }
    assert bench.writer.finalize("s", "completed")
    assert bench.item()["overallStatus"] == {"S": "completed"}
    assert bench.total()["totalTokens"] == 14169


def test_starting_a_running_step_again_keeps_when_it_started(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Page 1")
    bench.clock.forward(3)
    bench.writer.start_step("s", "pdfAdapter", "Page 2")
    step = bench.item()["pdfAdapter"]["M"]
    assert step["startedAt"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert step["activity"] == {"S": "Page 2"}
    assert bench.writer.start_step("s", "pdfAdapter", "Page 2").outcome == "unchanged"


def test_a_repeated_finish_adds_nothing_and_moves_nothing(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.clock.forward(2)
    tokens = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    assert bench.writer.finish_step("s", "pdfAdapter", "Read", tokens).outcome == "written"
    before = bench.item()
    bench.clock.forward(60)
    assert bench.writer.finish_step("s", "pdfAdapter", "Read", tokens).outcome == "unchanged"
    assert bench.item() == before


def test_a_retried_step_replaces_what_it_had_added(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "tradeExtraction", "Try")
    bench.clock.forward(4)
    bench.writer.fail_step("s", "tradeExtraction", ValueError("no table"), tokens={"inputTokens": 100})
    assert bench.item()["tradeExtraction"]["M"]["error"] == {"S": "ValueError: no table"}
    assert bench.total() == {
        "inputTokens": 100, "outputTokens": 0, "totalTokens": 100, "duration": 4
    }  # fmt: skip

    bench.writer.start_step("s", "tradeExtraction", "Try again")
    step = bench.item()["tradeExtraction"]["M"]
    assert step["startedAt"] == {"S": "2025-12-24T10:00:04.000Z"}
    assert not {"error", "completedAt", "duration"} & set(step)
    assert set(bench.total().values()) == {0}

    bench.clock.forward(1.5)
    bench.writer.finish_step("s", "tradeExtraction", "Done", {"inputTokens": 7, "outputTokens": 3})
    assert bench.total() == {
        "inputTokens": 7, "outputTokens": 3, "totalTokens": 10, "duration": Decimal("1.5")
    }  # fmt: skip


def test_a_given_duration_wins_over_the_measured_one(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.clock.forward(2)
    bench.writer.finish_step("s", "pdfAdapter", "Read", duration=17.0954)
    assert bench.item()["pdfAdapter"]["M"]["duration"] == {"N": "17.095"}
    assert bench.total()["duration"] == Decimal("17.095")


@pytest.mark.parametrize(
    ("started", "seconds"),
    [
        ("2025-12-24T09:59:50Z", "10"),
        ("2025-12-24T09:59:50.250000+00:00", "9.75"),
        ("2025-12-24T09:59:50+00:00Z", "10"),
        ("2025-12-24T09:59:50.5", "9.5"),
        ("2025-12-24T10:59:50Z", "0"),
        ("yesterday", None),
    ],
)
def test_a_duration_is_measured_from_any_form_of_stamp(bench: Bench, started: str, seconds: str) -> None:
    bench.put({"pdfAdapter": {"M": {"status": {"S": "in-progress"}, "startedAt": {"S": started}}}})
    bench.writer.finish_step("s", "pdfAdapter", "Read")
    assert bench.item()["pdfAdapter"]["M"].get("duration") == (seconds and {"N": seconds})


def test_steps_that_were_not_initialized_are_made(bench: Bench) -> None:
    bench.put({"overallStatus": {"S": "initializing"}, "createdAt": {"S": "2025-12-24T10:00:00Z"}})
    bench.writer.start_step("s", "sanctionsScreening", "Asking")
    bench.clock.forward(1)
    bench.writer.finish_step("s", "sanctionsScreening", "Clear", {"inputTokens": 3, "outputTokens": 4})
    bench.writer.finish_step("s", "tradeMatching", "Matched", {"inputTokens": 1}, duration=2)
    item = bench.item()
    assert item["sanctionsScreening"]["M"]["startedAt"] == {"S": "2025-12-24T10:00:00.000Z"}
    assert item["tradeMatching"]["M"]["status"] == {"S": "success"}
    assert bench.total() == {"inputTokens": 4, "outputTokens": 4, "totalTokens": 8, "duration": 3}


def test_a_missing_item_is_not_made_by_an_update(bench: Bench) -> None:
    writer = StatusWriter(bench.table, key=bench.key, client=bench.client)
    assert writer.start_step("ghost", "pdfAdapter", "Reading").outcome == "missing"
    assert not writer.finalize("ghost", "completed")
    assert bench.item("ghost") == {}


def test_totals_that_another_program_left_at_zero_are_fixed(bench: Bench) -> None:
    usage = {"M": {"inputTokens": {"N": "50"}, "outputTokens": {"N": "50"}, "totalTokens": {"N": "100"}}}
    done = {"M": {"status": {"S": "success"}, "duration": {"N": "17.095"}, "tokenUsage": usage}}
    bench.put({"pdfAdapter": done, "totalDuration": {"N": "0"}, "totalTokenUsage": {"S": "none"}})
    bench.writer.finish_step("s", "tradeMatching", "Matched", {"inputTokens": 1}, duration=Decimal("0.005"))
    assert bench.total() == {
        "inputTokens": 51, "outputTokens": 50, "totalTokens": 101, "duration": Decimal("17.1")
    }  # fmt: skip
    bench.put({"pdfAdapter": done, "totalDuration": {"S": "long"}}, "t")
    bench.writer.finalize("t", "completed")
    assert bench.total("t")["duration"] == Decimal("17.095")
    assert bench.total("t")["totalTokens"] == 100


def test_a_cancelled_workflow_stays_cancelled_and_keeps_its_books(bench: Bench) -> None:
    bench.begin()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    assert bench.writer.is_cancelled("s") is False
    bench.client.update_item(
        TableName=bench.table,
        Key={bench.key: {"S": "s"}},
        UpdateExpression="SET overallStatus = :c",
        ExpressionAttributeValues={":c": {"S": "Cancelled"}},
    )
    assert bench.writer.is_cancelled("s") is True
    finished = bench.writer.finish_step("s", "pdfAdapter", "Read", {"inputTokens": 9})
    assert finished.cancelled
    assert finished.outcome == "written"
    refused = bench.writer.start_step("s", "tradeExtraction", "Extracting")
    assert refused.outcome == "refused"
    assert refused.cancelled
    assert not bench.writer.finalize("s", "completed")
    assert bench.item()["overallStatus"] == {"S": "Cancelled"}
    assert bench.item()["tradeExtraction"]["M"]["status"] == {"S": "pending"}
    assert bench.total()["inputTokens"] == 9
    assert bench.writer.is_cancelled("nobody") is False


def test_a_cancel_between_reading_and_writing_is_not_overwritten(bench: Bench) -> None:
    bench.begin()
    read = bench.writer._read

    def read_then_cancelled(session: str) -> dict[str, Any]:
        bench.writer._read = read  # type: ignore[method-assign]
        item = read(session)
        bench.client.update_item(
            TableName=bench.table,
            Key={bench.key: {"S": "s"}},
            UpdateExpression="SET overallStatus = :c",
            ExpressionAttributeValues={":c": {"S": "cancelled"}},
        )
        return item

    bench.writer._read = read_then_cancelled  # type: ignore[method-assign]
    assert bench.writer.start_step("s", "pdfAdapter", "Reading").cancelled
    assert bench.item()["overallStatus"] == {"S": "cancelled"}
    assert bench.item()["pdfAdapter"]["M"]["status"] == {"S": "pending"}


def test_a_finished_workflow_is_reopened_only_on_request(bench: Bench) -> None:
    bench.begin()
    bench.writer.finalize("s", "failed")
    assert bench.writer.finalize("s", "failed").outcome == "unchanged"
    assert bench.writer.finalize("s", "completed").outcome == "refused"
    assert bench.writer.start_step("s", "pdfAdapter", "Again").outcome == "refused"
    assert bench.writer.start_step("s", "pdfAdapter", "Again", reopen=True)
    assert bench.item()["overallStatus"] == {"S": "processing"}
    bench.writer.finalize("s", "failed")
    assert bench.writer.finalize("s", "completed", force=True)
    assert bench.item()["overallStatus"] == {"S": "completed"}


FOREIGN = {
    "invocationId": {"S": "inv-9"},
    "attempts": {"N": "1.5"},
    "flags": {"SS": ["a", "b"]},
    "blob": {"B": b"\x00\xff"},
    "nested": {"M": {"deep": {"L": [{"NULL": True}, {"BOOL": False}, {"N": "12345678901234567890.5"}]}}},
}


def test_attributes_it_does_not_know_stay_as_they_are(bench: Bench) -> None:
    usage = {"M": {"inputTokens": {"N": "1"}, "cacheReadTokens": {"N": "77"}}}
    step = {"status": {"S": "in-progress"}, "tokenUsage": usage, **FOREIGN}
    bench.put({"overallStatus": {"S": "LOADING"}, "pdfAdapter": {"M": step}, **FOREIGN})
    before = bench.item()
    bench.writer.start_step("s", "pdfAdapter", "Reading")
    bench.writer.fail_step("s", "pdfAdapter", "broken")
    bench.writer.start_step("s", "pdfAdapter", "Again")
    bench.writer.finish_step("s", "pdfAdapter", "Read", {"inputTokens": 4, "outputTokens": 2})
    bench.writer.finalize("s", "completed")
    after = bench.item()
    for name in FOREIGN:
        assert after[name] == before[name]
        assert after["pdfAdapter"]["M"][name] == before["pdfAdapter"]["M"][name]
    assert after["pdfAdapter"]["M"]["tokenUsage"]["M"]["cacheReadTokens"] == {"N": "77"}
    assert bench.total()["totalTokens"] == 6


def test_an_over_long_error_is_cut_and_says_so(bench: Bench) -> None:
    bench.begin()
    bench.writer.fail_step("s", "pdfAdapter", "é" * 300_000)
    text = bench.item()["pdfAdapter"]["M"]["error"]["S"]
    assert len(text.encode()) < 33_000
    assert text.endswith("[cut: 568,000 of 600,000 bytes left out]")


@pytest.mark.no_moto  # whose items end at 405,000 bytes
def test_an_error_still_fits_an_item_that_is_nearly_full(bench: Bench) -> None:
    bench.put({"report": {"S": "x" * 390_000}})
    assert bench.writer.fail_step("s", "pdfAdapter", "y" * 50_000)
    assert "bytes left out" in bench.item()["pdfAdapter"]["M"]["error"]["S"]


def test_a_lone_surrogate_is_written_as_a_question_mark(bench: Bench) -> None:
    bench.begin()
    assert bench.writer.fail_step("s", "pdfAdapter", "bad \ud800 text")
    assert bench.item()["pdfAdapter"]["M"]["error"] == {"S": "bad ? text"}


def test_the_key_attribute_can_be_another(engine: Any) -> None:
    made = client("us-east-1", engine.endpoint, background=True)
    made.create_table(
        TableName="other-key",
        KeySchema=[{"AttributeName": "processing_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "processing_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        writer = StatusWriter("other-key", key="processing_id", client=made, steps=[("plan", "Waiting")])
        assert writer.initialize("p", correlation_id="c", document_id="d", source_type="BANK")
        assert writer.start_step("p", "plan", "Planning")
        item = made.get_item(TableName="other-key", Key={"processing_id": {"S": "p"}})["Item"]
        assert item["plan"]["M"]["status"] == {"S": "in-progress"}
        assert not {name for name in NAMES if name in item}
    finally:
        made.delete_table(TableName="other-key")


def impatient(endpoint: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=1)
    session = botocore.session.Session()
    return session.create_client("dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=config)


def test_nothing_is_raised_into_a_workflow_when_the_engine_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    gone = impatient(f"http://127.0.0.1:{free_port()}")
    writer = StatusWriter("t", client=gone)
    with caplog.at_level(logging.INFO, "tracking.writer"):
        results = [
            writer.initialize("s-1", correlation_id="corr-7", document_id="d", source_type="BANK"),
            writer.start_step("s-1", "pdfAdapter", "Reading"),
            writer.finish_step("s-1", "pdfAdapter", "Read", {"inputTokens": 1}),
            writer.fail_step("s-1", "pdfAdapter", RuntimeError("x")),
            writer.finalize("s-1", "completed"),
        ]
    assert [result.outcome for result in results] == ["failed"] * 5
    assert writer.is_cancelled("s-1") is False
    record = caplog.records[2]
    assert (record.session_id, record.correlation_id) == ("s-1", "corr-7")  # type: ignore[attr-defined]
    assert "'s-1' 'corr-7'" in record.getMessage()
    with pytest.raises(StatusWriteError, match="EndpointConnectionError"):
        StatusWriter("t", client=gone, raise_errors=True).start_step("s-1", "pdfAdapter", "Reading")
    gone.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda writer: writer.start_step("s", "overallStatus", "x"),
        lambda writer: writer.start_step("s", writer.key, "x"),
        lambda writer: writer.finalize("s", "done"),
        lambda writer: writer.finish_step("", "pdfAdapter", "x"),
    ],
)
@pytest.mark.no_moto
def test_a_mistake_in_a_call_is_answered_and_writes_nothing(bench: Bench, call: Any) -> None:
    bench.begin()
    before = bench.item()
    bench.writer.raise_errors = False
    assert call(bench.writer).outcome == "failed"
    assert bench.item() == before


@pytest.mark.no_moto
def test_steps_finished_by_many_threads_lose_no_total(bench: Bench) -> None:
    bench.begin()
    writer = StatusWriter(bench.table, key=bench.key, client=bench.client, raise_errors=True)
    failures: list[BaseException] = []

    def work(step: str) -> None:
        try:
            for count in range(1, 6):
                writer.start_step("s", step, f"try {count}")
                writer.finish_step("s", step, "done", {"inputTokens": count, "outputTokens": 1}, 0.125)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in [*NAMES, "extraOne", "extraTwo"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert bench.total() == {
        "inputTokens": 30, "outputTokens": 6, "totalTokens": 36, "duration": Decimal("0.75")
    }  # fmt: skip


counts = st.none() | st.fixed_dictionaries(
    {"inputTokens": st.integers(0, 10**6), "outputTokens": st.integers(0, 10**6)}
)
durations = st.none() | st.decimals(0, 10_000, places=3)
calls = st.tuples(
    st.sampled_from(["start", "finish", "fail", "initialize", "finalize", "foreign"]),
    st.sampled_from([*NAMES, "unlisted"]),
    counts,
    durations,
    st.integers(1, 3),
    st.sampled_from([0, 0.001, 1.5]),
)


@pytest.mark.no_moto
@settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(calls, max_size=12), st.booleans())
def test_totals_are_the_sum_of_the_steps_after_any_calls(
    bench: Bench, made: list[Any], foreign: bool
) -> None:
    bench.client.delete_item(TableName=bench.table, Key={bench.key: {"S": "s"}})
    if foreign:
        bench.put({**FOREIGN, "overallStatus": {"S": "initializing"}})
    bench.begin()
    for call, step, tokens, duration, times, pause in made:
        for _ in range(times):
            bench.clock.forward(pause)
            if call == "start":
                bench.writer.start_step("s", step, "working", reopen=True)
            elif call == "finish":
                bench.writer.finish_step("s", step, "done", tokens, duration)
            elif call == "fail":
                bench.writer.fail_step("s", step, "broken", tokens=tokens, duration=duration)
            elif call == "initialize":
                bench.begin()
            elif call == "finalize":
                bench.writer.finalize("s", "completed", force=True)
            else:  # another program replaces a step's whole map, and leaves the totals
                bench.client.update_item(
                    TableName=bench.table,
                    Key={bench.key: {"S": "s"}},
                    UpdateExpression="SET #s = :m",
                    ExpressionAttributeNames={"#s": step},
                    ExpressionAttributeValues={
                        ":m": {"M": {"status": {"S": "success"}, "duration": {"N": "2.5"}}}
                    },
                )
    if any(call == "foreign" for call, *_ in made):
        bench.writer.finalize("s", "failed", force=True)
    item = bench.item()
    assert bench.total() == values.sums(item)
    if foreign:
        assert {name: item[name] for name in FOREIGN} == FOREIGN


def test_it_needs_neither_django_nor_the_rest_of_the_project() -> None:
    program = (
        "import sys; import tracking.writer; "
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'opsportal', 'pynamodb')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_makes_its_own_client_in_the_region_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert StatusWriter("t").client.meta.region_name == "eu-north-1"
    assert StatusWriter("t", region="us-east-1").client.meta.region_name == "us-east-1"


def test_it_remembers_a_bounded_number_of_workflows() -> None:
    sessions = StatusWriter("t", client=object()).sessions
    for number in range(10_500):
        sessions.seen(f"s-{number}", {"correlationId": {"S": "c"}, "retryCount": {"N": "2"}})
    assert len(sessions.correlations) <= 10_000
    assert len(sessions.retries) <= 10_000
    assert sessions.log_ids("s-10499") == {"session_id": "s-10499", "correlation_id": "c"}
    assert sessions.retries["s-10499"] == 2
