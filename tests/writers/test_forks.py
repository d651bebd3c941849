"""Writers that were made before a fork: each process has connections, threads and files of its own."""

import asyncio
import json
import multiprocessing
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from opsportal.dynamo.clients import client
from opsportal.supervisor import die_with
from tests.writers.test_deadlines import certificate
from tests.writing import Line
from writers import AsyncStatusWriter, RequestWriter, StatusWriter

FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}
FORK = multiprocessing.get_context("fork")


class Server:
    """DynamoDB for `initialize`: ``asked`` has, for each connection, the ids that came by it."""

    def __init__(self, pem: Path | None) -> None:
        self.asked: list[list[str]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.mine: list[str] = []
                asked.append(self.mine)

            def do_POST(self) -> None:
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.mine.append(call["Item"]["sessionId"]["S"])
                body = b'{"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.0}}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.scheme = "https" if pem else "http"
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.client = boto3.client(
            "dynamodb",
            "us-east-1",
            endpoint_url=f"{self.scheme}://127.0.0.1:{self.http.server_port}",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            verify=str(pem) if pem else None,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
        )


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made = Server(certificate(tmp_path) if request.param == "https" else None)
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def in_a_child(work: Callable[[], bool]) -> Any:
    """A process that is forked now and ends with 0 if `work` is true."""
    die = die_with(os.getpid())

    def run() -> None:
        die()
        os._exit(0 if work() else 1)

    process = FORK.Process(target=run)
    process.start()
    return process


def ended_well(process: Any) -> bool:
    process.join(20)
    process.kill()
    process.join()
    return process.exitcode == 0


def test_no_process_uses_the_connections_of_another(server: Server) -> None:
    """Also in a grandchild, in one whose parent's threads hold every lock there is, and with asyncio."""
    writer = StatusWriter("t", client=server.client)
    aside = AsyncStatusWriter(writer, threads=1)
    assert asyncio_run(aside.initialize("parent", **FACTS)) == "written"
    session = server.client._endpoint.http_session

    def child() -> bool:
        written = asyncio_run(aside.initialize("child", **FACTS)) == "written"
        nested = in_a_child(lambda: writer.initialize("grandchild", **FACTS).outcome == "written")
        return written and ended_well(nested) and writer.close()

    (pool,) = session._manager.pools._container.values()
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with pool.pool.mutex, session._manager.pools.lock, aside.in_order._changed:
            held.set()
            let_go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(5)
    process = in_a_child(child)
    let_go.set()
    thread.join()
    assert ended_well(process)
    assert writer.initialize("parent once more", **FACTS).outcome == "written"
    assert asyncio_run(aside.initialize("parent by asyncio", **FACTS)) == "written"
    assert server.asked[0] == ["parent", "parent once more", "parent by asyncio"]
    assert sorted(server.asked[1:]) == [["child"], ["grandchild"]]


def asyncio_run(call: Any) -> str:
    async def work() -> str:
        return str((await call).outcome)

    outcomes: list[str] = []
    thread = threading.Thread(target=lambda: outcomes.append(asyncio.run(work())))
    thread.start()
    thread.join(10)
    return outcomes[0] if outcomes else "hangs"


def test_a_child_closes_its_own_side_of_what_its_parent_has_open(server: Server, tmp_path: Path) -> None:
    """Else a peer would never see that the parent has closed, and no process could take over its records."""
    line: Any = Line(server.client)
    writer = StatusWriter("t", client=line, spool_dir=tmp_path / "spool")
    assert writer.initialize("live", **FACTS).outcome == "written"
    line.cut()
    assert writer.initialize("kept", **FACTS).outcome == "spooled"
    before = set(os.listdir("/proc/self/fd"))
    reader, teller = os.pipe()

    def child() -> bool:
        open_ones = {
            os.readlink(f"/proc/self/fd/{fd}") for fd in before if os.path.exists(f"/proc/self/fd/{fd}")
        }
        closed = not any(name.endswith(".spool") for name in open_ones)
        os.write(teller, b"1" if closed else b"0")
        return threading.Event().wait(15)  # it lives on

    process = in_a_child(child)
    assert os.read(reader, 1) == b"1"
    writer.close(0)
    with StatusWriter("t", client=server.client, spool_dir=tmp_path / "spool") as other:
        assert other.flush()
    assert [ident for mine in server.asked for ident in mine] == ["live", "kept"]
    process.kill()
    process.join()
    os.close(reader)
    os.close(teller)


def test_a_request_goes_on_in_a_child_and_its_lines_are_written_once(tables: dict[str, Any]) -> None:
    requests, logs = tables["requests"], tables["request_logs"]
    made = client(requests.region, requests.endpoint, background=True)
    made.put_item(
        TableName=requests.name,
        Item={requests.key: {"S": "r"}, "status": {"S": "pending"}, "errors": {"L": []}},
    )
    writer = RequestWriter(
        requests.name,
        worker_id="w",
        key=requests.key,
        logs_table=logs.name,
        logs_key=logs.key,
        client=made,
        log_interval=60,
    )
    job = writer.claim("r")
    assert job is not None
    job.log("INFO", "of the parent")  # sent at once
    job.log("INFO", "of the parent, too")  # which waits

    def child() -> bool:
        job.log("INFO", "of the child")
        return bool(job.complete({"n": 1})) and writer.close()

    assert ended_well(in_a_child(child))
    assert writer.close()
    lines = made.scan(TableName=logs.name, ConsistentRead=True)["Items"]
    messages = sorted(line["message"]["S"] for line in lines)
    assert messages == ["Request completed", "of the child", "of the parent", "of the parent, too"]
    item = made.get_item(TableName=requests.name, Key={requests.key: {"S": "r"}})["Item"]
    assert item["status"] == {"S": "completed"}


def everything(writer: StatusWriter, session: str) -> bool:
    return all(
        call.outcome == "written"
        for call in (
            writer.initialize(session, **FACTS),
            writer.start_step(session, "pdfAdapter", "Reading"),
            writer.finish_step(session, "pdfAdapter", "Read", {"inputTokens": 3}),
            writer.finalize(session, "completed"),
        )
    )


@pytest.mark.long
def test_children_that_are_forked_while_threads_write_record_all_that_they_do(tables: dict[str, Any]) -> None:
    table = tables["workflows"]
    writer = StatusWriter(table.name, key=table.key, region=table.region, endpoint_url=table.endpoint)
    over, failed = threading.Event(), list[str]()

    def write(thread: int) -> None:
        number = 0
        while not over.is_set():
            if not everything(writer, f"parent-{thread}-{number}"):
                failed.append(f"{thread}-{number}")
            number += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    children = [in_a_child(lambda n=number: everything(writer, f"child-{n}")) for number in range(40)]  # type: ignore[misc]
    for child in children:
        assert ended_well(child)
    over.set()
    for thread in threads:
        thread.join()
    assert failed == []
    found = client(table.region, table.endpoint, background=True).scan(TableName=table.name)["Items"]
    assert {item["overallStatus"]["S"] for item in found} == {"completed"}
    assert sum(item[table.key]["S"].startswith("child") for item in found) == 40
