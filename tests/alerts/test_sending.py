"""One POST to one webhook: to the address that was checked, in bounded time and memory."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest

from opsportal.alerts import sending, targets
from opsportal.alerts.sending import post
from tests.alerts.receivers import Receiver, Says, receiver_server


def test_what_is_posted_arrives_as_it_is(receiver: Receiver) -> None:
    receiver.says(Says(202, b"\n  queued\x07 as 7 \nmore"))
    answer = post(receiver.url + "?a=b", b'{"a":1}', {"X-OpsPortal-Event": "alert.firing"})
    assert (answer.status, answer.text, answer.taken, answer.error) == (202, "queued as 7", True, "")
    (got,) = receiver.got
    assert (got.path, got.body, got.headers["x-opsportal-event"]) == ("/hook?a=b", b'{"a":1}', "alert.firing")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_redirects_are_answers(receiver: Receiver) -> None:
    receiver.says(Says(302, b"", {"Location": receiver.url}))
    answer = post(receiver.url, b"{}", {})
    assert (answer.status, answer.taken, len(receiver.got)) == (302, False, 1)


def test_the_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url, b"{}", {}).taken


def test_of_a_long_answer_little_is_read(receiver: Receiver) -> None:
    receiver.says(Says(200, b"x" * 5_000_000))
    answer = post(receiver.url, b"{}", {})
    assert (answer.status, len(answer.text)) == (200, 200)


def test_an_answer_that_takes_for_ever_is_cut_off(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WHOLE", 0.2)
    receiver.says(Says(status=0), Says(drip=0.02))
    answer = post(receiver.url, b"{}", {})
    assert (answer.status, answer.error) == (None, "No whole answer within 0.2 s.")
    assert answer.milliseconds < 2_000
    # Its status came in time, and says enough.
    answer = post(receiver.url, b"{}", {})
    assert answer.status == 200
    assert answer.milliseconds < 2_000


def test_nobody_there_is_said_in_a_line(settings: Any) -> None:
    answer = post("http://127.0.0.1:9/", b"{}", {})
    assert (answer.status, answer.taken) == (None, False)
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
    assert sending._wait(header) == seconds


# --- TLS -------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for that name that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    where = folder / "cert.pem", folder / "key.pem"
    where[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    where[1].write_bytes(key.private_bytes(*encoding))
    return where


def test_tls_is_checked_against_the_name_at_the_address_that_was_checked(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, "hooks.example.com")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        # A name that changes its mind: the second lookup would lead elsewhere.
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    monkeypatch.setattr(targets, "resolve", lookup)
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
