"""The patterns that the API's description shows, against what Python's own parsers say."""

import ipaddress
import random
from urllib.parse import urlsplit

import pytest

from opsportal import patterns
from opsportal.patterns import ADDRESS, LINE, OPEN_ADDRESS, SHARE, whole


@pytest.mark.parametrize(
    "text", ["a", " a ", "Größe 測試 🚀", "a\u00a0b", "0", "\ue000"]
)  # fmt: skip
def test_a_line_says_something(text: str) -> None:
    assert whole(LINE, text)


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u3000", "a\n", "\na", "a\u2028b", "a\x85", "a\x7f", "\t"])
def test_no_line_is_blank_or_two(text: str) -> None:
    assert not whole(LINE, text)


def test_every_blank_of_python_is_a_blank_or_a_control_here() -> None:
    spaces = {chr(code) for code in range(0x110000) if chr(code).isspace()}
    assert not any(whole(LINE, space) for space in spaces)
    assert all(whole(LINE, f"a{chr(code)}") for code in (*range(0x20, 0x7F), 0xA0, 0xAD, 0x200B, 0xFEFF))


def test_an_ipv6_address_is_what_python_takes_for_one() -> None:
    chance = random.Random(5)
    taken = 0
    for _ in range(20_000):
        text = "".join(
            chance.choice(["1", "ab", ":", "::", ":", "12345"]) for _ in range(chance.randint(1, 15))
        )
        try:
            ipaddress.IPv6Address(text)
            known = True
        except ValueError:
            known = False
        assert whole(ADDRESS, f"https://[{text}]/") is known, text
        taken += known
    assert taken > 100


@pytest.mark.parametrize(
    "port", [1, 9, 10, 80, 999, 8443, 9999, 10000, 59999, 60000, 64999, 65499, 65529, 65535]
)
def test_ports_end_at_65535(port: int) -> None:
    assert whole(ADDRESS, f"http://h:{port}")
    assert not whole(ADDRESS, f"http://h:0{port}")


def test_no_other_number_is_a_port() -> None:
    taken = [port for port in range(70_000) if whole(ADDRESS, f"http://h:{port}/")]
    assert taken == list(range(1, 65_536))


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("http://a", True),
        ("HTTPS://FDA.GOV/x?y=z#a", True),
        ("  https://bücher.example:443  ", True),
        ("https://10.0.0.1?x", True),
        ("https://x#@y", True),
        ("https://user:pw@x.example", False),
        ("https://a@[::1]:80", False),
    ],
)
def test_what_is_an_address_can_be_taken_apart(text: str, is_open: bool) -> None:
    assert whole(ADDRESS, text)
    assert whole(OPEN_ADDRESS, text) is is_open
    parts = urlsplit(text.strip())
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert parts.port is None or 0 < parts.port < 65_536
    assert ("@" in parts.netloc) is not is_open


@pytest.mark.parametrize(
    "text",
    [
        "", "https://", "http:///x", "ftp://x", "javascript:alert(1)", "www.fda.gov", "http://a b", "http://x/a b", "http://x\n",
        "http://x/\\y", "http://x:0", "http://x:65536", "http://x:", "http://[1::2::3]", "http://[", "http://℀.example",
        "http://x／y", "http://a,b", "http://x/\u2028", "\thttp://x",
    ],
)  # fmt: skip
def test_what_is_none_is_told(text: str) -> None:
    assert not whole(ADDRESS, text)
    assert not whole(OPEN_ADDRESS, text)


@pytest.mark.parametrize(
    ("text", "taken"),
    [("0", True), ("1", True), ("0.7", True), ("1.000000", True), ("0.123456", True), ("0.1234567", False)]
    + [(text, False) for text in ("1.1", "2", "", " 0.5", "5e-1", ".5", "0.", "-0", "0.5\n", "٠")],
)
def test_a_share_in_text_is_plain(text: str, taken: bool) -> None:
    assert whole(SHARE, text) is taken


def test_a_pattern_means_the_same_elsewhere() -> None:
    """Nothing of what Python and ECMAScript read differently."""
    for pattern in (LINE, SHARE, ADDRESS, OPEN_ADDRESS, patterns.SIMPLE, patterns.SIMPLE_LINES):
        assert not any(
            sign in pattern for sign in ("\\s", "\\d", "\\w", "\\S", "\\b", "(?P", "(?<", "(?=", "(?!")
        )
        assert pattern.startswith("^")
        assert pattern.endswith("$")
