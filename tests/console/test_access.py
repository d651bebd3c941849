"""Default-deny: each route has a mark, and each mark is kept."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path, reverse

from opsportal.accounts.roles import ROLES, permissions_of
from opsportal.accounts.scopes import scope_with
from opsportal.api.guards import ApiGuard
from opsportal.api.site import api
from opsportal.console.access import (
    OWN,
    PUBLIC,
    access_of,
    is_local_path,
    local_path,
    path_on_this_host,
    public,
    requires,
)
from opsportal.console.views import Condition
from tests.cases import each
from tests.console.routes import Route, routes

ALL_ROUTES = list(routes())

# The only routes that anyone may call. Adding one here is a decision, not a formality.
PUBLIC_ROUTES = {
    "healthz",
    "readyz",
    "metrics",  # its own guard: a token, or an address
    "favicon",
    "accounts:session",  # who asks, and a token that no other origin can read
    "account_login",
    "account_logout",
    "account_inactive",
    "mfa_authenticate",
    "admin:login",
}


def test_the_walk_sees_the_whole_console() -> None:
    names = {route.name for route in ALL_ROUTES}
    assert {"overview", "tracking:list", "requests:list", "registry:list", "admin:index"} <= names
    assert {"accounts:preferences", "account_login", "readyz", "admin:auth_user_password_change"} <= names


@each("route", ALL_ROUTES)
def test_every_route_has_an_access_mark(route: Route) -> None:
    assert route.access is not None, f"{route.path} answers nobody: mark its view (opsportal.console.access)"


@each("route", ALL_ROUTES)
def test_a_permission_that_a_route_asks_for_is_in_a_role(route: Route) -> None:
    permission = route.access.permission if route.access else ""
    assert not permission or permission in permissions_of("administrator")


# The least role that may call each route of the console's own, "" for staff of any; those of the API have their
# scopes. A new route needs a decision here.
LEAST = {
    "": """overview panel-tables accounts:preferences accounts:views accounts:save_view accounts:delete_view
        accounts:tokens accounts:revoke_token search:page""",
    # The undo of an entry asks for the permission of what it undoes.
    "viewer": """tracking:list tracking:step tracking:at_step tracking:item requests:list requests:at_stage requests:item requests:logs registry:list
        registry:fleet registry:item operations:feed operations:entry operations:undo operations:undelivered panel-workflows panel-requests
        panel-agents panel-audit panel-failures failures:list failures:case jobs:list jobs:job jobs:items jobs:notice""",
    "operator": """exports:list exports:export exports:file exports:stop operations:resend tracking:cancel tracking:retry tracking:fail tracking:purge requests:new requests:cancel
        requests:retry requests:fail requests:purge registry:register registry:edit registry:activate registry:deactivate registry:purge
        registry:probe alerts:list alerts:rules alerts:rule alerts:webhooks alerts:webhook alerts:deliveries
        alerts:delivery alerts:changes alerts:firing alerts:acknowledge alerts:snooze tables:list tables:item tables:row
        tables:deployed tables:glance tables:load tables:permissions tables:probe tables:migrations jobs:new jobs:start
        jobs:pause jobs:resume jobs:pace jobs:stop jobs:retry-failed jobs:undo failures:acknowledge failures:assign failures:note
        failures:mute failures:resolve failures:reopen""",
    "administrator": """operations:drop tracking:complete requests:complete alerts:new_rule alerts:edit_rule alerts:try_rule alerts:switch_rule alerts:delete_rule
        alerts:new_webhook alerts:edit_webhook alerts:new_secret alerts:test_webhook alerts:switch_webhook
        alerts:delete_webhook alerts:redeliver operations:changes""",
}


def test_each_route_is_for_the_role_that_is_said_here() -> None:
    found: dict[str, set[str]] = {}
    for route in ALL_ROUTES:
        others = ("admin:", "api:", "account_", "mfa_")
        if route.name in PUBLIC_ROUTES or route.name.startswith(others) or route.access is None:
            continue
        permission = route.access.permission
        least = next(role for role in ROLES if permission in permissions_of(role)) if permission else ""
        found.setdefault(least, set()).add(route.name)
    assert found == {role: set(names.split()) for role, names in LEAST.items()}


def test_public_are_only_the_routes_listed_here() -> None:
    assert {route.name for route in ALL_ROUTES if route.access == PUBLIC} == PUBLIC_ROUTES


def test_only_the_api_authenticates_by_itself() -> None:
    assert all(route.name.startswith("api:") for route in ALL_ROUTES if route.access == OWN)


def test_every_api_operation_asks_for_a_permission_that_a_scope_has() -> None:
    of_any_staff = {"openapi", "reference", "start", "search"}
    for operation in api.operations():
        guards = operation.auth_callbacks
        assert [type(guard) for guard in guards] == [ApiGuard], operation.path
        access = guards[0].access
        assert access, f"{operation.path}: put @requires(...) below @router"
        if operation.view_func.__name__ in of_any_staff:
            assert access.kind == "staff"
        else:
            assert scope_with(access.permission), f"{operation.path}: no token can ever call it"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
@each("route", [route for route in ALL_ROUTES if route.access != PUBLIC])
def test_anonymous_people_get_no_further_than_the_login(client: Client, route: Route, method: str) -> None:
    response = getattr(client, method)(route.path)
    if route.access == OWN:
        # 404 is the API's root, which has nothing; 405 a path without an operation for this method.
        assert response.status_code in (401, 404, 405)
        return
    if method == "post":
        assert response.status_code == 401
        assert "You were signed out" in response.content.decode()
    else:
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=/")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_public_routes_say_nothing_of_the_data(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsportal.console.views.describe", lambda table: None)
    monkeypatch.setattr(
        "opsportal.console.views.condition", lambda table: Condition(table, "active", "success")
    )
    assert client.get("/healthz").content == b"ok"
    assert client.get("/readyz").json() == {"status": "ok"}
    assert client.get("/favicon.ico")["Location"] == "/static/console/favicon.svg"
    assert client.get("/accounts/login/").status_code == 200
    assert client.get("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/accounts/2fa/authenticate/")["Location"] == "/accounts/login/"
    assert client.get("/admin/login/?next=/admin/auth/user/")["Location"] == (
        "/accounts/login/?next=/admin/auth/user/"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x/healthz", "healthz", "x/readyz", "../healthz", "accounts/login/"])
def test_an_id_that_looks_like_a_public_path_is_not_public(client: Client, key: str) -> None:
    url = reverse("tracking:item", args=[key])
    assert client.get(url)["Location"] == f"/accounts/login/?next={url}"


# (path, roles that may open it). Each issue that adds a page adds a line.
MATRIX = [
    ("/workflows/", {"viewer", "operator", "administrator"}),
    ("/requests/", {"viewer", "operator", "administrator"}),
    ("/agents/", {"viewer", "operator", "administrator"}),
    ("/workflows/some-id/", {"viewer", "operator", "administrator"}),
    ("/requests/new/", {"operator", "administrator"}),
    ("/requests/some-id/", {"viewer", "operator", "administrator"}),
    ("/agents/some-id/", {"viewer", "operator", "administrator"}),
    *[
        (f"/workflows/some-id/{verb}/", {"operator", "administrator"})
        for verb in ("cancel", "retry", "fail", "purge")
    ],
    ("/requests/some-id/fail/", {"operator", "administrator"}),
    ("/requests/some-id/complete/", {"administrator"}),
    ("/workflows/some-id/complete/", {"administrator"}),
    ("/workflows/steps/some-step/", {"viewer", "operator", "administrator"}),
    ("/agents/fleet/", {"viewer", "operator", "administrator"}),
    ("/agents/register/", {"operator", "administrator"}),
    *[
        (f"/agents/some-id/{verb}/", {"operator", "administrator"})
        for verb in ("edit", "activate", "deactivate", "purge", "probe")
    ],
    *[
        (f"/alerts/{path}", {"operator", "administrator"})
        for path in ("", "rules/", "webhooks/", "deliveries/", "changes/")
    ],
    ("/alerts/rules/new/", {"administrator"}),
    ("/alerts/webhooks/new/", {"administrator"}),
    ("/audit/accounts/", {"administrator"}),
    ("/panels/audit/", {"viewer", "operator", "administrator"}),
    ("/tables/", {"operator", "administrator"}),
    ("/tables/requests/", {"operator", "administrator"}),
    *[
        (f"/tables/requests/{part}/", {"operator", "administrator"})
        for part in ("row", "deployed", "glance", "load", "permissions", "migrations", "probe")
    ],
    ("/accounts/preferences/", {"viewer", "operator", "administrator", "nobody"}),
    ("/accounts/views/", {"viewer", "operator", "administrator", "nobody"}),
    ("/accounts/tokens/", {"viewer", "operator", "administrator", "nobody"}),
    ("/api/docs", {"viewer", "operator", "administrator", "nobody"}),
    ("/api/openapi.json", {"viewer", "operator", "administrator", "nobody"}),
    ("/accounts/2fa/", {"viewer", "operator", "administrator", "nobody"}),
    ("/admin/", {"administrator"}),
    ("/admin/auth/user/", {"administrator"}),
    ("/admin/auth/group/", {"administrator"}),
]


@pytest.mark.parametrize("persona", [*ROLES, "nobody", "outsider"])
@each(("url", "allowed"), MATRIX)
def test_each_role_opens_what_it_may_and_nothing_else(
    client: Client, user_of: Any, persona: str, url: str, allowed: set[str]
) -> None:
    """nobody: staff without a role. outsider: no staff account (any more)."""
    if persona in ROLES:
        user = user_of(persona)
    else:
        user, _ = User.objects.get_or_create(username=persona, is_staff=persona == "nobody")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    response = client.get(url)
    # Without tables the data pages answer with their problem state: opened, all the same.
    assert (response.status_code == 403) == (persona not in allowed), response.status_code


def test_the_refusal_names_the_permission_and_who_grants_it(client_for: Any, administrator: User) -> None:
    page = client_for("viewer").get("/admin/").content.decode()
    assert "auth.view_user" in page
    assert "administrator" in page
    assert "An administrator (administrator) can give you that role." in page


def test_a_fragment_is_refused_as_a_fragment(client_for: Any) -> None:
    response = client_for("viewer").get("/admin/", headers={"HX-Request": "true"})
    assert response.status_code == 403
    assert b"<html" not in response.content
    assert b"auth.view_user" in response.content


def test_someone_who_stops_being_staff_is_refused_at_once(client_for: Any, viewer: User) -> None:
    client = client_for("viewer")
    viewer.is_staff = False
    viewer.save()
    response = client.get("/accounts/preferences/")
    assert response.status_code == 403
    assert "not a staff account" in response.content.decode()


def test_a_deactivated_account_is_signed_out_at_once(client_for: Any, viewer: User) -> None:
    client = client_for("viewer")
    viewer.is_active = False
    viewer.save()
    assert client.get("/accounts/preferences/").status_code == 302


# --- Expired sessions -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_expired_session_leads_htmx_to_a_whole_login_page(client: Client) -> None:
    response = client.get(
        "/workflows/?status=failed",
        headers={
            "HX-Request": "true",
            "HX-Current-URL": "http://testserver/workflows/?status=failed&q=a%2Fb",
        },
    )
    assert response.status_code == 200
    assert response.content == b""
    assert response["HX-Redirect"] == "/accounts/login/?next=/workflows/%3Fstatus%3Dfailed%26q%3Da%252Fb"
    assert response["Cache-Control"] == "no-store"
    assert "HX-Request" in response["Vary"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "current", ["https://evil.example/x", "javascript:alert(1)", "", "//evil.example", "http:///x"]
)
def test_the_page_that_htmx_names_is_not_trusted(client: Client, current: str) -> None:
    response = client.get("/workflows/", headers={"HX-Request": "true", "HX-Current-URL": current})
    assert response["HX-Redirect"] == "/accounts/login/?next=/"


# --- Routes that forget their mark, and the API ------------------------------------------------------


def unmarked(request: HttpRequest) -> HttpResponse:
    return HttpResponse("data")


@requires("auth.view_user")
def marked(request: HttpRequest) -> HttpResponse:
    return HttpResponse("data")


@public
def open_to_all(request: HttpRequest) -> HttpResponse:
    return HttpResponse("data")


urlpatterns = [
    path("unmarked/", unmarked),
    path("marked/", marked),
    path("open/", open_to_all),
    path("api/unmarked/", unmarked),
    path("api/marked/", marked),
    # What base.html links to.
    *[path(f"{name}/", open_to_all, name=name) for name in ("overview", "account_login")],
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("persona", ["viewer", "administrator"])
def test_a_view_without_a_mark_answers_nobody(client_for: Any, persona: str) -> None:
    assert access_of(unmarked, "unmarked") is None
    assert client_for("anonymous").get("/unmarked/").status_code == 302
    response = client_for(persona).get("/api/unmarked/")
    assert response.status_code == 403
    assert "No access rule" in response.json()["detail"]


@pytest.mark.urls(__name__)
def test_under_api_nobody_is_redirected(client_for: Any) -> None:
    response = client_for("anonymous").get("/api/marked/")
    assert response.status_code == 401
    assert response.json()["title"] == "Not signed in"
    assert "Cookie realm=" in response["WWW-Authenticate"]
    response = client_for("viewer").get("/api/marked/")
    assert response.status_code == 403
    assert "auth.view_user" in response.json()["detail"]
    assert client_for("administrator").get("/api/marked/").content == b"data"


@pytest.mark.urls(__name__)
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_forms_from_other_sites_are_refused(client: Client, site: str, status: int) -> None:
    assert client.post("/open/", headers={"Sec-Fetch-Site": site}).status_code == status
    assert client.get("/open/", headers={"Sec-Fetch-Site": site}).status_code == 200


def test_a_form_without_its_token_is_told_how_to_go_on(client_for: Any, viewer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post("/accounts/preferences/", {"theme": "dark"})
    assert response.status_code == 403
    assert "open the form&#x27;s page again" in response.content.decode()


# --- Local paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/", "/workflows/?q=1#x", "/a//b", "/%2F%2Fevil.example"])
def test_paths_of_this_host_are_followed(url: str) -> None:
    assert local_path(url, "/default") == url


@pytest.mark.parametrize(
    "url",
    ["", None, "//evil.example", "/\\evil.example", "///evil.example", "https://evil.example/", "javascript:alert(1)",
     "evil", "\\\\evil.example", "/\t/evil.example", "\x01//evil.example", "http:evil.example"],
)  # fmt: skip
def test_addresses_elsewhere_are_not(url: str | None) -> None:
    assert not is_local_path(url)
    assert local_path(url, "/default") == "/default"


def test_an_address_of_this_host_loses_its_fragment() -> None:
    request = RequestFactory().get("/")
    assert path_on_this_host(request, "http://testserver/a?b=c#d") == "/a?b=c"
    assert path_on_this_host(request, "http://testserver//evil.example/") == ""
