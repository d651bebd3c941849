"""Headers that every answer carries, and what happens when DynamoDB or the console itself fails."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from ninja import Router

from opsportal.api.site import ConsoleAPI
from opsportal.api.site import api as console_api
from opsportal.console.access import public, requires
from opsportal.console.middleware import build_policy
from opsportal.dynamo.errors import MalformedCursor, TableMissing, Throttled

ERRORS = {
    "missing": TableMissing("There is no table x in us-east-1.", "Make it."),
    "throttled": Throttled("x gets more requests than it is allowed to serve."),
    "cursor": MalformedCursor("The position in this address is not one of this list's."),
}


@public
def failing(request: HttpRequest, kind: str) -> HttpResponse:
    raise ERRORS[kind]


@public
def spending(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.spending.calls} {request.spending.seconds_left > 0}")  # type: ignore[attr-defined]


@public
def cached(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x", headers={"Cache-Control": "max-age=5"})


# An API with the handlers of the console's own: that one may be mounted once only.
api = ConsoleAPI(urls_namespace="api", docs_url=None, openapi_url=None, auth=console_api.auth)
for kind, handler in console_api._exception_handlers.items():
    if handler.__module__ == "opsportal.api.site":  # type: ignore[attr-defined]
        api.exception_handler(kind)(handler)
router = Router()


@router.get("/data")
@requires("auth.view_user")
def data(request: HttpRequest) -> dict[str, str]:
    return {"by": request.auth.actor.name}  # type: ignore[attr-defined]


@router.post("/data")
@requires("auth.view_user")
def write(request: HttpRequest) -> dict[str, str]:
    return {"written": "yes"}


@router.get("/unmarked")
def unmarked(request: HttpRequest) -> dict[str, str]:
    return {"data": "secret"}


@router.get("/broken")
@requires("auth.view_user")
def broken(request: HttpRequest) -> None:
    raise RuntimeError("the password is hunter2")


@router.get("/trouble/{kind}")
@requires("auth.view_user")
def trouble(request: HttpRequest, kind: str) -> None:
    raise ERRORS[kind]


api.mount([router])

urlpatterns = [
    path("failing/<str:kind>/", failing),
    path("spending/", spending),
    path("cached/", cached),
    path("api/plain/failing/<str:kind>/", failing),
    path("api/", api.urls),
    # What base.html links to.
    *[path(f"{name}/", spending, name=name) for name in ("overview", "account_login")],
]
own_urls = pytest.mark.urls(__name__)


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/healthz", "/accounts/login/", "/workflows/", "/no-such-page"])
def test_every_answer_carries_the_security_headers(client: Client, url: str) -> None:
    headers = client.get(url).headers
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert {"HX-Request", "Cookie"} <= {name.strip() for name in headers["Vary"].split(",")}


@pytest.mark.django_db  # closing an answer closes idle connections
def test_static_files_stay_cacheable(client: Client) -> None:
    response = client.get("/static/console/favicon.svg")
    assert response.status_code == 200
    assert "no-store" not in response.headers.get("Cache-Control", "")
    assert "Cookie" not in response.headers.get("Vary", "")
    response.close()  # it streams an open file


@own_urls
def test_a_view_may_say_how_long_its_answer_keeps(client: Client) -> None:
    assert client.get("/cached/")["Cache-Control"] == "max-age=5"


def test_a_policy_is_written_as_browsers_read_it() -> None:
    assert build_policy({"img-src": ["'self'", "data:"], "upgrade-insecure-requests": []}) == (
        "img-src 'self' data:; upgrade-insecure-requests"
    )


@own_urls
def test_each_request_has_an_account_and_a_deadline(client: Client) -> None:
    assert client.get("/spending/").content == b"0 True"


# --- DynamoDB fails -----------------------------------------------------------------------------------


@own_urls
@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "status"), [("missing", 503), ("throttled", 503), ("cursor", 400)])
def test_trouble_at_dynamodb_is_a_page_with_its_mend(client: Client, kind: str, status: int) -> None:
    response = client.get(f"/failing/{kind}/")
    assert response.status_code == status
    assert b"<html" in response.content
    assert f'data-problem="{ERRORS[kind].kind}"' in response.content.decode()
    assert response.has_header("Retry-After") == (status == 503)


@own_urls
@pytest.mark.django_db
def test_htmx_gets_the_trouble_as_a_fragment(client: Client) -> None:
    response = client.get("/failing/throttled/", headers={"HX-Request": "true"})
    assert b"<html" not in response.content
    assert b'data-problem="throttled"' in response.content


@own_urls
@pytest.mark.django_db
@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_going_back_never_shows_a_bare_fragment(client: Client, header: str) -> None:
    response = client.get("/failing/throttled/", headers={"HX-Request": "true", header: "true"})
    assert b"<html" in response.content


@own_urls
@pytest.mark.parametrize("path", ["/api/plain/failing", "/api/trouble"])
def test_the_api_answers_trouble_as_problem_json(client_for: Any, path: str) -> None:
    url = f"{path}/throttled" + ("/" if "plain" in path else "")
    response = client_for("administrator").get(url)
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response["Retry-After"] == "5"
    assert response.json() == {
        "type": "about:blank",
        "title": "DynamoDB is throttling this table",
        "status": 503,
        "detail": ERRORS["throttled"].detail,
        "request_id": response["X-Request-ID"],
        "kind": "throttled",
    }


# --- The API's own gate -------------------------------------------------------------------------------


@own_urls
def test_the_api_tells_who_from_what(client_for: Any) -> None:
    anonymous = client_for("anonymous").get("/api/data")
    assert anonymous.status_code == 401
    assert anonymous.json()["title"] == "Not signed in"
    assert anonymous.has_header("WWW-Authenticate")
    refused = client_for("viewer").get("/api/data")
    assert refused.status_code == 403
    assert "auth.view_user" in refused.json()["detail"]
    assert client_for("administrator").get("/api/data").json() == {"by": "administrator"}


@own_urls
@pytest.mark.parametrize("persona", ["viewer", "administrator"])
def test_an_operation_without_a_mark_answers_nobody(client_for: Any, persona: str) -> None:
    assert client_for("anonymous").get("/api/unmarked").status_code == 401
    response = client_for(persona).get("/api/unmarked")
    assert response.status_code == 403
    assert b"secret" not in response.content


@own_urls
def test_a_session_writes_through_the_api_only_with_its_csrf_token(administrator: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post("/api/data").status_code == 403
    client.cookies[django_settings.CSRF_COOKIE_NAME] = "a" * 32
    assert client.post(
        "/api/data", content_type="application/json", headers={"X-CSRFToken": "a" * 32}
    ).json() == {"written": "yes"}
    cross = client.post("/api/data", headers={"X-CSRFToken": "a" * 32, "Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403


@own_urls
@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_tells_the_caller_nothing(
    client_for: Any, settings: Any, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = debug
    response = client_for("administrator").get("/api/broken")
    assert response.status_code == 500
    assert b"hunter2" not in response.content
    assert response["Content-Type"] == "application/problem+json"
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    ("method", "url", "allowed", "title"),
    [
        ("get", "/alerts/rules/1/switch/", "POST", "This address is not a page"),
        ("get", "/tables/requests/probe/", "POST", "This address is not a page"),
        ("post", "/alerts/rules/", "GET, HEAD", "Nothing can be sent to this address"),
    ],
)
def test_a_wrong_method_has_a_page(client_for: Any, method: str, url: str, allowed: str, title: str) -> None:
    client = client_for("administrator")
    whole = getattr(client, method)(url)
    part = getattr(client, method)(url, headers={"HX-Request": "true"})
    for response, is_page in ((whole, True), (part, False)):
        assert (response.status_code, response["Allow"]) == (405, allowed)
        assert title in response.content.decode()
        assert (b"<html" in response.content) == is_page


@pytest.mark.django_db
def test_what_cannot_be_read_has_a_page(client: Client, client_for: Any, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    fields = client_for("viewer").post("/accounts/preferences/", {"a": 1, "b": 2, "c": 3, "d": 4})
    host = client.get("/", headers={"Host": "evil.example"})
    for response, title in ((fields, "Bad request"), (host, "Unknown host name")):
        assert response.status_code == 400
        assert f"<h1>{title}</h1>" in response.content.decode()
        assert b"evil.example" not in response.content


def test_the_schema_is_for_those_who_are_signed_in(client_for: Any) -> None:
    for url in ("/api/docs", "/api/openapi.json"):
        assert client_for("anonymous").get(url).status_code == 401
        assert client_for("viewer").get(url).status_code == 200
    assert client_for("administrator").get("/api/schema").status_code == 404
