"""Who may see what. Every view carries a mark; a view without one is refused (see `middleware`).

`@requires("tracking.view_workflows")`, `@staff` and `@public` set the mark, `access_of` finds it, and
`THIRD_PARTY` holds the marks of views that are not ours. The guard of an operation of the API reads the same mark
(`opsportal.api.site`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from opsportal.accounts.roles import administrators, roles_with

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """A view's mark. `own`: the view authenticates and authorises by itself (the API)."""

    kind: Literal["public", "staff", "permission", "own"]
    permission: str = ""


PUBLIC = Access("public")
STAFF = Access("staff")
OWN = Access("own")


def public(view: View) -> View:
    """Anyone may call this view; nothing of the data may be in its answer."""
    view.login_required = False  # type: ignore[attr-defined]
    return _marked(view, PUBLIC)


def staff(view: View) -> View:
    """Any signed-in staff account may call this view; any live token, where it is an operation."""
    return _marked(view, STAFF)


def requires(permission: str) -> Callable[[View], View]:
    """Staff accounts that hold `permission` ("app_label.codename") may call this view or operation."""
    access = Access("permission", permission)

    return lambda view: _marked(view, access)


def _marked(view: View, access: Access) -> View:
    view.access = access  # type: ignore[attr-defined]
    return view


# Views of other packages, by URL name; "<namespace>:*" is every view of a namespace.
THIRD_PARTY: dict[str, Access] = {
    # It only redirects, to the one login.
    "admin:login": PUBLIC,
    # Its own checks per model come on top.
    "admin:*": Access("permission", "auth.view_user"),
    # Each operation has its own guard, see `requires`; 401 and 403 are JSON there.
    "api:*": OWN,
    "account_login": PUBLIC,
    "account_inactive": PUBLIC,
    # Of anyone signed in, staff or no longer staff.
    "account_logout": PUBLIC,
    "account_change_password": STAFF,
    "account_reauthenticate": STAFF,
    # The second factor is asked for before anyone is signed in.
    "mfa_authenticate": PUBLIC,
    "mfa_reauthenticate": STAFF,
    "mfa_activate_totp": STAFF,
    "mfa_deactivate_totp": STAFF,
    "openid_connect_login": PUBLIC,
    "openid_connect_callback": PUBLIC,
    "socialaccount_login_cancelled": PUBLIC,
    "socialaccount_login_error": PUBLIC,
    "socialaccount_connections": STAFF,
}


def person(request: HttpRequest) -> User:
    """The signed-in person."""
    assert isinstance(request.user, User)  # the views' marks let nobody else in
    return request.user


def access_of(view: Callable[..., Any], name: str) -> Access | None:
    """The mark of `view`, whose full URL name is `name` (may be empty); None: it is refused to everyone."""
    marked: Access | None = getattr(view, "access", None)
    if marked is not None:
        return marked
    namespace = name.rpartition(":")[0]
    return THIRD_PARTY.get(name) or (THIRD_PARTY.get(f"{namespace}:*") if namespace else None)


@dataclass(frozen=True)
class Refusal:
    """Why a person may not do something, in the shape that the problem page shows."""

    sentence: str
    fix: str = ""
    title: str = "You may not see this"
    permission: str = ""
    kind: str = "refused"
    status: int = 403
    statement: str = ""
    retry: bool = False


def refusal(user: User | AnonymousUser, access: Access | None) -> Refusal | None:
    """Why the signed-in `user` may not call a view with this mark; None if they may."""
    if access is None:
        return Refusal(
            "No access rule is declared for this address, so it is refused to everyone.",
            "This is a defect of the console: report it with the address.",
        )
    if access.kind in ("public", "own"):
        return None
    if not (user.is_active and user.is_staff):
        return Refusal(
            "This account is not a staff account.",
            "An administrator of the console can make it one.",
        )
    if access.kind == "permission" and not user.has_perm(access.permission):
        return lacking(access.permission)
    return None


def lacking(permission: str) -> Refusal:
    """The refusal for want of `permission`: which one, who has it, who can grant it."""
    roles = " or ".join(roles_with(permission))
    held = f", which the role {roles} has" if roles else ""
    names = administrators()
    who = f"An administrator ({', '.join(names)})" if names else "An administrator"
    sees = permission.partition(".")[2].startswith("view_")
    return Refusal(
        f"You need the permission {permission}{held}.",
        f"{who} can give you that role." if roles else f"{who} can say who may do this.",
        title="You may not see this" if sees else "You may not do this",
        permission=permission,
    )


def is_local_path(url: str | None) -> bool:
    """True for a path on this host: neither an address elsewhere nor one that a browser takes for one."""
    # Django takes no URL of more than 2,048 characters, and addresses of items have up to 6,000. Without control
    # characters, which browsers skip, whose host it is stands at its beginning.
    return (
        url is not None
        and url.startswith("/")
        and not _CONTROL.search(url)
        and url_has_allowed_host_and_scheme(url[:1_000], allowed_hosts=None)
    )


def local_path(url: str | None, default: str = "/") -> str:
    """`url` if it is a path on this host, else `default`. For every redirect target from a request."""
    return url if url and is_local_path(url) else default


def path_on_this_host(request: HttpRequest, address: str) -> str:
    """The path and query of a full `address` (Referer, HX-Current-URL) of this host, else ""."""
    parts = urlsplit(address)
    if parts.netloc != request.get_host():
        return ""
    return local_path(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", "")
