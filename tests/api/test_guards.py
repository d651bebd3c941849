"""Who is let in: tokens and sessions, what is refused, and with which answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from opsportal.accounts.roles import set_role
from opsportal.accounts.tokens import ApiToken
from tests.api.conftest import Program
from tests.operations.places import dump, put, request_item

pytestmark = pytest.mark.no_moto

Make = Callable[..., Program]
# Of nothing, for want of a table: whoever is let in is told so.
PATH, LET_IN = "/api/audit/nothing", 404


def problem(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["request_id"] == answer["X-Request-ID"]
    assert document["title"]
    assert document["detail"]
    return document


def test_a_token_is_let_in_and_its_use_is_noted(program: Make) -> None:
    caller = program()
    assert caller.get(PATH).status_code == LET_IN
    assert ApiToken.objects.get().last_used_at is not None


def test_without_anything_the_answer_says_how(client: Client, db: None) -> None:
    answer = client.get(PATH)
    assert "Authorization: Bearer" in problem(answer, 401)["detail"]
    assert answer["WWW-Authenticate"].startswith('Bearer realm="opsportal", Cookie ')


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer opsp_", "Bearer opsp_x", "Basic b2xnYTpvcHNw", "opsp_x", "Bearer nothing",
     "Bearer opsp_" + "x" * 5000, "Bearer opsp_é", "Bearer opsp_\x00", "Token opsp_x"],
)  # fmt: skip
def test_what_is_no_token_is_refused_even_beside_a_session(client_for: Any, header: str) -> None:
    answer = client_for("administrator").get(PATH, headers={"Authorization": header})
    problem(answer, 401)
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_a_token_that_is_expired_or_revoked_says_so(program: Make, operator: Any) -> None:
    caller = program()
    with time_machine.travel(timezone.now() + timedelta(days=30, seconds=1)):
        assert "expired" in problem(caller.get(PATH), 401)["detail"]
    caller.token.revoke(operator)
    assert "revoked" in problem(caller.get(PATH), 401)["detail"]


def test_the_token_of_someone_who_left_is_refused(program: Make, operator: Any) -> None:
    caller = program()
    operator.is_active = False
    operator.save()
    assert "not active" in problem(caller.get(PATH), 401)["detail"]


def test_the_token_of_someone_who_is_no_staff_any_more_may_nothing(program: Make, operator: Any) -> None:
    caller = program()
    operator.is_staff = False
    operator.save()
    assert "not a staff account" in problem(caller.get(PATH), 403)["detail"]


def test_a_token_loses_what_its_person_loses(tables: Any, program: Make, operator: Any) -> None:
    put(tables["requests"], request_item())
    caller = program()
    set_role(operator, "viewer")
    before = dump(tables)
    detail = problem(caller.post("/api/requests/req-1/cancel"), 403)["detail"]
    assert "requests_app.cancel_requests" in detail
    assert dump(tables) == before


def test_a_missing_scope_is_named(tables: Any, program: Make) -> None:
    put(tables["requests"], request_item())
    caller = program("operator", "requests:read")
    before = dump(tables)
    answer = caller.post("/api/requests/req-1/cancel")
    document = problem(answer, 403)
    assert document["scope"] == "requests:write"
    assert 'error="insufficient_scope", scope="requests:write"' in answer["WWW-Authenticate"]
    assert dump(tables) == before


def test_a_service_may_what_its_role_may(tables: Any, program: Make) -> None:
    put(tables["requests"], request_item())
    viewer = program("viewer", service=True, name="reader")
    assert viewer.get("/api/requests/req-1").status_code == 200
    assert "role viewer" in problem(viewer.post("/api/requests/req-1/cancel"), 403)["detail"]
    done = program("operator", service=True, name="writer").post("/api/requests/req-1/cancel").json()
    assert done["by"] == "service writer"


def test_the_name_of_a_token_stands_in_the_audit_trail(tables: Any, program: Make) -> None:
    put(tables["requests"], request_item())
    caller = program()
    done = caller.post("/api/requests/req-1/cancel").json()
    entry = caller.get(f"/api/audit/{done['action_id']}").json()
    assert (entry["actor"], entry["role"]) == ("operator via token ci", "operator")


@pytest.mark.parametrize("query", ["token={}", "access_token={}", "q={}", "API_KEY=x", "authorization=x"])
def test_a_token_in_the_address_is_refused_though_it_be_good(program: Make, query: str) -> None:
    caller = program()
    where = f"{PATH}?{query.format(caller.text)}"
    assert "revoke it" in problem(caller.get(where), 400)["detail"]
    problem(Client().get(where), 400)


def test_a_cookie_beside_a_token_adds_nothing(tables: Any, program: Make, administrator: Any) -> None:
    caller = program("viewer")
    caller.client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    put(tables["requests"], request_item())
    problem(caller.post("/api/requests/req-1/cancel"), 403)


def test_a_session_writes_with_its_csrf_token_only(tables: Any, operator: Any) -> None:
    put(tables["requests"], request_item())
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    before = dump(tables)
    url = "/api/requests/req-1/cancel"
    assert "X-CSRFToken" in problem(client.post(url, content_type="application/json"), 403)["detail"]
    assert dump(tables) == before
    client.cookies[django_settings.CSRF_COOKIE_NAME] = "a" * 32
    answer = client.post(url, "{}", content_type="application/json", headers={"X-CSRFToken": "a" * 32})
    assert answer.json()["by"] == "operator"


def test_a_token_writes_without_one(tables: Any, program: Make) -> None:
    put(tables["requests"], request_item())
    caller = program()
    caller.client = Client(enforce_csrf_checks=True)
    assert caller.post("/api/requests/req-1/cancel").status_code == 200


# --- How often ------------------------------------------------------------------------------------------------


def test_more_than_the_limit_waits_until_its_minute_is_over(program: Make, settings: Any) -> None:
    settings.API_RATE_LIMIT = 3
    caller, other = program(), program(name="other")
    with time_machine.travel("2026-11-20T10:00:15Z", tick=False) as clock:
        assert [caller.get(PATH).status_code for _ in range(4)] == [LET_IN, LET_IN, LET_IN, 429]
        clock.shift(15)
        answer = caller.get(PATH)
        problem(answer, 429)
        assert answer["Retry-After"] == "45"
        assert other.get(PATH).status_code == LET_IN
        clock.shift(45)
        assert caller.get(PATH).status_code == LET_IN


def test_no_limit_is_a_setting(program: Make, settings: Any) -> None:
    settings.API_RATE_LIMIT = 0
    caller = program()
    assert {caller.get(PATH).status_code for _ in range(5)} == {LET_IN}


def test_people_are_limited_too(client_for: Any, settings: Any) -> None:
    settings.API_RATE_LIMIT = 1
    client = client_for("viewer")
    assert [client.get(PATH).status_code for _ in range(2)] == [LET_IN, 429]


def test_whoever_guesses_waits_and_a_good_token_of_the_same_address_does_not(
    program: Make, settings: Any
) -> None:
    settings.API_FAILED_LIMIT = 3
    caller, client = program(), Client()
    with time_machine.travel("2026-11-20T10:00:15Z", tick=False) as clock:
        wrong = {"Authorization": "Bearer opsp_" + "x" * 43}
        assert [client.get(PATH, headers=wrong).status_code for _ in range(3)] == [401, 401, 401]
        clock.shift(15)
        answer = client.get(PATH, headers=wrong)
        assert "3 failed" in problem(answer, 429)["detail"]
        assert answer["Retry-After"] == "45"
        problem(client.get(PATH), 429)
        assert caller.get(PATH).status_code == LET_IN
        problem(client.get(PATH, headers=wrong, REMOTE_ADDR="198.51.100.7"), 401)
        clock.shift(45)
        problem(client.get(PATH, headers=wrong), 401)


def test_a_guesser_is_known_by_the_address_that_the_proxies_saw(
    program: Make, settings: Any, client: Client, db: None
) -> None:
    settings.API_FAILED_LIMIT, settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1, 1
    seen = [("1.1.1.1, 198.51.100.7", 401), ("2.2.2.2, 198.51.100.7", 429), ("198.51.100.8", 401)]
    # One network is one caller: its addresses are free.
    seen += [("2001:db8::1", 401), ("2001:db8::ffff:2", 429), ("2001:db8:0:1::1", 401), ("nonsense", 401)]
    with time_machine.travel("2026-11-20T10:00:15Z", tick=False):
        for forwarded, status in seen:
            problem(client.get(PATH, headers={"X-Forwarded-For": forwarded}), status)


def test_guesses_without_a_limit_are_refused_each(client: Client, settings: Any, db: None) -> None:
    settings.API_FAILED_LIMIT = 0
    assert {client.get(PATH).status_code for _ in range(5)} == {401}


# --- What they sent ---------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_not_read(program: Make, settings: Any) -> None:
    settings.API_MAX_BODY = 100
    assert "100" in problem(program().post("/api/requests", b'{"a": "' + b"x" * 100 + b'"}'), 413)["detail"]


def test_a_body_of_another_kind_is_refused(program: Make) -> None:
    caller = program()
    headers = {"Authorization": f"Bearer {caller.text}"}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = caller.client.generic("POST", "/api/requests", b"a=1", content_type=kind, headers=headers)
        assert problem(answer, 415)["title"] == "The body is not application/json"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_a_body_of_no_told_length_is_refused_rather_than_taken_for_none(
    tables: Any, program: Make, kind: str
) -> None:
    put(tables["requests"], request_item())
    before = dump(tables)
    caller = program()
    answer = caller.client.generic(
        "POST",
        "/api/requests/req-1/cancel",
        content_type=kind,
        headers={"Authorization": f"Bearer {caller.text}", "Transfer-Encoding": "chunked"},
    )
    assert "Content-Length" in problem(answer, 411)["detail"]
    assert dump(tables) == before


@pytest.mark.parametrize(
    "path", ["/api/agents", "/api/requests/req-1", "/api/requests/req-1/logs?format=ndjson"]
)
def test_head_answers_what_get_does_without_its_body(tables: Any, program: Make, path: str) -> None:
    put(tables["requests"], request_item())
    caller = program()
    asked, told = caller.get(path), caller.call("HEAD", path)
    assert (told.status_code, told["Content-Type"]) == (200, asked["Content-Type"])
    assert b"".join(told) == b""
    if not asked.streaming:
        assert abs(int(told["Content-Length"]) - len(asked.content)) < 20  # ages and stamps differ


def test_head_of_what_only_takes_a_post_is_refused(program: Make, client: Client, db: None) -> None:
    caller = program()
    answer = caller.call("HEAD", "/api/agents/register")
    assert (answer.status_code, answer["Allow"], answer.content) == (405, "POST", b"")
    assert client.head("/api/agents").status_code == 401
    assert caller.call("DELETE", "/api/agents")["Allow"] == "GET, HEAD"


def test_django_s_own_refusals_have_the_same_shape(program: Make, client: Client, db: None) -> None:
    answer = program().call("DELETE", "/api/requests")
    problem(answer, 405)
    assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    problem(client.get("/api/nothing"), 404)
    problem(client.get("/api/agents", headers={"Host": "evil.example"}), 400)
    cross = client.post("/api/requests", headers={"Sec-Fetch-Site": "cross-site"})
    problem(cross, 403)


def test_agents_find_the_sentence_under_error(program: Make, client: Client, db: None) -> None:
    caller = program()
    for answer in (
        client.get("/api/agents"),
        client.get("/api/agents/x/y"),
        caller.post("/api/agents/register", {}),
        caller.call("DELETE", "/api/agents/heartbeat"),
        program("viewer", name="v").post("/api/agents/heartbeat", {"id": "a"}),
    ):
        document = answer.json()
        assert document["error"] == document["detail"]
    assert "error" not in client.get("/api/requests").json()
    assert "error" not in client.get("/api/agentsx").json()


def test_a_person_without_a_session_is_led_to_the_login_and_a_program_gets_401(
    client: Client, user_of: Callable[[str], Any]
) -> None:
    page = {"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/api/docs", "/api/openapi.json", "/api/", "/api/requests?status=failed"):
        led = client.get(path, **page)
        assert (led.status_code, led["Location"]) == (302, f"/accounts/login/?next={quote(path)}")
        assert client.get(path).status_code == client.get(path, HTTP_ACCEPT="*/*").status_code == 401
        assert client.get(path, HTTP_AUTHORIZATION="Bearer opsp_guess", **page).status_code == 401
    assert client.post("/api/requests", {}, **page).status_code == 401
    client.force_login(user_of("viewer"))
    assert client.get("/api/")["Location"] == "/api/docs"
    assert client.get("/api/docs", **page).status_code == 200


def test_an_unknown_parameter_is_refused_with_those_that_there_are(program: Any, tables: Any) -> None:
    (wrong,) = program().get("/api/workflows?limit=5").json()["errors"]
    assert "limit" in str(wrong)
    assert wrong["detail"].startswith("There is no such parameter. There are: ")
    assert "cursor" in wrong["detail"]
