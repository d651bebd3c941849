"""The writers' pages: their examples run as written, their kinds and bounds are the code's."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from opsportal.dynamo.clients import client
from tests.operations.places import get, put, request_item
from tests.processes import eventually
from tests.test_docs import ROOT, blocks, text_of
from tests.writing import apart
from writers import delivery, logs, tables
from writers.results import Trouble
from writers.workflows import StatusWriter

pytestmark = pytest.mark.no_moto

TEXT = text_of("docs/writers.md", "docs/writers-outages.md")


NAMES = {
    "workflows": "trade-matching-system-processing-status",
    "requests": "dev-market_intelligence_requests",
    "request_logs": "dev-request_processing_logs",
}


@pytest.fixture
def run(tables: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs one of the examples, with the names of the test's tables in place of the default ones."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", tables["workflows"].endpoint)
    monkeypatch.chdir(tmp_path)

    def example(number: int) -> None:
        text = example_of(number, tables)
        apart(lambda: exec(compile(text, "docs/writers.md", "exec"), {"__name__": "example"}))

    return example


def example_of(number: int, tables: dict[str, Any]) -> str:
    text = blocks(TEXT, "python")[number]
    for logical, default in NAMES.items():
        text = text.replace(default, tables[logical].name)
    return text


@pytest.fixture
def program(tables: dict[str, Any], tmp_path: Path) -> Iterator[Any]:
    """Starts an example as a program, in a folder that holds a copy of ``writers/`` and nothing else. At its end it
    prints which packages of the console it has loaded."""
    shutil.copytree(ROOT / "writers", tmp_path / "writers", ignore=shutil.ignore_patterns("__pycache__"))
    started: list[subprocess.Popen[str]] = []

    def start(number: int) -> subprocess.Popen[str]:
        (tmp_path / "example.py").write_text(example_of(number, tables) + FOREIGN)
        access = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")
        process = subprocess.Popen(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": "/usr/bin", "AWS_ENDPOINT_URL_DYNAMODB": tables["workflows"].endpoint, **access},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


FOREIGN = """
import sys
console = {"django", "opsportal", "pynamodb", "pydantic", "tracking", "requests_app", "registry"}
print(sorted(console & {name.split(".")[0] for name, module in sys.modules.items() if hasattr(module, "__file__")}))
"""


def test_the_example_of_a_workflow_runs_where_there_is_nothing_but_the_folder(
    tables: dict[str, Any], program: Any
) -> None:
    process = program(0)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "[]\n")
    item = get(tables["workflows"], "session-1")
    assert item is not None
    assert item["overallStatus"] == {"S": "completed"}
    assert item["pdfAdapter"]["M"]["activity"] == {"S": "12 pages read"}
    assert item["totalTokenUsage"]["M"]["totalTokens"] == {"N": "1360"}


def test_the_example_of_a_worker_works_until_it_is_stopped(tables: dict[str, Any], program: Any) -> None:
    put(tables["requests"], request_item("req-0", status="pending", config={"M": {}}))
    put(tables["requests"], request_item("req-1", status="pending"))
    process = program(1)

    def status(ident: str) -> Any:
        item = get(tables["requests"], ident)
        return item and item["status"]["S"]

    assert eventually(lambda: {status("req-0"), status("req-1")} == {"failed", "completed"}, 60), (
        process.poll()
    )
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (0, "[]")
    assert "KeyError: 'keywords'" in said
    item = get(tables["requests"], "req-1")
    assert item is not None
    assert item["progress"]["M"]["content_extracted"] == {"N": "11"}
    assert len(item["warnings"]["L"]) == 1
    table = tables["request_logs"]
    lines = client(table.region, table.endpoint).scan(TableName=table.name)["Items"]
    messages = {line["message"]["S"] for line in lines if line["request_id"] == {"S": "req-1"}}
    assert messages == {"12 URLs found", "Executing", "Request completed"}


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
