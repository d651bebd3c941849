"""/admin/: administrators manage accounts and roles, and can't become more than that."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission, User

from opsportal.accounts.admin import site
from opsportal.accounts.roles import role_of
from tests.conftest import PASSWORD

USERS = "/admin/auth/user/"


def fields(**changes: Any) -> dict[str, Any]:
    """A change form as the browser sends it."""
    return {"username": "viewer", "email": "", "first_name": "", "last_name": "", "is_active": "on", "is_staff": "on",
            "role": "viewer"} | changes  # fmt: skip


def change(client: Any, user: User, **changes: Any) -> Any:
    return client.post(f"{USERS}{user.pk}/change/", fields(username=user.username, **changes))


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def test_nothing_of_the_data_and_no_secret_is_managed_here() -> None:
    assert {model._meta.label for model in site._registry} == {"auth.User", "auth.Group", "mfa.Authenticator"}


@pytest.mark.parametrize(
    "url", ["", "auth/user/", "auth/user/add/", "auth/group/", "mfa/authenticator/", "auth/"]
)
def test_administrators_open_every_page(client_for: Any, url: str) -> None:
    client = client_for("administrator")
    response = client.get(f"/admin/{url}")
    assert response.status_code == 200
    assert "style=" not in response.content.decode()


def test_an_administrator_makes_an_account(client_for: Any) -> None:
    form = {"username": "ada", "email": "ada@example.com", "role": "operator", "usable_password": "true",
            "password1": PASSWORD, "password2": PASSWORD, "is_superuser": "on"}  # fmt: skip
    response = client_for("administrator").post(f"{USERS}add/", form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    user = User.objects.get(username="ada")
    assert (role_of(user), user.is_staff, user.is_superuser) == ("operator", True, False)
    assert user.check_password(PASSWORD)


def test_an_administrator_changes_a_role(client_for: Any, viewer: User) -> None:
    assert change(client_for("administrator"), viewer, role="operator").status_code == 302
    assert [group.name for group in viewer.groups.all()] == ["operator"]


def test_an_administrator_cannot_make_a_superuser_or_hand_out_permissions(
    client_for: Any, viewer: User
) -> None:
    permission = Permission.objects.get(codename="delete_group")
    response = change(
        client_for("administrator"),
        viewer,
        is_superuser="on",
        user_permissions=[str(permission.pk)],
        groups=["1", "2"],
    )
    assert response.status_code == 302
    viewer.refresh_from_db()
    assert not viewer.is_superuser
    assert not viewer.user_permissions.exists()
    assert [group.name for group in viewer.groups.all()] == ["viewer"]


def test_an_administrator_cannot_touch_a_superuser(client_for: Any, root: User) -> None:
    client = client_for("administrator")
    assert change(client, root, email="mine@example.com").status_code == 403
    form = {"password1": "taken over!!", "password2": "taken over!!", "usable_password": "true"}
    assert client.post(f"{USERS}{root.pk}/password/", form).status_code == 403
    assert client.post(f"{USERS}{root.pk}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [str(root.pk)], "post": "yes"}
    assert client.post(USERS, action).status_code == 403
    root.refresh_from_db()
    assert (root.email, root.check_password(PASSWORD)) == ("", True)


def test_an_administrator_does_not_lock_themselves_out(client_for: Any, administrator: User) -> None:
    client = client_for("administrator")
    form = fields(username="administrator", role="viewer", email="me@example.com")
    del form["is_active"], form["is_staff"]
    assert client.post(f"{USERS}{administrator.pk}/change/", form).status_code == 302
    assert client.post(f"{USERS}{administrator.pk}/delete/", {"post": "yes"}).status_code == 403
    user = User.objects.get(pk=administrator.pk)
    assert (user.email, user.is_active, user.is_staff, role_of(user)) == (
        "me@example.com",
        True,
        True,
        "administrator",
    )


def test_an_administrator_deletes_and_deactivates_others(
    client_for: Any, viewer: User, operator: User
) -> None:
    client = client_for("administrator")
    assert client.post(f"{USERS}{viewer.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=viewer.pk).exists()
    form = fields(username="operator", role="operator")
    del form["is_active"]
    assert client.post(f"{USERS}{operator.pk}/change/", form).status_code == 302
    operator.refresh_from_db()
    assert not operator.is_active


def test_an_administrator_resets_a_password(client_for: Any, viewer: User) -> None:
    form = {
        "password1": "another correct staple",
        "password2": "another correct staple",
        "usable_password": "true",
    }
    assert client_for("administrator").post(f"{USERS}{viewer.pk}/password/", form).status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password("another correct staple")


def test_a_superuser_may_do_the_rest(client: Any, root: User, viewer: User) -> None:
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    assert "user_permissions" in client.get(f"{USERS}{viewer.pk}/change/").content.decode()
    assert change(client, viewer, is_superuser="on").status_code == 302
    viewer.refresh_from_db()
    assert viewer.is_superuser
    # A superuser needs no role.
    assert change(client, root, role="", is_superuser="on").status_code == 302


def test_roles_are_looked_at_not_changed(client_for: Any) -> None:
    client = client_for("administrator")
    group = Group.objects.get(name="viewer")
    url = f"/admin/auth/group/{group.pk}/change/"
    assert "tracking.view_workflows" in client.get(url).content.decode()
    before = set(group.permissions.all())
    assert client.post(url, {"name": "viewer", "permissions": ["1"]}).status_code == 403
    assert client.get("/admin/auth/group/add/").status_code == 403
    assert client.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 403
    assert set(group.permissions.all()) == before


def test_a_lost_second_factor_is_taken_away_without_showing_its_secret(client_for: Any, viewer: User) -> None:
    factor = Authenticator.objects.create(user=viewer, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    client = client_for("administrator")
    for url in ("/admin/mfa/authenticator/", f"/admin/mfa/authenticator/{factor.pk}/change/"):
        page = client.get(url)
        assert page.status_code == 200
        assert "JBSWY3DPEHPK3PXP" not in page.content.decode()
    assert client.post(f"/admin/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Authenticator.objects.exists()


def test_passwords_and_logins_have_one_place(client_for: Any) -> None:
    client = client_for("administrator")
    assert client.get("/admin/password_change/")["Location"] == "/accounts/password/change/"
    assert client.get("/admin/login/")["Location"] == "/accounts/login/?next=/admin/"
    assert client.get("/admin/login/?next=//evil.example")["Location"] == "/accounts/login/?next=/admin/"
    assert client.post("/admin/logout/")["Location"] == "/accounts/login/"
