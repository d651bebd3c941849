"""How often somebody may fail to sign in, by password or by code.

One who knows a name must be able neither to guess its password nor to keep its owner out. So failures count by name and
address; by address, whatever the names; and by name, from wherever they come. A browser that has signed in to the account
before is known by a cookie and has a count of its own: no stranger's failures keep it out.
"""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from allauth.account.internal.userkit import filter_users_by_email, filter_users_by_username
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse

from opsportal.accounts.throttle import Exceeded, Limit, network
from opsportal.telemetry.access_log import address_of

SALT = "opsportal.accounts.device"
LIFE = timedelta(days=365)

BY_NAME = "name"


def limits(request: HttpRequest, kind: str, who: Iterable[str]) -> list[Limit]:
    """For a failure of `who`: see `who_is`. `kind`: "password" or "code"."""
    who = sorted(who)
    if any(device := _device(request, one) for one in who):
        return [Limit(f"{kind} device", 5, 300, device)]
    address = network(address_of(request))
    return [
        Limit(f"{kind} address", 10, 60, address),
        *(Limit(f"{kind} name and address", 5, 300, f"{one} {address}") for one in who),
        *(Limit(f"{kind} {BY_NAME}", 30, 3_600, one) for one in who),
    ]


def who_is(login: str) -> set[str]:
    """Whose password is tried, however the name is written: the accounts of that user name or e-mail address, else
    the name itself, so that an unknown one looks the same."""
    found = {*filter_users_by_username(login), *filter_users_by_email(login, for_login=True)}
    return {account(user) for user in found} or {f"unknown {login.casefold()}"}


def account(user: AbstractBaseUser) -> str:
    return f"user {user.pk}"


def sentence(exceeded: Exceeded) -> str:
    minutes, seconds = divmod(exceeded.wait, 60)
    parts = [f"{minutes} min"] * bool(minutes) + [f"{seconds} s"] * bool(seconds)
    more = (
        " A browser that has signed in to this account before can still do so."
        if exceeded.limit.name.endswith(f" {BY_NAME}")
        else ""
    )
    return f"Too many failed attempts. Try again in {' '.join(parts)}.{more}"


def _device(request: HttpRequest, who: str) -> str:
    """The value of the browser's cookie, where it is that account's."""
    name: str = settings.DEVICE_COOKIE_NAME
    value: Any = request.get_signed_cookie(name, default="", salt=SALT, max_age=LIFE)
    return value if value.startswith(f"{who} ") else ""


def remember(request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
    """The browser has signed in to this account. It gives no access: the password is asked for as before."""
    value = _device(request, account(user)) or f"{account(user)} {secrets.token_urlsafe(16)}"
    response.set_signed_cookie(
        settings.DEVICE_COOKIE_NAME,
        value,
        salt=SALT,
        max_age=LIFE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
