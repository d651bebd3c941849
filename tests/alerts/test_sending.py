"""One POST to one webhook: to the address that was checked, in bounded time and memory."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from opsportal.alerts import sending
from opsportal.alerts.sending import post
from opsportal.outbound import Answer
from tests.alerts.receivers import Receiver, Says, receiver_server
from tests.certificates import certificate
from tests.dripping import bytewise, dripping


def test_what_is_posted_arrives_as_it_is(receiver: Receiver) -> None:
    receiver.says(Says(202, b"\n  queued\x07 as 7 \nmore"))
    answer = post(receiver.url + "?a=b", b'{"a":1}', {"X-OpsPortal-Event": "alert.firing"})
    assert (answer.status, answer.is_success, answer.error) == (202, True, "")
    assert answer.body == b"\n  queued\x07 as 7 \nmore"
    (got,) = receiver.got
    assert (got.path, got.body, got.headers["x-opsportal-event"]) == ("/hook?a=b", b'{"a":1}', "alert.firing")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_redirects_are_answers(receiver: Receiver) -> None:
    receiver.says(Says(302, b"", {"Location": receiver.url}))
    answer = post(receiver.url, b"{}", {})
    assert (answer.status, answer.is_success, len(receiver.got)) == (302, False, 1)


def test_the_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url, b"{}", {}).is_success


def test_of_a_long_answer_little_is_read(receiver: Receiver) -> None:
    receiver.says(Says(200, b"x" * 5_000_000))
    answer = post(receiver.url, b"{}", {})
    assert (answer.status, len(answer.body)) == (200, sending.MAX_READ)


def test_an_answer_that_takes_for_ever_is_cut_off(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WHOLE", 1)
    receiver.says(Says(status=0), Says(drip=0.05))
    answer = post(receiver.url, b"{}", {})
    assert (answer.status, answer.error) == (None, "No whole answer within 1 s.")
    assert answer.seconds < 20
    # Its status came in time, and says enough.
    answer = post(receiver.url, b"{}", {})
    assert answer.status == 200
    assert answer.seconds < 20


@pytest.mark.parametrize("tls", [False, True])
def test_of_a_body_that_takes_for_ever_what_came_is_kept(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WHOLE", 1)
    monkeypatch.setattr("opsportal.outbound.addresses_of", lambda _host, _port: ["127.0.0.1"])
    context = None
    if tls:
        cert = certificate(tmp_path, "localhost")
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert)
    head = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\nkept"
    with dripping(bytewise(head + b"." * 400, len(head), pause=0.1), tls=context) as server:
        answer = post(f"http{'s' if tls else ''}://localhost:{server.port}/", b"{}", {})
        assert server.closed.wait(30), "the connection outlived the request"
    assert (answer.status, answer.body[:5], answer.error) == (201, b"kept.", "")
    assert len(answer.body) < 100
    assert answer.seconds < 20


def test_nobody_there_is_said_in_a_line(settings: Any) -> None:
    answer = post("http://127.0.0.1:9/", b"{}", {})
    assert (answer.status, answer.is_success) == (None, False)
    assert "refused" in answer.error
    assert "object at" not in answer.error


def test_what_is_refused_is_not_connected_to(receiver: Receiver, settings: Any) -> None:
    settings.OPSPORTAL_ENV = "prod"
    answer = post(receiver.url, b"{}", {})
    assert "Only https" in answer.error
    answer = post(receiver.url.replace("http:", "https:"), b"{}", {})
    assert "ALERT_WEBHOOK_ALLOW" in answer.error
    assert receiver.got == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", 0), (None, None), ("soon", None), ("-5", None), ("9" * 40, None),
     ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("Fri, 99 Foo", None)],
)  # fmt: skip
def test_a_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert Answer(headers={"Retry-After": header} if header else {}).wait == seconds


# --- TLS -------------------------------------------------------------------------------------------------


def test_tls_is_checked_against_the_name_at_the_address_that_was_checked(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert = certificate(tmp_path, "hooks.example.com")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert)
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        # A name that changes its mind: the second lookup would lead elsewhere.
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    monkeypatch.setattr("opsportal.outbound.addresses_of", lookup)
    settings.OPSPORTAL_ENV, settings.ALERT_WEBHOOK_ALLOW = "prod", ["127.0.0.1"]
    with receiver_server(server) as receiver:
        url = f"https://hooks.example.com:{receiver.port}/hook"
        # Signed by nobody that this machine trusts.
        answer = post(url, b"{}", {})
        assert (answer.status, receiver.got) == (None, [])
        assert "certificate" in answer.error.lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        asked.clear()
        answer = post(url, b'{"a":1}', {})
        assert (answer.status, answer.error) == (200, "")
        assert receiver.got[0].headers["host"] == f"hooks.example.com:{receiver.port}"
        assert asked == ["hooks.example.com"]
        # The certificate is of another name.
        asked.clear()
        answer = post(url.replace("hooks", "other"), b"{}", {})
        assert answer.status is None
        assert "match" in answer.error.lower()
        assert len(receiver.got) == 1
