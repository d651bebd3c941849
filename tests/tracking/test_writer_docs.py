"""The writers' pages: their examples run as written, their kinds and bounds are the code's."""

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from opsportal.dynamo.clients import client
from tests.operations.places import get, put, request_item
from tests.test_docs import blocks, text_of
from tests.writing import apart
from writers import delivery, logs, tables
from writers.results import Trouble
from writers.workflows import StatusWriter

pytestmark = pytest.mark.no_moto

TEXT = text_of("docs/writers.md", "docs/writers-outages.md")


@pytest.fixture
def run(tables: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs one of the examples, with the names of the test's tables in place of the default ones."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", tables["workflows"].endpoint)
    monkeypatch.chdir(tmp_path)
    names = {
        "trade-matching-system-processing-status": tables["workflows"].name,
        "dev-market_intelligence_requests": tables["requests"].name,
        "dev-request_processing_logs": tables["request_logs"].name,
    }

    def example(number: int) -> None:
        text = blocks(TEXT, "python")[number]
        for default, name in names.items():
            text = text.replace(default, name)
        apart(lambda: exec(compile(text, "docs/writers.md", "exec"), {"__name__": "example"}))

    return example


def test_the_example_of_a_workflow_runs(tables: dict[str, Any], run: Any) -> None:
    run(0)
    item = get(tables["workflows"], "session-1")
    assert item is not None
    assert item["overallStatus"] == {"S": "completed"}
    assert item["pdfAdapter"]["M"]["activity"] == {"S": "12 pages read"}
    assert item["totalTokenUsage"]["M"]["totalTokens"] == {"N": "1360"}


def test_the_example_of_a_worker_runs(tables: dict[str, Any], run: Any) -> None:
    put(tables["requests"], request_item("req-1", status="pending"))
    run(1)
    item = get(tables["requests"], "req-1")
    assert item is not None
    assert item["status"] == {"S": "completed"}
    assert item["progress"]["M"]["content_extracted"] == {"N": "11"}
    assert len(item["warnings"]["L"]) == 1
    table = tables["request_logs"]
    lines = client(table.region, table.endpoint).scan(TableName=table.name)["Items"]
    assert {line["message"]["S"] for line in lines} == {"12 URLs found", "Executing", "Request completed"}


def test_the_example_with_asyncio_runs(tables: dict[str, Any], run: Any) -> None:
    run(2)
    item = get(tables["workflows"], "session-2")
    assert item is not None
    assert item["overallStatus"] == {"S": "completed"}
    assert item["totalTokenUsage"]["M"]["totalTokens"] == {"N": "100"}


def test_every_kind_of_problem_is_documented() -> None:
    told = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| (?:spooled|into|lost)", TEXT, re.M))
    assert told == set(get_args(get_type_hints(Trouble)["kind"]))


def test_the_documented_figures_are_those_of_the_code() -> None:
    assert f"asked again after {delivery.FIRST_PAUSE:.0f} s" in TEXT
    assert f"up to {delivery.LONGEST_PAUSE:.0f} s" in TEXT
    assert f"`spool_bytes` ({tables.SPOOL_BYTES >> 20} MiB per table)" in TEXT
    assert f"batches of up to {logs.BATCH} " in TEXT
    config = StatusWriter("t", region="us-east-1").client.meta.config
    assert f"{config.connect_timeout} s to connect and {config.read_timeout} s between two bytes" in TEXT
    assert f"with {config.connect_timeout + config.read_timeout} s in all" in TEXT
