"""The probe of an endpoint asks only who is listed and public, once, briefly, and shows the answer as data."""

import contextlib
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from opsportal import outbound
from opsportal.operations.entries import Actor
from registry import probe
from tests.certificates import certificate
from tests.dripping import Drip, Dripping, bytewise, dripping
from tests.factories import MISSING, agent, put
from tests.pages import Page, visit
from tests.shapes import derived

PUBLIC = "93.184.215.14"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def serving(
    answer: bytes | Drip, context: ssl.SSLContext | None = None
) -> contextlib.AbstractContextManager[Dripping]:
    """A server on loopback that gives every connection one answer."""
    return dripping(answer if isinstance(answer, Drip) else Drip((answer,), ends=True), tls=context)


@dataclass
class Network:
    """What names stand for, and where connections were made to. The name servers may change their mind."""

    addresses: list[list[str]] = field(default_factory=lambda: [[PUBLIC]])
    port: int = 0
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Network:
    """Of names and of other machines there is none here: both ends are put in."""
    found = Network()
    settings.AGENT_PROBE_HOSTS = [
        "agents.example.com",
        "*.fleet.example.com",
        "odd.example.com:8443",
        "[2001:db8::1]",
    ]
    settings.AGENT_PROBE_SECONDS = 2.0

    def addresses_of(host: str, port: int) -> list[str]:
        found.looked_up.append(host)
        return found.addresses[min(len(found.looked_up), len(found.addresses)) - 1]

    def open_socket(address: str, port: int, timeout: float) -> socket.socket:
        found.connected.append((address, port))
        return socket.create_connection(("127.0.0.1", found.port), timeout)

    monkeypatch.setattr(outbound, "addresses_of", addresses_of)
    monkeypatch.setattr(outbound, "open_socket", open_socket)
    return found


def ask(endpoint: str = "http://agents.example.com/run?x=1") -> outbound.Answer:
    return probe.probe(endpoint, by=Actor("olga", "operator", "user:1001"), agent_id="a")


# --- What is asked, and how ---------------------------------------------------------------------------


def test_an_endpoint_is_asked_once_without_anything_of_the_console(network: Network, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "registry.probe")
    with serving(OK) as server:
        network.port = server.port
        answer = ask()
    assert (answer.status, answer.reason, answer.content_type) == (200, "OK", "application/json")
    assert (answer.address, answer.error) == (PUBLIC, "")
    assert 0 < answer.seconds < 20
    assert network.connected == [(PUBLIC, 80)]
    (head,) = server.requests
    first, *headers = head.decode().split("\r\n")
    assert first == "GET /run?x=1 HTTP/1.1"
    assert sorted(filter(None, headers)) == [
        "Accept-Encoding: identity", "Accept: */*", "Connection: close", "Host: agents.example.com",
        "User-Agent: ops-portal-probe",
    ]  # fmt: skip
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"probe of agent 'a' by 'olga' (user:1001): agents.example.com {PUBLIC} -> 200"


def test_it_connects_to_the_address_that_was_checked_whatever_the_name_says_later(network: Network) -> None:
    network.addresses = [[PUBLIC], ["127.0.0.1"]]  # rebinding: public when checked, then loopback
    with serving(OK) as server:
        network.port = server.port
        assert ask().status == 200
    assert (network.looked_up, network.connected) == (["agents.example.com"], [(PUBLIC, 80)])


@pytest.mark.parametrize(
    "status", [b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"]
)
def test_no_redirect_is_followed(network: Network, status: bytes) -> None:
    with serving(b"HTTP/1.1 " + status + b"\r\nLocation: http://169.254.169.254/latest\r\n\r\n") as server:
        network.port = server.port
        answer = ask()
        assert len(server.requests) == 1
    assert (answer.status, answer.location) == (int(status[:3]), "http://169.254.169.254/latest")
    assert len(network.connected) == 1


def test_no_proxy_of_the_environment_is_used(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(OK) as server:
        network.port = server.port
        assert ask().status == 200


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 " + b"9" * 70_000, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
     b"\x00\xff" * 50],
)  # fmt: skip
def test_what_is_no_http_is_said_to_be_none(network: Network, answer: bytes) -> None:
    with serving(answer) as server:
        network.port = server.port
        found = ask()
    assert found.status is None
    assert found.error.startswith(("The answer is not HTTP", "No connection"))


def test_a_server_that_answers_a_byte_at_a_time_is_cut_off(network: Network, settings: Any) -> None:
    settings.AGENT_PROBE_SECONDS = 0.3

    head = b"HTTP/1.1 200 OK\r\nX: "
    drip = bytewise(head + b"a" * 200, len(head), pause=0.2)
    with serving(drip) as server:
        network.port = server.port
        answer = ask()
        assert answer.error == "No whole answer within 0.3 s."
        assert answer.seconds < 20
        assert server.closed.wait(30), "the connection outlived the probe"


def test_a_name_server_that_does_not_answer_holds_no_probe_past_its_time(
    network: Network, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGENT_PROBE_SECONDS = 0.1
    done = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        done.wait(5)
        return [PUBLIC]

    monkeypatch.setattr(outbound, "addresses_of", slow)
    assert ask().error == "No whole answer within 0.1 s."
    before = threading.active_count()
    done.set()
    for thread in threading.enumerate():
        if thread.name == "connect":
            thread.join(5)
    assert threading.active_count() < before
    assert network.connected == []  # too late for that


@pytest.mark.parametrize("seconds", [0.0, -5.0, float("inf"), 1e9])
def test_the_time_has_bounds_whatever_the_setting(network: Network, settings: Any, seconds: float) -> None:
    settings.AGENT_PROBE_SECONDS = seconds
    with serving(OK) as server:
        network.port = server.port
        assert ask().seconds < 10


def test_only_a_few_go_at_once(network: Network) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(probe.MAX_AT_ONCE):
            stack.enter_context(probe._places)
        with pytest.raises(outbound.Refused, match="other probes are running"):
            ask()
    with serving(OK) as server:
        network.port = server.port
        for _ in range(probe.MAX_AT_ONCE + 1):
            assert ask().status == 200


# --- TLS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "trusted", "expected"),
    [
        ("agents.example.com", True, (200, "")),
        ("agents.example.com", False, (None, "The certificate is not valid: self-signed certificate")),
        ("other.example.com", True, (None, "The certificate is not valid: Hostname mismatch")),
    ],
)
def test_a_certificate_must_be_valid_for_the_name(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, expected: Any
) -> None:
    path = certificate(tmp_path, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with serving(OK, context) as server:
        network.port = server.port
        answer = ask("https://agents.example.com/")
    assert (answer.status, answer.error[: len(expected[1])]) == expected
    assert network.connected == [(PUBLIC, 443)]


# --- Who is asked ----------------------------------------------------------------------------------------

NOT_PUBLIC = (
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
    "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2001:0:7f00:1::", "fd00:ec2::254", "not an address", "",
)  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_address_that_is_not_of_the_internet_is_public(address: str) -> None:
    assert not probe.is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111"])
def test_addresses_of_the_internet_are(address: str) -> None:
    assert probe.is_public(address)


@derived
@given(address=st.ip_addresses(v=4))
def test_an_ipv4_address_gains_nothing_by_being_wrapped(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for wrapped in (
        ipaddress.IPv6Address((0xFFFF << 32) + number),
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x2002 << 112) + (number << 80)),
        ipaddress.IPv6Address((0x64FF9B << 96) + number),
    ):
        assert not probe.is_public(str(wrapped))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.7"], ["::1"], ["169.254.169.254"]])
def test_a_name_with_an_address_inside_is_not_connected_to(network: Network, addresses: list[str]) -> None:
    network.addresses = [addresses]
    answer = ask()
    assert answer.status is None
    assert answer.error == f"agents.example.com has the address {addresses[-1]}, which is not public."
    assert network.connected == []


def test_a_name_without_an_address_says_so(network: Network) -> None:
    network.addresses = [[]]
    assert ask().error == "The host agents.example.com has no address."


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [
        ("https://agents.example.com", "agents.example.com", 443),
        ("HTTP://AGENTS.example.com.:80/x", "agents.example.com", 80),
        ("https://a.b.fleet.example.com/", "a.b.fleet.example.com", 443),
        ("https://odd.example.com:8443/", "odd.example.com", 8443),
        ("http://[2001:db8::1]/", "2001:db8::1", 80),
    ],
)
def test_endpoints_on_the_list_may_be_asked(network: Network, endpoint: str, host: str, port: int) -> None:
    target = probe.target_of(endpoint)
    assert (target.host, target.port) == (host, port)
    assert probe.why_not(endpoint) == ""


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("https://other.example.com/", "not among AGENT_PROBE_HOSTS"),
        ("https://fleet.example.com/", "not among"),
        ("https://.fleet.example.com/", "not a URL"),
        ("https://evilfleet.example.com/", "not among"),
        ("https://agents.example.com.evil.com/", "not among"),
        ("https://agents.example.com:8443/", "not among"),
        ("http://agents.example.com:443/", "not among"),
        ("https://odd.example.com/", "not among"),
        ("https://agents.example.com@evil.com/", "user name or a password"),
        ("https://user:secret@agents.example.com/", "user name or a password"),
        ("https://evil.com#@agents.example.com/", "not among"),
        ("https://evil.com\\@agents.example.com/", "user name or a password"),
        ("ftp://agents.example.com/", "not a whole http or https URL"),
        ("file:///etc/passwd", "not a whole http or https URL"),
        ("//agents.example.com/", "not a whole http or https URL"),
        ("agents.example.com", "not a whole http or https URL"),
        ("https://agents.example.com:99999/", "not a URL"),
        ("https://[agents.example.com/", "not a URL"),
        ("https://agents.example.com/\r\nHost: evil", "control characters"),
        ("https://agents.example.com/a b", "control characters"),
        ("http://2130706433/", "not among"),
        ("http://0x7f.1/", "not among"),
        ("http://127.0.0.1/", "not among"),
        ("", "no endpoint"),
        (None, "no endpoint"),
    ],
)
def test_other_endpoints_are_not_asked_and_the_reason_is_said(
    network: Network, endpoint: Any, reason: str
) -> None:
    assert reason in probe.why_not(endpoint)
    with pytest.raises(outbound.Refused):
        probe.probe(endpoint, by=Actor("olga", "operator", "user:1001"), agent_id="a")
    assert (network.looked_up, network.connected) == ([], [])


def test_nothing_is_asked_as_long_as_no_host_is_listed(network: Network, settings: Any) -> None:
    settings.AGENT_PROBE_HOSTS = []
    assert "Probing is off" in probe.why_not("https://agents.example.com/")
    settings.AGENT_PROBE_HOSTS = ["*", "", "*.", ":443", ".example.com"]
    assert "not among" in probe.why_not("https://agents.example.com/")


@derived
@given(
    endpoint=st.text(max_size=60)
    | st.text(max_size=40).map(lambda text: f"https://agents.example.com/{text}")
)
@example("https://agents.example.com/\u00fc\u202e?\U0001f680")
def test_any_text_is_refused_or_asked_of_a_listed_host(endpoint: str) -> None:
    from django.test import override_settings

    with override_settings(AGENT_PROBE_HOSTS=["agents.example.com"]):
        if probe.why_not(endpoint):
            return
        target = probe.target_of(endpoint)
    assert target.host == "agents.example.com"
    assert target.path.startswith("/")
    assert target.path.isascii()
    assert target.path.isprintable()
    assert " " not in target.path


# --- The button and its answer ------------------------------------------------------------------------------


def form_of(page: Page) -> list[Any]:
    return page.root.all("form", action="/agents/a/probe/")


@pytest.mark.no_moto
def test_the_button_is_there_only_where_probing_is_on_and_the_host_is_listed(
    tables: Any, client_for: Any, network: Network, settings: Any
) -> None:
    put(tables["agents"], agent("a", endpoint="https://agents.example.com/"))
    operator = client_for("operator")
    (form,) = form_of(visit(operator, "/agents/a/"))
    assert form.one("input", name="csrfmiddlewaretoken").attrs["type"] == "hidden"
    page = visit(client_for("viewer"), "/agents/a/")
    assert form_of(page) == []
    assert "Your role may not do this." in page.words
    put(tables["agents"], agent("a", endpoint="https://elsewhere.example.com/"))
    page = visit(operator, "/agents/a/")
    assert form_of(page) == []
    assert "elsewhere.example.com on port 443 is not among AGENT_PROBE_HOSTS." in page.words
    settings.AGENT_PROBE_HOSTS = []
    page = visit(operator, "/agents/a/")
    assert "Probe" not in page.words
    assert page.root.all("div", id="guest-probe") == []


def test_the_answer_is_shown_as_data(tables: Any, client_for: Any, network: Network) -> None:
    put(tables["agents"], agent("a", endpoint="http://agents.example.com/"))
    hostile = (
        b'HTTP/1.1 299 <b>\x1b[31mfine\r\nContent-Type: "><script>\r\nLocation: javascript:alert(1)\r\n\r\n'
    )
    with serving(hostile) as server:
        network.port = server.port
        response = client_for("operator").post("/agents/a/probe/", headers={"HX-Request": "true"})
    page = Page(response, "")
    assert (page.status, page.is_fragment) == (200, True)
    assert "Answered 299 <b>\u27e6U+001B\u27e7[31mfine" in page.words
    assert page.fact("Address") == PUBLIC
    assert page.fact("Content type") == '"><script>'
    assert page.fact("Points to") == "javascript:alert(1) not followed"
    assert page.root.all("script") == page.root.all("a") == []


def test_it_works_without_scripts_and_only_by_post(tables: Any, client_for: Any, network: Network) -> None:
    put(tables["agents"], agent("a", endpoint="http://agents.example.com/"))
    client = client_for("operator")
    assert client.get("/agents/a/probe/").status_code == 405
    network.addresses = [["10.1.2.3"]]
    page = Page(client.post("/agents/a/probe/"), "")
    assert page.status == 200
    assert not page.is_fragment
    assert "agents.example.com has the address 10.1.2.3, which is not public." in page.words
    assert network.connected == []
    # At once again: not asked.
    again = Page(client.post("/agents/a/probe/"), "")
    assert again.status == 409
    assert "It was asked less than 5 s ago." in again.words
    assert len(network.looked_up) == 1


@pytest.mark.parametrize("role", ["viewer", "anonymous"])
def test_without_the_permission_a_probe_is_refused(
    tables: Any, client_for: Callable[[str], Client], network: Network, role: str
) -> None:
    put(tables["agents"], agent("a", endpoint="http://agents.example.com/"))
    assert client_for(role).post("/agents/a/probe/").status_code in (401, 403)
    assert (network.looked_up, network.connected) == ([], [])


def test_what_can_not_be_asked_says_why(tables: Any, client_for: Any, network: Network) -> None:
    client = client_for("operator")
    gone = Page(client.post("/agents/a/probe/"), "")
    assert (gone.status, "not in the registry" in gone.words) == (404, True)
    fragment = client.post("/agents/a/probe/", headers={"HX-Request": "true"})
    assert fragment.status_code == 409  # htmx swaps no 404
    put(tables["agents"], agent("a", endpoint=MISSING))
    none = Page(client.post("/agents/a/probe/"), "")
    assert (none.status, "It has no endpoint." in none.words) == (409, True)
    caches["default"].clear()
    put(tables["agents"], agent("a", endpoint=["http://agents.example.com/"]))
    assert client.post("/agents/a/probe/").status_code == 409
