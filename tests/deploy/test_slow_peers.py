"""The console itself, without a proxy, among peers and an engine that are slow: /healthz answers whatever else goes on,
and pages do as long as it is only peers."""

import contextlib
import re
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

from opsportal.supervisor import free_port
from tests.deploy.machine import Machine, ask, collect, machine
from tests.dynamo.fake_aws import Answer, FakeDynamo, fake_dynamo
from tests.processes import eventually

HTTPS = {"Host": "ops.example.com", "X-Forwarded-Proto": "https"}
PASSWORD = "correct horse battery"
TOKEN = "a-token-of-twenty-four-chars"
EMPTY = Answer({"Items": [], "Count": 0, "ScannedCount": 0})
DENIED = Answer({"__type": "x#AccessDeniedException", "message": "no"}, status=400)
ITEM = {"Item": {"sessionId": {"S": "w"}, "overallStatus": {"S": "completed"}}}


@pytest.fixture
def dynamodb() -> Iterator[FakeDynamo]:
    with fake_dynamo() as fake:
        fake.answer = lambda operation, _: DENIED if operation == "DescribeTable" else EMPTY
        yield fake


@pytest.fixture
def here() -> Iterator[Machine]:
    with machine() as made:
        yield made


def cookies(port: int) -> str:
    """Of a session of vera's."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    given, form = "", {"login": "vera", "password": PASSWORD}
    for method in ("GET", "POST"):
        headers = HTTPS | {"Cookie": given, "Referer": "https://ops.example.com/"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, "/accounts/login/", urlencode(form), headers)
        answer = connection.getresponse()
        page = answer.read().decode()
        given = "; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie") or [])
        form["csrfmiddlewaretoken"] = "".join({*re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page)})
    connection.close()
    assert answer.status == 302
    return given


def serving(here: Machine, dynamodb: FakeDynamo, **more: str) -> tuple[int, str]:
    """A console that answers: its port, and the cookies of a viewer's session."""
    collect(here)
    port = free_port()
    environ = {"WEB_BIND": f"127.0.0.1:{port}", "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.endpoint}
    assert here.run("migrate").returncode == 0
    made = here.run("manage", "create_user", "vera", "--role", "viewer", "--password-stdin", said=PASSWORD)
    assert made.returncode == 0, made.stderr
    here.start("web", **environ, METRICS_TOKEN=TOKEN, **more)
    here.until_answered("web", port)
    return port, cookies(port)


def largest_script(here: Machine) -> str:
    """Its address."""
    largest = max((here.home / "static").rglob("*.js"), key=lambda path: path.stat().st_size)
    return f"/static/{largest.relative_to(here.home / 'static')}"


def test_healthz_answers_whatever_else_goes_on(here: Machine, dynamodb: FakeDynamo) -> None:
    port, session = serving(here, dynamodb)

    def answers() -> set[int]:
        """Of both processes, which know her from the first of them on."""
        return {ask(port, "/accounts/preferences/", **HTTPS, Cookie=session)[0] for _ in range(10)}

    # What another program changes in the database, or brings back from a backup, acts on each process's next request.
    with contextlib.closing(sqlite3.connect(here.home / "tmp" / "console.sqlite3", timeout=20)) as database:
        backup = sqlite3.connect(":memory:")
        database.backup(backup)
        assert answers() == {200}
        with database:
            database.execute("UPDATE auth_user SET is_active = 0")
        assert answers() == {302}
        backup.backup(database)
        assert answers() == {200}
    static = largest_script(here)

    with contextlib.ExitStack() as stack:

        def many(count: int, opening: str, more: str = "") -> None:
            for _ in range(count):
                sock = stack.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                sock.connect(("127.0.0.1", port))
                head = f"{opening} HTTP/1.1\r\nHost: ops.example.com\r\nX-Forwarded-Proto: https\r\n"
                sock.sendall(f"{head}{more}".encode())

        signed_in = f"Cookie: {session}\r\n"
        many(24, f"GET {static}", "\r\n")
        many(64, "POST /accounts/login/", "Content-Length: 5000\r\n\r\na")
        many(64, "GET /accounts/login/")
        many(24, "GET /healthz", f"{signed_in}\r\nPOST /workflows/ HTTP/1.1\r\nHost: ops.example.com\r\n")
        many(24, "GET /accounts/preferences/", f"{signed_in}\r\n")  # and keep the connection
        for _ in range(5):
            assert ask(port, "/healthz") == (200, "ok")
            assert ask(port, "/accounts/login/", **HTTPS)[0] == 200
            assert ask(port, "/accounts/preferences/", **HTTPS, Cookie=session)[0] == 200
        assert ask(port, static, **HTTPS)[0] == 200

        # More lists than may have a thread at once: the others wait for their turn.
        go_on = threading.Event()

        def when_told(operation: str, _: object) -> Answer:
            if operation == "DescribeTable":
                return DENIED
            assert go_on.wait(30)
            return EMPTY

        dynamodb.asked.clear()
        dynamodb.answer = when_told
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(ask, port, "/workflows/", **HTTPS, Cookie=session) for _ in range(12)]
            assert eventually(lambda: any(operation != "DescribeTable" for operation, _ in dynamodb.asked))
            go_on.set()
            assert {one.result()[0] for one in asked} == {200}
        shed = 'opsportal_http_shed_total{load="list"}'
        assert shed not in ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")[1]

        # An engine that answers no list: those that wait for it leave threads for all else.
        dynamodb.answer = lambda operation, _: Answer(ITEM) if operation == "GetItem" else Answer(hang=30)
        many(64, "GET /workflows/", f"Cookie: {session}\r\n\r\n")
        for _ in range(10):
            assert ask(port, "/healthz") == (200, "ok")
            assert ask(port, "/api/workflow/w/status", **HTTPS, Cookie=session)[0] == 200
            assert ask(port, static, **HTTPS)[0] == 200
        assert eventually(lambda: shed in ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")[1])
        dynamodb.answer = lambda *_: Answer(hang=30)
        for _ in range(10):
            assert ask(port, "/healthz") == (200, "ok")
    assert "Traceback" not in here.log("web", "err").read_text()


OPERATORS = 50


@pytest.mark.long
@pytest.mark.parametrize("threads", ["8", "2"])
def test_50_operators_at_a_slow_engine_keep_nobody_from_items(
    here: Machine, dynamodb: FakeDynamo, threads: str
) -> None:
    """Each call takes 2 s, and a list makes several."""

    def slowly(operation: str, _: object) -> Answer:
        time.sleep(2)
        if operation == "DescribeTable":
            return DENIED
        return Answer(ITEM) if operation == "GetItem" else EMPTY

    port, session = serving(here, dynamodb, DYNAMO_READ_TIMEOUT="2.4", WEB_THREADS=threads)
    static = largest_script(here)
    dynamodb.answer = slowly
    over, answered = threading.Event(), Counter[tuple[str, int]]()

    def operator() -> None:
        while not over.is_set():
            for path in ("/workflows/", "/panels/workflows/?window=24h", "/requests/"):
                answered[path, ask(port, path, **HTTPS, Cookie=session)[0]] += 1
                over.wait(0.5)

    operators = [threading.Thread(target=operator) for _ in range(OPERATORS)]
    for one in operators:
        one.start()
    try:
        assert eventually(lambda: answered.total() > OPERATORS, 60)
        for _ in range(5):
            assert ask(port, "/healthz") == (200, "ok")
            assert ask(port, static, **HTTPS)[0] == 200
            assert ask(port, "/api/workflow/w/status", **HTTPS, Cookie=session)[0] == 200
            assert ask(port, "/workflows/w/", **HTTPS, Cookie=session)[0] == 200
    finally:
        over.set()
        for one in operators:
            one.join()
    assert {status for _, status in answered} <= {200, 503}, answered
    figures = ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")[1]
    assert 'opsportal_http_shed_total{load="list"}' in figures
