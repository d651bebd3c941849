"""Where a webhook may point: nothing of this network, however it is spelled."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from opsportal import outbound
from opsportal.alerts import sending
from opsportal.alerts.sending import check, target_of, why_not
from opsportal.outbound import Refused, Target
from opsportal.setting_values import HOST_OR_NETWORK, Environment


def to(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda _host, _port: list(addresses)


def checked(url: str, lookup: Callable[[str, int], list[str]]) -> Target:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "addresses_of", lookup)
        return check(url)


PUBLIC = to("93.184.215.14")


@pytest.fixture(autouse=True)
def _production(settings: Any) -> None:
    settings.OPSPORTAL_ENV, settings.ALERT_WEBHOOK_ALLOW = "prod", []


def test_a_public_address_is_checked_and_kept(settings: Any) -> None:
    settings.ALERT_WEBHOOK_ALLOW = ["hooks.example.com:8443"]
    target = checked("https://hooks.example.com:8443/a/b?c=d", PUBLIC)
    assert (target.host, target.port, target.address) == ("hooks.example.com", 8443, "93.184.215.14")
    assert (target.path, target.authority) == ("/a/b?c=d", "hooks.example.com:8443")
    assert checked("https://hooks.example.com", PUBLIC).path == "/"
    assert checked("https://[2606:4700::1111]/", to("2606:4700::1111")).authority == "[2606:4700::1111]"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:a00:1::1", "fec0::1",
        # Of the registries, whatever the interpreter's tables say.
        "192.0.0.8", "192.0.0.9", "192.88.99.1", "192.175.48.1", "100::1", "100:0:0:1::1", "5f00::1", "3fff::1",
        "3fff:fff::1", "2001:2::1", "2001:20::1", "2001:4:112::1", "2620:4f:8000::1", "4000::1",
        "2001:4860::5efe:127.0.0.1", "2001:4860::200:5efe:10.0.0.1", "2606:4700::5efe:a9fe:a9fe", "::ffff:0:10.0.0.1",
        "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "::ffff:192.88.99.1", "64:ff9b::192.0.0.8",
    ],
)  # fmt: skip
def test_addresses_of_this_network_are_refused_however_they_travel(address: str) -> None:
    with pytest.raises(Refused, match="not a public address"):
        checked("https://hooks.example.com/", to(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_not(address: str) -> None:
    assert checked("https://hooks.example.com/", to(address)).address == address


@pytest.mark.parametrize("port", [22, 25, 80, 8443, 6379, 65535])
def test_only_the_port_of_https_is_used_and_what_the_setting_lists(settings: Any, port: int) -> None:
    url = f"https://hooks.example.com:{port}/"
    with pytest.raises(Refused, match=f"add hooks.example.com:{port} to the setting ALERT_WEBHOOK_ALLOW"):
        checked(url, PUBLIC)
    settings.ALERT_WEBHOOK_ALLOW = [f"Hooks.example.com:{port}", "10.1.0.0/16"]
    assert checked(url, PUBLIC).port == port
    # A port of a host opens no private address.
    with pytest.raises(Refused, match="not a public address"):
        checked(url, to("10.9.9.9"))
    with pytest.raises(Refused, match=r"^10\.9\.9\.9 is not a public address\."):
        checked(f"https://10.9.9.9:{port}/", to("10.9.9.9"))
    assert checked(f"https://10.1.0.1:{port}/", to("10.1.0.1")).port == port
    with pytest.raises(Refused, match="Only port 443"):
        checked(f"https://other.example.com:{port}/", PUBLIC)


@pytest.mark.parametrize("host", ["hooks.example.com", "93.184.215.14", "[2606:4700::1111]"])
def test_the_setting_takes_what_the_refusal_says_to_add(settings: Any, host: str) -> None:
    url = f"https://{host}:8443/"
    with pytest.raises(Refused, match="Only port 443") as refused:
        checked(url, PUBLIC)
    said = str(refused.value).partition(" add ")[2].partition(" to the setting ")[0]
    read = Environment({"A": said}).each("A", [], HOST_OR_NETWORK, "")
    assert read == [f"{host}:8443"]
    settings.ALERT_WEBHOOK_ALLOW = read
    assert checked(url, PUBLIC).port == 8443


def test_one_private_address_refuses_the_name_as_a_whole() -> None:
    for found in (("8.8.8.8", "10.0.0.1"), ("10.0.0.1", "8.8.8.8")):
        with pytest.raises(Refused):
            checked("https://hooks.example.com/", to(*found))
    with pytest.raises(Refused, match="no address"):
        checked("https://hooks.example.com/", to())
    with pytest.raises(Refused, match="is not an address"):
        checked("https://hooks.example.com/", to("nonsense"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://2130706433/", "as they are usually written"),
        ("https://0x7f000001/", "as they are usually written"),
        ("https://0177.0.0.1/", "as they are usually written"),
        ("https://127.1/", "as they are usually written"),
        ("https://0x7f.0.0.1/", "as they are usually written"),
        ("https://hooks.example.com@10.0.0.1/", "user name or a password"),
        ("https://user:password@hooks.example.com/", "user name or a password"),
        ("https://hooks.example.com/#x", "No fragment"),
        ("https://hooks.example.com\\@10.0.0.1/", "backslash"),
        ("https:///path", "whole http or https URL"),
        ("hooks.example.com/path", "whole http or https URL"),
        ("ftp://hooks.example.com/", "whole http or https URL"),
        ("file:///etc/passwd", "whole http or https URL"),
        ("gopher://hooks.example.com/", "whole http or https URL"),
        ("http://hooks.example.com/", "Only https"),
        ("http://127.0.0.1/", "Only https"),
        ("https://hooks.example.com:0/", "no port 0"),
        ("https://hooks.example.com:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://hooks.example.com/a b", "without spaces"),
        ("https://hooks.example.com/\r\nX-Injected: 1", "without spaces"),
        ("https://hóoks.example.com/", "ASCII"),
        ("https://-x.example.com/", "as they are usually written"),
        ("https://hooks..example.com/", "not a URL"),
        ("https://hooks.example.com/" + "x" * 500, "at most 500"),
        ("", "whole http or https URL"),
    ],
)
def test_what_is_no_plain_url_is_refused_before_it_is_looked_up(url: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        checked(url, to("8.8.8.8"))


def test_development_may_tell_this_machine_without_tls(settings: Any) -> None:
    settings.OPSPORTAL_ENV = "local"
    assert checked("http://127.0.0.1:9/", to("127.0.0.1")).scheme == "http"
    assert checked("http://localhost/", to("::1", "127.0.0.1")).address == "::1"
    with pytest.raises(Refused, match="Only https"):
        target_of("http://hooks.example.com/")
    for address in ("10.0.0.1", "169.254.169.254"):
        with pytest.raises(Refused):
            checked("https://hooks.example.com/", to(address))
    # A name may stand for it too, as long as TLS says whose it is.
    assert checked("https://hooks.example.com/", to("127.0.0.1"))


def test_the_list_opens_addresses_networks_and_names(settings: Any) -> None:
    settings.ALERT_WEBHOOK_ALLOW = ["10.1.0.0/16", "192.168.7.7", "Hooks.Internal.", "::1"]
    assert not why_not("x", "10.1.2.3")
    assert not why_not("x", "::ffff:10.1.2.3")
    assert why_not("x", "10.2.0.1")
    assert not why_not("x", "192.168.7.7")
    assert not why_not("x", "::1")
    assert not why_not("hooks.internal", "10.9.9.9")
    assert not why_not("HOOKS.internal.", "fd00::1")
    assert why_not("evil.hooks.internal", "10.9.9.9")
    # A name opens neither this machine nor the metadata service of a cloud.
    for address in ("127.0.0.1", "169.254.169.254", "0.0.0.0", "fe80::1", "::ffff:169.254.169.254"):
        assert why_not("hooks.internal", address), address


def test_a_name_that_nobody_knows_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr(outbound.socket, "getaddrinfo", nobody)
    with pytest.raises(Refused, match=r"hooks.example.com can't be found"):
        check("https://hooks.example.com/")


def test_lookups_that_hang_are_given_up_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        over.wait(10)
        return ["8.8.8.8"]

    monkeypatch.setattr(sending, "WHOLE", 0.05)
    monkeypatch.setattr(outbound, "_lookups", threading.BoundedSemaphore(1))
    with pytest.raises(Refused, match="not found within"):
        checked("https://hooks.example.com/", hang)
    with pytest.raises(Refused, match="Too many names"):
        checked("https://hooks.example.com/", PUBLIC)
    over.set()
    for thread in threading.enumerate():
        if thread.name == "connect":
            thread.join(10)
    monkeypatch.setattr(sending, "WHOLE", 10)
    assert checked("https://hooks.example.com/", PUBLIC)
