"""An attempt ends in its time however its answer comes, and nothing of an answer that was given up is read again."""

import contextlib
import datetime as dt
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import awsrequest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from tests.writing import looped
from writers import AsyncStatusWriter, RequestWriteError, RequestWriter, StatusWriter, deadlines

FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}
BODY = json.dumps({"ConsumedCapacity": {}, "Items": [], "UnprocessedItems": {}}).encode() + b" " * 200
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nX-Long: "
    + b"x" * 200
    + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY)
)
PAUSE = 0.1  # between two bytes: less than the clients' timeouts, each of which is `SECONDS`
SECONDS = 0.5
Part = bytes | float


def dripping(data: bytes) -> list[Part]:
    """The bytes one by one."""
    return [part for byte in data for part in (bytes([byte]), PAUSE)]


DRIPS = {
    "the head": [*dripping(HEAD), BODY],
    "the body": [HEAD, *dripping(BODY)],
    # http.client goes on after each of these by itself.
    "answers that are no answer yet": dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 10),
}
# How long each of them would take.
assert all(sum(part for part in parts if isinstance(part, float)) > 20 for parts in DRIPS.values())


@dataclass
class Peer:
    """`answers`: what it sends for each request, of whatever connection, in turn; the last again and again."""

    endpoint: str = ""
    answers: list[list[Part]] = field(default_factory=lambda: [[HEAD + BODY]])
    requests: int = 0
    connections: int = 0


@contextlib.contextmanager
def peer_server(tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A server on loopback for the time of the block, which sends what a test says."""
    over, listening, peer = threading.Event(), socket.create_server(("127.0.0.1", 0)), Peer()
    peer.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"

    def serve(connection: socket.socket) -> None:
        try:
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as asked:
                while (length := _length(asked)) is not None:
                    asked.read(length)
                    peer.requests += 1
                    answer = peer.answers.pop(0) if len(peer.answers) > 1 else peer.answers[0]
                    for part in answer:
                        if isinstance(part, float):
                            over.wait(part)
                        else:
                            connection.sendall(part)
        except OSError:
            pass  # the client has given the answer up

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer.connections += 1
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield peer
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _length(asked: Any) -> int | None:
    """The length of the next request's body; None at the end of the connection."""
    length = None
    while (line := asked.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return length


@pytest.fixture
def peer() -> Iterator[Peer]:
    with peer_server() as peer:
        yield peer


def quick(peer: Peer, attempts: int = 1, seconds: float = SECONDS, **more: Any) -> Any:
    """A client that gives each attempt twice so many seconds in all."""
    retries = {"mode": "standard", "total_max_attempts": attempts}
    config = Config(connect_timeout=seconds, read_timeout=seconds, retries=retries)
    return boto3.client("dynamodb", "us-east-1", endpoint_url=peer.endpoint, config=config, **more)


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What the call returns, provided it took no longer."""
    began = time.monotonic()
    answer = call()
    assert time.monotonic() - began < seconds
    return answer


@pytest.mark.parametrize("name", DRIPS)
def test_an_answer_that_trickles_is_given_up_in_the_time_of_an_attempt(
    peer: Peer, name: str, tmp_path: Path
) -> None:
    peer.answers = [DRIPS[name]]
    writer = StatusWriter("t", client=quick(peer), spool_dir=tmp_path)
    result = within(10, lambda: writer.initialize("s", **FACTS))
    assert (result.outcome, "Read timeout" in result.reason) == ("spooled", True)
    assert writer.trouble is not None
    assert writer.trouble.kind == "away"
    peer.answers = [[HEAD + BODY]]
    assert writer.flush()
    assert writer.close()


@pytest.mark.parametrize("name", ["the head", "the body"])
def test_with_tls_too(name: str, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with peer_server(context) as peer:
        client = quick(peer, verify=str(tmp_path / "peer.pem"))
        writer = StatusWriter("t", client=client)
        assert writer.initialize("s", **FACTS).outcome == "written"
        peer.answers = [DRIPS[name]]
        result = within(10, lambda: writer.initialize("s", **FACTS))
        assert (result.outcome, "Read timeout" in result.reason) == ("failed", True)


def test_a_handshake_that_never_comes_is_given_up_too(peer: Peer) -> None:
    """A server that speaks no TLS and waits for more."""
    peer.endpoint = peer.endpoint.replace("http:", "https:")
    result = within(10, lambda: StatusWriter("t", client=quick(peer)).initialize("s", **FACTS))
    assert result.outcome == "failed"


def test_every_call_is_bounded(peer: Peer) -> None:
    peer.answers = [DRIPS["the body"]]
    client = quick(peer)
    writer = StatusWriter("t", client=client, progress_interval=0)
    worker = RequestWriter("t", worker_id="w", logs_table="l", client=client, log_interval=0)
    assert worker.logs is not None
    within(10, lambda: writer.finish_step("s", "pdfAdapter", "Done"))
    assert within(10, lambda: writer.is_cancelled("s")) is False
    for call in (worker.pending, lambda: worker.claim("r")):
        with pytest.raises(RequestWriteError, match="Read timeout"):
            within(10, call)
    assert within(10, lambda: worker.logs.add("r", "INFO", "x", "s", {})).outcome == "failed"  # type: ignore[union-attr]

    async def awaited() -> Any:
        return await AsyncStatusWriter(writer).initialize("s", **FACTS)

    assert within(10, lambda: looped(awaited())).outcome == "failed"


def test_botocore_tries_again_with_a_connection_of_its_own(peer: Peer) -> None:
    peer.answers = [DRIPS["the body"], [HEAD + BODY]]
    writer = StatusWriter("t", client=quick(peer, attempts=3))
    assert writer.initialize("s", **FACTS).outcome == "written"
    assert (peer.requests, peer.connections) == (2, 2)
    # Nothing of the first answer is read as one of the third call, and the connection that was in order is kept.
    assert writer.initialize("s", **FACTS).outcome == "written"
    assert (peer.requests, peer.connections) == (3, 2)


def test_a_connection_is_good_again_after_an_attempt_that_took_nearly_all_of_its_time(peer: Peer) -> None:
    slow: list[Part] = [HEAD, 0.8, BODY[:5], 0.8, BODY[5:]]
    peer.answers = [slow, [HEAD + BODY], slow, [HEAD + BODY]]
    writer = StatusWriter("t", client=quick(peer, seconds=1.2))
    for _ in range(4):
        assert writer.initialize("s", **FACTS).outcome == "written"
    assert peer.connections == 1


def test_a_programs_own_calls_keep_their_own_time(peer: Peer) -> None:
    """The timeouts of its client are between bytes, as ever."""
    client = quick(peer, seconds=1)
    writer = StatusWriter("t", client=client)
    assert writer.initialize("s", **FACTS).outcome == "written"
    peer.answers = [[HEAD, *dripping(BODY[:30]), BODY[30:]]]
    began = time.monotonic()
    assert client.list_tables()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert time.monotonic() - began > 2
    assert (peer.connections, writer.initialize("s", **FACTS).outcome) == (1, "failed")
    peer.answers = [[HEAD, 3.0, BODY]]
    with pytest.raises(ReadTimeoutError):
        client.list_tables()


def test_a_client_that_had_connections_before_is_bounded_too(peer: Peer) -> None:
    client = quick(peer)
    client.list_tables()
    peer.answers = [DRIPS["the body"]]
    assert within(10, lambda: StatusWriter("t", client=client).initialize("s", **FACTS)).outcome == "failed"


def test_connections_of_anothers_making_stay(peer: Peer) -> None:
    class Connection(awsrequest.AWSHTTPConnection):
        pass

    class Pool(awsrequest.AWSHTTPConnectionPool):
        ConnectionCls = Connection

    client = quick(peer)
    pools = client._endpoint.http_session._pool_classes_by_scheme
    pools["http"] = Pool
    assert StatusWriter("t", client=client).initialize("s", **FACTS).outcome == "written"
    assert pools["http"] is Pool


def test_a_client_without_timeouts_has_none(peer: Peer) -> None:
    config = Config(connect_timeout=SECONDS, read_timeout=None, retries={"total_max_attempts": 1})
    client = boto3.client("dynamodb", "us-east-1", endpoint_url=peer.endpoint, config=config)
    peer.answers = [[HEAD, *dripping(BODY[:15]), BODY[15:]]]
    assert StatusWriter("t", client=client).initialize("s", **FACTS).outcome == "written"


def test_the_inside_of_botocore_is_as_the_deadlines_know_it(peer: Peer) -> None:
    """When this fails, a newer botocore or urllib3 has moved what writers/deadlines.py is made of."""
    client = StatusWriter("t", client=quick(peer)).client
    session = client._endpoint.http_session
    for scheme, mixin in deadlines._MIXINS.items():
        pool = session._pool_classes_by_scheme[scheme]
        assert issubclass(pool.ConnectionCls, mixin)
    assert session._manager.pool_classes_by_scheme is session._pool_classes_by_scheme
    assert (
        session._get_proxy_manager("http://127.0.0.1:9").pool_classes_by_scheme
        is session._pool_classes_by_scheme
    )
    client.list_tables()
    pool = session._manager.connection_from_url(peer.endpoint).pool
    connection = pool.get()
    assert isinstance(connection.sock, deadlines._Socket)
    pool.put(connection)


def test_where_it_is_another_the_writers_work_and_say_so_once(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deadlines, "_warned", threading.Event())
    clients = [quick(peer), quick(peer)]
    for client in clients:
        session = client._endpoint.http_session
        session.pools = session.__dict__.pop("_pool_classes_by_scheme")
    with caplog.at_level(logging.WARNING, "writers"):
        for client in clients:
            assert StatusWriter("t", client=client).initialize("s", **FACTS).outcome == "written"
    assert [record.name for record in caplog.records] == ["writers"]


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "peer.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*encoding))
    return path
