"""What the shell around every page needs, each read once and only when a template asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from opsportal.accounts.identity import Identity, identity_of
from opsportal.accounts.roles import role_of
from opsportal.console.frame import nav_links
from opsportal.descriptors import Page, descriptors
from opsportal.environments import colour_of

if TYPE_CHECKING:
    from opsportal.accounts.models import ViewLink

Made = TypeVar("Made")
REFRESH_CHOICES = ((0, "Off"), (2, "2 s"), (5, "5 s"), (30, "30 s"))
THEMES = (("system", "System", "device-desktop"), ("light", "Light", "sun"), ("dark", "Dark", "moon"))
DEFAULT_REFRESH_SECONDS = 30
# Of a session: the jobs whose end its person waits for (`opsportal.jobs.following`).
FOLLOWED_JOBS = "jobs"
OVERVIEW = Page("Overview", "layout-dashboard", "overview")


@dataclass(frozen=True)
class Link:
    label: str
    icon: str
    url: str
    current: bool
    count: int = 0


def pages() -> list[Page]:
    """The navigation."""
    return [OVERVIEW, *(descriptor.page for descriptor in descriptors() if descriptor.page)]


def version() -> str:
    """Of the scripts and styles that pages ask for now; "" where they are not collected."""
    return str(getattr(staticfiles_storage, "manifest_hash", ""))


class Shell:
    """The state of the shell for one request. Anonymous requests cost no query."""

    refresh_choices = REFRESH_CHOICES
    themes = THEMES

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def env(self) -> str:
        return str(settings.OPSPORTAL_ENV)

    @property
    def env_colour(self) -> str:
        """Of the stripe and the badge: grey, amber or red."""
        return settings.ENVIRONMENT_COLOUR or colour_of(settings.OPSPORTAL_ENV)

    @property
    def volatile(self) -> bool:
        """Whether the data ends with the engine's process."""
        return bool(settings.ENGINE_IS_VOLATILE)

    @property
    def actions_off(self) -> bool:
        return bool(settings.ACTIONS_OFF)

    @property
    def follows_jobs(self) -> bool:
        """Whether a notice says how far some jobs are; no query, since the session is loaded with the user."""
        session = getattr(self._request, "session", {})
        return self.user is not None and bool(session.get(FOLLOWED_JOBS))

    @property
    def version(self) -> str:
        return version()

    @cached_property
    def user(self) -> Any:
        """The signed-in user, or None."""
        user = getattr(self._request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @cached_property
    def preferences(self) -> Any:
        """The user's `Preferences`, or None for anonymous requests."""
        if self.user is None:
            return None
        from opsportal.accounts.models import preferences_of

        return self.kept("preferences", lambda: preferences_of(self.user))

    def kept(self, name: str, make: Callable[[], Made]) -> Made:
        """What `make` gives, for as long as nothing changes of who is signed in; see `Identity.kept`. Nobody's is made
        each time."""
        return make() if self.user is None else self._identity.kept(name, make)

    @cached_property
    def _identity(self) -> Identity:
        return identity_of(self.user)

    def saved_views(self, page: str) -> list[ViewLink]:
        """Of that page, the user's own and the shared ones."""
        from opsportal.accounts.models import view_links

        return self.kept("views", lambda: view_links(self.user.pk)).get(page, []) if self.user else []

    @property
    def theme(self) -> str:
        return self.preferences.theme if self.preferences else "system"

    @property
    def refresh_seconds(self) -> int:
        """Seconds between two polls; 0 = off."""
        return self.preferences.refresh_seconds if self.preferences else DEFAULT_REFRESH_SECONDS

    @cached_property
    def zone(self) -> ZoneInfo:
        """The user's time zone."""
        return self.preferences.zone if self.preferences else ZoneInfo("UTC")

    @cached_property
    def role(self) -> str:
        """The strongest role of the user, or `superuser`, or empty."""
        return "" if self.user is None else role_of(self.user) or "no role"

    @cached_property
    def nav(self) -> list[Link]:
        """The pages that exist and that the user may open."""
        path = self._request.path
        return [
            Link(
                page.label,
                page.icon,
                url,
                path.startswith(page.prefix) if page.prefix else path == url,
                page.count() if page.count else 0,
            )
            for page, url in self.kept("pages", self._pages)
        ]

    def _pages(self) -> list[tuple[Page, str]]:
        found = []
        for page in pages():
            if page.permission and not (self.user and self.user.has_perm(page.permission)):
                continue
            with suppress(NoReverseMatch):
                found.append((page, reverse(page.url_name)))
        return found

    @property
    def shortcuts(self) -> list[Link]:
        """The forms of any page that the user may open."""
        every = (page for descriptor in descriptors() for page in descriptor.shortcuts)
        allowed = [page for page in every if self.user and self.user.has_perm(page.permission)]
        found = []
        for page in allowed:
            with suppress(NoReverseMatch):
                found.append(Link(page.label, page.icon, reverse(page.url_name), False))
        return found

    @cached_property
    def nav_links(self) -> SafeString:
        """The navigation, which a page has twice: next to it, and in a menu of narrow screens."""
        return nav_links(self.nav)


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Context processor: `shell` in every template."""
    return {"shell": Shell(request)}
