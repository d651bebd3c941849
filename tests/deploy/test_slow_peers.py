"""The console itself, without a proxy, among peers and an engine that are slow: /healthz answers whatever else goes on,
and pages do as long as it is only peers."""

import contextlib
import re
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

from opsportal.supervisor import free_port
from tests.deploy.machine import Machine, ask, collect, machine
from tests.dynamo.fake_aws import Answer, FakeDynamo, fake_dynamo

HTTPS = {"Host": "ops.example.com", "X-Forwarded-Proto": "https"}
PASSWORD = "correct horse battery"


@pytest.fixture
def dynamodb() -> Iterator[FakeDynamo]:
    with fake_dynamo() as fake:
        fake.answer = lambda *_: Answer({"Items": [], "Count": 0, "ScannedCount": 0})
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


def test_healthz_answers_whatever_else_goes_on(here: Machine, dynamodb: FakeDynamo) -> None:
    collect(here)
    port = free_port()
    environ = {"WEB_BIND": f"127.0.0.1:{port}", "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.endpoint}
    assert here.run("migrate").returncode == 0
    made = here.run("manage", "create_user", "vera", "--role", "viewer", "--password-stdin", said=PASSWORD)
    assert made.returncode == 0, made.stderr
    here.start("web", **environ)
    here.until_answered("web", port)
    session = cookies(port)
    largest = max((here.home / "static").rglob("*.js"), key=lambda path: path.stat().st_size)
    static = f"/static/{largest.relative_to(here.home / 'static')}"

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

        dynamodb.answer = lambda *_: Answer(hang=30)
        many(64, "GET /workflows/", f"Cookie: {session}\r\n\r\n")
        for _ in range(10):
            assert ask(port, "/healthz") == (200, "ok")
    assert "Traceback" not in here.log("web", "err").read_text()
