"""What each role may do, and that `migrate` makes it so."""

from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from opsportal.accounts.roles import (
    ROLES,
    administrators,
    create_user,
    grants,
    permissions_of,
    role_of,
    roles_with,
)
from tests.cases import each

pytestmark = pytest.mark.django_db


def held(role: str) -> set[str]:
    permissions = Group.objects.get(name=role).permissions.select_related("content_type")
    return {f"{p.content_type.app_label}.{p.codename}" for p in permissions}


@pytest.mark.parametrize("role", ROLES)
def test_after_migrating_each_group_holds_exactly_what_is_declared(role: str) -> None:
    assert held(role) == permissions_of(role)


def test_each_greater_role_may_do_all_that_the_lesser_may() -> None:
    assert permissions_of("viewer") <= permissions_of("operator") < permissions_of("administrator")


@each("permission", [permission for granted in grants().values() for permission in granted])
def test_every_granted_permission_exists(permission: str) -> None:
    label, _, codename = permission.partition(".")
    assert Permission.objects.filter(content_type__app_label=label, codename=codename).exists(), (
        f"declare {codename!r} on the permission model of {label}"
    )


def test_only_administrators_may_change_accounts() -> None:
    assert roles_with("auth.change_user") == ["administrator"]
    assert roles_with("tracking.view_workflows") == list(ROLES)
    assert roles_with("no.such_permission") == []
    with pytest.raises(KeyError):
        permissions_of("emperor")


def test_migrating_again_mends_a_group_that_was_changed_by_hand() -> None:
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.set(Permission.objects.filter(codename__in=["change_user", "change_session"]))
    Group.objects.get(name="operator").delete()
    call_command("migrate", verbosity=0, stdout=StringIO())
    assert held("viewer") == permissions_of("viewer")
    assert held("operator") == permissions_of("operator")


def test_migrating_leaves_other_groups_alone() -> None:
    auditors = Group.objects.create(name="auditors")
    auditors.permissions.set(Permission.objects.filter(codename="view_user"))
    call_command("migrate", verbosity=0, stdout=StringIO())
    assert held("auditors") == {"auth.view_user"}


def test_the_models_have_their_migrations() -> None:
    assert apps.get_app_config("accounts").name == "opsportal.accounts"
    call_command("makemigrations", "accounts", check=True, dry_run=True, verbosity=0)


def test_a_users_role_is_the_greatest_group() -> None:
    user = create_user("ada", "viewer", "pw")
    assert role_of(user) == "viewer"
    user.groups.add(Group.objects.get(name="administrator"))
    assert role_of(user) == "administrator"
    assert role_of(User.objects.create_user("nobody", is_staff=True)) == ""
    assert role_of(User.objects.create_superuser("root")) == "superuser"


def test_those_who_can_grant_a_role_are_found() -> None:
    create_user("zoe", "administrator", "pw")
    create_user("ann", "viewer", "pw")
    gone = create_user("max", "administrator", "pw")
    gone.is_active = False
    gone.save()
    User.objects.create_superuser("root")
    assert administrators() == ["root", "zoe"]
