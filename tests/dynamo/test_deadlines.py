"""An answer that comes a little at a time ends with the time that is given to the whole of it."""

import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3.util.connection
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ConnectTimeoutError, ReadTimeoutError
from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsportal.dynamo import clients, deadlines
from opsportal.dynamo.spending import request_budget
from tests.dripping import Drip, Dripping, bytewise, dripping, http, whole

# Seconds: what is given to an answer, and what a slow machine may need to notice. Each drip would last far longer.
GIVEN, IN_TIME = 0.5, 6.0
BODY = json.dumps({"Item": {"id": {"S": "x" * 400}}, "ConsumedCapacity": {"CapacityUnits": 0.5}}).encode()
GOOD = http(BODY)
HEAD = len(GOOD) - len(BODY)
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 400
DRIPS = {
    "status line": bytewise(GOOD),
    "head": bytewise(GOOD, 20),
    "body": bytewise(GOOD, HEAD),
    "forty parts": Drip(tuple(GOOD[at : at + 13] for at in range(0, len(GOOD), 13)), 0.25),
    "chunks": bytewise(CHUNKS, 60),
    "a chunk at a time": Drip((CHUNKS[:47], *(b"1\r\n{\r\n",) * 100), 0.1),
    "continue, for ever": Drip((b"HTTP/1.1 100 Continue\r\n\r\n",) * 100, 0.1),
    "headers, for ever": Drip((b"HTTP/1.1 200 OK\r\n", *(b"A: b\r\n",) * 90), 0.1),
    "until the end": bytewise(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 400, 20),
    "silence": Drip((b"",), 0.1),
}


def client_at(url: str, *, connect: float = 5, read: float = GIVEN, attempts: int = 1, **more: Any) -> Any:
    retries = {"mode": "standard", "total_max_attempts": attempts}
    config = Config(connect_timeout=connect, read_timeout=read, retries=retries, **more)
    return clients.make("dynamodb", "us-east-1", config, url)


def get(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get_item(
        TableName="table", Key={"id": {"S": "1"}}, ReturnConsumedCapacity="TOTAL"
    )
    return found["Item"]


@contextlib.contextmanager
def in_time(seconds: float = IN_TIME) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def certificate(folder: Path) -> Path:
    """Of 127.0.0.1, self-signed, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "engine.pem"
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(*encoding) + made.public_bytes(serialization.Encoding.PEM))
    return path


Serve = Callable[..., Any]


@pytest.fixture(params=["http", "https"])
def serve(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """``with serve(*drips) as (server, url)``: plain, and encrypted with a bundle of the configuration."""
    tls = None
    if request.param == "https":
        path = certificate(tmp_path)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(path))

    @contextlib.contextmanager
    def serving(*drips: Drip) -> Iterator[tuple[Dripping, str]]:
        with dripping(*drips, tls=tls) as server:
            yield server, f"{request.param}://127.0.0.1:{server.port}"

    return serving


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_is_given_up(serve: Serve, drip: Drip) -> None:
    with serve(drip) as (server, url), contextlib.closing(client_at(url)) as client:
        with in_time(), pytest.raises(ReadTimeoutError):
            get(client)
        assert server.connections == 1


def test_the_next_call_gets_its_own_answer(serve: Serve) -> None:
    """Over another connection: what is left of the first answer would be taken for it."""
    drips = bytewise(GOOD, HEAD + 10), whole(GOOD)
    with serve(*drips) as (server, url), contextlib.closing(client_at(url)) as client:
        with pytest.raises(ReadTimeoutError):
            get(client)
        assert server.closed.wait(IN_TIME)
        assert get(client) == {"id": {"S": "x" * 400}}
        assert server.connections == 2
        assert get(client) == {"id": {"S": "x" * 400}}
        assert server.connections == 2  # a connection that is in order is kept


def test_an_attempt_that_drips_is_tried_again(serve: Serve) -> None:
    with serve(bytewise(GOOD), whole(GOOD)) as (server, url):
        with in_time(), contextlib.closing(client_at(url, attempts=2)) as client:
            assert get(client) == {"id": {"S": "x" * 400}}
        assert len(server.requests) == 2


def test_a_page_ends_by_its_deadline_whatever_an_attempt_may_take(serve: Serve) -> None:
    with serve(bytewise(GOOD), whole(GOOD)) as (_, url):
        client = client_at(url, read=30, connect=30, attempts=3)
        with in_time(), request_budget(GIVEN), pytest.raises(BotoCoreError):
            get(client)
        with request_budget(30):
            assert get(client) == {"id": {"S": "x" * 400}}
        client.close()


def test_a_connection_has_its_time_again_with_each_call(serve: Serve) -> None:
    with serve(whole(GOOD)) as (_, url), contextlib.closing(client_at(url, read=30)) as client:
        with request_budget(GIVEN):
            get(client)
            time.sleep(GIVEN)
            with in_time(), pytest.raises(BotoCoreError):
                get(client)
        assert get(client) == {"id": {"S": "x" * 400}}


def test_a_large_answer_over_a_slow_line_is_no_drip(serve: Serve) -> None:
    """It takes three times what is given to an answer, at four times the speed that earns more."""
    large = http(json.dumps({"Item": {"id": {"S": "x" * 1_600_000}}, "ConsumedCapacity": {}}).encode())
    pieces = tuple(large[at : at + 100_000] for at in range(0, len(large), 100_000))
    with serve(Drip(pieces, 0.1)) as (_, url), contextlib.closing(client_at(url)) as client:
        assert len(get(client)["id"]["S"]) == 1_600_000


def test_a_peer_that_takes_no_request_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the beginning, and then no more: the buffers between are full."""

    def read_a_part(client: socket.socket) -> bytes:
        client.recv(100)
        time.sleep(IN_TIME)
        return b""

    monkeypatch.setattr("tests.dripping._request", read_a_part)
    with (
        serve(whole(GOOD)) as (_, url),
        contextlib.closing(client_at(url, connect=1)) as client,
        in_time(),
        pytest.raises(BotoCoreError),
    ):
        client.put_item(TableName="table", Item={"id": {"S": "x" * 20_000_000}})


# --- Before there is a connection ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "drip", [Drip((b"",)), Drip((b"\x16", *(b"\x03",) * 50), 0.1)], ids=["silent", "drips"]
)
def test_a_handshake_that_does_not_end_is_given_up(drip: Drip) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with contextlib.closing(listener), in_time():
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_drip_to, args=(listener, drip), daemon=True).start()
        with contextlib.closing(client_at(url, connect=GIVEN)) as client, pytest.raises(BotoCoreError):
            get(client)


def _drip_to(listener: socket.socket, drip: Drip) -> None:
    with contextlib.suppress(OSError), contextlib.closing(listener.accept()[0]) as client:
        for piece in drip.pieces:
            client.sendall(piece)
            time.sleep(drip.pause)
        client.settimeout(IN_TIME)
        while client.recv(4096):
            pass


@pytest.mark.parametrize("page", [True, False])
def test_a_lookup_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch, page: bool) -> None:
    ended, made = threading.Event(), []

    def create_connection(*_: Any, **__: Any) -> socket.socket:
        ended.wait(IN_TIME * 2)
        here, there = socket.socketpair()
        made.extend([here, there])
        return here

    monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
    with contextlib.closing(client_at("http://localhost:1", connect=30 if page else 0.1)) as client:
        with in_time(), request_budget(GIVEN if page else None), pytest.raises(ConnectTimeoutError):
            get(client)
        ended.set()
        # What is connected too late is closed.
        limit = time.monotonic() + IN_TIME
        while (not made or made[0].fileno() != -1) and time.monotonic() < limit:
            time.sleep(0.01)
        assert made[0].fileno() == -1
        made[1].close()


# --- By way of a proxy -----------------------------------------------------------------------------------


def test_a_proxy_that_drips_its_consent_is_given_up() -> None:
    with dripping(bytewise(b"HTTP/1.1 200 Connection established\r\n\r\n")) as proxy:
        client = client_at("https://127.0.0.1:1", connect=GIVEN, proxies={"https": proxy.url})
        with in_time(), contextlib.closing(client), pytest.raises(BotoCoreError):
            get(client)
        assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:1 ")


def test_an_answer_that_drips_through_a_proxy_is_given_up() -> None:
    with dripping(bytewise(GOOD, HEAD)) as proxy:
        client = client_at("http://127.0.0.1:1", proxies={"http": proxy.url})
        with in_time(), contextlib.closing(client), pytest.raises(ReadTimeoutError):
            get(client)
        assert proxy.requests[0].startswith(b"POST http://127.0.0.1:1/ ")


def test_an_answer_that_drips_through_a_tunnel_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    with dripping(bytewise(GOOD, HEAD), tls=tls) as server, _tunnel(server.port) as tunnel:
        client = client_at(f"https://127.0.0.1:{server.port}", proxies={"https": tunnel})
        with in_time(), contextlib.closing(client), pytest.raises(ReadTimeoutError):
            get(client)
        assert server.requests


@contextlib.contextmanager
def _tunnel(port: int) -> Iterator[str]:
    """A proxy that connects its first client to `port`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while seen := source.recv(4096):
                target.sendall(seen)

    def serve() -> None:
        client = listener.accept()[0]
        client.recv(4096)
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=copy, args=(server, client), daemon=True).start()
            copy(client, server)

    threading.Thread(target=serve, daemon=True).start()
    with contextlib.closing(listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# --- What credentials are fetched from -------------------------------------------------------------------


def test_metadata_services_that_drip_are_given_up() -> None:
    """botocore's own clients of the instance's and the container's: a page waits for them too."""
    with dripping(bytewise(http(b"a role" * 100), 10)) as server:
        instance = InstanceMetadataFetcher(timeout=GIVEN, num_attempts=1, base_url=server.url, env={})
        with in_time():
            assert instance.retrieve_iam_role_credentials() == {}
        assert server.requests
        container = ContainerMetadataFetcher()
        container.TIMEOUT_SECONDS = GIVEN
        container._session = type(container._session)(timeout=GIVEN)
        with in_time(2 * IN_TIME), pytest.raises(BotoCoreError):
            container.retrieve_full_uri(server.url)


@pytest.fixture
def assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients sign with the credentials of a role, which STS gives."""
    config = tmp_path / "config"
    config.write_text(
        "[profile console]\nrole_arn = arn:aws:iam::123456789012:role/console\nsource_profile = keys\n"
        "[profile keys]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "console")


def test_a_role_that_is_assumed_has_the_clients_time(assumed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of STS's own client botocore would wait for minutes."""
    with dripping(bytewise(http(b" " * 400), 10)) as sts, dripping(whole(GOOD)) as dynamo:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        client = client_at(dynamo.url, attempts=2)
        with in_time(), contextlib.closing(client), pytest.raises(BotoCoreError):
            get(client)
        assert len(sts.requests) == 2
        assert dynamo.requests == []


def test_a_role_is_assumed_when_sts_says_so(assumed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else botocore fails at what it takes for granted in the answer."""
    empty = b"<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"
    for body in (b"{}", b"null", b"<html><body>Sign in</body></html>", empty):
        with dripping(whole(http(body))) as sts:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
            with contextlib.closing(client_at("http://127.0.0.1:9")) as client, pytest.raises(BotoCoreError):
                get(client)


# --- What this rests on ----------------------------------------------------------------------------------


def test_botocore_and_urllib3_connect_by_these_classes(serve: Serve) -> None:
    """By names that are theirs: a pool's `ConnectionCls`, a connection's `_new_conn`, a context's `sslsocket_class`.
    Where they move, nothing would fail but the drips."""
    with serve(whole(GOOD)) as (_, url), contextlib.closing(client_at(url)) as client:
        get(client)
        session = client._endpoint.http_session
        pool = session._manager.connection_from_url(url)
        connection = pool.pool.get_nowait()
        assert isinstance(connection.sock, deadlines._Whole)
        # Set again for the next request, and for its answer.
        limits = []
        settimeout = type(connection.sock).settimeout
        connection.sock.settimeout = lambda value: limits.append(value) or settimeout(connection.sock, value)
        pool.pool.put_nowait(connection)
        get(client)
        assert limits == [5, GIVEN]
