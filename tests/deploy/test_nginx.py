"""The nginx of docs/proxy.md, in front of a console as it is deployed. What can't be had on loopback are its ports and
its certificate."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from boto3.dynamodb.types import TypeSerializer

from opsportal.supervisor import free_port
from tests.cases import short
from tests.deploy.machine import Machine, collect, machine
from tests.dynamo.fake_aws import Answer, error, fake_dynamo
from tests.factories import log
from tests.processes import descendants, eventually
from tests.test_docs import blocks, text_of

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx here (Debian: nginx-light)")

HOST = "ops.example.com"
PASSWORD = "correct horse battery"
LINES = 3000
FRONT_END = "https://app.example.com"
MAKE_TOKEN = """
from opsportal.accounts.tokens import make
print(make("front", ["workflows:read"], made_by=None, days=1, role="viewer")[1])
"""


@dataclass
class Site:
    """What a browser sees: TLS at `port`, the front end's server at `front`, and the console behind both at
    `console`."""

    port: int
    front: int
    plain: int
    console: int
    here: Machine
    context: ssl.SSLContext

    def connect(self) -> ssl.SSLSocket:
        return self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 30))

    def ask(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.context)
        if method == "POST":
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"https://{HOST}/"}
        connection.request(method, path, body or None, {"Host": HOST, **headers})
        answer = connection.getresponse()
        try:
            return answer, answer.read()
        finally:
            connection.close()

    def log_in(self) -> str:
        """The cookies of a session."""
        answer, page = self.ask("GET", "/accounts/login/")
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.decode()))
        form = urlencode({"login": "vera", "password": PASSWORD, "csrfmiddlewaretoken": token})
        answer, page = self.ask("POST", "/accounts/login/", form, Cookie=cookies(answer))
        assert answer.status == 302, page
        return cookies(answer)


def cookies(answer: http.client.HTTPResponse) -> str:
    return "; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie") or [])


def example() -> str:
    return blocks(text_of("docs/proxy.md"), "nginx")[0]


def front_end(folder: Path, site: Site) -> str:
    """The location for front ends, in a server."""
    _, location = blocks(text_of("docs/proxy.md"), "nginx")
    file = "/etc/nginx/opsportal-token"
    assert location.count(file) == 1
    return f"server {{ listen 127.0.0.1:{site.front}; {location.replace(file, str(folder / 'token'))} }}\n"


def configuration(folder: Path, site: Site) -> str:
    """The example, at these ports, with what Debian's nginx.conf has around it."""
    text = example()
    changes = {
        "listen 80;": f"listen 127.0.0.1:{site.plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{site.port} ssl;",
        "127.0.0.1:8000": f"127.0.0.1:{site.console}",
        "/etc/ssl/certs/ops.example.com.pem": str(folder / "certificate.pem"),
        "/etc/ssl/private/ops.example.com.key": str(folder / "key.pem"),
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    locations = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "" if os.getuid() else "user root;\n"  # pytest's folders are closed to others
    return (
        f"{user}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{locations}{text}\n"
        f"{front_end(folder, site)}}}\n"
    )


@contextlib.contextmanager
def nginx(folder: Path, site: Site) -> Iterator[None]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={HOST}", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "nginx.conf").write_text(configuration(folder, site))
    command = [
        str(NGINX),
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def engine(operation: str, arguments: dict[str, Any]) -> Answer:
    """The logs of one request, in one page, and nothing else."""
    if operation == "DescribeTable":  # so the index is tried
        return error("AccessDeniedException", "not authorized to perform: dynamodb:DescribeTable")
    items: list[dict[str, Any]] = []
    if operation == "Query" and "request_processing_logs" in arguments.get("TableName", ""):
        serialize = TypeSerializer().serialize
        items = [
            {name: serialize(value) for name, value in log("r", log_id=f"log_{number:06}").items()}
            for number in range(LINES)
        ]
    return Answer({"Items": items, "Count": len(items), "ScannedCount": len(items)})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with machine() as here, fake_dynamo() as fake:
        fake.answer = engine
        collect(here)
        made = Site(free_port(), free_port(), free_port(), free_port(), here, context)
        environ = {
            "WEB_BIND": f"127.0.0.1:{made.console}",
            "TRUSTED_PROXY_COUNT": "1",
            "CORS_ALLOWED_ORIGINS": FRONT_END,
            "AWS_ENDPOINT_URL_DYNAMODB": fake.endpoint,
            # A busy machine must not turn a page into its problem state.
            "DYNAMO_CONNECT_TIMEOUT": "10",
            "DYNAMO_READ_TIMEOUT": "10",
            "DYNAMO_REQUEST_DEADLINE": "30",
        }
        assert here.run("migrate").returncode == 0
        done = here.run(
            "manage", "create_user", "vera", "--role", "viewer", "--password-stdin", said=PASSWORD, **environ
        )
        assert done.returncode == 0, done.stderr
        token = here.run("manage", "shell", "--verbosity", "0", "-c", MAKE_TOKEN, **environ)
        (folder / "token").write_text(f'proxy_set_header Authorization "Bearer {token.stdout.strip()}";\n')
        here.start("web", **environ)
        here.until_answered("web", made.console)
        with nginx(folder, made):
            assert eventually(lambda: answers(made))
            yield made


def answers(site: Site) -> bool:
    try:
        return site.ask("GET", "/healthz")[0].status == 200
    except OSError:
        return False


def test_pages_static_files_and_the_way_to_tls(site: Site) -> None:
    answer, page = site.ask("GET", "/accounts/login/")
    assert (answer.status, b"Sign in" in page) == (200, True)
    (style,) = re.findall(r'href="(/static/console/app[^"]*\.css)"', page.decode())
    answer, _ = site.ask("GET", style)
    assert answer.status == 200
    connection = http.client.HTTPConnection("127.0.0.1", site.plain, timeout=10)
    connection.request("GET", "/accounts/login/?a=b", headers={"Host": HOST})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/accounts/login/?a=b")
    connection.close()


def test_a_login_by_which_address_and_a_download(site: Site) -> None:
    session = site.log_in()
    answer, text = site.ask(
        "GET", "/requests/r/logs/?format=txt", Cookie=session, **{"X-Forwarded-For": "8.8.8.8"}
    )
    assert answer.status == 200
    assert len(text.splitlines()) == LINES
    # What the proxy saw, not what the caller claims. A download is logged when all of it was sent.
    assert eventually(lambda: peers_of(site, "/requests/r/logs/") == {"127.0.0.1"})


def peers_of(site: Site, path: str) -> set[str]:
    return {line["peer"] for line in site.here.lines("web", "out") if line["path"] == path}


def test_a_download_that_is_read_slowly_holds_nothing_of_the_console(site: Site) -> None:
    session = site.log_in()
    request = (
        f"GET /requests/r/logs/?format=txt HTTP/1.1\r\nHost: {HOST}\r\nCookie: {session}\r\n\r\n".encode()
    )
    with contextlib.ExitStack() as stack:
        for _ in range(2 * 2 + 1):  # more than both processes send at once
            sock = stack.enter_context(site.connect())
            sock.sendall(request)
            assert sock.recv(12) == b"HTTP/1.1 200"
            time.sleep(0.5)


def test_a_front_end_without_a_token_reads_statuses_and_nothing_else(site: Site) -> None:
    def ask(method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", site.front, timeout=30)
        ) as connection:
            connection.request(method, path, headers={"Origin": FRONT_END, **headers})
            answer = connection.getresponse()
            return answer, answer.read()

    for path, session in (("/workflow/s-1/status", "s-1"), ("/api/workflow/a%2Fb%20c/status", "a/b c")):
        # What the page sends of its own does not count: neither a token nor the console's cookie.
        for sent in ({}, {"Authorization": "Bearer nothing"}, {"Cookie": "sessionid=x; a=b"}):
            answer, body = ask("GET", path, **sent)
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, FRONT_END), body
            document = json.loads(body)
            assert (document["sessionId"], document["overallStatus"]) == (session, "pending")
            assert not answer.headers.get_all("Set-Cookie")
    assert ask("HEAD", "/workflow/s-1/status")[0].status == 200
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask(method, "/workflow/s-1/status")[0].status == 403
    for path in ("/api/workflows", "/workflow/s-1/status/x", "/workflow/s-1", "/workflows/", "/api/audit"):
        assert ask("GET", path)[0].status == 404
    # Without the proxy the console lets nobody in.
    assert site.ask("GET", "/workflow/s-1/status")[0].status == 401
    assert eventually(lambda: peers_of(site, "/workflow/s-1/status") == {"127.0.0.1"})


def test_a_body_over_the_limit_is_nginxs_to_refuse(site: Site) -> None:
    assert site.ask("POST", "/accounts/login/", "x" * 2_621_441)[0].status == 413
    assert site.ask("POST", "/accounts/login/", "x" * 2_621_440)[0].status == 403  # no form of ours


BODY = f"POST /accounts/login/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5000\r\n\r\n"
HEADER = f"GET /accounts/login/ HTTP/1.1\r\nHost: {HOST}\r\nX: "
CHUNKS = f"POST /accounts/login/ HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n"


@pytest.mark.parametrize("opening", short([BODY, HEADER, CHUNKS], BODY))
def test_24_that_drip_stop_nobody(site: Site, opening: str) -> None:
    over = threading.Event()

    def drip() -> None:
        with site.connect() as sock, contextlib.suppress(OSError):
            sock.sendall(opening.encode())
            while not over.wait(0.3):
                sock.sendall(b"x")

    threads = [threading.Thread(target=drip) for _ in range(24)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert site.ask("GET", "/accounts/login/")[0].status == 200
            assert site.ask("GET", "/healthz")[0].status == 200
            time.sleep(0.3)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_chunks_reach_the_console_with_a_length(site: Site) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", site.port, timeout=30, context=site.context)
    connection.request(
        "POST", "/accounts/login/", iter([b"login=", b"vera"]), {"Host": HOST}, encode_chunked=True
    )
    assert connection.getresponse().status == 403  # the form's guard, and not 411
    connection.close()


@pytest.mark.long
def test_15_reloads_lose_none_of_2000(site: Site) -> None:
    (web,) = [process.pid for process in site.here.started]
    over, answered, lost = threading.Event(), Counter[int](), []

    def load() -> None:
        while not over.is_set():
            # What reads, and what must not be sent twice.
            for method, body, expected in (("GET", "", 200), ("POST", "login=vera", 403)):
                try:
                    status = site.ask(method, "/accounts/login/", body)[0].status
                except (OSError, http.client.HTTPException) as error:
                    lost.append(repr(error))
                    continue
                answered[status] += 1
                if status != expected:
                    lost.append(f"{method}: {status}")

    threads = [threading.Thread(target=load) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        reloads = 0
        while reloads < 15 or answered.total() < 2000:
            old = set(descendants(web))
            os.kill(web, signal.SIGHUP)
            assert eventually(lambda old=old: len(now := set(descendants(web))) == 2 and not now & old, 90)
            reloads += 1
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert lost == []


def test_nginx_keeps_its_connections_for_less_long_than_the_console() -> None:
    kept = re.search(r"keepalive_timeout (\d+)s", example())
    assert kept
    assert int(kept[1]) < 75
    assert json.loads(re.search(r"client_max_body_size (\d+)k", example())[1]) * 1024 == 2_621_440  # type: ignore[index]
