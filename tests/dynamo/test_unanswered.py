"""A call that gets no answer says which host was asked, what failed there, and only what can help: on pages, in
commands and of every service."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsportal import aws
from opsportal.dynamo import clients
from opsportal.dynamo.errors import TooSlow, Unreachable, translated
from opsportal.dynamo.tables import Binding
from tests.certificates import certificate
from tests.dripping import Drip, dripping, http, whole

CLOSED = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*PROXIES, "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    clients.forget()
    aws.forget()
    yield
    clients.forget()
    aws.forget()


def asked(table: Binding) -> Unreachable:
    with pytest.raises(Unreachable) as raised, translated(table):
        clients.client(*table.location).get_item(TableName=table.name, Key={table.key: {"S": "1"}})
    said = f"{raised.value.sentence} {raised.value.fix}"
    assert "refresh" not in said
    assert raised.value.status == 503
    return raised.value


def at(table: Binding, endpoint: str, region: str = "us-east-1") -> Unreachable:
    return asked(replace(table, endpoint=endpoint, region=region))


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of TLS whose certificate is localhost's, and that certificate."""
    path = certificate(tmp_path, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with dripping(whole(b""), tls=tls) as server:
        yield f"https://localhost:{server.port}", path


# --- Connections -----------------------------------------------------------------------------------------


def test_a_refused_connection_is_no_matter_of_time(requests_table: Binding) -> None:
    found = at(requests_table, CLOSED)
    assert type(found) is Unreachable
    assert found.sentence == f"{CLOSED} refuses connections."
    assert "the port in the endpoint setting" in found.fix


@pytest.mark.parametrize(
    ("endpoint", "region", "host", "fix"),
    [
        ("http://dynamo.internal:8000", "us-east-1", "dynamo.internal", "Check the host and the port in the endpoint"),
        ("", "us-west-9", "dynamodb.us-west-9.amazonaws.com", "Check the region"),
        ("", "cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn", "Check the region"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_resolved_is_named(
    requests_table: Binding,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    region: str,
    host: str,
    fix: str,
) -> None:
    _no_names(monkeypatch)
    found = at(requests_table, endpoint, region)
    assert found.sentence == f"The name {host} is not resolved: Name or service not known."
    assert found.fix.startswith(fix)
    assert "AWS_ACCOUNT_ID" not in found.fix


def test_the_endpoint_of_an_account_is_the_one_that_is_named(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Firewalls are opened by what is said here."""
    _no_names(monkeypatch)
    monkeypatch.setenv("AWS_ACCOUNT_ID", "111122223333")
    found = at(requests_table, "")
    assert "The name 111122223333.ddb.us-east-1.amazonaws.com is not resolved" in found.sentence
    assert "AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled" in found.fix


def test_a_configuration_that_leads_nowhere_is_named(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert (
        at(requests_table, CLOSED).sentence == f"{CLOSED} refuses connections."
    )  # it goes for Amazon's alone
    monkeypatch.delenv("AWS_USE_FIPS_ENDPOINT")
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "required")
    clients.forget()
    found = at(requests_table, "")
    assert found.sentence.startswith(
        "The AWS configuration leads to no endpoint: AccountIdEndpointMode is required"
    )
    assert "AWS_ACCOUNT_ID_ENDPOINT_MODE" in found.fix


def _no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_only_what_takes_its_time_is_said_to_be_late(requests_table: Binding, settings: Any) -> None:
    settings.DYNAMO_READ_TIMEOUT = 0.3
    with dripping(Drip((b"",))) as server:
        found = at(requests_table, server.url)
    assert type(found) is TooSlow
    assert found.sentence == f"{server.url} did not answer in time."


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Drip((b"",), ends=True), "closed the connection before it had answered."),
        (Drip((b"SSH-2.0-OpenSSH_9.6\r\n",), ends=True), "does not speak HTTP."),
    ],
    ids=["closes", "SSH"],
)
def test_who_hangs_up_is_said_to(requests_table: Binding, answer: Drip, said: str) -> None:
    with dripping(answer) as server:
        found = at(requests_table, server.url)
    assert found.sentence == f"{server.url} {said}"
    assert "another service" in found.fix


# --- Proxies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "endpoint", "region", "host"),
    [
        ("HTTPS_PROXY", "", "us-east-1", "https://dynamodb.us-east-1.amazonaws.com"),
        ("https_proxy", "", "cn-north-1", "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        ("HTTP_PROXY", "http://127.0.0.1:8000", "us-east-1", "http://127.0.0.1:8000"),
    ],
)
def test_a_proxy_that_is_not_there_is_named_with_its_variable(
    requests_table: Binding,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    endpoint: str,
    region: str,
    host: str,
) -> None:
    monkeypatch.setenv(variable, "http://user:secret@127.0.0.1:9")
    found = at(requests_table, endpoint, region)
    proxy = f"The proxy http://127.0.0.1:9 ({variable}), by which {host} is asked, refuses connections."
    assert found.sentence == proxy
    assert found.fix.startswith(f"Correct {variable}, or name {host.split('/')[2].split(':')[0]} in NO_PROXY")
    assert "secret" not in f"{found.sentence}{found.fix}{found.detail}"


def test_the_host_behind_the_proxy_is_the_accounts_own(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", CLOSED)
    monkeypatch.setenv("AWS_ACCOUNT_ID", "111122223333")
    assert "https://111122223333.ddb.us-east-1.amazonaws.com is asked" in at(requests_table, "").sentence


def test_a_proxy_that_lets_nobody_through_says_why(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Drip((b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",), ends=True)
    with dripping(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = at(requests_table, "")
    assert "does not let through to https://dynamodb.us-east-1.amazonaws.com: 407 Proxy" in found.sentence


def test_a_proxy_that_is_silent_is_named(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DYNAMO_READ_TIMEOUT = settings.DYNAMO_CONNECT_TIMEOUT = 0.3
    with dripping(Drip((b"",))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        found = at(requests_table, CLOSED)
    assert found.sentence == f"{CLOSED} by way of the proxy {proxy.url} (HTTP_PROXY) did not answer in time."
    assert "name 127.0.0.1 in NO_PROXY" in found.fix


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
def test_a_proxy_that_answers_itself_is_named(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    with dripping(whole(http(b"<html>Only other sites</html>", status=status))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        found = at(requests_table, CLOSED)
    assert found.sentence.startswith("Something answers at the endpoint, but not as DynamoDB does: HTTP")
    assert found.fix.startswith(
        f"They go by way of the proxy {proxy.url}. Check HTTP_PROXY, or name 127.0.0.1 in"
    )


@pytest.mark.parametrize("proxy", ["foo:bar:baz", "ftp://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_a_proxy_that_is_no_url_is_said_to_be_none(
    requests_table: Binding, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    assert "HTTP_PROXY is not the URL of an HTTP proxy" in at(requests_table, CLOSED).sentence


# --- TLS -------------------------------------------------------------------------------------------------


def test_a_certificate_that_is_not_trusted_is_named_with_what_makes_it_so(
    requests_table: Binding, encrypted: tuple[str, Path]
) -> None:
    url, _ = encrypted
    found = at(requests_table, url)
    assert found.sentence == f"The certificate of {url} is not trusted: self-signed certificate."
    assert found.fix.startswith("Set AWS_CA_BUNDLE")


def test_a_certificate_of_another_name_is_said_to_be(
    requests_table: Binding, encrypted: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, path = encrypted
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    found = at(requests_table, url.replace("localhost", "127.0.0.1"))
    assert "is another host's" in found.sentence
    assert "the name of the certificate" in found.fix


def test_certificates_that_cannot_be_read_are_named(
    requests_table: Binding, encrypted: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, _ = encrypted
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for path, why in ((tmp_path / "none.pem", "No such file or directory"), (empty, "no certificate in it")):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
        clients.forget()
        found = at(requests_table, url)
        assert found.sentence == f"The certificates of AWS_CA_BUNDLE ({path}) can't be read: {why}."
        assert "PEM" in found.fix


def test_a_server_without_tls_is_said_to_have_none(requests_table: Binding) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_answer_at_once, args=(listener,), daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        found = at(requests_table, url)
    assert found.sentence == f"{url} does not speak TLS."
    assert found.fix.startswith("Write http:// instead")


def _answer_at_once(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


# --- Other services --------------------------------------------------------------------------------------


def test_services_beside_dynamodb_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", CLOSED)
    with (
        pytest.raises(aws.ServiceTrouble, match=f"{CLOSED} refuses connections") as trouble,
        aws.asking("sts:GetCallerIdentity", "us-east-1"),
    ):
        aws.service("sts", "us-east-1").get_caller_identity()
    assert "endpoint setting" in trouble.value.why
    monkeypatch.setenv("HTTPS_PROXY", CLOSED)
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/requests"
    with pytest.raises(aws.QueueTrouble, match=r"The proxy http://127.0.0.1:9 \(HTTPS_PROXY\)"):
        aws.send_message(url, {"action_id": "a"})
