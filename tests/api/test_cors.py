"""Web pages of other origins: who may call the API from one, with what, and that no cookie gains anything by it."""

import re
import runpy
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from opsportal.api.site import api
from tests.api.conftest import Program
from tests.dumps import put
from tests.factories import workflow
from tests.operations.places import request_item
from tests.trouble import refused, trouble

PAGE, OTHER = "https://app.example.com", "https://evil.example.com"
ALLOW, CREDENTIALS = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
PATHS = (
    "/api/workflows",
    "/api/workflow/s/status",
    "/workflow/s/status",
    "/workflow/a/b%0Ac/status",
    "/api/none",
)
ELSEWHERE = (
    "/",
    "/workflows/",
    "/workflow/s",
    "/workflow/s/status/x",
    "/accounts/login/",
    "/healthz",
    "/apis",
)


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [PAGE, "http://localhost:3000"]


def cors(answer: Any) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.lower().startswith("access-control-")
    }


def varies(answer: Any) -> bool:
    return "origin" in answer.headers.get("Vary", "").lower().split(", ")


def preflight(client: Client, path: str, origin: str = PAGE, method: str = "POST") -> Any:
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.options(path, headers={"Origin": origin, **asked})


# --- Preflights ----------------------------------------------------------------------------------------


def test_a_preflight_is_answered_before_anything_is_asked_or_counted(
    client: Client, db: None, settings: Any
) -> None:
    settings.API_RATE_LIMIT = settings.API_FAILED_LIMIT = 1
    for path in PATHS * 2:  # without a token, of whatever there is; more often than anybody may ask
        answer = preflight(client, path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers[ALLOW] == PAGE
        assert CREDENTIALS not in answer.headers
        assert {"authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"} <= set(
            answer.headers["Access-Control-Allow-Headers"].split(", ")
        )
        assert answer.headers["Access-Control-Max-Age"] == "600"
        assert varies(answer)
        assert answer.headers["X-Request-ID"]
    # Nothing was counted: the first real failure is still said.
    assert client.get(PATHS[0]).status_code == 401


def test_every_method_of_the_api_may_be_asked_for(client: Client) -> None:
    methods = {method for operation in api.operations() for method in operation.methods}
    answer = preflight(client, PATHS[0])
    assert methods <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.django_db
def test_other_origins_and_other_addresses_are_given_no_leave(client: Client) -> None:
    for origin in (
        OTHER,
        "null",
        f"{PAGE}.evil.com",
        f"{PAGE}:8443",
        "http://app.example.com",
        "https://[",
        "*",
        "",
    ):
        for answer in (preflight(client, PATHS[0], origin), client.get(PATHS[0], headers={"Origin": origin})):
            assert cors(answer) == {}
            assert varies(answer)
    for path in ELSEWHERE:
        for answer in (preflight(client, path), client.get(path, headers={"Origin": PAGE})):
            assert cors(answer) == {}
            assert not varies(answer)
    # To a forbidden page a preflight is a request like any other.
    assert preflight(client, "/workflows/").headers["Location"].startswith("/accounts/login/")


@pytest.mark.django_db
def test_without_origins_there_is_no_header_at_all(client: Client, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = []
    for path in (*PATHS, *ELSEWHERE):
        for answer in (preflight(client, path), client.get(path, headers={"Origin": PAGE})):
            assert cors(answer) == {}
            assert not varies(answer)
    assert preflight(client, PATHS[1]).status_code == 405


# --- Answers -------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_a_page_can_read_every_answer_and_what_is_beside_it(
    tables: Any, program: Callable[..., Program], settings: Any
) -> None:
    put(tables["workflows"], "s", workflow("s"))
    settings.API_MAX_BODY, settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 50, 3
    caller, stranger = program(), Client()
    cross = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    answers = [
        (200, caller.get("/workflow/s/status", **cross)),
        (200, caller.call("HEAD", "/api/workflows", **cross)),
        (401, stranger.get("/workflow/s/status", headers=cross)),
        (404, caller.get("/api/workflows/nothing", **cross)),
        (404, caller.get("/api/nothing", **cross)),
        (405, caller.call("DELETE", "/api/workflows", **cross)),
        (413, caller.post("/api/requests", b'{"x": "' + b"x" * 50 + b'"}', **cross)),
        (415, caller.post("/api/requests", b"{}", **cross, Content_Type="text/plain")),
        (400, caller.post("/api/requests", b"{", **cross)),
        (400, caller.get("/api/workflows?a=1&b=2&c=3&d=4", **cross)),
        (400, caller.get("/api/workflows", **cross, Host="not.ours")),
    ]
    with trouble(tables["workflows"], refused("ThrottlingException", "Rate exceeded")):
        answers += [
            (503, caller.get("/workflow/s/status", **cross)),
            (503, caller.get("/api/workflows/s", **cross)),
        ]
    settings.API_RATE_LIMIT = 1
    answers.append((429, [caller.get("/api/workflows", **cross) for _ in range(2)][1]))
    for status, answer in answers:
        assert answer.status_code == status, answer.content
        assert answer.headers[ALLOW] == PAGE
        assert CREDENTIALS not in answer.headers
        assert varies(answer)
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Retry-After", "X-Request-ID", "WWW-Authenticate", "Idempotency-Replayed"} <= set(exposed)
        assert ("Retry-After" in answer.headers) == (status in (429, 503))


def test_a_failure_of_the_console_can_be_read_too(
    settings: Any, program: Callable[..., Program], monkeypatch: Any
) -> None:
    def break_down(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("opsportal.accounts.tokens.ApiToken.note_use", break_down)
    caller = program()
    caller.client.raise_request_exception = False
    answer = caller.get("/workflow/s/status", Origin=PAGE)
    assert (answer.status_code, answer.headers[ALLOW]) == (500, PAGE)


# --- Cookies -------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_a_page_acts_with_its_token_and_never_with_a_session(
    tables: Any, program: Callable[..., Program], client_for: Any
) -> None:
    put(tables["requests"], "req-1", request_item("req-1", status="processing"))
    path, cross = "/api/requests/req-1/cancel", {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    caller, session = program(), client_for("operator")
    csrf = session.get("/accounts/preferences/").cookies[django_settings.CSRF_COOKIE_NAME].value
    for site in ("cross-site", "same-site"):
        for headers in (
            cross,
            cross | {"X-CSRFToken": csrf},
            {"Origin": OTHER, "Authorization": f"Bearer {caller.text}"},
            {"Origin": "null", "Authorization": f"Bearer {caller.text}"},
            {"Authorization": f"Bearer {caller.text}"},
        ):
            answer = session.post(path, headers=headers | {"Sec-Fetch-Site": site})
            assert (answer.status_code, answer.json()["title"]) == (403, "Refused: sent by another site")
    # A browser that sends no Sec-Fetch-Site is held off by Django's check of tokens and origins.
    old = Client(enforce_csrf_checks=True)
    old.cookies = session.cookies
    for headers in ({"Origin": PAGE}, {"Origin": PAGE, "X-CSRFToken": csrf}):
        answer = old.post(path, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (403, "The request's origin is not trusted")
        for said in (
            f"comes from {PAGE}",
            "http://testserver",
            "CSRF_TRUSTED_ORIGINS",
            "Authorization: Bearer",
        ):
            assert said in answer.json()["detail"]
    answer = old.post(path, headers={"Origin": "null", "X-CSRFToken": csrf})
    assert "(Origin: null)" in answer.json()["detail"]
    # Over HTTPS one of both is asked for.
    answer = old.post(path, headers={"X-CSRFToken": csrf}, secure=True)
    assert "Send the header Origin: https://testserver." in answer.json()["detail"]
    answer = old.post(
        path, headers={"Referer": "https://elsewhere.example/x", "X-CSRFToken": csrf}, secure=True
    )
    assert answer.json()["title"] == "The request's origin is not trusted"
    answer = old.post(path, headers={"Origin": "https://testserver", "X-CSRFToken": csrf}, secure=True)
    assert answer.status_code == 415
    assert old.post(path, headers={"X-CSRFToken": csrf}).status_code == 415  # let in, and then read
    # Beside an Authorization that is no token, the cookie counts for nothing.
    for text in ("", "Bearer", "Bearer nothing", "Basic b2xnYTpvcHNw"):
        answer = session.post(path, headers=cross | {"Authorization": text, "X-CSRFToken": csrf})
        assert answer.status_code == 401
    # Nor does it open the console's own forms.
    answer = session.post(
        "/requests/req-1/cancel/", headers=cross | {"Authorization": f"Bearer {caller.text}"}
    )
    assert answer.status_code == 403
    # What a page reads with a cookie, the browser keeps from it: it may not be sent with credentials.
    answer = session.get("/api/requests/req-1", headers=cross)
    assert (answer.status_code, answer.headers[ALLOW]) == (200, PAGE)
    assert CREDENTIALS not in answer.headers
    # The token acts, and as itself, whoever's cookie comes along.
    answer = session.post(
        path,
        "{}",
        content_type="application/json",
        headers=cross | {"Authorization": f"Bearer {caller.text}"},
    )
    assert (answer.status_code, answer.json()["by"]) == (200, caller.token.actor_name)


def test_without_the_origin_in_the_list_a_token_from_a_page_is_refused_as_before(
    program: Callable[..., Program], settings: Any
) -> None:
    settings.CORS_ALLOWED_ORIGINS = []
    answer = program().post("/api/requests/x/cancel", **{"Origin": PAGE, "Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.json()["title"]) == (403, "Refused: sent by another site")


# --- The setting ---------------------------------------------------------------------------------------


def test_origins_are_read_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def read(value: str) -> list[str]:
        monkeypatch.setenv("CORS_ALLOWED_ORIGINS", value)
        found: list[str] = runpy.run_path(str(settings.BASE_DIR / "opsportal/settings.py"))[
            "CORS_ALLOWED_ORIGINS"
        ]
        return found

    assert read("") == read(" , ,") == []
    assert read(f"{PAGE}, HTTP://LocalHost:3000 ,https://app.example.com:443,http://[0:0::1]:80") == [
        PAGE, "http://localhost:3000", PAGE, "http://[::1]",
    ]  # fmt: skip
    for wrong in (
        "*", "null", "https://*", "https://*.example.com", "app.example.com", "https://app.example.com/",
        "https://app.example.com/path", "https://app.example.com?x", "https://app.example.com#x", "https://", "//app",
        "https://user@app.example.com", "https://app.example.com:", "https://app.example.com:0", "https://a:99999",
        "ftp://app.example.com", "file://", "https://app example.com", "https://ä.example.com", "https://a..b",
        "https://[::1", "https://[1.2.3]", "https://app.example.com\n.evil",
    ):  # fmt: skip
        with pytest.raises(
            ImproperlyConfigured, match=re.escape(f"CORS_ALLOWED_ORIGINS has {wrong!r}, which is no origin")
        ):
            read(f"{PAGE},{wrong}")
