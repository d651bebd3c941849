"""Requests are read as UTF-8: a codec that their sender names is never looked up, and what names one is 415."""

import codecs
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as django_settings
from django.test import Client

from tests.cases import short

pytestmark = [pytest.mark.django_db]

CODECS = (
    "hex", "hex_codec", "punycode", "idna", "zlib_codec", "zip", "bz2", "rot13", "rot_13", "undefined", "base64",
    "quopri", "uu", "unicode_escape", "raw_unicode_escape", "utf-7", "utf-16", "utf-16-le", "utf-32", "utf-8-sig",
    "latin-1", "iso-8859-15", "cp1252", "cp037", "ascii", "us-ascii-8", "mbcs", "oem", "big5", "shift_jis", "charmap",
    "no-such-codec", "x" * 200, "../../etc/passwd", "",
)  # fmt: skip
# How a header can name one; all but the first two are ways around a simple look for `charset=`.
FORMS = (
    "charset={}", 'charset="{}"', "CHARSET={}", "charset = {}", "charset\t=\t{}", "charset*={}''utf-8",
    "charset*0={}", "charset*0*={}''", "charset*1={}", "charset=utf-8; charset={}", "charset={}; charset=utf-8",
    'x=";charset=utf-8"; charset={}', "charset=utf-8,{}", "charset=utf-8 {}", "x*={}''%41", "boundary*={}''x",
)  # fmt: skip
PATHS = (
    "/accounts/login/",
    "/requests/",
    "/accounts/preferences/",
    "/api/requests",
    "/healthz",
    "/admin/",
    "/nowhere/",
)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(method: str, path: str, content_type: str, body: bytes = b"", **more: str) -> Answer:
    """One call of the application that gunicorn serves. Django's test client makes its requests otherwise."""
    got: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        got.update(status=int(status.split()[0]), headers=dict(headers))

    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(), **more,
    }  # fmt: skip
    from opsportal.wsgi import application  # not above: it begins to watch the calls of its process

    chunks = application(environ, start_response)
    try:
        return Answer(got["status"], got["headers"], b"".join(chunks))
    finally:
        chunks.close()


def parts(*of: tuple[str, str, str], boundary: str = "limit") -> bytes:
    """A multipart body of (Content-Disposition's parameters, further header lines, text)."""
    lines = []
    for disposition, more, text in of:
        lines += [
            f"--{boundary}",
            f"Content-Disposition: form-data; {disposition}",
            *filter(None, [more]),
            "",
            text,
        ]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of codecs that Python code looks up, by any of its ways."""
    names: list[str] = []
    real = codecs.lookup

    def lookup(name: str) -> codecs.CodecInfo:
        names.append(name)
        return real(name)

    def search(name: str) -> None:
        names.append(name)

    monkeypatch.setattr(codecs, "lookup", lookup)
    codecs.register(search)
    yield names
    codecs.unregister(search)


@pytest.fixture
def signed_in(user_of: Any) -> dict[str, str]:
    """Headers of a viewer's session, with a CSRF cookie whose token is `CSRF`."""
    client = Client()
    client.force_login(user_of("viewer"), backend="django.contrib.auth.backends.ModelBackend")
    session = client.cookies[django_settings.SESSION_COOKIE_NAME]
    return {"HTTP_COOKIE": f"{session.key}={session.value}; {django_settings.CSRF_COOKIE_NAME}={CSRF}"}


CSRF = "c" * 32
FIELDS = {"csrfmiddlewaretoken": CSRF, "theme": "dark", "time_zone": "UTC", "refresh_seconds": "5"}


@pytest.mark.parametrize("path", PATHS)
def test_another_encoding_in_any_form_is_415_and_never_looked_up(path: str, looked_up: list[str]) -> None:
    asked = [("POST", "text/plain", FORMS[0].format(codec)) for codec in CODECS]
    asked += [("POST", "multipart/form-data; boundary=x", form.format(CODECS[0])) for form in FORMS]
    asked += [("POST", "application/json", form.format(CODECS[2])) for form in FORMS]
    asked += [(method, "text/plain", FORMS[0].format("hex")) for method in ("GET", "HEAD", "OPTIONS", "PUT")]
    for method, kind, parameters in asked:
        assert ask(method, path, f"{kind}; {parameters}", b"a=b").status == 415, (method, kind, parameters)
    assert not {name.lower() for name in looked_up} & {name for name in CODECS if name}


@pytest.mark.parametrize("path", ["/accounts/preferences/", "/requests/", "/api/requests"])
def test_it_is_415_for_who_is_signed_in_too(path: str, signed_in: dict[str, str]) -> None:
    for codec in CODECS:
        for method in ("GET", "POST"):
            answer = ask(
                method, path, f"application/x-www-form-urlencoded; charset={codec}", b"a=b", **signed_in
            )
            assert answer.status == 415, (method, codec)


@pytest.mark.parametrize(
    "header",
    ["", "text/plain", "text/plain;", "text/plain;;", "text/plain; charset=utf-8", "text/plain;charset=UTF-8",
     'text/plain; charset="UTF-8"', "text/plain; charset=US-ASCII", "text/plain; charset = utf8 ", "text/plain; format=flowed; charset=UTF8"],
)  # fmt: skip
def test_utf8_in_any_spelling_is_read(header: str) -> None:
    assert ask("GET", "/accounts/login/?next=%2Frequests%2F", header).status == 200


def test_the_refusal_is_a_page_or_a_problem_with_the_usual_headers() -> None:
    page = ask("GET", "/accounts/login/", "text/plain; charset=hex")
    assert "reads UTF-8 only" in page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    problem = ask("POST", "/api/requests", "application/json; charset=utf-16", b"{}")
    assert problem.headers["Content-Type"] == "application/problem+json"
    document = json.loads(problem.body)
    assert (document["status"], document["title"]) == (415, "Unsupported encoding")
    for answer in (page, problem):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "part",
    [
        ("name*=hex''theme", "", "dark"),
        ("name*=punycode''theme", "", "dark"),
        ("name*=utf-8''theme", "", "dark"),
        ("name*0=th; name*1=eme", "", "dark"),
        ("name*0*=undefined''th; name*1=eme", "", "dark"),
        ("name=\"a\"; filename*=idna''x", "Content-Type: text/plain", "x"),
        ('name="theme"', "Content-Type: text/plain; charset=hex", "6461726b"),
        ('name="theme"', "Content-Type: text/plain; charset=iso-8859-1", "dark"),
        ('name="theme"', "Content-Type: text/plain; CHARSET*=punycode''x", "dark"),
        ('name="theme"', "X-Other: y; charset=utf-7", "dark"),
        ('name="theme"', "Content-Transfer-Encoding: base64", "ZGFyaw=="),
        ('name="theme"', "content-transfer-encoding : Quoted-Printable", "dark"),
        ('name="a"; filename="b"', "Content-Transfer-Encoding: x-uuencode", "dark"),
    ],
)
@pytest.mark.parametrize(
    "path",
    short(
        ["/accounts/preferences/", "/accounts/login/", "/api/requests", "/nowhere/"], "/accounts/preferences/"
    ),
)
def test_a_part_that_names_another_encoding_is_415_behind_a_valid_token_too(
    path: str, part: tuple[str, str, str], signed_in: dict[str, str], looked_up: list[str]
) -> None:
    good = [(f'name="{name}"', "", value) for name, value in FIELDS.items()]
    for order in ([*good, part], [part, *good]):
        body = parts(*order)
        answer = ask("POST", path, "multipart/form-data; boundary=limit", body, **signed_in)
        assert answer.status == 415, answer.body
        assert ask("POST", path, "multipart/form-data; boundary=limit", body).status == 415
    assert not set(looked_up) & set(CODECS[:12])


def test_forms_of_browsers_are_read(signed_in: dict[str, str]) -> None:
    urlencoded = urlencode(FIELDS).encode()
    plain = [(f'name="{name}"', "", value) for name, value in FIELDS.items()]
    typed = [
        (
            f'name="{name}"',
            "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit",
            value,
        )
        for name, value in FIELDS.items()
    ]
    for header, body in (
        ("application/x-www-form-urlencoded", urlencoded),
        ("application/x-www-form-urlencoded; charset=UTF-8", urlencoded),
        ("multipart/form-data; boundary=limit", parts(*plain)),
        ('multipart/form-data; boundary="limit"; charset=utf-8', parts(*typed)),
    ):
        answer = ask("POST", "/accounts/preferences/", header, body, **signed_in)
        assert answer.status == 302, (header, answer.status)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "compress", "gzip, identity", "x"])
def test_a_compressed_body_is_415_and_says_so(encoding: str) -> None:
    for path in ("/api/requests", "/accounts/login/"):
        answer = ask("POST", path, "application/json", b"\x1f\x8b", HTTP_CONTENT_ENCODING=encoding)
        assert answer.status == 415
        assert answer.headers["Accept-Encoding"] == "identity"
        assert "compressed" in answer.body.decode()
    plain = ask("GET", "/accounts/login/", "", HTTP_CONTENT_ENCODING="identity")
    assert plain.status == 200


@pytest.mark.parametrize("bad", ["%ff", "%c0%af", "%ed%a0%80", "%00", "%f8%88%80%80%80", "%", "%u0041"])
def test_bytes_that_are_no_utf8_are_no_error_of_the_console(bad: str) -> None:
    for path in (f"/accounts/login/?next={bad}", f"/requests/?q={bad}", f"/nowhere/?{bad}={bad}"):
        assert ask("GET", path, "").status in (200, 302, 400, 404), path
    form = f"login={bad}&password={bad}".encode()
    assert ask("POST", "/accounts/login/", "application/x-www-form-urlencoded", form).status == 403
    raw = bad.encode() if bad == "%" else bytes.fromhex(bad.replace("%u0041", "41").replace("%", ""))
    assert ask(
        "POST", "/accounts/login/", "multipart/form-data; boundary=limit", b"--limit\r\n" + raw
    ).status in (
        400,
        403,
    )


def test_a_form_in_parts_that_ends_early_is_refused_and_does_not_fail(signed_in: dict[str, str]) -> None:
    whole = parts(('name="theme"', "", "dark"))
    for body in (whole[:30], whole[:-4], b"", b"x", b"--limit--"):
        for boundary in ("limit", "", "x" * 300, "\u00ff"):
            header = f"multipart/form-data; boundary={boundary}"
            assert ask("POST", "/accounts/preferences/", header, body, **signed_in).status in (400, 403)


class Gone(io.BytesIO):
    """The input of a sender that goes away."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


def test_a_sender_that_goes_away_in_the_middle_is_no_error() -> None:
    more: dict[str, Any] = {"wsgi.input": Gone(), "CONTENT_LENGTH": "100"}
    answer = ask("POST", "/accounts/login/", "multipart/form-data; boundary=limit", **more)
    assert answer.status == 403


PUNYCODE = ("a" * 10 + "-" + "a" * 450_000).encode()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("multipart/form-data; boundary=limit; charset=punycode", parts(('name="x"', "", PUNYCODE.decode()))),
        ("multipart/form-data; boundary=limit", parts(("name*=punycode''x", "", PUNYCODE.decode()))),
        ("application/x-www-form-urlencoded; charset=idna", b"a=" + PUNYCODE),
        ("text/plain; " + "charset=utf-8;" * 500, b""),
        ("text/plain; " + "*" * 8_000, b""),
        ("text/plain; " + 'charset="' * 900, b""),
    ],
)
def test_the_time_of_a_refusal_does_not_grow_with_what_was_sent(header: str, body: bytes) -> None:
    began = time.process_time()
    assert ask("POST", "/accounts/login/", header, body).status == 415
    assert time.process_time() - began < 5  # of the 39 s that it took; it takes milliseconds


FILE = 'name="x"; filename="y"'


@pytest.mark.parametrize(
    "more", ["; " + "*" * 940, "; " + "* " * 470, "; " + "*1" * 470, ";" * 940, '";' * 470]
)
@pytest.mark.parametrize("disposition", ['filename="y"', FILE, 'name="x"'])
def test_headers_of_parts_cost_little_together(disposition: str, more: str) -> None:
    """A part without a name counts for none of Django's limits, so a form holds thousands of them."""
    line = f"Content-Disposition: form-data; {disposition}{more}"
    body = f"--limit\r\n{line}\r\n\r\n\r\n".encode() * 2_300 + b"--limit--"
    began = time.process_time()
    answer = ask("POST", "/accounts/login/", "multipart/form-data; boundary=limit", body)
    assert answer.status in (400, 403, 415)
    assert time.process_time() - began < 2  # of up to 10 s that it took


def test_many_short_headers_of_parts_cost_little_together() -> None:
    lines = "\r\nX;" * 240
    part = f'--limit\r\nContent-Disposition: form-data; filename="y"{lines}\r\n\r\n\r\n'
    began = time.process_time()
    answer = ask("POST", "/accounts/login/", "multipart/form-data; boundary=limit", part.encode() * 2_300)
    assert answer.status == 400
    assert time.process_time() - began < 2


def test_a_form_in_parts_may_have_as_many_fields_as_any(signed_in: dict[str, str]) -> None:
    good = [(f'name="{name}"', "", value) for name, value in FIELDS.items()]
    many = [(f'name="x{number}"', "Content-Type: text/plain; charset=utf-8", "y") for number in range(990)]
    for _ in range(2):  # each form has the whole allowance
        body = parts(*many, *good)
        answer = ask(
            "POST", "/accounts/preferences/", "multipart/form-data; boundary=limit", body, **signed_in
        )
        assert answer.status == 302


@pytest.mark.parametrize("path", ["/api/requests", "/api/agents", "/requests/", "/accounts/login/"])
def test_a_query_of_thousands_of_parameters_is_refused(path: str, signed_in: dict[str, str]) -> None:
    answer = ask("GET", path + "?" + "a=b&" * 1_900, "", **signed_in)
    assert answer.status in (200, 400)  # 200: the page does not read its query
    if path.startswith("/api/"):
        assert json.loads(answer.body)["title"] == "The request can't be read"


def test_the_test_client_gets_the_same_answer() -> None:
    assert (
        Client().get("/accounts/login/", headers={"content-type": "text/plain; charset=hex"}).status_code
        == 415
    )
