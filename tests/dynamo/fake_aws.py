"""A DynamoDB that answers what a test tells it to: AWS's errors, a proxy's page, nothing at all."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `hang`: seconds without one, while the connection stays open; `drip` (of the
    proxy's): seconds between its parts, of which there are forty. A dict with status 200 gets
    what DynamoDB's answers always have; text is sent as it is."""

    body: dict[str, Any] | str | bytes = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0
    drip: float = 0


def error(code: str, message: str = "", status: int = 400, **fields: Any) -> Answer:
    """An error as DynamoDB words it; `fields` are those that the error models beside its message."""
    return Answer(
        {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **fields}, status
    )


def always(operation: str, arguments: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """`body` with what DynamoDB's answer to that operation always has beside."""
    name = arguments.get("TableName", "a table")
    if "ReturnConsumedCapacity" in arguments:
        units = {"TableName": name, "CapacityUnits": 0.5}
        body = {"ConsumedCapacity": units if "TableName" in arguments else [units]} | body
    if operation in ("BatchGetItem", "TransactGetItems"):
        return {"Responses": {} if operation == "BatchGetItem" else []} | body
    if operation in ("CreateTable", "DeleteTable", "UpdateTable"):
        return {"TableDescription": {"TableName": name}} | body
    if arguments.get("ReturnValues") in ("ALL_NEW", "UPDATED_NEW"):
        return {"Attributes": {}} | body
    if "Items" in body:
        return {"Count": len(body["Items"]), "ScannedCount": len(body["Items"])} | body
    if operation == "DescribeTable" and "Table" in body:
        return body | {"Table": {"TableName": name, "TableStatus": "ACTIVE", "KeySchema": []} | body["Table"]}
    if operation == "UpdateTimeToLive":
        return {"TimeToLiveSpecification": arguments["TimeToLiveSpecification"]} | body
    if operation == "DescribeTimeToLive":
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}} | body
    if operation == "ListTagsOfResource":
        return {"Tags": []} | body
    if operation in ("DescribeContinuousBackups", "UpdateContinuousBackups"):
        return {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}} | body
    return body


@dataclass
class FakeDynamo:
    """Where it answers, what it was asked, and what it says: `answer(operation, arguments)`."""

    endpoint: str
    answer: Callable[[str, dict[str, Any]], Answer] = lambda _operation, _arguments: Answer({})
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    names_requests: bool = True

    def reset(self) -> None:
        """Forget the test before, and let go of the answers that still hang."""
        self.over.set()
        self.over, self.asked, self.names_requests = threading.Event(), [], True
        self.says(Answer({}))

    def says(self, *answers: Answer) -> None:
        """Give these answers in order; the last one again and again."""
        left = list(answers)
        self.answer = lambda operation, arguments: left.pop(0) if len(left) > 1 else left[0]

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]


@contextlib.contextmanager
def fake_dynamo() -> Iterator[FakeDynamo]:
    """A server on loopback for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # it would hold each body back for 40 ms
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            fake.asked.append((operation, arguments))
            answer = fake.answer(operation, arguments)
            if answer.hang:
                fake.over.wait(answer.hang)
                self.close_connection = True
                return
            is_json = isinstance(answer.body, dict)
            if isinstance(answer.body, dict) and answer.status == 200:
                answer = replace(answer, body=always(operation, arguments, answer.body))
            text = json.dumps(answer.body) if is_json else answer.body
            body = text if isinstance(text, bytes) else str(text).encode()
            if "Date" in answer.headers:
                self.send_response_only(answer.status)
            else:
                self.send_response(answer.status)
            self.send_header("Content-Type", "application/x-amz-json-1.0" if is_json else "text/html")
            if fake.names_requests:
                self.send_header("x-amzn-RequestId", f"REQUEST{len(fake.asked)}")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the client gave up
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # past 5 connections at once, the sixth would wait for a second

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeDynamo(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.reset()
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    """A clock that only moves when told to: put in place of the module `time` of `spending`."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
