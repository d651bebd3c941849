"""One record is one line, whatever it holds."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from opsportal.accounts import tokens
from opsportal.console import request_ids
from opsportal.telemetry import logs
from opsportal.telemetry.access_log import AccessLogMiddleware
from opsportal.telemetry.logs import (
    CUT,
    FIELDS,
    MASKED,
    MAX_TRACE,
    JsonFormatter,
    LineFormatter,
    format_of,
    masked,
)

FORGED = "ok\n2026-01-01T00:00:00.000Z ERROR root [-] forged\r\x1b[2J\x85\u2028\u202e\x00"


def record(message: str, *args: Any, exc_info: Any = None, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("opsportal.x", logging.WARNING, __file__, 1, message, args, exc_info)
    vars(made).update(extra)
    return made


def test_a_json_line_holds_the_known_fields_and_no_others() -> None:
    made = record("%s is gone", FORGED, status=404, user="olga", secret="hunter2", aws_request_ids=["A", "B"])
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert line.isascii()
    document = json.loads(line)
    assert document["message"] == f"{FORGED} is gone"
    assert (document["status"], document["user"], document["aws_request_ids"]) == (404, "olga", ["A", "B"])
    assert "hunter2" not in line
    assert set(document) <= {"time", "level", "logger", "message", *FIELDS}
    assert document["time"].endswith("Z")


def test_a_line_of_text_cannot_forge_another() -> None:
    line = LineFormatter().format(record("%s", FORGED, request_id="r-1"))
    assert "[r-1] ok\\x0a2026" in line
    assert line.splitlines() == [line]
    assert line.isprintable()


def test_lines_of_a_trace_cannot_pass_for_records() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        made = record("it failed", exc_info=sys.exc_info())
    first, *rest = LineFormatter().format(made).splitlines()
    assert first.endswith("it failed")
    assert rest
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    assert "forged" in json.loads(JsonFormatter().format(made))["exception"]


@settings(max_examples=25, deadline=None)
@given(st.text(), st.text())
def test_any_text_is_one_line_in_both_forms(message: str, user: str) -> None:
    made = record("%s", message, user=user)
    assert json.loads(JsonFormatter().format(made))["message"] == message
    assert len(LineFormatter().format(made).splitlines()) == 1
    LineFormatter().format(made).encode()


TOKEN = f"{tokens.MARK}{'aZ09_-' * 7}x"
ENCODED = "".join(f"%{ord(one):02x}" for one in TOKEN)
SPELLINGS = {
    "plain": TOKEN,
    "encoded": ENCODED,
    "upper case": ENCODED.upper(),
    "twice": ENCODED.replace("%", "%25"),
    "three times": ENCODED.replace("%", "%2525"),
    "mixed": f"op%73p%5F{TOKEN[5:20]}{ENCODED[60:]}",
    "as an id in an address": TOKEN.replace("_", "~5F").replace("-", "~2d"),
    "quoted by the admin": TOKEN.replace("_", "_5F"),
    "short": f"{tokens.MARK}x",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("made_by", [JsonFormatter, LineFormatter])
def test_what_looks_like_a_token_is_masked_wherever_it_stands(made_by: Any, text: str) -> None:
    try:
        raise ValueError(f"no {text}")
    except ValueError:
        trace = sys.exc_info()
    fields = dict.fromkeys(FIELDS, f"/{text}/x")
    line = made_by().format(
        record("GET /%s/ %r and %s?next=%%2F", text, {"a": text}, text, exc_info=trace, **fields)
    )
    assert text not in line
    assert text[-15:] not in line
    assert text[: len(text) * 2 // 3] not in line or text == SPELLINGS["short"]
    assert f"GET /{MASKED}/ {{'a': '{MASKED}'}} and {MASKED}?next=%2F" in line
    if made_by is JsonFormatter:
        assert json.loads(line)["path"] == f"/{MASKED}/x"


@pytest.mark.parametrize(
    "text",
    ["opsp", "opsp ", "opsportal_audit", "prod-opsportal", "OPSP_ABC", "opsp%20x", "%6f%70", "100%", "opsp_"],
)
def test_other_text_is_as_it_was(text: str) -> None:
    assert masked(f"a {text} b") == f"a {text} b"


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="opsp_~%2573 ax\n\x85é\ud83d", max_size=60))
def test_what_is_not_searched_has_nothing_to_find(text: str) -> None:
    assert masked(text) == logs._TOKEN.sub(MASKED, text)
    assert logs.visible(text) == text.translate(logs._CONTROLS).encode(errors="replace").decode()


def test_a_long_line_is_masked_in_a_moment() -> None:
    for piece in ("opsp", "%25", "%6f", "o%70s~70", "~"):
        masked(piece * (MAX_TRACE // len(piece)))
    assert masked(f"{'%25' * 7_000}6f") == f"{'%25' * 7_000}6f"


def test_every_handler_of_the_settings_has_a_formatter_that_masks() -> None:
    """Those, too, that Django's own configuration leaves."""
    code = (
        "import logging; from django.utils.log import configure_logging; from opsportal import settings;"
        "configure_logging('logging.config.dictConfig', settings.LOGGING);"
        "names = [None, *logging.root.manager.loggerDict];"
        "print({type(handler.formatter).__name__ for name in names for handler in logging.getLogger(name).handlers})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "DEBUG": "1", "OPSPORTAL_ENV": "dev", "DJANGO_SETTINGS_MODULE": "opsportal.settings"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "{'LineFormatter'}"


def test_a_huge_message_is_cut() -> None:
    assert json.loads(JsonFormatter().format(record("x" * 100_000)))["message"].endswith(CUT)


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, "line"),
        ({"OPSPORTAL_ENV": "local"}, "line"),
        ({"OPSPORTAL_ENV": "qa"}, "json"),
        ({"OPSPORTAL_ENV": "prod", "LOG_FORMAT": "line"}, "line"),
    ],
)
def test_the_form_is_json_outside_development(environ: dict[str, str], chosen: str) -> None:
    assert format_of(environ) == chosen


# --- One line per request ----------------------------------------------------------------------------------


def lines_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [made for made in caplog.records if made.name == "opsportal.access"]


@pytest.fixture
def access(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "opsportal.access")
    return caplog


@pytest.mark.no_moto  # about the line; what DynamoDB answers is tried elsewhere
def test_a_line_says_who_asked_for_what_and_what_it_cost(
    client_for: Any, tables: Any, access: pytest.LogCaptureFixture
) -> None:
    response = client_for("viewer").get("/workflows/some-id/?q=secret", headers={"X-Request-ID": "mine-1"})
    assert response.status_code == 404
    (line,) = lines_of(access)
    request_ids.RequestIdFilter().filter(line)
    document = json.loads(JsonFormatter().format(line))
    said = {name: document[name] for name in ("user", "method", "route", "path", "status", "request_id")}
    assert said == {
        "user": "viewer",
        "method": "GET",
        "route": "tracking:item",
        "path": "/workflows/some-id/",
        "status": 404,
        "request_id": "mine-1",
    }
    assert document["calls"] >= 1
    assert document["read_units"] > 0
    assert document["bytes"] == len(response.content)
    assert document["peer"] == "127.0.0.1"
    assert "secret" not in json.dumps(document)


@pytest.mark.django_db
def test_probes_are_logged_only_when_they_fail(
    client_for: Any, access: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for("anonymous")
    client.get("/healthz")
    assert not lines_of(access)
    client.get("/metrics")
    assert [line.status for line in lines_of(access)] == [404]  # type: ignore[attr-defined]


@pytest.mark.django_db  # closing an answer closes idle connections
def test_a_download_is_logged_when_it_is_sent(rf: RequestFactory, access: pytest.LogCaptureFixture) -> None:
    request = rf.get("/requests/r/logs/", headers={"X-Request-ID": "download-1"})
    view = AccessLogMiddleware(lambda request: StreamingHttpResponse(iter([b"a", b"b"])))
    response = request_ids.RequestIdMiddleware(view)(request)
    assert b"".join(response) == b"ab"  # type: ignore[arg-type]
    assert not lines_of(access)
    response.close()
    (line,) = lines_of(access)
    request_ids.RequestIdFilter().filter(line)
    assert line.request_id == "download-1"  # type: ignore[attr-defined]


def test_a_path_cannot_forge_a_line(rf: RequestFactory, access: pytest.LogCaptureFixture) -> None:
    from django.http import HttpResponse

    AccessLogMiddleware(lambda request: HttpResponse())(rf.get("/x%0a2026-01-01T00:00:00Z%20ERROR"))
    (line,) = lines_of(access)
    assert "\n" in line.path  # type: ignore[attr-defined]
    assert len(LineFormatter().format(line).splitlines()) == 1
    assert len(JsonFormatter().format(line).splitlines()) == 1


@pytest.mark.no_moto
def test_a_program_is_named_by_its_token_which_is_not_told(
    operator: Any, tables: Any, access: pytest.LogCaptureFixture
) -> None:
    token, text = tokens.make("ci", ["workflows:read"], made_by=operator, days=1, owner=operator, role="")
    answer = Client().get("/api/workflows", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200
    (line,) = lines_of(access)
    assert line.user == token.actor_name  # type: ignore[attr-defined]
    assert line.route.startswith("api:")  # type: ignore[attr-defined]
    assert text not in JsonFormatter().format(line)
