"""Making accounts outside the admin: the first administrator, the demo's people."""

from django.contrib.auth.models import Group, User
from django.db import transaction

from opsportal.accounts.roles import ROLES


class AccountExists(ValueError):
    """There is an account of this name, and it was not asked to change it."""


@transaction.atomic
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


def set_role(user: User, role: str) -> None:
    """Put `user` into the group of `role` and out of the other roles'; other groups are kept."""
    group, _ = Group.objects.get_or_create(name=role)
    user.groups.remove(*user.groups.filter(name__in=ROLES).exclude(pk=group.pk))
    user.groups.add(group)
