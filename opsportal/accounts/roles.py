"""The three roles, what each may do, and who has which. A role is a Django group of the same name.

The apps' descriptors are the truth: after every `migrate` the groups hold exactly the permissions that `grants` says.
"""

from functools import cache
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db.models import Q, QuerySet

from opsportal.accounts.identity import Identity
from opsportal.accounts.one_entry import one_entry
from opsportal.descriptors import descriptors

# Each role may do what it is granted and what the roles before it are granted.
ROLES = VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"


@cache
def grants() -> dict[str, tuple[str, ...]]:
    """By role, the permissions that it is the least to have, as the apps' descriptors say."""
    return {
        role: tuple(
            permission for descriptor in descriptors() for permission in descriptor.grants.get(role, ())
        )
        for role in ROLES
    }


def permissions_of(role: str) -> frozenset[str]:
    """Every permission of `role`, those of the lesser roles included. KeyError: no such role."""
    if role not in ROLES:
        raise KeyError(role)
    lesser = ROLES[: ROLES.index(role) + 1]
    return frozenset(permission for name in lesser for permission in grants()[name])


def roles_with(permission: str) -> list[str]:
    """The roles that hold `permission`, the least first."""
    return [role for role in ROLES if permission in permissions_of(role)]


def staff_with(permission: str) -> QuerySet[User]:
    """The accounts whose role may do that, and that can sign in, by name."""
    may = Q(groups__name__in=roles_with(permission)) | Q(is_superuser=True)
    return User.objects.filter(may, is_active=True, is_staff=True).distinct().order_by("username")


def role_of(user: User | AnonymousUser) -> str:
    """The user's role: the greatest, if someone put them in several groups; "superuser"; or ""."""
    if not user.is_authenticated:
        return ""
    if user.is_superuser:
        return "superuser"
    identity: Identity | None = getattr(user, "identity", None)
    return identity.kept("role", lambda: _role(user)) if identity else _role(user)


def _role(user: User) -> str:
    groups = set(user.groups.values_list("name", flat=True))
    return next((role for role in reversed(ROLES) if role in groups), "")


def administrators() -> list[str]:
    """User names of at most five people who can grant a role."""
    users = User.objects.filter(
        Q(groups__name=ADMINISTRATOR) | Q(is_superuser=True), is_active=True, is_staff=True
    )
    return list(users.distinct().order_by("username").values_list("username", flat=True)[:5])


def sync_after_migrate(sender: AppConfig, using: str, apps: Any = installed_apps, **kwargs: Any) -> None:
    """Give the groups their permissions of the app just migrated, and take away any others of that app.

    Sent once per app. Permissions are made by a receiver of the same signal that may run after this one,
    so they are made here first.
    """
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        return  # auth is not migrated (yet, or any more)
    create_permissions(sender, verbosity=0, using=using, apps=apps)
    existing = permission_model.objects.using(using).filter(content_type__app_label=sender.label)
    by_codename = {permission.codename: permission for permission in existing}
    for role in ROLES:
        group, _ = group_model.objects.using(using).get_or_create(name=role)
        declared = {
            codename
            for label, _, codename in (permission.partition(".") for permission in permissions_of(role))
            if label == sender.label
        }
        held = set(
            group.permissions.filter(content_type__app_label=sender.label).values_list("codename", flat=True)
        )
        group.permissions.add(*(by_codename[name] for name in declared - held if name in by_codename))
        group.permissions.remove(*(by_codename[name] for name in held - declared))


class AccountExists(ValueError):
    """There is an account of this name, and it was not asked to change it."""


@one_entry()
def create_user(
    username: str, role: str, password: str | None, email: str = "", *, update: bool = False
) -> User:
    """A staff account in the one group of `role`.

    With `update`, an account of this name gets the role, the password (None keeps it) and the e-mail
    address (empty keeps it), and may sign in (again). Superusers stay superusers.

    Raises ValueError (unknown role, empty name or password) and AccountExists. The password is taken as
    it is: who asks a person for one checks it against the validators.
    """
    if role not in ROLES:
        raise ValueError(f"There is no role {role!r}; the roles are {', '.join(ROLES)}.")
    if not username.strip():
        raise ValueError("The user name is empty.")
    name = User.normalize_username(username)
    user = User.objects.select_for_update().filter(username=name).first()
    if user and not update:
        raise AccountExists(f"There is an account {name!r} already.")
    if user is None:
        if not password:
            raise ValueError("A new account needs a password.")
        user = User(username=name)
    user.is_staff = user.is_active = True
    if email:
        user.email = User.objects.normalize_email(email)
    if password:
        user.set_password(password)
    user.save()
    set_role(user, role)
    return user


@one_entry()
def set_role(user: User, role: str) -> None:
    """Put `user` into the group of `role` and out of the other roles'; other groups are kept."""
    group, _ = Group.objects.get_or_create(name=role)
    user.groups.remove(*user.groups.filter(name__in=ROLES).exclude(pk=group.pk))
    user.groups.add(group)
