"""The three roles and what each may do. A role is a Django group of the same name.

This mapping is the truth: after every `migrate` the groups hold exactly these permissions. A new action
adds its permission ("app_label.codename", declared on its app's permission model) with one line here.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"

# Each role may do what it grants and what the roles above it grant.
GRANTS: dict[str, tuple[str, ...]] = {
    VIEWER: (
        "tracking.view_workflows",
        "requests_app.view_requests",
        "registry.view_agents",
        "operations.view_audit",
    ),
    OPERATOR: (
        "requests_app.submit_requests",
        "requests_app.cancel_requests",
        "requests_app.retry_requests",
        "requests_app.fail_requests",
        "requests_app.purge_requests",
        "tracking.cancel_workflows",
        "tracking.retry_workflows",
        "tracking.fail_workflows",
        "tracking.purge_workflows",
        "registry.register_agents",
        "registry.edit_agents",
        "registry.activate_agents",
        "registry.purge_agents",
        "registry.probe_agents",
        "operations.view_images",
        "alerts.view_alerts",
        "alerts.acknowledge_alerts",
        "tables.view_tables",
    ),
    ADMINISTRATOR: (
        "requests_app.complete_requests",
        "requests_app.purge_unfinished_requests",
        "tracking.complete_workflows",
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.delete_user",
        "auth.view_group",
        "mfa.view_authenticator",
        "mfa.delete_authenticator",
        "accounts.delete_savedview",
        "accounts.manage_tokens",
        "alerts.manage_alerts",
    ),
}
ROLES = tuple(GRANTS)


def permissions_of(role: str) -> frozenset[str]:
    """Every permission of `role`, those of the lesser roles included. KeyError: no such role."""
    lesser = ROLES[: ROLES.index(role) + 1] if role in GRANTS else ()
    if not lesser:
        raise KeyError(role)
    return frozenset(permission for name in lesser for permission in GRANTS[name])


def roles_with(permission: str) -> list[str]:
    """The roles that hold `permission`, the least first."""
    return [role for role in ROLES if permission in permissions_of(role)]


def role_of(user: User | AnonymousUser) -> str:
    """The user's role: the greatest, if someone put them in several groups; "superuser"; or ""."""
    if not user.is_authenticated:
        return ""
    if user.is_superuser:
        return "superuser"
    groups = set(user.groups.values_list("name", flat=True))
    return next((role for role in reversed(ROLES) if role in groups), "")


def administrators(limit: int = 5) -> list[str]:
    """User names of people who can grant a role."""
    users = User.objects.filter(
        Q(groups__name=ADMINISTRATOR) | Q(is_superuser=True), is_active=True, is_staff=True
    )
    return list(users.distinct().order_by("username").values_list("username", flat=True)[:limit])


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
