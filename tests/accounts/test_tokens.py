"""API tokens: what they may, how they are kept, and the page that makes and revokes them."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from opsportal.accounts import tokens
from opsportal.accounts.roles import grants, permissions_of, set_role
from opsportal.accounts.scopes import all_scopes, allowed_by, scope_with
from opsportal.accounts.tokens import ApiToken
from opsportal.urls import api

URL = "/accounts/tokens/"


def made(owner: Any, /, *scopes: str, **more: Any) -> tuple[ApiToken, str]:
    given = {"name": "ci", "days": 30, "made_by": owner, "owner": owner, **more}
    return tokens.make(given.pop("name"), list(scopes or all_scopes()), **given)


# --- Scopes -----------------------------------------------------------------------------------------------


def test_a_scope_holds_permissions_that_roles_have() -> None:
    known = {permission for granted in grants().values() for permission in granted}
    assert allowed_by(all_scopes()) <= known


def test_no_scope_reaches_accounts_or_images_and_purges_only_by_jobs() -> None:
    for permission in permissions_of("administrator") - allowed_by(all_scopes()):
        assert scope_with(permission) == ""
    out_of_reach = ("image", "auth.", "mfa.", "accounts.", "edit_agents")
    assert not [one for one in allowed_by(all_scopes()) if any(word in one for word in out_of_reach)]
    purging = {one.name for one in all_scopes().values() if any("purge" in name for name in one.permissions)}
    assert purging == {"request:purge", "workflow:purge", "agent:purge"}
    asked = {operation.auth_callbacks[0].access.permission for operation in api.operations()}  # type: ignore[attr-defined]
    assert asked
    assert not [permission for permission in asked if "purge" in permission]


def test_a_scope_that_nobody_knows_allows_nothing(operator: Any) -> None:
    token, _ = made(operator, "workflows:read")
    token.scopes = ["workflows:all", "requests:read", 7, None]
    assert token.scope_names == ["requests:read"]
    token.scopes = "requests:read"
    assert token.scope_names == []
    assert not token.may("requests_app.view_requests")


# --- The token ----------------------------------------------------------------------------------------------


def test_the_text_of_a_token_is_kept_nowhere(operator: Any) -> None:
    token, text = made(operator)
    assert re.fullmatch(r"opsp_[\w-]{43}", text)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apitoken")
        row = " ".join(map(str, cursor.fetchone()))
    assert text[len(token.prefix) :] not in row
    assert token.prefix == text[:11]
    assert hashlib.sha256(text.encode()).hexdigest() in row


def test_two_tokens_are_never_the_same(operator: Any) -> None:
    assert len({made(operator, name=f"t{number}")[1] for number in range(20)}) == 20


def test_a_token_is_found_by_its_whole_text_only(operator: Any) -> None:
    token, text = made(operator)
    found = ApiToken.objects.of_text(text)
    assert found == token
    for other in (text[:-1], text + "x", text.lower(), token.digest, token.prefix, "", "opsp_", "\ud800"):
        assert ApiToken.objects.of_text(other) is None


def test_a_token_may_what_its_person_may_now(operator: Any) -> None:
    token, text = made(operator)
    assert token.may("requests_app.cancel_requests")
    set_role(operator, "viewer")
    token = ApiToken.objects.of_text(text)  # type: ignore[assignment]
    assert not token.may("requests_app.cancel_requests")
    assert token.may("requests_app.view_requests")


def test_a_token_of_an_administrator_may_no_more_than_its_scopes(administrator: Any) -> None:
    token, _ = made(administrator, "requests:read")
    assert token.may("requests_app.view_requests")
    for permission in permissions_of("administrator") - {"requests_app.view_requests"}:
        assert not token.may(permission)


def test_a_service_has_the_rights_of_its_role(administrator: Any) -> None:
    token, _ = made(administrator, owner=None, role="viewer")
    assert token.actor_name == "service ci"
    assert token.acting_role == "viewer"
    assert token.may("tracking.view_workflows")
    assert not token.may("tracking.cancel_workflows")
    token.role = "administrator"  # none that a service can be given
    assert not token.may("tracking.view_workflows")


def test_a_token_lives_until_it_expires_or_is_revoked(operator: Any) -> None:
    token, _ = made(operator, days=1)
    assert token.state == "live"
    token.expires_at = timezone.now() - timedelta(seconds=1)
    assert token.state == "expired"
    token.revoke(operator)
    first = ApiToken.objects.get()
    token.revoke(operator)
    assert ApiToken.objects.get().revoked_at == first.revoked_at
    assert (first.state, first.revoked_by) == ("revoked", operator)


def test_the_last_use_is_written_at_most_once_a_minute(operator: Any, django_assert_num_queries: Any) -> None:
    token, _ = made(operator)
    now = timezone.now()
    token.note_use(now)
    assert ApiToken.objects.get().last_used_at == now
    used = ApiToken.objects.get()
    with django_assert_num_queries(0):
        used.note_use(now + timedelta(seconds=59))
    # Another process has read the token before it was used.
    token.note_use(now + timedelta(seconds=59))
    assert ApiToken.objects.get().last_used_at == now
    used.note_use(now + timedelta(seconds=60))
    assert ApiToken.objects.get().last_used_at == now + timedelta(seconds=60)


def test_one_name_is_one_live_token_of_a_person_or_of_the_services(operator: Any, administrator: Any) -> None:
    mine, _ = made(operator)
    made(administrator)
    service, _ = made(administrator, owner=None, role="viewer")
    for again in ({"owner": operator}, {"owner": None, "role": "operator"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            made(administrator, **again)
    mine.revoke(operator)
    service.revoke(administrator)
    made(operator)
    made(administrator, owner=None, role="viewer")
    assert ApiToken.objects.count() == 5


def test_a_persons_tokens_go_with_them_and_those_they_made_stay(operator: Any, administrator: Any) -> None:
    made(administrator)
    made(administrator, name="s", owner=None, role="viewer")
    administrator.delete()
    assert [token.actor_name for token in ApiToken.objects.all()] == ["service s"]


# --- The page -------------------------------------------------------------------------------------------------


def form(**changes: Any) -> dict[str, Any]:
    return {"name": "ci", "scopes": ["requests:read"], "days": "30", **changes}


def text_of(page: str) -> str:
    (found,) = set(re.findall(r"opsp_[\w-]{43}", page))
    return found


def test_a_person_makes_a_token_that_is_shown_once(client_for: Any, operator: Any) -> None:
    client = client_for("operator")
    answer = client.post(URL, form())
    text = text_of(answer.content.decode())
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    token = ApiToken.objects.of_text(text)
    assert token is not None
    assert (token.owner, token.made_by, token.role) == (operator, operator, "")
    assert token.scope_names == ["requests:read"]
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    page = client.get(URL).content.decode()
    assert text not in page
    assert token.prefix in page


def test_the_log_has_who_made_and_revoked_it_and_never_its_text(
    client_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "opsportal.accounts.views")
    client = client_for("operator")
    text = text_of(client.post(URL, form()).content.decode())
    client.post(f"{URL}{ApiToken.objects.get().pk}/revoke/")
    assert "'operator via token ci'" in caplog.text
    assert "made by 'operator'" in caplog.text
    assert "revoked by 'operator'" in caplog.text
    assert text not in caplog.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "two words"}, "Letters, digits"),
        ({"name": "x" * 41}, "at most 40"),
        ({"name": "a\n"}, ""),
        ({"scopes": []}, "Choose at least one"),
        ({"scopes": ["audit:write"]}, "not one of the available"),
        ({"scopes": ["requests:write"]}, "not one of the available"),  # a viewer may write nothing
        ({"days": "0"}, "greater than or equal to 1"),
        ({"days": "366"}, "less than or equal to 365"),
        ({"days": "soon"}, "whole number"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client_for: Any, changes: Any, sentence: str) -> None:
    answer = client_for("viewer").post(URL, form(**changes))
    if not sentence:  # a break at the end is no part of the name
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_a_name_that_lives_is_refused(client_for: Any) -> None:
    client = client_for("operator")
    client.post(URL, form())
    answer = client.post(URL, form())
    assert answer.status_code == 422
    assert "There is a live token of this name." in answer.content.decode()
    assert ApiToken.objects.count() == 1


def test_the_name_of_an_expired_token_can_be_given_again(client_for: Any, operator: Any, viewer: Any) -> None:
    mine, _ = made(operator)
    others, _ = made(viewer)
    service, _ = made(operator, owner=None, role="viewer")
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client_for("operator").post(URL, form()).status_code == 200
    assert ApiToken.objects.get(pk=mine.pk).state == "revoked"
    assert {token.pk for token in ApiToken.objects.filter(revoked_at=None, expires_at__lt=timezone.now())} == {
        others.pk, service.pk,
    }  # fmt: skip
    assert client_for("administrator").post(URL, form(whose="service", role="viewer")).status_code == 200
    assert ApiToken.objects.get(pk=service.pk).state == "revoked"
    assert ApiToken.objects.get(pk=others.pk).state == "expired"


def test_only_administrators_make_tokens_of_services(client_for: Any) -> None:
    wish = form(whose="service", role="operator")
    client_for("operator").post(URL, wish)
    assert ApiToken.objects.get().owner is not None
    client_for("administrator").post(URL, wish)
    token = ApiToken.objects.get(owner=None)
    assert (token.actor_name, token.role) == ("service ci", "operator")
    answer = client_for("administrator").post(URL, form(name="x", whose="service", role=""))
    assert "A service needs a role." in answer.content.decode()
    answer = client_for("administrator").post(URL, form(name="x", whose="service", role="administrator"))
    assert answer.status_code == 422


def test_administrators_see_and_revoke_every_token_others_their_own(
    client_for: Any, operator: Any, viewer: Any
) -> None:
    token, _ = made(operator, name="of-operator")
    assert "of-operator" not in client_for("viewer").get(URL).content.decode()
    assert client_for("viewer").post(f"{URL}{token.pk}/revoke/").status_code == 404
    assert ApiToken.objects.get().state == "live"
    assert "of-operator" in client_for("administrator").get(URL).content.decode()
    assert client_for("administrator").post(f"{URL}{token.pk}/revoke/")["Location"] == URL
    assert ApiToken.objects.get().state == "revoked"
    mine, _ = made(viewer, name="mine")
    page = client_for("viewer").get(f"{URL}{mine.pk}/revoke/").content.decode()
    assert "Revoke “mine”" in page
    assert ApiToken.objects.get(pk=mine.pk).state == "live"  # asked only
    assert client_for("operator").get(f"{URL}{mine.pk}/revoke/").status_code == 404
    assert client_for("viewer").get(f"{URL}{token.pk}/revoke/").status_code == 404
    client_for("viewer").post(f"{URL}{mine.pk}/revoke/")
    assert ApiToken.objects.get(pk=mine.pk).state == "revoked"
    assert client_for("viewer").get(f"{URL}{mine.pk}/revoke/")["Location"] == URL


def test_a_services_token_outlives_its_makers_account_and_administrators_see_it(
    client_for: Any, operator: Any, client: Client
) -> None:
    _, text = made(operator, name="nightly", owner=None, role="viewer")  # who was an administrator then
    viewing = client_for("administrator")
    assert "not active any more" not in viewing.get(URL).content.decode()
    operator.is_active = False
    operator.save()
    answer = client.get("/api/audit/nothing", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 404  # let in, and nothing found
    assert "not active any more" in viewing.get(URL).content.decode()


def test_revoking_needs_post_and_the_forms_token(operator: Any, client_for: Any) -> None:
    token, _ = made(operator)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(f"{URL}{token.pk}/revoke/").status_code == 403
    assert client_for("operator").get(f"{URL}{token.pk}/revoke/").status_code == 200
    assert ApiToken.objects.get().state == "live"


def test_what_is_no_scope_of_ones_role_is_not_offered(client_for: Callable[[str], Client]) -> None:
    page = client_for("viewer").get(URL).content.decode()
    assert 'value="requests:read"' in page
    assert 'value="requests:write"' not in page
    assert 'name="whose"' not in page
